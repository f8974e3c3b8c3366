//! Who is listened to on one link.
use crate::{
    address::Address,
    radio::Watched,
    unit::{Unit, Whom},
};
use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

/// Who is listened to. Those with an address are found by it, for there may be hundreds in the air and here.
#[derive(Debug, Default)]
pub(crate) struct Known {
    addresses: HashMap<Address, Vec<Weak<Unit>>>,
    names: Vec<Weak<Unit>>,
}

impl Known {
    pub(crate) fn all(&self) -> impl Iterator<Item = Arc<Unit>> {
        self.addresses.values().flatten().chain(&self.names).filter_map(Weak::upgrade)
    }
    /// Whether somebody is gone.
    pub(crate) fn forget_the_gone(&mut self) -> bool {
        let mut gone = false;
        let mut keep = |known: &Weak<Unit>| {
            let here = known.strong_count() > 0;
            gone |= !here;
            here
        };
        self.names.retain(&mut keep);
        self.addresses.values_mut().for_each(|known| known.retain(&mut keep));
        self.addresses.retain(|_, known| !known.is_empty());
        gone
    }
    /// False: it is known already.
    pub(crate) fn add(&mut self, unit: &Arc<Unit>) -> bool {
        let place = match &unit.whom {
            Whom::Address(address) => self.addresses.entry(*address).or_default(),
            Whom::Name(_) => &mut self.names,
        };
        let new = !place.iter().any(|known| known.as_ptr() == Arc::as_ptr(unit));
        if new {
            place.push(Arc::downgrade(unit));
        }
        new
    }
    /// Those whom it may be that is heard at this address.
    pub(crate) fn at(&self, address: Address) -> impl Iterator<Item = Arc<Unit>> {
        self.addresses.get(&address).into_iter().flatten().chain(&self.names).filter_map(Weak::upgrade)
    }
    pub(crate) fn watched(&self) -> Watched {
        let mut watched = Watched::default();
        for unit in self.all() {
            watched.always |= unit.listens();
            match &unit.whom {
                Whom::Address(address) => drop(watched.addresses.insert(*address)),
                Whom::Name(name) => *watched.names.entry(name.clone()).or_default() += 1,
            }
        }
        watched
    }
}
