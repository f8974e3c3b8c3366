//! Names, widths and limits of the data types.
use crate::near::{nearest, shortened};
use crate::{Error, ValueKind};
use std::{fmt, str::FromStr};

/// Data types of the GATT Specification Supplement, 2.3, by its names, but for `utf8`, `utf16` and `bytes`. Those of 12 bits are read from
/// two bytes, whose upper four bits are left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // their names say it
pub enum DataType {
    Boolean,
    Uint8,
    Uint12,
    Uint16,
    Uint24,
    Uint32,
    Uint40,
    Uint48,
    Uint64,
    Sint8,
    Sint12,
    Sint16,
    Sint24,
    Sint32,
    Sint40,
    Sint48,
    Sint64,
    /// IEEE 754 of 32 bits.
    Float32,
    /// IEEE 754 of 64 bits.
    Float64,
    /// The SFLOAT of IEEE 11073-20601: 4 bits of exponent, 12 of mantissa, to base 10.
    Medfloat16,
    /// The FLOAT of IEEE 11073-20601: 8 bits of exponent, 24 of mantissa, to base 10.
    Medfloat32,
    Utf8,
    Utf16,
    Bytes,
}

/// Other names that people know, and what they mean.
const ALIASES: [(&str, DataType); 4] = [
    ("sfloat", DataType::Medfloat16),
    ("float", DataType::Medfloat32),
    ("utf8s", DataType::Utf8),
    ("utf16s", DataType::Utf16),
];

impl DataType {
    /// All of them.
    pub const ALL: [Self; 24] = [
        Self::Boolean,
        Self::Uint8,
        Self::Uint12,
        Self::Uint16,
        Self::Uint24,
        Self::Uint32,
        Self::Uint40,
        Self::Uint48,
        Self::Uint64,
        Self::Sint8,
        Self::Sint12,
        Self::Sint16,
        Self::Sint24,
        Self::Sint32,
        Self::Sint40,
        Self::Sint48,
        Self::Sint64,
        Self::Float32,
        Self::Float64,
        Self::Medfloat16,
        Self::Medfloat32,
        Self::Utf8,
        Self::Utf16,
        Self::Bytes,
    ];

    /// As it is written: `uint8`, `medfloat16`, `bytes`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Uint8 => "uint8",
            Self::Uint12 => "uint12",
            Self::Uint16 => "uint16",
            Self::Uint24 => "uint24",
            Self::Uint32 => "uint32",
            Self::Uint40 => "uint40",
            Self::Uint48 => "uint48",
            Self::Uint64 => "uint64",
            Self::Sint8 => "sint8",
            Self::Sint12 => "sint12",
            Self::Sint16 => "sint16",
            Self::Sint24 => "sint24",
            Self::Sint32 => "sint32",
            Self::Sint40 => "sint40",
            Self::Sint48 => "sint48",
            Self::Sint64 => "sint64",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::Medfloat16 => "medfloat16",
            Self::Medfloat32 => "medfloat32",
            Self::Utf8 => "utf8",
            Self::Utf16 => "utf16",
            Self::Bytes => "bytes",
        }
    }

    /// Bits of it; none for text and bytes. A boolean is read from a byte.
    pub const fn width(self) -> Option<u32> {
        Some(match self {
            Self::Boolean | Self::Uint8 | Self::Sint8 => 8,
            Self::Uint12 | Self::Sint12 => 12,
            Self::Uint16 | Self::Sint16 | Self::Medfloat16 => 16,
            Self::Uint24 | Self::Sint24 => 24,
            Self::Uint32 | Self::Sint32 | Self::Float32 | Self::Medfloat32 => 32,
            Self::Uint40 | Self::Sint40 => 40,
            Self::Uint48 | Self::Sint48 => 48,
            Self::Uint64 | Self::Sint64 | Self::Float64 => 64,
            Self::Utf8 | Self::Utf16 | Self::Bytes => return None,
        })
    }

    /// Bytes of it; none for text and bytes.
    pub const fn size(self) -> Option<usize> {
        match self.width() {
            Some(width) => Some(width.div_ceil(8) as usize),
            None => None,
        }
    }

    /// Type of its values.
    pub const fn kind(self) -> ValueKind {
        match self {
            Self::Boolean => ValueKind::Bool,
            Self::Float32 | Self::Float64 | Self::Medfloat16 | Self::Medfloat32 => ValueKind::Float,
            Self::Utf8 | Self::Utf16 => ValueKind::Text,
            Self::Bytes => ValueKind::Bytes,
            _ if self.is_signed() => ValueKind::Int,
            _ => ValueKind::UInt,
        }
    }

    /// Whether it is an integer with a sign.
    pub const fn is_signed(self) -> bool {
        let small = matches!(self, Self::Sint8 | Self::Sint12 | Self::Sint16 | Self::Sint24);
        small || matches!(self, Self::Sint32 | Self::Sint40 | Self::Sint48 | Self::Sint64)
    }
    /// Whether bits can be cut from it.
    pub const fn takes_bits(self) -> bool {
        matches!(self.kind(), ValueKind::Bool | ValueKind::Int | ValueKind::UInt)
    }
}

impl FromStr for DataType {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        let known = || Self::ALL.iter().map(|data_type| (data_type.name(), *data_type)).chain(ALIASES);
        let found = known().find(|(name, _)| *name == text);
        found.map(|(_, data_type)| data_type).ok_or_else(|| Error::DataType {
            text: shortened(text),
            nearest: nearest(text, Self::ALL.iter().map(|data_type| data_type.name())),
        })
    }
}
impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
