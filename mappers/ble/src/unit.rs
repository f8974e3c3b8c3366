//! One device, compiled: who it is, and what of it is read, written and listened to.
use crate::{
    address::Address,
    counter::Counter,
    ear::Ear,
    error::Error,
    point::{Item, Place, Source},
};
use pollux_ble_codec::advert;
use pollux_crds::{BleBinding, BleConnection, BleDevice, BlePairing, Span};
use pollux_mapper::{ConfigError, Hold, Instant, Point, PointFault};
use serde_json::{Value as Json, json};
use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::sync::Notify;

/// Default of `heardWithin`.
const HEARD_WITHIN: Span = Span::from_secs(60);
/// Default of `connectTimeout`.
const CONNECT: Duration = Duration::from_secs(20);

/// Between two attempts to pair with a device that refused: it may lock out who tries again and again.
const PAIR_AGAIN: Duration = Duration::from_secs(30);

/// Which device it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whom {
    Address(Address),
    Name(String),
}

/// One device.
#[derive(Debug)]
pub struct Unit {
    id: u64,
    pub(crate) whom: Whom,
    pub(crate) items: Vec<Item>,
    /// Its characteristics that are read or written, each once.
    pub(crate) places: Vec<Place>,
    /// Formats of advertisements that are decoded of it.
    pub(crate) formats: Vec<advert::Format>,
    pub(crate) connects: bool,
    held: bool,
    pub(crate) pairing: BlePairing,
    /// Where the passkey is among the secrets.
    pub(crate) passkey: Option<String>,
    /// Where the key of its advertisements is.
    pub(crate) bind_key: Option<String>,
    pub(crate) heard_within: Span,
    /// It is away when it was not heard within that time, whatever its last connection said.
    pub(crate) is_bounded: bool,
    pub(crate) connect_timeout: Duration,
    /// Which of its encrypted advertisements are new.
    counter: Mutex<Counter>,
    /// How often that was to be kept.
    generation: AtomicU64,
    /// When it last did not pair, and why.
    unpaired: Mutex<Option<(Instant, Error)>>,
    /// Places that need a pairing which failed, until then: each further request would ask for it again, over a new connection too.
    sealed: Mutex<HashMap<usize, (Instant, PointFault)>>,
    /// Connections in a row that it ended as soon as it had answered.
    let_go: AtomicU32,
    pub(crate) air: Mutex<Ear>,
    /// It was heard.
    pub(crate) news: Notify,
}

