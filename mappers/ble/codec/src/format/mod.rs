//! The format of one value in the bytes of a characteristic or an advertisement: its data type, byte order, and which part it is. Data types
//! are those of the GATT Specification Supplement, 2.3.
mod data_type;
mod encode;
mod medfloat;
mod raw;
pub(crate) mod scalar;
#[cfg(test)]
mod tests;
mod text;

pub use data_type::DataType;
pub(crate) use raw::{Shape, unsigned};
pub(crate) use text::utf8;

use crate::{Decoded, Error, NoValue, Value};
use std::{fmt, str::FromStr};

/// The longest value of an attribute (Core Specification, Vol 3 Part F 3.2.9).
pub const MAX_LENGTH: usize = 512;

/// How bytes become a value, and a value bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// Type of the value; with `bits`, of what the bits are cut from.
    pub data_type: DataType,
    /// Order of its bytes.
    pub byte_order: ByteOrder,
    /// First byte. None: the value is all there is, and a longer one is an error.
    pub offset: Option<usize>,
    /// Bytes of text, or of raw bytes. None: to the end.
    pub length: Option<usize>,
    /// Only these bits of a number.
    pub bits: Option<Bits>,
    /// The pattern, after `bits`, that stands for "value is not known".
    pub not_known: Option<u64>,
}

/// Bits of a number, from its least significant one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bits {
    /// The least significant of them; 0 is that of the number.
    pub first: u32,
    /// How many.
    pub count: u32,
}

/// Order of the bytes of a number, or of each unit of UTF-16. GATT's is little; vendors differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ByteOrder {
    /// Least significant byte first.
    #[default]
    Little,
    /// Most significant byte first.
    Big,
}

impl ByteOrder {
    /// As they are written.
    pub const NAMES: [&str; 2] = ["LittleEndian", "BigEndian"];
}
impl FromStr for ByteOrder {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "LittleEndian" => Ok(Self::Little),
            "BigEndian" => Ok(Self::Big),
            _ => Err(Error::Settings("the byte order is LittleEndian or BigEndian".to_owned())),
        }
    }
}
impl fmt::Display for ByteOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Little => "LittleEndian",
            Self::Big => "BigEndian",
        })
    }
}

impl Format {
    /// A whole value in GATT's byte order.
    pub const fn new(data_type: DataType) -> Self {
        Self { data_type, byte_order: ByteOrder::Little, offset: None, length: None, bits: None, not_known: None }
    }

    /// Whether its settings fit each other. `decode` and `encode` ask too.
    pub fn check(&self) -> Result<(), Error> {
        let name = self.data_type.name();
        let wrong = |text: String| Err(Error::Settings(text));
        let width = self.data_type.width();
        if let Some(Bits { first, count }) = self.bits {
            match (self.data_type, width) {
                (DataType::Boolean, _) if count != 1 => return wrong("a boolean is one bit".to_owned()),
                (data_type, Some(width)) if data_type.takes_bits() => {
                    if count == 0 || first.saturating_add(count) > width {
                        return wrong(format!(
                            "{name} has bits 0 to {}: {count} from bit {first} are not among them",
                            width - 1
                        ));
                    }
                }
                _ => return wrong(format!("bits are cut from an integer or a boolean, not from {name}")),
            }
        }
        match (self.length, width) {
            (Some(_), Some(_)) => return wrong(format!("{name} has its own length")),
            (Some(0), None) => return wrong("a length is 1 at least".to_owned()),
            (Some(odd), None) if self.data_type == DataType::Utf16 && odd % 2 == 1 => {
                return wrong(format!("utf16 has two bytes a unit, so that {odd} bytes are none"));
            }
            _ => {}
        }
        let size = self.data_type.size().or(self.length).unwrap_or(0);
        if self.offset.unwrap_or(0).saturating_add(size) > MAX_LENGTH {
            return wrong(format!("a value has {MAX_LENGTH} bytes at most"));
        }
        match (self.not_known, self.data_type.takes_bits(), self.count()) {
            (Some(_), false, _) => wrong(format!("{name} has no pattern for a value that is not known")),
            (Some(pattern), true, count) if pattern > raw::mask(count) => {
                wrong(format!("{pattern} has more than {count} bits: it cannot stand for a value that is not known"))
            }
            _ => Ok(()),
        }
    }

    /// The value in these bytes.
    pub fn decode(&self, bytes: &[u8]) -> Result<Decoded, Error> {
        self.check()?;
        let part = self.part(bytes)?;
        if self.data_type.width().is_none() {
            return text::decode(self.data_type, self.byte_order, part).map(Decoded::Value);
        }
        let special = self.not_known.map(|pattern| (pattern, NoValue::NotKnown));
        Ok(scalar::decode(self.shape(), part, special.as_slice()))
    }

    /// The bytes of a value that is all there is.
    pub fn encode(&self, value: &Value) -> Result<Vec<u8>, Error> {
        if self.offset.is_some() || self.bits.is_some() {
            return Err(Error::Settings(
                "a part of a value can only be changed in the whole: read it first".to_owned(),
            ));
        }
        encode::whole(self, value)
    }

    /// Changes the part of these bytes that the format says; the rest stays.
    pub fn encode_into(&self, bytes: &mut [u8], value: &Value) -> Result<(), Error> {
        encode::part(self, bytes, value)
    }

    fn part<'a>(&self, bytes: &'a [u8]) -> Result<&'a [u8], Error> {
        let (at, what, got) = (self.offset.unwrap_or(0), self.data_type.name(), bytes.len());
        let Some(size) = self.data_type.size().or(self.length) else {
            return bytes.get(at..).ok_or(Error::TooShort { what, needed: at, got });
        };
        let needed = at.saturating_add(size);
        if self.offset.is_none() && self.length.is_none() && got > needed {
            return Err(Error::TooLong { what, needed, got });
        }
        bytes.get(at..needed).ok_or(Error::TooShort { what, needed, got })
    }

    fn shape(&self) -> Shape {
        Shape { data_type: self.data_type, order: self.byte_order, bits: self.bits }
    }
    fn count(&self) -> u32 {
        self.bits.map_or(self.data_type.width().unwrap_or(0), |bits| bits.count)
    }
}
