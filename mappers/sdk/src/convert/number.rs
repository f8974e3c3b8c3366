//! Numbers: exact where the wire is exact, and printed as a person would write them.
use super::{
    half::{from_half, shortest_half, to_half},
    scaled::Scaled,
};
use crate::{Precision, Value};
use pollux_crds::Value as Twin;
use serde_json::Value as Json;
use std::fmt::{self, Write as _};

/// Integers up to here are JSON numbers; beyond, doubles have holes and a string is exact.
pub(super) const EXACT: i128 = 1 << 53;
/// Most decimals that a scale is believed to mean; more is a fraction such as 1/3.
const DECIMALS: usize = 12;
/// Digits that survive a few operations on doubles.
const DIGITS: usize = 15;

/// A number off the wire, exact if it is whole there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Raw {
    Whole(i128),
    Real(f64),
}

impl Raw {
    pub(super) fn of(raw: &Value) -> Option<Self> {
        match raw {
            Value::Bool(v) => Some(Self::Whole(i128::from(*v))),
            Value::Int(v) => Some(Self::Whole(i128::from(*v))),
            Value::Uint(v) => Some(Self::Whole(i128::from(*v))),
            Value::Float(v) => Some(Self::Real(*v)),
            Value::Text(_) | Value::Bytes(_) | Value::Json(_) => None,
        }
    }
    /// Compared as the wire has it: 3.4e38 of a 32-bit float is not the double of the same text.
    #[expect(clippy::float_cmp, reason = "a raw value is that very one or another")]
    pub(super) fn is(self, number: f64, precision: Precision) -> bool {
        match (self, precision) {
            (Self::Whole(whole), _) => exactly(number) == Some(whole),
            (Self::Real(real), Precision::Single) => real == single(number) || real == number,
            (Self::Real(real), Precision::Half) => real == from_half(to_half(number)) || real == number,
            (Self::Real(real), _) => real == number,
        }
    }
    pub(super) fn whole(self) -> Option<i128> {
        match self {
            Self::Whole(whole) => Some(whole),
            Self::Real(real) => exactly(real),
        }
    }
    /// raw × scale + offset.
    pub(super) fn scaled(self, scale: f64, offset: f64, precision: Precision) -> Scaled {
        if let Self::Whole(raw) = self
            && let Some((scale, offset)) = exactly(scale).zip(exactly(offset))
            && let Some(exact) = raw.checked_mul(scale).and_then(|n| n.checked_add(offset))
        {
            return Scaled::Whole(exact);
        }
        let real = match self {
            Self::Whole(whole) => whole as f64,
            Self::Real(real) if precision == Precision::Half => shortest_half(real),
            Self::Real(real) => real,
        };
        let plain = scale.to_bits() == 1.0_f64.to_bits() && offset == 0.0;
        let value = if plain { real } else { real * scale + offset };
        match (self, precision) {
            (Self::Real(_), Precision::Single) => Scaled::single(value),
            (Self::Real(_), _) if plain => Scaled::Real(value),
            (Self::Real(_), _) => Scaled::Real(tidy(value)),
            (Self::Whole(_), _) => Scaled::Real(match (decimals(scale), decimals(offset)) {
                (Some(a), Some(b)) => rounded(value, (real * scale).abs().max(offset.abs()), a.max(b)),
                _ => tidy(value),
            }),
        }
    }
}

/// Without the noise that arithmetic on doubles leaves: 0.30000000000000004 is 0.3.
pub fn tidy(value: f64) -> f64 {
    reparse(value, format_args!("{value:.*e}", DIGITS - 1))
}

/// The same number, or nearly: raw values that a person's decimal leads to (21.3 ÷ 0.1 is 213).
pub(super) fn snapped(value: f64) -> f64 {
    let round = value.round();
    if (value - round).abs() <= 1e-9 + value.abs() * 1e-12 { round } else { value }
}

/// A number in JSON, whole numbers without a point: 21, not 21.0.
pub(super) fn plain(value: f64) -> Json {
    let small = exactly(value).filter(|n| n.abs() <= EXACT).and_then(|n| i64::try_from(n).ok());
    small.map_or_else(|| value.into(), Json::from)
}

