//! One device that has a slot: its connection, and what is notified over it.
use crate::{address::Address, error::Error, point::Item, radio::Characteristic, unit::Unit};
use pollux_crds::BleNotify;
use pollux_mapper::{ErrorKind, Instant, PointFault, Port, Slot};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// A connection that ends so soon, and after an answer, is perhaps one that the device always ends.
const BRIEF: Duration = Duration::from_secs(10);
/// Until a subscription is asked for again that was refused for want of a pairing, at first and at most.
const AGAIN: Duration = Duration::from_mins(1);
const AGAIN_MOST: Duration = Duration::from_hours(1);

/// One connection.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) unit: Arc<Unit>,
    pub(crate) port: Port,
    state: Mutex<State>,
}

/// How far its connection is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// What ends now is one of before.
    #[default]
    Dialled,
    /// Being set up: its end is for that to tell.
    Made,
    /// It ended while it was set up.
    Broken,
    /// In use: its end is to be told.
    Used,
}

/// When it is asked for again, and how often it was.
#[derive(Debug)]
struct Again {
    due: Instant,
    times: u32,
}

#[derive(Debug, Default)]
struct State {
    address: Option<Address>,
    stage: Stage,
    /// By `Unit::places`.
    found: Vec<Option<Characteristic>>,
    /// Points of characteristics that notify.
    pushed: Vec<Slot>,
    /// Places that may not be subscribed to for want of a pairing.
    sealed: BTreeMap<usize, Again>,
    /// Since when it has a connection, and whether it answered by it.
    made: Option<Instant>,
    answered: bool,
}

impl Feed {
    pub(crate) fn new(unit: Arc<Unit>, port: Port) -> Arc<Self> {
        let state = Mutex::new(State { found: vec![None; unit.places.len()], ..State::default() });
        Arc::new(Self { unit, port, state })
    }
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub(crate) fn address(&self) -> Option<Address> {
        self.state().address
    }
    /// It is this one.
    pub(crate) fn is(&self, address: Address) {
        self.state().address = Some(address);
    }

    // ---- characteristics
    /// Which of those that it has are meant.
    pub(crate) fn find(&self, all: &[Characteristic]) {
        let found = self.unit.places.iter().map(|place| {
            let fits = |one: &&Characteristic| {
                one.uuid == place.uuid
                    && place.service.is_none_or(|service| service == one.service)
                    && place
                        .handle
                        .is_none_or(|handle| handle == one.handle || handle.checked_sub(1) == Some(one.handle))
            };
            let mut fitting = all.iter().filter(fits);
            match (fitting.next(), fitting.next()) {
                (Some(one), None) => Some(one.clone()),
                _ => None,
            }
        });
        let found: Vec<Option<Characteristic>> = found.collect();
        self.state().found = found;
    }
    /// Where it is, or why not.
    pub(crate) fn place(&self, at: usize) -> Result<Characteristic, PointFault> {
        let found = self.state().found.get(at).cloned().flatten();
        found.ok_or_else(|| {
            let place = self.unit.places.get(at).map(ToString::to_string).unwrap_or_default();
            let text = format!("the device has no characteristic {place}, or several: service or handle tells which");
            PointFault::new(ErrorKind::Config, text)
        })
    }
    /// Points of a characteristic that are read.
    pub(crate) fn points_of(&self, place: usize) -> impl Iterator<Item = usize> {
        let items = self.unit.items.iter().enumerate();
        items.filter(move |(_, item)| item.readable && item.place() == Some(place)).map(|(at, _)| at)
    }
    /// Whether it is to notify.
    pub(crate) fn wants_notify(&self, place: usize) -> bool {
        self.points_of(place).any(|at| self.unit.items.get(at).is_some_and(|item| item.notify != BleNotify::Never))
    }
    pub(crate) fn notified(&self, handle: u16, bytes: &[u8]) {
        self.deliver(handle, bytes, true);
    }
    /// It was read when it was subscribed to: what stands there happened before.
    pub(crate) fn stood(&self, handle: u16, bytes: &[u8]) {
        self.deliver(handle, bytes, false);
    }
    fn deliver(&self, handle: u16, bytes: &[u8], happens: bool) {
        let places: Vec<usize> = {
            let state = self.state();
            let found = state.found.iter().enumerate();
            found.filter(|(_, one)| one.as_ref().is_some_and(|one| one.handle == handle)).map(|(at, _)| at).collect()
        };
        // Two names of one characteristic are both told.
        for at in places.into_iter().flat_map(|place| self.points_of(place)) {
            let wanted = |item: &&Item| item.notify != BleNotify::Never && (happens || !item.event);
            let Some(item) = self.unit.items.get(at).filter(wanted) else { continue };
            match item.decode(bytes) {
                Ok(value) => drop(self.port.put(item.slot, value)),
                Err(fault) => drop(self.port.fault(item.slot, fault)),
            }
        }
        self.unit.is_there();
    }

