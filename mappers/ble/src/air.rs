//! Everybody who is in the air, as `discover` shows them. As many are kept as there is room for, whoever sends. Pure.
use crate::{address::Address, radio::Advert};
use pollux_ble_codec::{
    Company, Decoded, Error, FieldInfo, Uuid, Value,
    advert::{
        Format, Reading, Source,
        bthome::{self, Info, Key},
    },
};
use std::{
    collections::{BTreeMap, HashMap},
    fmt::{self, Write as _},
};
use tokio::time::Instant;

/// Devices that are kept, at most.
pub(crate) const ROOM: usize = 1000;
/// Services, sources of data and fields of one device, at most: more is not a device but an attack.
const MOST: usize = 64;

/// What was heard, or is known, of somebody.
#[derive(Debug, Clone, PartialEq)]
pub struct Sighting {
    /// Of whom.
    pub address: Address,
    /// Its name, where that came with it.
    pub name: Option<String>,
    /// The address is a random one, where that came with it.
    pub random: Option<bool>,
    /// Services that it says to have.
    pub services: Vec<Uuid>,
    /// What it advertised.
    pub advert: Advert,
    /// It was heard just now; else the stack remembers it.
    pub live: bool,
}

/// One field, and what it was last.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    pub(crate) field: FieldInfo,
    pub(crate) index: u8,
    pub(crate) value: Decoded,
}

/// What was heard in one format.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Spoken {
    pub(crate) fields: Vec<Told>,
    /// Why the last of it could not be read.
    pub(crate) flaw: Option<Error>,
    /// It sends when something happens, and may be silent for long.
    pub(crate) seldom: bool,
    /// It came encrypted.
    pub(crate) encrypted: bool,
}

/// Somebody.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard {
    pub(crate) name: Option<String>,
    pub(crate) random: bool,
    pub(crate) rssi: Option<i16>,
    /// None: the stack remembers it.
    pub(crate) at: Option<Instant>,
    pub(crate) services: Vec<Uuid>,
    pub(crate) data: BTreeMap<Place, Vec<u8>>,
    /// By name.
    pub(crate) formats: BTreeMap<&'static str, (Format, Spoken)>,
    wanted: bool,
}

/// Whose data it is, in an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Company(u16),
    Service(Uuid),
}

/// Who has to be kept though there is no room: those who were asked for.
pub(crate) type Wanted = Box<dyn Fn(Address, &Heard) -> bool + Send>;

/// Everybody.
pub(crate) struct Air {
    room: usize,
    heard: HashMap<Address, Heard>,
    left_out: u64,
    wanted: Wanted,
    key: Option<Key>,
}

impl fmt::Debug for Air {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Air")
            .field("heard", &self.heard.len())
            .field("left_out", &self.left_out)
            .finish_non_exhaustive()
    }
}

impl Air {
    /// With room for so many; `key` opens what those who are wanted encrypt.
    pub(crate) fn new(room: usize, wanted: Wanted, key: Option<Key>) -> Self {
        Self { room, heard: HashMap::new(), left_out: 0, wanted, key }
    }
    pub(crate) fn hear(&mut self, sighting: &Sighting, now: Instant) {
        if !self.heard.contains_key(&sighting.address) && self.heard.len() >= self.room && !self.make_room() {
            self.left_out += u64::from(sighting.live);
            return;
        }
        let heard = self.heard.entry(sighting.address).or_default();
        heard.take(sighting, now);
        let key = self.key.as_ref().filter(|_| (self.wanted)(sighting.address, heard));
        heard.read(sighting, key);
        heard.wanted = (self.wanted)(sighting.address, heard);
    }
    /// Who was not asked for and was heard longest ago gives way. False: all were asked for.
    fn make_room(&mut self) -> bool {
        let free = self.heard.iter().filter(|(_, heard)| !heard.wanted);
        let Some(oldest) = free.min_by_key(|(_, heard)| heard.at).map(|(address, _)| *address) else { return false };
        let was = self.heard.remove(&oldest);
        self.left_out += u64::from(was.is_some_and(|was| was.at.is_some()));
        true
    }
    /// All who were heard.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Address, &Heard)> {
        self.heard.iter().filter(|(_, heard)| heard.at.is_some()).map(|(address, heard)| (*address, heard))
    }
    /// How often somebody was heard whom there was no room for, or gave way.
    pub(crate) fn left_out(&self) -> u64 {
        self.left_out
    }
}

