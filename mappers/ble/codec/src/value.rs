//! What is decoded, and why there may be none.
use std::borrow::Cow;
use std::fmt::Write;

/// A value as the driver hands it on.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// True or false.
    Bool(bool),
    /// A signed number.
    Int(i64),
    /// An unsigned number.
    UInt(u64),
    /// A number with a fraction, or of a scaled field.
    Float(f64),
    /// Text; borrowed where it is one of a known list.
    Text(Cow<'static, str>),
    /// Bytes as they came.
    Bytes(Vec<u8>),
}

/// A value, or why a well-formed message holds none.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoded {
    /// The value.
    Value(Value),
    /// None, for this reason.
    None(NoValue),
}

/// Why a well-formed message holds no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NoValue {
    /// The flags say that the field is not there this time.
    #[error("the field is not present")]
    Absent,
    /// The pattern for "value is not known", or "not available".
    #[error("the device says that the value is not known")]
    NotKnown,
    /// The pattern for "value is not valid", or a value that the characteristic does not allow.
    #[error("the value is not valid")]
    NotValid,
    /// The pattern for "this or greater".
    #[error("the value is above what the format carries")]
    AboveRange,
    /// The pattern for "out of range", on either side.
    #[error("the value is outside of what the format carries")]
    OutOfRange,
    /// Of a time: the whole life of the device.
    #[error("the time is the whole life of the device")]
    WholeLife,
    /// NaN of IEEE 754 or IEEE 11073-20601.
    #[error("the value is not a number")]
    NotANumber,
    /// NRes of IEEE 11073-20601.
    #[error("the value cannot be given at this resolution")]
    NotAtThisResolution,
    /// Kept for later use by IEEE 11073-20601.
    #[error("the value is a reserved one")]
    Reserved,
    /// +∞.
    #[error("the value is positive infinity")]
    PlusInfinity,
    /// −∞.
    #[error("the value is negative infinity")]
    MinusInfinity,
    /// BTHome's event 0, which keeps the place of a button that was not pressed.
    #[error("there was no event")]
    NoEvent,
}

impl Decoded {
    /// The value, if there is one.
    pub fn value(self) -> Option<Value> {
        match self {
            Self::Value(value) => Some(value),
            Self::None(_) => None,
        }
    }
}
impl From<Value> for Decoded {
    fn from(value: Value) -> Self {
        Self::Value(value)
    }
}
impl From<NoValue> for Decoded {
    fn from(reason: NoValue) -> Self {
        Self::None(reason)
    }
}
impl From<f64> for Decoded {
    /// What is not finite is no value.
    fn from(number: f64) -> Self {
        match number {
            n if n.is_nan() => Self::None(NoValue::NotANumber),
            f64::INFINITY => Self::None(NoValue::PlusInfinity),
            f64::NEG_INFINITY => Self::None(NoValue::MinusInfinity),
            number => Self::Value(Value::Float(number)),
        }
    }
}

impl Value {
    /// What it is, in words.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::UInt(_) | Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
        }
    }
    /// A number as one of 64 bits; what is none has none.
    pub fn as_f64(&self) -> Option<f64> {
        match *self {
            Self::Int(number) => Some(number as f64),
            Self::UInt(number) => Some(number as f64),
            Self::Float(number) => Some(number),
            _ => None,
        }
    }
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex<'a>(bytes: impl Iterator<Item = &'a u8>, between: &str) -> Value {
    let mut text = String::new();
    for byte in bytes {
        // Writing to a String does not fail.
        write!(text, "{byte:02X}{between}").unwrap_or_default();
    }
    text.truncate(text.len().saturating_sub(between.len()));
    Value::Text(text.into())
}
