//! From the device's own terms to the twin's and back: `invalid`, scale and offset, names, limits, types. Pure.
mod cell;
mod half;
mod number;
mod raw;
mod scaled;

pub(crate) use cell::Cell;
pub use half::{from_half, shortest_half, to_half};
pub(crate) use number::number_of;
pub use number::{same, tidy};
pub(crate) use raw::within_limits;
pub use raw::{to_raw, to_raw_scaled};
use scaled::Scaled;

use crate::{Precision, Value};
use base64::{Engine, prelude::BASE64_STANDARD};
use pollux_crds::{EffectiveProperty, MAX_VALUE, PropertyType, Value as Twin};
use serde_json::Value as Json;
use std::{borrow::Cow, sync::Arc};

/// Why a raw value is no good value of its property: a word for `qualityReason`, with the offending value where that helps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotGood(pub Cow<'static, str>);

type Result<T> = std::result::Result<T, NotGood>;

fn bad<T>(reason: impl Into<Cow<'static, str>>) -> Result<T> {
    Err(NotGood(reason.into()))
}

/// What a raw value means: value = raw × scale + offset, rounded as wire type and scale imply.
pub fn from_raw(property: &EffectiveProperty, raw: &Value, precision: Precision) -> Result<Twin> {
    from_raw_scaled(property, raw, precision, property.scale)
}

/// As [`from_raw`], by the scale that a property's exponent makes.
pub fn from_raw_scaled(property: &EffectiveProperty, raw: &Value, precision: Precision, scale: f64) -> Result<Twin> {
    cell(property, raw, precision, scale).map(|cell| cell.value().unwrap_or_default())
}

/// As [`from_raw_scaled`], without a word of JSON where a number is a number. A cell that is returned has a value.
pub(crate) fn cell(property: &EffectiveProperty, raw: &Value, precision: Precision, scale: f64) -> Result<Cell> {
    let number = number::Raw::of(raw);
    if let Some(n) = &number
        && property.invalid.iter().any(|invalid| n.is(*invalid, precision))
    {
        return bad("NotAvailable");
    }
    let cell = match property.type_ {
        PropertyType::Boolean => truth(raw, number),
        PropertyType::Integer | PropertyType::Number => measured(property, raw, number, (scale, precision)),
        PropertyType::String if !property.enum_.is_empty() => name(property, raw, number),
        PropertyType::String => raw.as_str().map_or_else(|| wrong(raw, "text"), |text| Ok(other(text))),
        PropertyType::Bytes => match raw {
            Value::Bytes(bytes) => Ok(other(BASE64_STANDARD.encode(bytes))),
            _ => wrong(raw, "bytes"),
        },
        PropertyType::Json => alone(raw, precision),
    }?;
    let length = cell.length();
    if length > MAX_VALUE { bad(format!("TooLong({length})")) } else { Ok(cell) }
}

fn other(json: impl Into<Json>) -> Cell {
    Cell::Other(Arc::new(json.into()))
}

fn truth(raw: &Value, number: Option<number::Raw>) -> Result<Cell> {
    match number {
        Some(n) if n.is(0.0, Precision::Double) => Ok(Cell::Bool(false)),
        Some(n) if n.is(1.0, Precision::Double) => Ok(Cell::Bool(true)),
        _ => wrong(raw, "boolean"),
    }
}

fn measured(
    property: &EffectiveProperty,
    raw: &Value,
    number: Option<number::Raw>,
    (scale, precision): (f64, Precision),
) -> Result<Cell> {
    let Some(number) = number else { return wrong(raw, "number") };
    let scaled = number.scaled(scale, property.offset, precision);
    if !scaled.is_finite() {
        return bad("NotFinite");
    }
    let below = property.minimum.is_some_and(|least| scaled.is_below(least));
    if below || property.maximum.is_some_and(|most| scaled.is_above(most)) {
        return bad("OutOfRange");
    }
    match property.type_ {
        PropertyType::Integer => scaled.integer().map_or_else(|| bad(format!("NotAnInteger({})", scaled.double())), Ok),
        _ => Ok(scaled.plain()),
    }
}

fn name(property: &EffectiveProperty, raw: &Value, number: Option<number::Raw>) -> Result<Cell> {
    let Some(number) = number else { return wrong(raw, "number") };
    let Some(whole) = number.whole() else { return wrong(raw, "whole number") };
    let found = property.enum_.iter().find(|e| i128::from(e.value) == whole);
    found.map_or_else(|| bad(format!("UnknownEnumValue({whole})")), |e| Ok(other(e.name.as_str())))
}

/// A value by itself as JSON has it: numbers as people write them, whole ones beyond 2^53 as digits in a string, bytes in base64.
pub fn json_of(raw: &Value, precision: Precision) -> Result<Json> {
    alone(raw, precision).map(|cell| cell.value().unwrap_or_default().0)
}

fn alone(raw: &Value, precision: Precision) -> Result<Cell> {
    let number = match raw {
        Value::Json(json) if json.is_null() => return bad("NotAvailable"),
        Value::Json(json) => return Ok(Cell::Other(json.clone())),
        Value::Text(text) => return Ok(other(text.as_ref())),
        Value::Bytes(bytes) => return Ok(other(BASE64_STANDARD.encode(bytes))),
        Value::Bool(on) => return Ok(Cell::Bool(*on)),
        Value::Int(_) | Value::Uint(_) | Value::Float(_) => number::Raw::of(raw),
    };
    let Some(scaled) = number.map(|n| n.scaled(1.0, 0.0, precision)).filter(Scaled::is_finite) else {
        return bad("NotFinite");
    };
    let whole = if matches!(raw, Value::Float(_)) { None } else { scaled.integer() };
    Ok(whole.unwrap_or_else(|| scaled.plain()))
}

fn wrong(raw: &Value, wanted: &str) -> Result<Cell> {
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
mod by_text;
#[cfg(test)]
mod cell_tests;
#[cfg(test)]
mod tests;
