//! What is heard of one device in the air, whether it is attached or not: a sensor advertises while it has no connection.
mod event;

use crate::{
    address::Address,
    advertised::{about_of, data_of, packet_id},
    point::{Item, Source, told},
    press::{Heard, Presses},
    radio::Advert,
    unit::{Unit, Whom},
};
use event::Health;
use pollux_ble_codec::{
    Decoded,
    advert::{
        self,
        bthome::{Info, Key, PacketIds},
    },
};
use pollux_mapper::{ErrorKind, Instant, PointFault, Port, Value};
use std::{
    sync::{MutexGuard, PoisonError},
    time::Duration,
};

/// More devices of one name are not told apart.
const CALLED: usize = 8;

/// What was heard on one link.
#[derive(Debug, Default)]
pub(crate) struct Ear {
    key: Option<Key>,
    /// Of its newest attachment.
    port: Option<Port>,
    /// Since when it is listened to.
    since: Option<Instant>,
    /// The device has a connection, and does not advertise: who is heard by its name is another.
    connected: Option<Address>,
    /// Who is called as it is, where it is known by its name.
    called: Vec<Caller>,
    /// Several are.
    several: bool,
    heard: Option<Instant>,
    /// It was not said to be away.
    up: bool,
    /// What was last told of each point that is listened to.
    last: Vec<Option<Result<Value, PointFault>>>,
    packets: PacketIds,
    presses: Presses,
    /// By point, where it is an event.
    health: Vec<Health>,
}

/// One that has the name, and when it was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Caller {
    address: Address,
    first: Instant,
    last: Instant,
}

impl Unit {
    fn air(&self) -> MutexGuard<'_, Ear> {
        self.air.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// It is listened to on another link.
    pub(crate) fn listen(&self, key: Option<Key>) {
        let (last, since) = (vec![None; self.items.len()], Some(Instant::now()));
        let health = vec![Health::Unknown; self.items.len()];
        let mut air = self.air();
        // What is still in the air was heard on the one before.
        let (packets, presses) = (air.packets, std::mem::take(&mut air.presses));
        *air = Ear { key, since, last, packets, presses, health, up: self.connects, ..Ear::default() };
    }
    /// What is heard goes here from now on.
    pub(crate) fn tells(&self, port: &Port) {
        self.listened().filter_map(|at| self.items.get(at)).for_each(|item| port.hears(item.slot));
        self.air().port = Some(port.clone());
    }
    /// What it advertises is wanted.
    pub(crate) fn listens(&self) -> bool {
        self.listened().next().is_some()
    }
    /// Points that nobody is asked for.
    fn listened(&self) -> impl Iterator<Item = usize> {
        let listened = |(_, item): &(usize, &Item)| item.readable && item.place().is_none();
        self.items.iter().enumerate().filter(listened).map(|(at, _)| at)
    }
    /// It is connected, as this one; none: it is not.
    pub(crate) fn is_at(&self, address: Option<Address>) {
        let mut air = self.air();
        air.connected = address;
        if let Some(address) = address {
            let now = Instant::now();
            air.called = vec![Caller { address, first: now, last: now }];
        }
    }

    /// Something that it advertises was not heard yet.
    pub(crate) fn misses_words(&self) -> bool {
        let air = self.air();
        let state = |at: &usize| self.items.get(*at).is_some_and(|item| !item.event);
        self.listened().filter(state).any(|at| air.last.get(at).is_none_or(Option::is_none))
    }

    // ---- whose it is
    /// Whether it is this device that was heard.
    pub(crate) fn belongs(&self, address: Address, name: Option<&str>) -> bool {
        match &self.whom {
            Whom::Address(own) => *own == address,
            Whom::Name(wanted) => self.is_called(address, name == Some(wanted.as_str())),
        }
    }
    /// Of two that have its name neither is taken, and one that comes with a new address is taken when the old one is silent.
    fn is_called(&self, address: Address, named: bool) -> bool {
        let (now, bound) = (Instant::now(), self.heard_within.duration());
        let mut air = self.air();
        if let Some(connected) = air.connected {
            return connected == address;
        }
        air.called.retain(|one| now.saturating_duration_since(one.last) <= bound);
        let known = air.called.len();
        match air.called.iter_mut().find(|one| one.address == address) {
            Some(one) => one.last = now,
            None if named && known < CALLED => {
                air.called.push(Caller { address, first: now, last: now });
            }
            None => return false,
        }
        let several = several(&air.called);
        let turned = several != std::mem::replace(&mut air.several, several);
        let taken = taken(&air.called, now, bound) == Some(address) && !several;
        if several && turned && !self.connects {
            air.up = false;
            if let Some(port) = &air.port {
                port.down(self.away(&air));
            }
        }
        taken
    }
    /// Why it is not there.
    fn away(&self, air: &Ear) -> String {
        match (&self.whom, air.heard) {
            (Whom::Name(name), _) if air.several => {
                format!("several devices are called \"{name}\": address tells which")
            }
            (_, None) if !self.connects => "not heard yet".to_owned(),
            _ => format!("not heard for {}", self.heard_within),
        }
    }

