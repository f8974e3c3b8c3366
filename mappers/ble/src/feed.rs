//! One device that is attached: what is heard of it goes to its points.
use crate::{
    address::Address,
    advertised::{about_of, data_of, packet_id},
    error::Error,
    point::{Item, Source, told},
    press::{Heard, Presses},
    radio::{Advert, Characteristic},
    unit::{Unit, Whom},
};
use pollux_ble_codec::{
    Decoded,
    advert::{
        self,
        bthome::{Info, Key, PacketIds},
    },
};
use pollux_crds::BleNotify;
use pollux_mapper::{ErrorKind, Instant, PointFault, Port, Slot, Value};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::Notify;

/// So long nobody asks a characteristic again that wanted a pairing in vain: a device may lock out who tries again and again.
const SEALED: Duration = Duration::from_secs(30);

/// One attachment.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) unit: Arc<Unit>,
    pub(crate) port: Port,
    key: Option<Key>,
    /// It was heard.
    news: Notify,
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

#[derive(Debug, Default)]
struct State {
    address: Option<Address>,
    stage: Stage,
    /// By `Unit::places`.
    found: Vec<Option<Characteristic>>,
    /// Points of characteristics that notify.
    pushed: Vec<Slot>,
    /// Places that need a pairing which was refused, until then: each further read would ask for it again.
    sealed: HashMap<usize, (Instant, PointFault)>,
    heard: Option<Instant>,
    /// It was said to be there.
    up: bool,
    /// What was last told of each point that is listened to.
    last: Vec<Option<Result<Value, PointFault>>>,
    packets: PacketIds,
    presses: Presses,
}

