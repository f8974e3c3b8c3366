//! From the device's own terms to the twin's and back: `invalid`, scale and offset, names, limits, types. Pure.
mod half;
mod number;
mod raw;

pub use half::{from_half, shortest_half, to_half};
pub(crate) use number::{number_of, plain};
pub use number::{same, tidy};
pub(crate) use raw::within_limits;
pub use raw::{to_raw, to_raw_scaled};

use crate::{Precision, Value};
use base64::{Engine, prelude::BASE64_STANDARD};
use pollux_crds::{EffectiveProperty, MAX_VALUE, PropertyType, Value as Twin};
use serde_json::Value as Json;

/// Why a raw value is no good value of its property: a word for `qualityReason`, with the offending value where that helps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotGood(pub String);

type Result<T> = std::result::Result<T, NotGood>;

fn bad<T>(reason: impl Into<String>) -> Result<T> {
    Err(NotGood(reason.into()))
}

/// What a raw value means: value = raw × scale + offset, rounded as wire type and scale imply.
pub fn from_raw(property: &EffectiveProperty, raw: &Value, precision: Precision) -> Result<Twin> {
    from_raw_scaled(property, raw, precision, property.scale)
}

/// As [`from_raw`], by the scale that a property's exponent makes.
pub fn from_raw_scaled(property: &EffectiveProperty, raw: &Value, precision: Precision, scale: f64) -> Result<Twin> {
    let number = number::Raw::of(raw);
    if let Some(n) = &number
        && property.invalid.iter().any(|invalid| n.is(*invalid, precision))
    {
        return bad("NotAvailable");
    }
    let json = match property.type_ {
        PropertyType::Boolean => truth(raw, number),
        PropertyType::Integer | PropertyType::Number => measured(property, raw, number, (scale, precision)),
        PropertyType::String if !property.enum_.is_empty() => name(property, raw, number),
        PropertyType::String => raw.as_str().map_or_else(|| wrong(raw, "text"), |text| Ok(text.into())),
        PropertyType::Bytes => match raw {
            Value::Bytes(bytes) => Ok(BASE64_STANDARD.encode(bytes).into()),
            _ => wrong(raw, "bytes"),
        },
        PropertyType::Json => json_of(raw, precision),
    }?;
    let length = json.as_str().map_or_else(|| if json.is_number() { 0 } else { json.to_string().len() }, str::len);
    if length > MAX_VALUE { bad(format!("TooLong({length})")) } else { Ok(Twin(json)) }
}

fn truth(raw: &Value, number: Option<number::Raw>) -> Result<Json> {
    match number {
        Some(n) if n.is(0.0, Precision::Double) => Ok(false.into()),
        Some(n) if n.is(1.0, Precision::Double) => Ok(true.into()),
        _ => wrong(raw, "boolean"),
    }
}

fn measured(
    property: &EffectiveProperty,
    raw: &Value,
    number: Option<number::Raw>,
    (scale, precision): (f64, Precision),
) -> Result<Json> {
    let Some(number) = number else { return wrong(raw, "number") };
    let scaled = number.scaled(scale, property.offset, precision);
    let Some(value) = scaled.double() else { return bad("NotFinite") };
    let below = property.minimum.is_some_and(|least| value < least);
    if below || property.maximum.is_some_and(|most| value > most) {
        return bad("OutOfRange");
    }
    match property.type_ {
        PropertyType::Integer => scaled.integer().map_or_else(|| bad(format!("NotAnInteger({value})")), Ok),
        _ => Ok(plain(value)),
    }
}

fn name(property: &EffectiveProperty, raw: &Value, number: Option<number::Raw>) -> Result<Json> {
    let Some(number) = number else { return wrong(raw, "number") };
    let Some(whole) = number.whole() else { return wrong(raw, "whole number") };
    let found = property.enum_.iter().find(|e| i128::from(e.value) == whole);
    found.map_or_else(|| bad(format!("UnknownEnumValue({whole})")), |e| Ok(e.name.clone().into()))
}

/// A value by itself as JSON has it: numbers as people write them, whole ones beyond 2^53 as digits in a string, bytes in base64.
pub fn json_of(raw: &Value, precision: Precision) -> Result<Json> {
    match raw {
        Value::Json(json) if json.is_null() => bad("NotAvailable"),
        Value::Json(json) => Ok(json.as_ref().clone()),
        Value::Text(text) => Ok(text.as_ref().into()),
        Value::Bytes(bytes) => Ok(BASE64_STANDARD.encode(bytes).into()),
        Value::Bool(on) => Ok((*on).into()),
        Value::Int(_) | Value::Uint(_) | Value::Float(_) => {
            let exact = number::Raw::of(raw).map(|n| n.scaled(1.0, 0.0, precision));
            let fraction = matches!(raw, Value::Float(_));
            let whole = |n: &number::Raw| if fraction { None } else { n.integer() };
            let value = exact.and_then(|n| whole(&n).or_else(|| n.double().map(plain)));
            value.map_or_else(|| bad("NotFinite"), Ok)
        }
    }
}

fn wrong(raw: &Value, wanted: &str) -> Result<Json> {
    let found: String = match raw {
        Value::Bool(v) => v.to_string(),
        Value::Int(v) => v.to_string(),
        Value::Uint(v) => v.to_string(),
        Value::Float(v) => v.to_string(),
        Value::Text(_) => "text".into(),
        Value::Bytes(_) => "bytes".into(),
        Value::Json(_) => "a document".into(),
    };
    bad(format!("WrongType({}, not {wanted})", found.chars().take(40).collect::<String>()))
}

#[cfg(test)]
mod tests;
