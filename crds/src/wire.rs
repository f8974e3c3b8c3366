//! What a value must be to stand on the wire of Modbus, in the property's own unit. The driver refuses the rest too, but only
//! when it is written, and in raw numbers that nobody has given.
use crate::{EffectiveProperty, ModbusBinding, ModbusDataType, PropertyType, Value};

/// Ok, or what is allowed: `must be a whole number from 0 to 65535 (uint16), is 70000`. The value is of the property's type.
pub(crate) fn check(binding: &ModbusBinding, property: &EffectiveProperty, value: &Value) -> Result<(), String> {
    let Some(type_) = binding.data_type else { return Ok(()) };
    let (fits, allowed) = match property.type_ {
        PropertyType::Integer | PropertyType::Number => (holds(type_, property, value), numbers(type_, property)),
        PropertyType::String if property.enum_.is_empty() => text(binding, value),
        _ => return Ok(()),
    };
    if fits { Ok(()) } else { Err(format!("must be {allowed}, is {}", value.short())) }
}

/// What is wrong with the raw value of a name.
pub(crate) fn check_name(binding: &ModbusBinding, value: i64) -> Option<String> {
    let (word, (low, high)) = match binding.data_type {
        None => ("one bit", (0, 1)),
        Some(type_) => (word(type_), whole(type_)?),
    };
    let fits = (low..=high).contains(&i128::from(value));
    (!fits).then(|| format!("value {value} does not fit {word}, must be from {low} to {high}"))
}

/// Least and greatest of a type of whole numbers.
fn whole(type_: ModbusDataType) -> Option<(i128, i128)> {
    Some(match type_ {
        ModbusDataType::Int16 => (i16::MIN.into(), i16::MAX.into()),
        ModbusDataType::Uint16 => (u16::MIN.into(), u16::MAX.into()),
        ModbusDataType::Int32 => (i32::MIN.into(), i32::MAX.into()),
        ModbusDataType::Uint32 => (u32::MIN.into(), u32::MAX.into()),
        ModbusDataType::Int64 => (i64::MIN.into(), i64::MAX.into()),
        ModbusDataType::Uint64 => (u64::MIN.into(), u64::MAX.into()),
        ModbusDataType::Int8L | ModbusDataType::Int8H => (i8::MIN.into(), i8::MAX.into()),
        ModbusDataType::Uint8L | ModbusDataType::Uint8H => (0, u8::MAX.into()),
        ModbusDataType::Bcd16 => (0, 9_999),
        ModbusDataType::Bcd32 | ModbusDataType::M10K32 => (0, 99_999_999),
        ModbusDataType::M10K48 => (0, 999_999_999_999),
        ModbusDataType::Bcd64 | ModbusDataType::M10K64 => (0, 9_999_999_999_999_999),
        ModbusDataType::SignMagnitude16 => (-0x7FFF, 0x7FFF),
        ModbusDataType::SignMagnitude32 => (-0x7FFF_FFFF, 0x7FFF_FFFF),
        ModbusDataType::Float16
        | ModbusDataType::Float32
        | ModbusDataType::Float64
        | ModbusDataType::Cp56
        | ModbusDataType::String => return None,
    })
}
fn word(type_: ModbusDataType) -> &'static str {
    match type_ {
        ModbusDataType::Int16 => "int16",
        ModbusDataType::Uint16 => "uint16",
        ModbusDataType::Int32 => "int32",
        ModbusDataType::Uint32 => "uint32",
        ModbusDataType::Int64 => "int64",
        ModbusDataType::Uint64 => "uint64",
        ModbusDataType::Float32 => "float32",
        ModbusDataType::Float64 => "float64",
        ModbusDataType::String => "string",
        ModbusDataType::Int8L => "int8l",
        ModbusDataType::Int8H => "int8h",
        ModbusDataType::Uint8L => "uint8l",
        ModbusDataType::Uint8H => "uint8h",
        ModbusDataType::Float16 => "float16",
        ModbusDataType::Bcd16 => "bcd16",
        ModbusDataType::Bcd32 => "bcd32",
        ModbusDataType::Bcd64 => "bcd64",
        ModbusDataType::M10K32 => "m10k32",
        ModbusDataType::M10K48 => "m10k48",
        ModbusDataType::M10K64 => "m10k64",
        ModbusDataType::SignMagnitude16 => "signmagnitude16",
        ModbusDataType::SignMagnitude32 => "signmagnitude32",
        ModbusDataType::Cp56 => "cp56",
    }
}