    // ---- what it says
    /// What was last told of a point that is listened to.
    pub(crate) fn last(&self, at: usize) -> Result<Value, PointFault> {
        let last = self.air().last.get(at).cloned().flatten();
        last.unwrap_or_else(|| Err(PointFault::new(ErrorKind::Unreachable, "not heard yet")))
    }
    fn tell(&self, at: usize, told: Result<Value, PointFault>) {
        let Some(item) = self.items.get(at).filter(|item| item.readable) else { return };
        let mut air = self.air();
        if let Some(health) = air.health.get_mut(at) {
            *health = if told.is_ok() { Health::Sound } else { Health::Faulty };
        }
        if let Some(last) = air.last.get_mut(at) {
            *last = Some(told.clone());
        }
        let Some(port) = &air.port else { return };
        match told {
            Ok(value) => drop(port.put(item.slot, value)),
            Err(fault) => drop(port.fault(item.slot, fault)),
        }
    }
    /// `before`: it was advertised before somebody listened.
    pub(crate) fn hear(&self, address: Address, advert: &Advert, before: bool) {
        self.is_there();
        for (at, item) in self.items.iter().enumerate() {
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
                                if told.is_ok() {
                                    self.heals(at, false);
                                }
                                self.happens(at, told.map(Some), heard);
                            }
                            told => self.tell(at, told),
                        }
                    }
                }
                Source::Format(..) | Source::Characteristic(_) => {}
            }
        }
        for format in &self.formats {
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
        let again = || {
            self.heal(format, true);
            Ok(())
        };
        let (mut readings, mut heard) = (vec![], Heard::Always);
        let mut each = |reading| readings.push(reading);
        let key = self.air().key.clone();
        let encrypted = key.is_some() && format == advert::Format::BtHome;
        match (key, format) {
            (Some(key), advert::Format::BtHome) => {
                let opened = key.open(address.0, data)?;
                if !self.is_new(opened.counter) {
                    return again();
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
            if !self.air().packets.is_new(id) {
                return again();
            }
            heard = if id.is_some() { Heard::Once } else { heard };
        }
        self.heal(format, false);
        if encrypted && readings.iter().any(|reading| self.is_event(format, reading)) {
            self.keeps_counter();
        }
        self.read(format, readings, if before { Heard::Before } else { heard });
        Ok(())
    }
    /// Something happens by it.
    fn is_event(&self, format: advert::Format, reading: &advert::Reading) -> bool {
        let told = !matches!(reading.value, Decoded::None(_));
        told && self.items.iter().any(|item| item.event && item.reads(format, reading))
    }
    fn read(&self, format: advert::Format, readings: Vec<advert::Reading>, heard: Heard) {
        for reading in readings {
            for (at, item) in self.items.iter().enumerate() {
                if item.reads(format, &reading) {
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
        for (at, item) in self.items.iter().enumerate() {
            if item.format() == Some(format) {
                self.tell(at, Err(PointFault::new(kind, error.to_string())));
                self.spoils(at);
            }
        }
    }

    // ---- whether it is there
    pub(crate) fn was_heard(&self) -> bool {
        self.air().heard.is_some()
    }
    /// Until it is heard.
    pub(crate) async fn first(&self) {
        while !self.was_heard() {
            self.news.notified().await;
        }
    }
    /// It said something, or holds a connection.
    pub(crate) fn is_there(&self) {
        let mut air = self.air();
        air.heard = Some(Instant::now());
        if !std::mem::replace(&mut air.up, true) {
            self.news.notify_one();
            if let Some(port) = &air.port {
                port.up();
            }
        }
    }
    /// It was waited for, and did not come.
    pub(crate) fn is_missing(&self) {
        let air = self.air();
        if let Some(port) = air.port.as_ref().filter(|_| !air.up) {
            port.down(self.away(&air));
        }
    }
    /// Where it has no connection, whether it was heard within its bound is all there is. `asked`: it has one, or is being connected.
    pub(crate) fn watch(&self, now: Instant, asked: bool) {
        let mut air = self.air();
        let silent = self.silent(&air, now);
        if silent && self.is_bounded && !asked && std::mem::replace(&mut air.up, false) {
            if let Some(port) = &air.port {
                port.down(self.away(&air));
            }
        } else if !silent && air.heard.is_some() {
            let slots = self.listened().filter_map(|at| self.items.get(at)).map(|item| item.slot);
            if let Some(port) = &air.port {
                port.alive(slots); // what it said stands; no value is said again that has not changed
            }
        }
    }
    fn silent(&self, air: &Ear, now: Instant) -> bool {
        let bound: Duration = self.heard_within.duration();
        air.heard.or(air.since).is_none_or(|heard| now.saturating_duration_since(heard) > bound)
    }
}

/// One was heard after another had come, which is no new address of it.
fn several(called: &[Caller]) -> bool {
    let beside = |one: &Caller, other: &Caller| {
        one.address != other.address && one.first <= other.first && one.last >= other.first
    };
    called.iter().any(|one| called.iter().any(|other| beside(one, other)))
}
/// The newest, when the others have been silent for half of their time.
fn taken(called: &[Caller], now: Instant, bound: Duration) -> Option<Address> {
    let newest = called.iter().max_by_key(|one| one.first)?;
    let quiet = |one: &Caller| now.saturating_duration_since(one.last) > bound / 2;
    let alone = called.iter().filter(|one| one.address != newest.address).all(quiet);
    let one = if alone { newest } else { called.iter().min_by_key(|one| one.first)? };
    Some(one.address)
}