impl Heard {
    fn take(&mut self, sighting: &Sighting, now: Instant) {
        let Sighting { name, random, services, advert, live, .. } = sighting;
        self.at = if *live { Some(now) } else { self.at };
        self.name = name.clone().or(self.name.take());
        self.random = random.unwrap_or(self.random);
        self.rssi = advert.rssi.or(self.rssi);
        for service in services {
            if self.services.len() < MOST && !self.services.contains(service) {
                self.services.push(*service);
            }
        }
        for (place, data) in places(advert) {
            if self.data.len() < MOST || self.data.contains_key(&place) {
                self.data.insert(place, data.clone());
            }
        }
    }
    fn read(&mut self, sighting: &Sighting, key: Option<&Key>) {
        for (place, data) in places(&sighting.advert) {
            let Some(format) = Format::of(place.source(), data) else { continue };
            let (_, spoken) = self.formats.entry(format.name()).or_insert_with(|| (format, Spoken::default()));
            spoken.flaw = spoken.hear(format, sighting.address, data, key).err();
        }
    }
    /// The address changes by itself (Core specification, Vol 6 Part B 1.3.2): 01 or 00 at its top, of a random one.
    pub(crate) fn rotates(&self, address: Address) -> bool {
        let [top, ..] = address.0;
        self.random && top >> 6 < 2
    }
}

impl Spoken {
    fn hear(&mut self, format: Format, from: Address, data: &[u8], key: Option<&Key>) -> Result<(), Error> {
        let mut each = |Reading { field, index, value }: Reading| {
            let known = |told: &Told| told.field.name == field.name && told.index == index;
            if let Some(told) = self.fields.iter_mut().find(|told| known(told)) {
                told.value = value;
            } else if self.fields.len() < MOST {
                self.fields.push(Told { field, index, value });
            }
        };
        if format != Format::BtHome {
            return format.decode(data, &mut each);
        }
        let (info, _) = Info::of(data)?;
        let read = match key.filter(|_| info.encrypted) {
            Some(key) => key.open(from.0, data).and_then(|opened| bthome::read(opened.payload(), &mut each)),
            None => format.decode(data, &mut each),
        };
        (self.seldom, self.encrypted) = (info.trigger_based, info.encrypted);
        read
    }
}

impl Place {
    pub(crate) fn source(self) -> Source {
        match self {
            Self::Company(company) => Source::Company(Company(company)),
            Self::Service(uuid) => Source::Service(uuid),
        }
    }
}

fn places(advert: &Advert) -> impl Iterator<Item = (Place, &Vec<u8>)> {
    let companies = advert.manufacturer.iter().map(|(company, data)| (Place::Company(*company), data));
    companies.chain(advert.service.iter().map(|(uuid, data)| (Place::Service(*uuid), data)))
}

/// As people read it.
pub(crate) fn shown(value: &Decoded) -> String {
    match value {
        Decoded::Value(Value::Bool(on)) => on.to_string(),
        Decoded::Value(Value::Int(number)) => number.to_string(),
        Decoded::Value(Value::UInt(number)) => number.to_string(),
        Decoded::Value(Value::Float(number)) => {
            // Six digits behind the point are more than any sensor has.
            let text = format!("{number:.6}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        Decoded::Value(Value::Text(text)) => text.to_string(),
        Decoded::Value(Value::Bytes(bytes)) => hex(bytes),
        Decoded::None(_) => "-".to_owned(),
    }
}
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").ok(); // a String takes it
        text
    })
}

#[cfg(test)]
mod tests;
