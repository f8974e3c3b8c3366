//! What there is: devices, connections held, and what the adapter has yet to tell.
use super::{Address, Advert, Can, Characteristic, Error};
use pollux_ble::radio::{Event, Watched};
use pollux_ble_codec::Uuid;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};
use tokio::time::Instant;

/// How a device answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Say {
    #[default]
    Good,
    Refuse(&'static str),
    /// It refuses to be read, and is written.
    Unreadable,
    /// It takes the request and does not answer.
    Hang,
    /// It takes the request, and its connection breaks.
    Drop,
}
/// How connecting goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dial {
    Takes(Duration),
    Refused,
    Hangs,
}
impl Default for Dial {
    fn default() -> Self {
        Self::Takes(Duration::ZERO)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) handle: u16,
    pub(crate) uuid: Uuid,
    pub(crate) can: Can,
    pub(crate) value: Vec<u8>,
    pub(crate) says: Say,
    /// What was written, and whether with an answer.
    pub(crate) writes: Vec<(Vec<u8>, bool)>,
    pub(crate) reads: usize,
    /// So often it was asked to notify.
    pub(crate) asked: usize,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Device {
    pub(crate) present: bool,
    pub(crate) name: Option<String>,
    /// It advertises so often, and this.
    pub(crate) every: Option<Duration>,
    pub(crate) advert: Advert,
    pub(crate) dial: Dial,
    pub(crate) places: Vec<Place>,
    /// It takes all requests, and answers none.
    pub(crate) mute: bool,
    /// Its connection breaks after each read.
    pub(crate) flees: bool,
    /// So many of the next connections break as soon as it is asked to notify.
    pub(crate) breaks: usize,
    pub(crate) subscribed: BTreeSet<u16>,
    pub(crate) dials: usize,
    /// When it answered a read.
    pub(crate) served: Vec<Instant>,
    pub(crate) next: Option<Instant>,
}

impl Device {
    pub(crate) fn place(&mut self, handle: u16) -> &mut Place {
        self.places.iter_mut().find(|place| place.handle == handle).expect("a place")
    }
}

#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) devices: BTreeMap<Address, Device>,
    /// Connections, also those that are being made.
    pub(crate) held: BTreeSet<Address>,
    /// The most of them at once.
    pub(crate) most: usize,
    /// More the controller does not carry.
    pub(crate) limit: Option<usize>,
    /// So many it refused.
    pub(crate) refused: usize,
    /// What it was seen to carry.
    pub(crate) learned: Option<usize>,
    pub(crate) watched: Watched,
    /// What was heard of each last.
    pub(crate) said: BTreeMap<Address, Advert>,
    /// Events that reached the driver.
    pub(crate) told: usize,
    pub(crate) events: VecDeque<Event>,
    pub(crate) gone: Option<Error>,
}

impl World {
    pub(crate) fn of(&mut self, address: Address) -> &mut Device {
        self.devices.get_mut(&address).expect("a device")
    }
    pub(crate) fn take(&mut self, address: Address) -> Result<(), Error> {
        if self.limit.is_some_and(|limit| self.held.len() >= limit) {
            self.refused += 1;
            self.learned = Some(self.held.len().max(1));
            return Err(Error::Connect(address, "connection-limit-exceeded".to_owned()));
        }
        self.held.insert(address);
        self.most = self.most.max(self.held.len());
        self.of(address).dials += 1;
        Ok(())
    }
    /// Nobody is dialled who was not heard, if only by the stack.
    pub(crate) fn overhear(&mut self, address: Address) {
        let advert = self.of(address).advert.clone();
        self.said.entry(address).or_insert(advert);
    }
    /// There is no connection any more, and the adapter says so.
    pub(crate) fn end(&mut self, address: Address) {
        if self.held.remove(&address) {
            self.of(address).subscribed.clear();
            self.events.push_back(Event::Disconnected(address));
        }
    }
    pub(crate) fn notify(&mut self, address: Address, handle: u16, value: &[u8]) {
        let device = self.of(address);
        device.place(handle).value = value.to_vec();
        if device.subscribed.contains(&handle) {
            self.events.push_back(Event::Notified(address, handle, value.to_vec()));
        }
    }
    pub(crate) fn advertise(&mut self, address: Address, advert: Advert) {
        let known = self.devices.get(&address).and_then(|device| device.name.as_ref());
        let named = advert.name.as_ref().or(known).is_some_and(|name| self.watched.names.contains_key(name));
        if named || self.watched.addresses.contains(&address) {
            self.said.insert(address, advert.clone());
            self.events.push_back(Event::Heard(address, advert));
        }
    }
    /// The stack hangs: what is connected stays so.
    pub(crate) fn hang(&mut self) {
        self.gone = Some(Error::Hung("Ping"));
        self.events.clear();
        (self.watched, self.learned) = (Watched::default(), None);
        self.said.clear();
    }
    pub(crate) fn unplug(&mut self) {
        self.gone = Some(Error::NoAdapter("adapter hci0 was removed".to_owned()));
        self.held.clear();
        self.events.clear();
        (self.watched, self.learned) = (Watched::default(), None);
        self.said.clear();
        self.devices.values_mut().for_each(|device| device.subscribed.clear());
    }
    /// Who advertises by now does; when the next will.
    pub(crate) fn advertisers(&mut self, now: Instant) -> Option<Instant> {
        let mut heard = vec![];
        for (address, device) in &mut self.devices {
            let Some(every) = device.every else { continue };
            let next = device.next.unwrap_or(now);
            if next > now {
                continue;
            }
            device.next = Some(now + every);
            // One that is connected does not advertise.
            if device.present && !self.held.contains(address) {
                heard.push((*address, Advert { name: device.name.clone(), ..device.advert.clone() }));
            }
        }
        for (address, advert) in heard {
            self.advertise(address, advert);
        }
        self.devices.values().filter(|device| device.every.is_some()).filter_map(|device| device.next).min()
    }
    pub(crate) fn characteristics(&self, address: Address) -> Vec<Characteristic> {
        let places = self.devices.get(&address).into_iter().flat_map(|device| &device.places);
        let made = |place: &Place| Characteristic {
            service: Uuid::short(0x181A),
            uuid: place.uuid,
            handle: place.handle,
            can: place.can,
            device: address,
            path: format!("{address}/{}", place.handle).into(),
        };
        places.map(made).collect()
    }
    pub(crate) fn writes(&self, number: u8, handle: u16) -> Vec<(Vec<u8>, bool)> {
        let device = &self.devices[&super::address(number)];
        device.places.iter().find(|place| place.handle == handle).expect("a place").writes.clone()
    }
    /// Who was served since then.
    pub(crate) fn served(&self, since: Instant) -> BTreeSet<u8> {
        let served = self.devices.iter().filter(|(_, device)| device.served.iter().any(|at| *at >= since));
        served.map(|(address, _)| address.0[5]).collect()
    }
    /// The longest time that it was not served since then.
    pub(crate) fn gap(&self, number: u8, since: Instant) -> Duration {
        let served = self.devices[&super::address(number)].served.iter().copied().filter(|at| *at >= since);
        let times: Vec<Instant> = std::iter::once(since).chain(served).chain([Instant::now()]).collect();
        times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
    }
}
