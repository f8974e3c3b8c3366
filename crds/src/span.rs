//! Durations as people write them: `500ms`, `10s`, `1m30s`, `2h`.
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// What the API server takes for a duration, and what it says to all else.
const PATTERN: &str = "^([0-9]{1,9}(ms|s|m|h))+$";
const EXAMPLES: &str = "must be a duration such as 500ms, 10s or 1m30s";

/// A duration in whole milliseconds, written as `500ms`, `10s`, `1m30s` or `2h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(Duration);

impl Span {
    /// A span of so many milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }
    /// A span of so many seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
    /// The same as the standard library's type.
    pub const fn duration(self) -> Duration {
        self.0
    }
    /// Schema of a field that takes spans within bounds only, or nothing.
    pub(crate) fn schema_within(least: Self, most: Self) -> Schema {
        let within = format!("duration(self) >= duration('{least}') && duration(self) <= duration('{most}')");
        json_schema!({"type": "string", "nullable": true, "maxLength": 32, "x-kubernetes-validations": [
            {"rule": format!("self.matches('{PATTERN}')"), "message": EXAMPLES},
            {"rule": format!("!self.matches('{PATTERN}') || {within}"), "message": format!("must be from {least} to {most}")},
        ]})
    }
}

/// The shortest and the longest that a time may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds(pub(crate) Span, pub(crate) Span);

impl Bounds {
    /// What is wrong with a time, and what is allowed.
    pub(crate) fn refuse(self, time: Span) -> Option<String> {
        let Self(least, most) = self;
        (!(least..=most).contains(&time)).then(|| format!("must be from {least} to {most}, is {time}"))
    }
    /// Schema of a field that takes such a time, or nothing.
    pub(crate) fn schema(self) -> Schema {
        let Self(least, most) = self;
        Span::schema_within(least, most)
    }
}

/// A time of a protocol block: its field there, itself, and its bounds.
pub(crate) type Time = (&'static str, Span, Bounds);

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a duration: write numbers with ms, s, m or h, such as 500ms, 10s or 1m30s")]
pub struct SpanError(String);

impl FromStr for Span {
    type Err = SpanError;
    fn from_str(text: &str) -> Result<Self, SpanError> {
        let fail = || SpanError(text.chars().take(40).collect());
        let (mut rest, mut millis) = (text, 0_u64);
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(fail)?;
            let (number, tail) = rest.split_at(digits);
            let letters = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(letters);
            let factor = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor).ok_or_else(fail)?;
            let part = number.parse::<u64>().ok().and_then(|n| n.checked_mul(factor)).ok_or_else(fail)?;
            millis = millis.checked_add(part).ok_or_else(fail)?;
            rest = tail;
        }
        if text.is_empty() { Err(fail()) } else { Ok(Self::from_millis(millis)) }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if millis == 0 {
            return f.write_str("0s");
        }
        for (unit, factor) in UNITS {
            if millis >= factor {
                write!(f, "{}{unit}", millis / factor)?;
                millis %= factor;
            }
        }
        Ok(())
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "maxLength": 32, "x-kubernetes-validations": [
            {"rule": format!("self.matches('{PATTERN}')"), "message": EXAMPLES},
        ]})
    }
}

/// How often a property is read: a period, or once after each connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Interval {
    /// Polled at this period ("scan rate"), or sampled at it by a protocol that pushes.
    Every(Span),
    /// Read once after each connect: nameplates, serial numbers.
    OnConnect,
}
const ON_CONNECT: &str = "OnConnect";

impl FromStr for Interval {
    type Err = SpanError;
    fn from_str(text: &str) -> Result<Self, SpanError> {
        if text == ON_CONNECT { Ok(Self::OnConnect) } else { text.parse().map(Self::Every) }
    }
}
impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every(span) => span.fmt(f),
            Self::OnConnect => f.write_str(ON_CONNECT),
        }
    }
}
impl Serialize for Interval {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Interval {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
impl JsonSchema for Interval {
    fn schema_name() -> Cow<'static, str> {
        "Interval".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "maxLength": 32, "x-kubernetes-validations": [{
            "rule": "self.matches('^(OnConnect|([0-9]{1,9}(ms|s|m|h))+)$')",
            "message": "must be a duration such as 500ms, 10s or 1m30s, or OnConnect",
        }]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_people_write_them_and_printed_short() {
        for (text, millis, printed) in
            [("500ms", 500, "500ms"), ("90s", 90_000, "1m30s"), ("1h0m1s", 3_601_000, "1h1s"), ("0s", 0, "0s")]
        {
            let span: Span = text.parse().unwrap();
            assert_eq!((span, span.to_string().as_str()), (Span::from_millis(millis), printed));
        }
    }

    #[test]
    fn what_is_no_span_is_refused_with_an_example() {
        for text in ["", "10", "s", "1.5s", "-1s", "10 s", "1d", "99999999999999999999h", "18446744073709551615h"] {
            let error = text.parse::<Span>().unwrap_err().to_string();
            assert!(error.contains("500ms, 10s or 1m30s"), "{text}: {error}");
        }
        assert_eq!("OnConnect".parse(), Ok(Interval::OnConnect));
        assert!("onconnect".parse::<Interval>().is_err());
    }
}