impl Feed {
    pub(crate) fn new(unit: Arc<Unit>, port: Port, key: Option<Key>) -> Arc<Self> {
        let (last, found) = (vec![None; unit.items.len()], vec![None; unit.places.len()]);
        Arc::new(Self {
            unit,
            port,
            key,
            news: Notify::new(),
            state: Mutex::new(State { found, last, ..State::default() }),
        })
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
    /// Points that nobody is asked for.
    pub(crate) fn listens(&self) -> impl Iterator<Item = usize> {
        let listened = |(_, item): &(usize, &Item)| item.readable && item.place().is_none();
        self.unit.items.iter().enumerate().filter(listened).map(|(at, _)| at)
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
    pub(crate) fn seal(&self, place: usize, fault: PointFault) {
        self.state().sealed.insert(place, (Instant::now() + SEALED, fault));
    }
    pub(crate) fn sealed(&self, place: usize) -> Option<PointFault> {
        self.state().sealed.get(&place).filter(|(until, _)| *until > Instant::now()).map(|(_, fault)| fault.clone())
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
        self.state().heard = Some(Instant::now());
    }

    /// Its events are not told, and a read would not find them.
    pub(crate) fn has_no_events(&self, place: usize, why: &PointFault) {
        for item in self.points_of(place).filter_map(|at| self.unit.items.get(at)).filter(|item| item.event) {
            self.port.pushes(item.slot);
            self.port.fault(item.slot, why.clone());
        }
    }

    // ---- what is in the air
    /// What was last told of a point that is listened to.
    pub(crate) fn last(&self, at: usize) -> Result<Value, PointFault> {
        let last = self.state().last.get(at).cloned().flatten();
        last.unwrap_or_else(|| Err(PointFault::new(ErrorKind::Unreachable, "not heard yet")))
    }
    fn tell(&self, at: usize, told: Result<Value, PointFault>) {
        let Some(item) = self.unit.items.get(at).filter(|item| item.readable) else { return };
        if let Some(last) = self.state().last.get_mut(at) {
            *last = Some(told.clone());
        }
        match told {
            Ok(value) => drop(self.port.put(item.slot, value)),
            Err(fault) => drop(self.port.fault(item.slot, fault)),
        }
    }
    /// What is advertised of an event. That there is none is no fault.
    fn happens(&self, at: usize, decoded: Result<Option<Value>, PointFault>, heard: Heard) {
        match decoded {
            Ok(None) => self.state().presses.ended(at),
            Ok(Some(value)) => {
                let new = self.state().presses.is_new(at, &value, heard, Instant::now());
                if new {
                    self.tell(at, Ok(value));
                }
            }
            Err(_) if heard == Heard::Before => {}
            Err(fault) => self.tell(at, Err(fault)),
        }
    }
    /// `before`: it was advertised before somebody listened.
    pub(crate) fn heard(&self, address: Address, advert: &Advert, before: bool) {
        self.back();
        for (at, item) in self.unit.items.iter().enumerate() {
            match &item.source {
                Source::About(about) => {
                    if let Some(value) = about_of(*about, advert) {
                        self.tell(at, Ok(value));
                    }
                }
                Source::Data(source, prefix) => {
                    if let Some(data) = data_of(advert, *source).filter(|data| data.starts_with(prefix)) {
                        match item.decode(data) {
                            told if item.event => {
                                let heard = if before { Heard::Before } else { Heard::Always };
                                self.happens(at, told.map(Some), heard);
                            }
                            told => self.tell(at, told),
                        }
                    }
                }
                Source::Format(..) | Source::Characteristic(_) => {}
            }
        }
        for format in &self.unit.formats {
            if let Some(data) = data_of(advert, format.source())
                && let Err(error) = self.formatted(*format, address, data, before)
            {
                self.spoilt(*format, &error);
            }
        }
    }
    fn formatted(
        &self,
        format: advert::Format,
        address: Address,
        data: &[u8],
        before: bool,
    ) -> Result<(), pollux_ble_codec::Error> {
        if advert::Format::of(format.source(), data) != Some(format) {
            return Ok(()); // another format of the same source, by turns
        }
        let (mut readings, mut heard) = (vec![], Heard::Always);
        let mut each = |reading| readings.push(reading);
        match (&self.key, format) {
            (Some(key), advert::Format::BtHome) => {
                let opened = key.open(address.0, data)?;
                if !self.unit.is_new(opened.counter) {
                    return Ok(());
                }
                advert::bthome::read(opened.payload(), &mut each)?;
                heard = Heard::Once;
            }
            (None, advert::Format::BtHome) => {
                let (info, payload) = Info::of(data)?;
                if info.encrypted {
                    return Err(pollux_ble_codec::Error::Encrypted);
                }
                advert::bthome::read(payload, &mut each)?;
                heard = Heard::of(info);
            }
            (_, format) => format.decode(data, &mut each)?,
        }
        if format == advert::Format::BtHome {
            let id = packet_id(&readings);
            if !self.state().packets.is_new(id) {
                return Ok(());
            }
            heard = if id.is_some() { Heard::Once } else { heard };
        }
        self.read(format, readings, if before { Heard::Before } else { heard });
        Ok(())
    }
    fn read(&self, format: advert::Format, readings: Vec<advert::Reading>, heard: Heard) {
        for reading in readings {
            for (at, item) in self.unit.items.iter().enumerate() {
                if let Source::Format(own, field, index) = &item.source
                    && (*own, *field, *index) == (format, reading.field.name, reading.index)
                {
                    match &reading.value {
                        Decoded::None(_) if item.event => self.happens(at, Ok(None), heard),
                        value if item.event => self.happens(at, told(value.clone()).map(Some), heard),
                        value => self.tell(at, told(value.clone())),
                    }
                }
            }
        }
    }
    /// Its data cannot be believed: all that would be read of it is Bad, and says why.
    fn spoilt(&self, format: advert::Format, error: &pollux_ble_codec::Error) {
        let kind = match error {
            pollux_ble_codec::Error::Encrypted
            | pollux_ble_codec::Error::NotEncrypted
            | pollux_ble_codec::Error::Integrity => ErrorKind::Denied,
            _ => ErrorKind::Protocol,
        };
        for (at, item) in self.unit.items.iter().enumerate() {
            if item.format() == Some(format) {
                self.tell(at, Err(PointFault::new(kind, error.to_string())));
            }
        }
    }

    // ---- whether it is there
    pub(crate) fn was_heard(&self) -> bool {
        self.state().heard.is_some()
    }
    /// Until it is heard.
    pub(crate) async fn first(&self) {
        while self.state().heard.is_none() {
            self.news.notified().await;
        }
    }
    fn back(&self) {
        let mut state = self.state();
        state.heard = Some(Instant::now());
        if !self.unit.connects && !std::mem::replace(&mut state.up, true) {
            drop(state);
            self.news.notify_one();
            self.port.up();
        }
    }
    /// It is only listened to: whether it was heard within its bound is all there is.
    pub(crate) fn watch(&self, now: Instant, first: bool) {
        if self.unit.connects {
            return;
        }
        let mut state = self.state();
        let silent = state.heard.is_none_or(|heard| now.duration_since(heard) > self.unit.heard_within.duration());
        if silent && (first || std::mem::replace(&mut state.up, false)) {
            if matches!(self.unit.whom, Whom::Name(_)) {
                state.address = None; // it may come back with another
            }
            drop(state);
            let within = self.unit.heard_within;
            self.port.down(if first { "not heard yet".to_owned() } else { format!("not heard for {within}") });
        }
    }
    /// What was said stands: its connection holds, or it was heard within its bound. Neither says a value again that has not changed.
    pub(crate) fn alive(&self) {
        let (there, told) = {
            let state = self.state();
            (state.up || state.stage == Stage::Used, state.pushed.clone())
        };
        let items = self.unit.items.iter();
        let heard = items.filter(|item| item.readable && item.place().is_none()).map(|item| item.slot);
        match (there, self.unit.connects) {
            (true, true) => self.port.alive(told),
            (true, false) => self.port.alive(heard),
            (false, _) => {}
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
    /// There is a connection.
    pub(crate) fn made(&self) {
        self.state().stage = Stage::Made;
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
                drop(state);
                self.port.down(Error::Gone(address).to_string());
            }
        }
    }
}
