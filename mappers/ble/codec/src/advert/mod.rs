//! What sensors tell without being asked: manufacturer data and service data of advertisements (Core Specification Supplement, Part A 1.4
//! and 1.11), as BlueZ hands them on, without company or UUID in front.
pub mod bthome;
mod eddystone;
mod ibeacon;
mod place;
mod ruuvi;
#[cfg(test)]
mod tests;

use crate::field::distinct;
use crate::near::{nearest, shortened};
use crate::{Company, Decoded, Error, FieldInfo, Uuid};
use place::Place;
use std::{fmt, str::FromStr};

/// Ruuvi Innovations, the maker.
const RUUVI: Source = Source::Company(Company(0x0499));
/// Apple, whose identifier iBeacons carry, whoever made them.
const APPLE: Source = Source::Company(Company(0x004C));
/// Google's, for Eddystone.
const EDDYSTONE: Source = Source::Service(Uuid::short(0xFEAA));

/// Formats whose fields can be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// BTHome version 2.
    BtHome,
    /// Ruuvi's data format 5, "RAWv2".
    Ruuvi5,
    /// Ruuvi's data format 6.
    Ruuvi6,
    /// Ruuvi's data format E1, in extended advertisements.
    RuuviE1,
    /// Apple's iBeacon.
    IBeacon,
    /// Eddystone's frame that identifies a beacon.
    EddystoneUid,
    /// Eddystone's frame of a web address.
    EddystoneUrl,
    /// Eddystone's frame of a beacon's own state, not encrypted.
    EddystoneTlm,
}

/// Which part of an advertisement data is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// Manufacturer data of this company.
    Company(Company),
    /// Service data of this UUID.
    Service(Uuid),
}

/// One field that an advertisement tells.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Which.
    pub field: FieldInfo,
    /// 1, and for BTHome's second temperature 2.
    pub index: u8,
    /// What it is.
    pub value: Decoded,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::BtHome,
        Self::Ruuvi5,
        Self::Ruuvi6,
        Self::RuuviE1,
        Self::IBeacon,
        Self::EddystoneUid,
        Self::EddystoneUrl,
        Self::EddystoneTlm,
    ];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BtHome => "BTHome",
            Self::Ruuvi5 => "Ruuvi5",
            Self::Ruuvi6 => "Ruuvi6",
            Self::RuuviE1 => "RuuviE1",
            Self::IBeacon => "IBeacon",
            Self::EddystoneUid => "EddystoneUID",
            Self::EddystoneUrl => "EddystoneURL",
            Self::EddystoneTlm => "EddystoneTLM",
        }
    }

    /// Where its data is.
    pub const fn source(self) -> Source {
        match self {
            Self::BtHome => Source::Service(bthome::UUID),
            Self::Ruuvi5 | Self::Ruuvi6 | Self::RuuviE1 => RUUVI,
            Self::IBeacon => APPLE,
            Self::EddystoneUid | Self::EddystoneUrl | Self::EddystoneTlm => EDDYSTONE,
        }
    }

    /// Bytes that its data begins with; none of BTHome, which is told by its UUID.
    const fn prefix(self) -> &'static [u8] {
        match self {
            Self::BtHome => &[],
            Self::Ruuvi5 => &[5],
            Self::Ruuvi6 => &[6],
            Self::RuuviE1 => &[0xE1],
            Self::IBeacon => &[0x02, 0x15],
            Self::EddystoneUid => &[0x00],
            Self::EddystoneUrl => &[0x10],
            Self::EddystoneTlm => &[0x20],
        }
    }

    /// The format of this data, if it is one of these.
    pub fn of(source: Source, data: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.source() == source && data.starts_with(format.prefix()))
    }

    /// Names, units and types of its fields.
    pub fn fields(self) -> Vec<FieldInfo> {
        match self.places() {
            Some((places, _)) => distinct(places.iter().map(Place::info)),
            None => bthome::fields(),
        }
    }
    /// The field of that name.
    pub fn field(self, name: &str) -> Result<FieldInfo, Error> {
        let fields = self.fields();
        let found = fields.iter().find(|field| field.name == name).copied();
        found.ok_or_else(|| Error::Field {
            what: self.name(),
            text: shortened(name),
            nearest: nearest(name, fields.iter().map(|field| field.name)),
        })
    }

    /// Whether the field tells what happened, such as a press, and not what is.
    pub fn is_event(self, field: &str) -> bool {
        self == Self::BtHome && bthome::is_event(field)
    }

    /// Hands on every field of the data. Data that is malformed gives none at all.
    pub fn decode(self, data: &[u8], each: &mut dyn FnMut(Reading)) -> Result<(), Error> {
        let Some((places, sizes)) = self.places() else {
            return match bthome::Info::of(data)? {
                (info, _) if info.encrypted => Err(Error::Encrypted),
                (_, payload) => bthome::read(payload, each),
            };
        };
        let (what, got) = (self.name(), data.len());
        if !data.starts_with(self.prefix()) {
            return Err(Error::Other { what, why: "it begins with other bytes" });
        }
        match (got, sizes) {
            (got, (needed, _)) if got < needed => return Err(Error::TooShort { what, needed, got }),
            (got, (_, needed)) if got > needed => return Err(Error::TooLong { what, needed, got }),
            _ if self == Self::EddystoneTlm && data.get(1) != Some(&0) => {
                return Err(Error::Other { what, why: "its version is not 0, the plain one" });
            }
            _ => {}
        }
        for place in places {
            each(Reading { field: place.info(), index: 1, value: place.read(data) });
        }
        Ok(())
    }

    /// Where its fields are, and how many bytes there are at least and at most; not of BTHome, whose objects come one after the other.
    const fn places(self) -> Option<(&'static [Place], (usize, usize))> {
        Some(match self {
            Self::BtHome => return None,
            Self::Ruuvi5 => (ruuvi::FORMAT_5, (24, 24)),
            Self::Ruuvi6 => (ruuvi::FORMAT_6, (20, 20)),
            Self::RuuviE1 => (ruuvi::FORMAT_E1, (40, 40)),
            Self::IBeacon => (ibeacon::FIELDS, (23, 23)),
            // Its two last bytes are reserved, and left out by some.
            Self::EddystoneUid => (eddystone::UID, (18, 20)),
            Self::EddystoneUrl => (eddystone::URL, (3, 20)),
            Self::EddystoneTlm => (eddystone::TLM, (14, 14)),
        })
    }
}

impl FromStr for Format {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|format| format.name().eq_ignore_ascii_case(text));
        found.ok_or_else(|| Error::Field {
            what: "the formats of advertisements",
            text: shortened(text),
            nearest: nearest(text, Self::ALL.iter().map(|format| format.name())),
        })
    }
}
impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
