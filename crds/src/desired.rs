//! Whether a value fits a property.
use crate::{BleBinding, EffectiveProperty, ModbusBinding, PropertyType, Source, Value, ble, parameters::list, wire};
use serde::Deserialize as _;
use serde_json::Value as Json;

/// Longest value, as JSON text.
pub const MAX_VALUE: usize = 4096;
/// From here on doubles have holes.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Ok, or what is wrong and what is allowed, without the field's name: `must be a number from 10 to 90, is "hot"`.
pub fn check_value(property: &EffectiveProperty, value: &Value) -> Result<(), String> {
    let length = value.0.as_str().map_or_else(|| value.0.to_string().len(), str::len);
    if length > MAX_VALUE {
        return Err(format!("longer than {MAX_VALUE} characters"));
    }
    if fits(property, &value.0) {
        return Ok(());
    }
    let quote = match (&value.0, property.type_) {
        (Json::Bool(_), PropertyType::String) => "; quote it where YAML reads it as a boolean",
        (Json::Number(n), PropertyType::Integer) if n.as_f64().is_some_and(|n| n.abs() >= EXACT) => {
            "; quote it: unquoted, numbers beyond 2⁵³ lose digits"
        }
        _ => "",
    };
    Err(format!("must be {}, is {}{quote}", allowed(property), value.short()))
}

/// As [`check_value`], and whether the protocol's own format can carry it, as far as that can be told without its driver.
pub fn check_desired_value(protocol: &str, property: &EffectiveProperty, value: &Value) -> Result<(), String> {
    check_value(property, value)?;
    match &property.source {
        Source::Binding(json) if protocol == "modbus" => match ModbusBinding::deserialize(json.value()) {
            Ok(binding) => wire::check(&binding, property, value),
            Err(_) => Ok(()), // never: it was written from one
        },
        Source::Binding(json) if protocol == "ble" => match BleBinding::deserialize(json.value()) {
            Ok(binding) => ble::wire::check(&binding, property, value),
            Err(_) => Ok(()), // as above
        },
        _ => Ok(()),
    }
}

/// Whether the step of the device that a number is rounded to lies within the limits of what may be written, or why not.
pub fn check_step(property: &EffectiveProperty, step: f64) -> Result<(), String> {
    let beyond =
        |word: &str, limit: f64| Err(format!("would be written as the nearest step, {step}, which is {word} {limit}"));
    match (property.minimum, property.maximum) {
        (Some(least), _) if step < least => beyond("below minimum", least),
        (_, Some(most)) if step > most => beyond("above maximum", most),
        _ => Ok(()),
    }
}

fn fits(property: &EffectiveProperty, value: &Json) -> bool {
    match property.type_ {
        PropertyType::Boolean => value.is_boolean(),
        PropertyType::Integer => integer(value).is_some_and(|n| in_range(property, n)),
        PropertyType::Number => value.as_f64().is_some_and(|n| n.is_finite() && in_range(property, n)),
        PropertyType::String if property.enum_.is_empty() => value.is_string(),
        PropertyType::String => value.as_str().is_some_and(|name| property.enum_.iter().any(|e| e.name == name)),
        PropertyType::Bytes => value.as_str().is_some_and(is_base64),
        PropertyType::Json => true,
    }
}

/// A whole number: also 22.0, which YAML writers and kubectl patches produce, and digits in a string beyond 2⁵³.
#[allow(clippy::cast_precision_loss)] // only compared with limits, which are doubles
fn integer(value: &Json) -> Option<f64> {
    let digits = || value.as_str().and_then(|s| s.parse::<i128>().ok()).filter(is_64_bit).map(|n| n as f64);
    match value {
        Json::Number(n) if n.is_i64() || n.is_u64() => n.as_f64(),
        Json::Number(n) => n.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < EXACT),
        _ => digits(),
    }
}
fn is_64_bit(n: &i128) -> bool {
    (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(n)
}
fn in_range(property: &EffectiveProperty, n: f64) -> bool {
    property.minimum.is_none_or(|least| n >= least) && property.maximum.is_none_or(|most| n <= most)
}
/// RFC 4648 section 4, padded, and with nothing in the bits that no byte takes (3.5).
pub(crate) fn is_base64(text: &str) -> bool {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let body = text.trim_end_matches('=');
    let spare = match text.len() - body.len() {
        0 => 0,
        1 => 0b11,
        2 => 0b1111,
        _ => return false,
    };
    let place = |letter: u8| LETTERS.iter().position(|known| *known == letter);
    let last = body.bytes().last().and_then(place).unwrap_or_default();
    text.len().is_multiple_of(4) && body.bytes().all(|letter| place(letter).is_some()) && last & spare == 0
}

/// What a person may write there.
fn allowed(property: &EffectiveProperty) -> String {
    let range = match (property.minimum, property.maximum) {
        (Some(least), Some(most)) => format!(" from {least} to {most}"),
        (Some(least), None) => format!(" of at least {least}"),
        (None, Some(most)) => format!(" of at most {most}"),
        (None, None) => String::new(),
    };
    match property.type_ {
        PropertyType::Boolean => "true or false".into(),
        PropertyType::Integer => format!("a whole number{range}"),
        PropertyType::Number => format!("a number{range}"),
        PropertyType::String if property.enum_.is_empty() => "text".into(),
        PropertyType::String => {
            format!("one of {}", list(&property.enum_.iter().map(|e| e.name.as_str()).collect::<Vec<_>>()))
        }
        PropertyType::Bytes => "bytes in base64".into(),
        PropertyType::Json => "JSON".into(),
    }
}
