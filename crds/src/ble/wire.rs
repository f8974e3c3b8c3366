//! What a value must be to be written to a characteristic. The driver refuses the rest too, but only when it is written. A number
//! between two steps is written as the nearer one.
use super::{BleBinding, BleForm, BleSource};
use crate::{EffectiveProperty, PropertyType, Value, desired::check_step, wire::tidy};
use pollux_ble_codec::{Decoded, Value as Raw, ValueKind};
use serde_json::Value as Json;

/// Ok, or what is allowed. The value is of the property's type.
pub(crate) fn check(binding: &BleBinding, property: &EffectiveProperty, value: &Value) -> Result<(), String> {
    let Ok(BleSource::Characteristic { form, .. }) = binding.source() else { return Ok(()) };
    let Some(raw) = raw(&form, property, &value.0) else { return Ok(()) };
    let held = form.held(&raw).map_err(|error| {
        if is_plain(property) { error.to_string() } else { format!("before scale and offset, {error}") }
    })?;
    let number = matches!(property.type_, PropertyType::Integer | PropertyType::Number);
    let Some(Decoded::Value(step)) = held.filter(|_| number) else { return Ok(()) };
    let exact = is_plain(property) && step == raw;
    match step.as_f64().filter(|_| !exact) {
        Some(step) => check_step(property, tidy(step * property.scale + property.offset)),
        None => Ok(()),
    }
}

/// What is wrong with the raw value of a name.
pub(crate) fn check_name(form: &BleForm, value: i64) -> Option<String> {
    let error = form.held(&named(form, value)).err()?;
    Some(format!("value {value}: {error}"))
}

fn named(form: &BleForm, value: i64) -> Raw {
    if form.kind() == ValueKind::Bool { Raw::Bool(value != 0) } else { Raw::Int(value) }
}

/// As it is encoded. None: what it is only the driver knows, or the names were judged with the property.
fn raw(form: &BleForm, property: &EffectiveProperty, value: &Json) -> Option<Raw> {
    match property.type_ {
        PropertyType::Integer | PropertyType::Number if property.scale_exponent_from.is_some() => None,
        PropertyType::Integer | PropertyType::Number => number(form, property, value),
        PropertyType::Boolean => Some(named(form, value.as_bool()?.into())),
        PropertyType::String if property.enum_.is_empty() => Some(Raw::Text(value.as_str()?.to_owned().into())),
        // As many of them as there are: what they are is all one to the format.
        PropertyType::Bytes => Some(Raw::Bytes(vec![0; held(value.as_str()?)])),
        PropertyType::String | PropertyType::Json => None,
    }
}

fn number(form: &BleForm, property: &EffectiveProperty, value: &Json) -> Option<Raw> {
    let whole = || value.as_i64().map(Raw::Int).or_else(|| value.as_u64().map(Raw::UInt));
    let digits =
        || value.as_str().and_then(|text| text.parse().map(Raw::Int).or_else(|_| text.parse().map(Raw::UInt)).ok());
    if let Some(exact) = whole().or_else(digits).filter(|_| is_plain(property)) {
        return Some(exact);
    }
    let given = value.as_f64().or_else(|| value.as_str()?.parse().ok())?;
    let raw = tidy((given - property.offset) / property.scale);
    Some(Raw::Float(if matches!(form.kind(), ValueKind::Int | ValueKind::UInt) { raw.round() } else { raw }))
}

/// Bytes that base64 holds.
fn held(text: &str) -> usize {
    text.len() / 4 * 3 - text.bytes().rev().take_while(|byte| *byte == b'=').count().min(2)
}

fn is_plain(property: &EffectiveProperty) -> bool {
    property.scale.to_bits() == 1.0_f64.to_bits() && property.offset == 0.0
}
