//! One number, boolean or bit field.
use super::medfloat::{MEDFLOAT16, MEDFLOAT32};
use super::raw::{Shape, mask, signed};
use super::{ByteOrder, DataType};
use crate::{Decoded, Error, NoValue, Value, ValueKind};

/// The value in bytes that are as many as the data type has, or the reason that stands in its place.
pub(crate) fn decode(shape: Shape, bytes: &[u8], specials: &[(u64, NoValue)]) -> Decoded {
    let (pattern, (_, count)) = (shape.get(bytes), shape.place());
    if let Some((_, reason)) = specials.iter().find(|(special, _)| *special == pattern) {
        return (*reason).into();
    }
    match shape.data_type {
        DataType::Float32 => f64::from(f32::from_bits((pattern & 0xFFFF_FFFF) as u32)).into(),
        DataType::Float64 => f64::from_bits(pattern).into(),
        DataType::Medfloat16 => MEDFLOAT16.decode(pattern),
        DataType::Medfloat32 => MEDFLOAT32.decode(pattern),
        DataType::Boolean => Value::Bool(pattern != 0).into(),
        data_type if data_type.is_signed() => Value::Int(signed(pattern, count)).into(),
        _ => Value::UInt(pattern).into(),
    }
}

/// The pattern of a value.
pub(crate) fn encode(shape: Shape, value: &Value) -> Result<u64, Error> {
    let (data_type, (_, count)) = (shape.data_type, shape.place());
    match data_type.kind() {
        ValueKind::Bool => match value {
            Value::Bool(on) => Ok(u64::from(*on)),
            other => Err(Error::WrongType { what: data_type.name(), wanted: "a boolean", given: other.type_name() }),
        },
        ValueKind::Float => float(data_type, number(data_type, value)?),
        _ => integer(data_type, count, whole(data_type, value)?),
    }
}

fn number(data_type: DataType, value: &Value) -> Result<f64, Error> {
    let given = value.type_name();
    value.as_f64().ok_or(Error::WrongType { what: data_type.name(), wanted: "a number", given })
}

fn float(data_type: DataType, number: f64) -> Result<u64, Error> {
    let (pattern, most) = match data_type {
        DataType::Float64 => (number.is_finite().then(|| number.to_bits()), f64::MAX),
        DataType::Medfloat16 => (MEDFLOAT16.encode(number), MEDFLOAT16.greatest()),
        DataType::Medfloat32 => (MEDFLOAT32.encode(number), MEDFLOAT32.greatest()),
        _ => (single(number).map(|single| u64::from(single.to_bits())), f64::from(f32::MAX)),
    };
    pattern.ok_or_else(|| Error::out_of_range(&number, data_type, (-most, most)))
}
#[expect(clippy::cast_possible_truncation, reason = "a float32 is what the wire carries; its range is checked")]
fn single(number: f64) -> Option<f32> {
    Some(number as f32).filter(|single| single.is_finite())
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "whole, and `as` from a float saturates, far out of the range of any format"
)]
fn whole(data_type: DataType, value: &Value) -> Result<i128, Error> {
    match *value {
        Value::Int(number) => Ok(number.into()),
        Value::UInt(number) => Ok(number.into()),
        Value::Float(number) if number.is_finite() && number.fract() == 0.0 => Ok(number as i128),
        Value::Float(value) => Err(Error::NotWhole { value, what: data_type.name() }),
        _ => Err(Error::WrongType { what: data_type.name(), wanted: "a number", given: value.type_name() }),
    }
}

/// Two's complement of that many bits.
pub(crate) fn integer(data_type: DataType, bits: u32, number: i128) -> Result<u64, Error> {
    let most = i128::from(mask(bits));
    let (min, max) = if data_type.is_signed() { (-(most / 2) - 1, most / 2) } else { (0, most) };
    if !(min..=max).contains(&number) {
        return Err(Error::out_of_range(&number, data_type, (min, max)));
    }
    let pattern = u64::try_from(number).ok().or_else(|| Some(i64::try_from(number).ok()?.cast_unsigned()));
    Ok(pattern.unwrap_or_default() & mask(bits))
}

/// The shape of a whole number in GATT's order.
pub(crate) const fn little(data_type: DataType) -> Shape {
    Shape { data_type, order: ByteOrder::Little, bits: None }
}
