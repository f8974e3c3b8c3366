//! From a desired value to what goes on the wire.
use super::{
    number::{self, exactly, json_whole, snapped, tidy},
    scaled::Scaled,
};
use crate::{ErrorKind, PointFault, Precision, Value};
use base64::{Engine, prelude::BASE64_STANDARD};
use pollux_crds::{EffectiveProperty, PropertyType, Value as Twin, check_step, check_value};
use serde_json::Value as Json;
use std::sync::Arc;

/// The raw value to write: (value − offset) ÷ scale. What does not fit the property is refused in the words of its check.
pub fn to_raw(property: &EffectiveProperty, value: &Twin) -> Result<Value, PointFault> {
    to_raw_scaled(property, value, property.scale)
}

/// As [`to_raw`], by the scale that a property's exponent makes.
pub fn to_raw_scaled(property: &EffectiveProperty, value: &Twin, scale: f64) -> Result<Value, PointFault> {
    check_value(property, value).map_err(|text| PointFault::new(ErrorKind::Config, text))?;
    let raw = match property.type_ {
        PropertyType::Boolean => value.0.as_bool().map(Value::Bool),
        PropertyType::Integer | PropertyType::Number => unscaled(property, &value.0, scale),
        PropertyType::String if !property.enum_.is_empty() => {
            property.enum_.iter().find(|e| value.0.as_str() == Some(&e.name)).map(|e| Value::Int(e.value))
        }
        PropertyType::String => value.0.as_str().map(Value::from),
        PropertyType::Bytes => value.0.as_str().and_then(|text| BASE64_STANDARD.decode(text).ok()).map(bytes),
        PropertyType::Json => Some(Value::Json(Arc::new(value.0.clone()))),
    };
    raw.ok_or_else(|| PointFault::new(ErrorKind::Config, "has no representation on the wire"))
}

/// Rounded to a whole number of the device's, a value must not leave the limits of what may be written. `encoded`: what the
/// device would then report.
pub(crate) fn within_limits(property: &EffectiveProperty, encoded: &Value, scale: f64) -> Result<(), PointFault> {
    let numeric = matches!(property.type_, PropertyType::Integer | PropertyType::Number);
    let (Value::Int(_) | Value::Uint(_), true) = (encoded, numeric) else { return Ok(()) };
    let step = number::Raw::of(encoded).map(|raw| raw.scaled(scale, property.offset, Precision::Integer));
    let Some(step) = step.filter(Scaled::is_finite) else { return Ok(()) };
    check_step(property, step.double()).map_err(|text| PointFault::new(ErrorKind::Config, text))
}

fn bytes(bytes: Vec<u8>) -> Value {
    Value::Bytes(bytes.into())
}

fn unscaled(property: &EffectiveProperty, json: &Json, by: f64) -> Option<Value> {
    let exact = json_whole(json).zip(exactly(property.offset).zip(exactly(by)));
    if let Some((value, (offset, scale))) = exact
        && let Some(shifted) = value.checked_sub(offset)
        && shifted.checked_rem(scale) == Some(0)
        && let Some(raw) = shifted.checked_div(scale)
        && let Ok(raw) = i64::try_from(raw).map(Value::Int).or_else(|_| u64::try_from(raw).map(Value::Uint))
    {
        return Some(raw);
    }
    #[allow(clippy::cast_precision_loss)] // a whole number that no whole raw value means
    let value = json_whole(json).map_or_else(|| json.as_f64(), |whole| Some(whole as f64))?;
    let plain = by.to_bits() == 1.0_f64.to_bits() && property.offset == 0.0;
    let raw = if plain { value } else { tidy(snapped((value - property.offset) / by)) };
    raw.is_finite().then_some(Value::Float(raw))
}