/// Whether two values of a property are the same: 22 is 22.0 and "22" where digits may be a string.
pub fn same(a: &Twin, b: &Twin) -> bool {
    match (&a.0, &b.0) {
        (Json::Number(x), Json::Number(y)) => match (json_whole(&a.0), json_whole(&b.0)) {
            (Some(x), Some(y)) => x == y,
            _ => x.as_f64() == y.as_f64(),
        },
        (Json::Number(_), Json::String(_)) | (Json::String(_), Json::Number(_)) => {
            matches!((json_whole(&a.0), json_whole(&b.0)), (Some(x), Some(y)) if x == y)
        }
        (x, y) => x == y,
    }
}

/// The whole number that a value is: a number, or digits in a string.
pub(super) fn json_whole(json: &Json) -> Option<i128> {
    match json {
        Json::Number(n) => {
            let whole = n.as_i64().map(i128::from).or_else(|| n.as_u64().map(i128::from));
            whole.or_else(|| n.as_f64().and_then(exactly))
        }
        Json::String(digits) => digits.parse().ok(),
        _ => None,
    }
}

/// The whole number that a double is. Below 2^100, so that the conversion is exact.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked, and the fraction is zero")]
pub(super) fn exactly(value: f64) -> Option<i128> {
    (value.fract() == 0.0 && value.abs() < 1.267e30).then_some(value as i128)
}

#[expect(clippy::cast_possible_truncation, reason = "to round is the purpose")]
fn single(value: f64) -> f64 {
    f64::from(value as f32)
}
/// The double of the shortest decimal that means this 32-bit float.
pub(super) fn shortest_single(single: f32) -> f64 {
    reparse(single.into(), format_args!("{single:e}"))
}
/// To as many decimals as scale and offset have, of which it is a multiple but for noise: far from the middle between two, unless
/// what it was made of (`most`) is too large. Powers of ten up to 10^22 and whole numbers below 2^53 are doubles, so their quotient
/// is the double of the decimal.
fn rounded(value: f64, most: f64, decimals: usize) -> f64 {
    const SURE: f64 = 8_796_093_022_208.0; // 2^43: there the noise is 2^-7 at most
    let power = power_of_ten(decimals);
    if most * power < SURE {
        return positive_zero((value * power).round() / power);
    }
    reparse(value, format_args!("{value:.decimals$}"))
}
/// What the text means, where that is finite; a zero is positive.
pub(super) fn reparse(value: f64, text: fmt::Arguments<'_>) -> f64 {
    let mut short = Short::default();
    let read = match short.write_fmt(text) {
        Ok(()) => short.text().parse::<f64>().ok(),
        Err(fmt::Error) => text.to_string().parse().ok(), // only huge numbers with decimals are so long
    };
    positive_zero(read.filter(|n| n.is_finite()).unwrap_or(value))
}
fn positive_zero(number: f64) -> f64 {
    if number == 0.0 { 0.0 } else { number }
}
/// Digits after the point in the shortest way to write it.
fn decimals(number: f64) -> Option<usize> {
    // 2^51: up to here the product rounds to the digits themselves: the number is off by 2^-2 of a digit at most, the product by 2^-3.
    const SURE: f64 = 2_251_799_813_685_248.0;
    for count in 0..=DECIMALS {
        let power = power_of_ten(count);
        let digits = (number * power).round();
        if digits.abs() >= SURE {
            break;
        }
        if (digits / power).to_bits() == number.to_bits() {
            return Some(count);
        }
        if count == DECIMALS {
            return None;
        }
    }
    let text = number.to_string();
    let count = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    (count <= DECIMALS).then_some(count)
}
/// Exact up to 10^22.
fn power_of_ten(exponent: usize) -> f64 {
    (0..exponent).fold(1.0, |power, _| power * 10.0)
}

/// Room for a number in digits.
#[derive(Default)]
struct Short {
    bytes: [u8; 32],
    length: usize,
}
impl Short {
    fn text(&self) -> &str {
        self.bytes.get(..self.length).and_then(|bytes| str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}
impl fmt::Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// The number that a value is, for comparing with a tolerance.
pub(crate) fn number_of(value: &Twin) -> Option<f64> {
    number_of_json(&value.0)
}
pub(super) fn number_of_json(json: &Json) -> Option<f64> {
    json.as_f64().or_else(|| json_whole(json).map(|whole| whole as f64))
}