fn text(binding: &ModbusBinding, value: &Value) -> (bool, String) {
    let registers = binding.registers();
    let most = usize::try_from(registers).unwrap_or_default() * 2;
    let fits = value.0.as_str().is_some_and(|text| text.len() <= most && !text.contains('\0'));
    (fits, format!("text of at most {most} bytes without NUL (length {registers})"))
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)] // at the ends of 64 bits the driver has the last word
fn holds(type_: ModbusDataType, property: &EffectiveProperty, value: &Value) -> bool {
    if let (Some((low, high)), Some(exact)) = (whole(type_), exact(property, value)) {
        return (low..=high).contains(&exact);
    }
    let Some(raw) = double(value).map(|value| (value - property.offset) / property.scale) else { return true };
    match (whole(type_), type_) {
        (Some((low, high)), _) => is_whole(raw) && (low as f64..=high as f64).contains(&raw.round()),
        (None, ModbusDataType::Float32) => (raw as f32).is_finite(),
        _ => raw.is_finite(),
    }
}

fn is_plain(property: &EffectiveProperty) -> bool {
    property.scale.to_bits() == 1.0_f64.to_bits() && property.offset == 0.0
}
/// A whole number that stands on the wire as it is.
fn exact(property: &EffectiveProperty, value: &Value) -> Option<i128> {
    let number = || value.0.as_i64().map(i128::from).or_else(|| value.0.as_u64().map(i128::from));
    is_plain(property).then(|| number().or_else(|| value.0.as_str()?.parse().ok())).flatten()
}
fn double(value: &Value) -> Option<f64> {
    value.0.as_f64().or_else(|| value.0.as_str()?.parse().ok())
}
/// But for what dividing doubles leaves: 21.3 by 0.1 is 213.
fn is_whole(raw: f64) -> bool {
    (raw - raw.round()).abs() <= 1e-9 + raw.abs() * 1e-12
}

/// What a number may be, in the property's unit and within its own limits.
#[allow(clippy::cast_precision_loss)] // for people, and only where a scale makes it a fraction anyway
fn numbers(type_: ModbusDataType, property: &EffectiveProperty) -> String {
    let value = |raw: f64| tidy(raw * property.scale + property.offset);
    let ends = match (whole(type_), type_) {
        (Some((low, high)), _) if is_plain(property) => {
            [(low as f64, low.to_string()), (high as f64, high.to_string())]
        }
        (Some((low, high)), _) => [value(low as f64), value(high as f64)].map(|end| (end, shown(end))),
        (None, ModbusDataType::Float32) => {
            [-f32::MAX, f32::MAX].map(|end| value(end.into())).map(|end| (end, shown(end)))
        }
        _ => [-f64::MAX, f64::MAX].map(|end| (end, shown(end))),
    };
    let [mut least, mut most] = ends;
    if property.scale < 0.0 {
        std::mem::swap(&mut least, &mut most);
    }
    let least = property.minimum.filter(|own| *own > least.0).map_or(least.1, shown);
    let most = property.maximum.filter(|own| *own < most.0).map_or(most.1, shown);
    let (what, steps) = match whole(type_) {
        Some(_) if is_plain(property) => ("a whole number", String::new()),
        Some(_) => ("a number", format!(" in steps of {}", property.scale.abs())),
        None => ("a number", String::new()),
    };
    format!("{what} from {least} to {most}{steps} ({})", word(type_))
}
fn shown(number: f64) -> String {
    const LONG: f64 = 1e15;
    if number.abs() < LONG { number.to_string() } else { format!("{number:e}") }
}
/// Without the noise that arithmetic on doubles leaves.
fn tidy(number: f64) -> f64 {
    format!("{number:.14e}").parse().unwrap_or(number)
}
