//! Values. Numbers are `Copy` bits and a kind; only text, bytes and JSON own memory.
use std::{
    fmt::{self, Display},
    sync::Arc,
};

/// A value on its way between a device and the twin, in the device's own terms (before scale, enum names and checks).
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A bit, a coil, a flag.
    Bool(bool),
    /// A signed integer of any width.
    Int(i64),
    /// An unsigned integer of any width.
    Uint(u64),
    /// A float of either width; one that is not finite never reaches the twin.
    Float(f64),
    /// Text.
    Text(Arc<str>),
    /// Bytes that mean nothing to the mapper.
    Bytes(Arc<[u8]>),
    /// A document.
    Json(Arc<serde_json::Value>),
}

impl Value {
    /// The number that it is, rounded to a float where it is a large integer; None for what is no number.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Int(v) => Some(*v as f64),
            Self::Uint(v) => Some(*v as f64),
            Self::Float(v) => Some(*v),
            Self::Bool(_) | Self::Text(_) | Self::Bytes(_) | Self::Json(_) => None,
        }
    }
    /// The integer that it is, exactly; a float only where it has no fraction.
    #[must_use]
    pub fn as_i128(&self) -> Option<i128> {
        match self {
            Self::Int(v) => Some(i128::from(*v)),
            Self::Uint(v) => Some(i128::from(*v)),
            Self::Float(v) => whole(*v),
            Self::Bool(_) | Self::Text(_) | Self::Bytes(_) | Self::Json(_) => None,
        }
    }
    /// The truth value that it is.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(v) = self { Some(*v) } else { None }
    }
    /// The text that it is.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::Text(v) = self { Some(v) } else { None }
    }
}

/// As JSON has it, so that text keeps its quotes and its control characters act on nobody.
impl Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(v) => v.fmt(f),
            Self::Int(v) => v.fmt(f),
            Self::Uint(v) => v.fmt(f),
            Self::Float(v) => v.fmt(f),
            Self::Text(v) => write!(f, "{}", serde_json::Value::from(&**v)),
            Self::Bytes(v) => write!(f, "{} bytes", v.len()),
            Self::Json(v) => v.fmt(f),
        }
    }
}

/// Below 2^64 in magnitude, so that the conversion is exact.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked, and the fraction is zero")]
fn whole(v: f64) -> Option<i128> {
    (v.fract() == 0.0 && v.abs() < 18_446_744_073_709_551_616.0).then_some(v as i128)
}

impl From<f64> for Value {
    fn from(v: f64) -> Self {
        Self::Float(v)
    }
}
impl From<f32> for Value {
    fn from(v: f32) -> Self {
        Self::Float(f64::from(v))
    }
}
impl From<i64> for Value {
    fn from(v: i64) -> Self {
        Self::Int(v)
    }
}
impl From<u64> for Value {
    fn from(v: u64) -> Self {
        Self::Uint(v)
    }
}
impl From<bool> for Value {
    fn from(v: bool) -> Self {
        Self::Bool(v)
    }
}
impl From<&str> for Value {
    fn from(v: &str) -> Self {
        Self::Text(v.into())
    }
}
impl From<String> for Value {
    fn from(v: String) -> Self {
        Self::Text(v.into())
    }
}

/// What the bits of a row mean. `Other`: the value stands beside the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    None,
    Bool,
    Int,
    Uint,
    Float,
    Other,
}

/// The bits of a number, or the value itself where it is none.
#[inline]
pub(crate) fn split(value: Value) -> Result<(Kind, u64), Value> {
    match value {
        Value::Bool(v) => Ok((Kind::Bool, u64::from(v))),
        Value::Int(v) => Ok((Kind::Int, v.cast_unsigned())),
        Value::Uint(v) => Ok((Kind::Uint, v)),
        Value::Float(v) => Ok((Kind::Float, v.to_bits())),
        other => Err(other),
    }
}

#[inline]
pub(crate) fn join(kind: Kind, bits: u64) -> Option<Value> {
    match kind {
        Kind::Bool => Some(Value::Bool(bits != 0)),
        Kind::Int => Some(Value::Int(bits.cast_signed())),
        Kind::Uint => Some(Value::Uint(bits)),
        Kind::Float => Some(Value::Float(f64::from_bits(bits))),
        Kind::None | Kind::Other => None,
    }
}

/// What a device says, made fit for a terminal and a column: its control characters act on nobody, nor do those that are not seen, or
/// turn the order of others.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || is_unseen(c) { ' ' } else { c }).collect()
}

/// Characters that are not seen, by which a text looks like another: of Unicode's Cf, Zl and Zp those that show nothing (tags too), selectors
/// of variants, and the fillers of Hangul, which are letters.
pub(crate) fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e007f}' | '\u{e0100}'..='\u{e01ef}')
}

#[cfg(test)]
mod tests {
    use super::Value;

    #[test]
    fn people_read_the_value_and_not_its_type() {
        let values =
            [Value::Float(21.5), Value::Float(60.0), Value::Int(-3), Value::Bool(true), Value::from("a\u{1b}\"")];
        assert_eq!(values.map(|value| value.to_string()), ["21.5", "60", "-3", "true", r#""a\u001b\"""#]);
    }
    #[test]
    fn what_is_not_seen_acts_on_nobody() {
        assert_eq!(super::printable("a\u{1b}[2J\u{202e}b\u{200b}\n°é温"), "a [2J b  °é温");
        // The first and the last of tags, variation selectors and fillers; their neighbours are seen.
        let unseen = [0xe0000, 0xe007f, 0xfe00, 0xfe0f, 0xe0100, 0xe01ef, 0x115f, 0x1160, 0x3164, 0xffa0];
        let seen = [0xfdff, 0xfe10, 0x115e, 0x1161, 0x3163, 0x3165, 0xff9f, 0xffa1];
        let shown = |codes: &[u32]| -> String { codes.iter().filter_map(|code| char::from_u32(*code)).collect() };
        assert_eq!(super::printable(&shown(&unseen)), " ".repeat(unseen.len()));
        assert_eq!(super::printable(&shown(&seen)), shown(&seen));
    }
    #[test]
    fn integers_are_taken_exactly_or_not_at_all() {
        assert_eq!(Value::Uint(u64::MAX).as_i128(), Some(i128::from(u64::MAX)));
        assert_eq!(Value::Float(-3.0).as_i128(), Some(-3));
        assert_eq!(Value::Float(0.5).as_i128(), None);
        assert_eq!(Value::Float(f64::NAN).as_i128(), None);
        assert_eq!(Value::Float(1e300).as_i128(), None);
        assert_eq!(Value::from("3").as_i128(), None);
    }
}