    /// Its events are told from now on: what was wrong with that is over.
    pub(crate) fn has_events(&self, place: usize) {
        for item in self.points_of(place).filter_map(|at| self.unit.items.get(at)).filter(|item| item.event) {
            self.port.quiet(item.slot);
        }
    }
    /// Its events are not told, and a read would not find them.
    pub(crate) fn has_no_events(&self, place: usize, why: &PointFault) {
        for item in self.points_of(place).filter_map(|at| self.unit.items.get(at)).filter(|item| item.event) {
            self.port.pushes(item.slot);
            self.port.fault(item.slot, why.clone());
        }
    }

    // ---- whether it is there
    /// Its connection holds, and what it notified stands.
    pub(crate) fn alive(&self) {
        let (used, told) = {
            let state = self.state();
            (state.stage == Stage::Used, state.pushed.clone())
        };
        if used {
            self.unit.is_there();
            self.port.alive(told);
        }
    }
    /// They are told when they change.
    pub(crate) fn pushes(&self, slots: impl Iterator<Item = Slot>) {
        let slots: Vec<Slot> = slots.collect();
        for slot in &slots {
            self.port.pushes(*slot);
        }
        self.state().pushed.extend(slots);
    }

    // ---- subscriptions that want a pairing
    /// It is asked for later: each time it may ask for the pairing anew. `random`: from 0 to 1.
    pub(crate) fn wants_pairing(&self, place: usize, now: Instant, random: f64) {
        let mut state = self.state();
        let again = state.sealed.entry(place).or_insert(Again { due: now, times: 0 });
        let wait = AGAIN.saturating_mul(2_u32.saturating_pow(again.times)).min(AGAIN_MOST);
        again.due = now + wait.mul_f64(0.8 + 0.4 * random);
        again.times = again.times.saturating_add(1);
    }
    /// One that it is time for.
    pub(crate) fn due(&self, now: Instant) -> Option<usize> {
        let state = self.state();
        let due = state.sealed.iter().find(|(_, again)| state.stage == Stage::Used && again.due <= now);
        due.map(|(place, _)| *place)
    }
    /// There are keys now.
    pub(crate) fn paired(&self, now: Instant) {
        self.state().sealed.values_mut().for_each(|again| again.due = now);
        self.unit.paired();
    }
    /// It notifies, or never will.
    pub(crate) fn decided(&self, place: usize) {
        self.state().sealed.remove(&place);
    }

    // ---- its connection
    /// There is a connection.
    pub(crate) fn made(&self) {
        let mut state = self.state();
        (state.stage, state.made) = (Stage::Made, Some(Instant::now()));
    }
    /// It answered a read.
    pub(crate) fn answered(&self) {
        self.state().answered = true;
    }
    /// It is set up, if it is there still.
    pub(crate) fn used(&self, address: Address) -> Result<(), Error> {
        let mut state = self.state();
        if state.stage == Stage::Broken {
            return Err(Error::Gone(address));
        }
        state.stage = Stage::Used;
        Ok(())
    }
    /// A connection with it ended.
    pub(crate) fn lost(&self, address: Address) {
        let mut state = self.state();
        match state.stage {
            Stage::Dialled | Stage::Broken => {}
            Stage::Made => state.stage = Stage::Broken,
            Stage::Used => {
                state.stage = Stage::Broken;
                let brief = state.answered && state.made.is_some_and(|made| made.elapsed() < BRIEF);
                drop(state);
                let text = Error::Gone(address).to_string();
                if self.unit.lets_go(brief) { self.port.over(text) } else { self.port.down(text) }
            }
        }
    }
}