impl Unit {
    /// All errors at once.
    pub(crate) fn new(device: &BleDevice, points: &[Point<'_, BleBinding>]) -> Result<Self, Vec<ConfigError>> {
        static UNITS: AtomicU64 = AtomicU64::new(0);
        let (mut errors, mut items, mut places) = (vec![], vec![], vec![]);
        let whom = whom(device).map_err(|error| errors.push(error)).ok();
        for (at, point) in points.iter().enumerate() {
            match Item::new(point, &mut places) {
                Ok(item) => items.push(item),
                Err(text) => errors.push(ConfigError::point(at, text)),
            }
        }
        errors.extend(apart(&items));
        let connects = items.iter().any(|item| matches!(item.source, Source::Characteristic(_)));
        let connection = device.connection.unwrap_or_default();
        if connects && connection == BleConnection::Never {
            errors.push(ConfigError::device(
                "connection Never goes with advertisement and about alone: a characteristic needs WhenDue or Held",
            ));
        }
        let (Some(whom), true) = (whom, errors.is_empty()) else { return Err(errors) };
        let mut formats: Vec<advert::Format> = items.iter().filter_map(Item::format).collect();
        formats.sort_by_key(|format| format.name());
        formats.dedup();
        let entry = |from: &pollux_crds::BleSecret| format!("{}.{}", from.secret, from.key);
        Ok(Self {
            id: UNITS.fetch_add(1, Relaxed),
            whom,
            items,
            places,
            formats,
            connects,
            held: connection == BleConnection::Held,
            pairing: device.pairing.unwrap_or_default(),
            passkey: device.passkey_from.as_ref().map(entry),
            bind_key: device.bind_key_from.as_ref().map(entry),
            heard_within: device.heard_within.unwrap_or(HEARD_WITHIN),
            is_bounded: !connects || device.heard_within.is_some(),
            connect_timeout: device.connect_timeout.map_or(CONNECT, Span::duration),
            counter: Mutex::default(),
            generation: AtomicU64::new(0),
            unpaired: Mutex::default(),
            sealed: Mutex::default(),
            let_go: AtomicU32::new(0),
            air: Mutex::default(),
            news: Notify::new(),
        })
    }
    /// Another for each unit of this process.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }
    fn counter(&self) -> MutexGuard<'_, Counter> {
        self.counter.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Whether an advertisement with this counter is to be believed.
    pub(crate) fn is_new(&self, counter: u32) -> bool {
        let new = self.counter().is_new(counter, Instant::now());
        if new == Some(true) {
            self.generation.fetch_add(1, Relaxed);
        }
        new.is_some()
    }
    /// It is about to tell that something happened, which must not be told again after a restart.
    pub(crate) fn keeps_counter(&self) {
        if self.counter().happens(Instant::now()) {
            self.generation.fetch_add(1, Relaxed);
        }
    }
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Relaxed)
    }
    /// `{"counter": 17}`, where there is one.
    pub(crate) fn kept(&self) -> Json {
        self.counter().last().map_or(Json::Null, |counter| json!({"counter": counter}))
    }
    pub(crate) fn recall(&self, kept: &Json) {
        let counter = kept.get("counter").and_then(Json::as_u64).and_then(|counter| u32::try_from(counter).ok());
        if counter.is_some() || kept.is_null() {
            *self.counter() = Counter::new(counter);
        }
    }
    /// It did not pair a short while ago: a device may lock out who tries again and again.
    pub(crate) fn unpaired(&self) -> Result<(), Error> {
        let unpaired = self.unpaired.lock().unwrap_or_else(PoisonError::into_inner);
        match &*unpaired {
            Some((at, error)) if at.elapsed() < PAIR_AGAIN => Err(error.clone()),
            _ => Ok(()),
        }
    }
    pub(crate) fn not_paired(&self, error: &Error) {
        *self.unpaired.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), error.clone()));
    }
    fn sealed(&self) -> MutexGuard<'_, HashMap<usize, (Instant, PointFault)>> {
        self.sealed.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// A request to this place failed; perhaps because it wants a pairing in vain.
    pub(crate) fn failed_at(&self, place: usize, error: &Error) {
        if error.wants_pairing() {
            self.sealed().insert(place, (Instant::now() + PAIR_AGAIN, error.of_point()));
        }
    }
    /// There are keys now.
    pub(crate) fn paired(&self) {
        self.sealed().clear();
    }
    /// Why nothing is asked of it now.
    pub(crate) fn is_sealed(&self, place: usize) -> Option<PointFault> {
        self.sealed().get(&place).filter(|(until, _)| *until > Instant::now()).map(|(_, fault)| fault.clone())
    }
    /// A connection ended. Whether that is its way: it ended the one before just so, and is there all the same.
    pub(crate) fn lets_go(&self, brief: bool) -> bool {
        let before = if brief { self.let_go.fetch_add(1, Relaxed) } else { self.let_go.swap(0, Relaxed) };
        brief && before > 0
    }
    pub(crate) fn hold(&self) -> Hold {
        match (self.connects, self.held) {
            (false, _) => Hold::None,
            (true, true) => Hold::Kept,
            (true, false) => Hold::Turns,
        }
    }
}

fn whom(device: &BleDevice) -> Result<Whom, ConfigError> {
    match (&device.address, &device.name) {
        (Some(address), None) => address
            .parse()
            .map(Whom::Address)
            .map_err(|error| ConfigError::device(format!("address {address:?} {error}"))),
        (None, Some(name)) => Ok(Whom::Name(name.clone())),
        _ => Err(ConfigError::device("exactly one of address, name must be set")),
    }
}

/// Members of a read group stand in one characteristic, for no request reads more.
fn apart(items: &[Item]) -> Vec<ConfigError> {
    let grouped = |item: &Item| item.group.clone();
    let differs = |(at, item): (usize, &Item)| {
        let first = items.iter().find(|other| other.group.is_some() && other.group == item.group)?;
        (first.place() != item.place() || item.place().is_none()).then(|| {
            let name = grouped(item).unwrap_or_default();
            ConfigError::point(
                at,
                format!("readGroup {name}: its properties must be of one characteristic, which one request reads"),
            )
        })
    };
    items.iter().enumerate().filter(|(_, item)| item.group.is_some()).filter_map(differs).collect()
}
