//! What a value must be to stand on the wire of Modbus, in the property's own unit. The driver refuses the rest too, but only
//! when it is written, and in raw numbers that nobody has given. A number between two steps is written as the nearer one.
use crate::{
    EffectiveProperty, ModbusBinding, ModbusDataType as T, ModbusEncoding, PropertyType, Value, desired::check_step,
};
use serde_json::Value as Json;

/// Ok, or what is allowed: `must be a whole number from 0 to 65535 (uint16), is 70000`. The value is of the property's type.
pub(crate) fn check(binding: &ModbusBinding, property: &EffectiveProperty, value: &Value) -> Result<(), String> {
    let (fits, allowed) = match property.type_ {
        // What the exponent makes of it only the mapper knows.
        PropertyType::Integer | PropertyType::Number if property.scale_exponent_from.is_some() => return Ok(()),
        PropertyType::Integer | PropertyType::Number => (holds(binding, property, value), numbers(binding, property)),
        PropertyType::String if property.enum_.is_empty() => text(binding, &value.0),
        PropertyType::Bytes => block(binding, &value.0),
        PropertyType::Json => return array(binding, &value.0),
        _ => return Ok(()),
    };
    if !fits {
        return Err(format!("must be {allowed}, is {}", value.short()));
    }
    match step(binding, property, value) {
        Some(step) => check_step(property, step),
        None => Ok(()),
    }
}

/// What the device holds after a number between two of its steps was written.
fn step(binding: &ModbusBinding, property: &EffectiveProperty, value: &Value) -> Option<f64> {
    let numeric = matches!(property.type_, PropertyType::Integer | PropertyType::Number);
    let exact = is_plain(property) && integer(&value.0).is_some();
    let number = double(&value.0).filter(|_| numeric && !exact && whole(binding).is_some())?;
    let raw = tidy((number - property.offset) / property.scale).round();
    Some(tidy(raw * property.scale + property.offset))
}

/// What is wrong with the raw value of a name.
pub(crate) fn check_name(binding: &ModbusBinding, value: i64) -> Option<String> {
    let (low, high) = whole(binding)?;
    let fits = (low..=high).contains(&i128::from(value));
    (!fits).then(|| format!("value {value} does not fit {}, must be from {low} to {high}", word(binding)))
}

/// Least and greatest of a form of whole numbers.
fn whole(binding: &ModbusBinding) -> Option<(i128, i128)> {
    let Some(type_) = binding.data_type else {
        let bits = u32::try_from(binding.bits.unwrap_or(1)).unwrap_or(1);
        return Some((0, 1_i128.checked_shl(bits).unwrap_or(2) - 1));
    };
    Some(match type_ {
        T::Int8L | T::Int8H => (i8::MIN.into(), i8::MAX.into()),
        T::Uint8L | T::Uint8H => (0, u8::MAX.into()),
        T::Int16 => (i16::MIN.into(), i16::MAX.into()),
        T::Uint16 => (u16::MIN.into(), u16::MAX.into()),
        T::Int32 => (i32::MIN.into(), i32::MAX.into()),
        T::Uint32 => (u32::MIN.into(), u32::MAX.into()),
        T::Int64 => (i64::MIN.into(), i64::MAX.into()),
        T::Uint64 => (u64::MIN.into(), u64::MAX.into()),
        T::Bcd16 => (0, 9_999),
        T::Bcd32 => (0, 99_999_999),
        T::Bcd64 => (0, 9_999_999_999_999_999),
        T::M10K32 => (-99_999_999, 99_999_999),
        T::M10K48 => (-999_999_999_999, 999_999_999_999),
        T::M10K64 => (-9_999_999_999_999_999, 9_999_999_999_999_999),
        T::SignMagnitude16 => (-0x7FFF, 0x7FFF),
        T::SignMagnitude32 => (-0x7FFF_FFFF, 0x7FFF_FFFF),
        T::Float16 | T::Float32 | T::Float64 | T::Cp56 | T::String | T::Bytes => return None,
    })
}

/// Greatest finite value of a form of fractions.
fn greatest(type_: Option<T>) -> f64 {
    match type_ {
        Some(T::Float16) => 65_504.0,
        Some(T::Float32) => f32::MAX.into(),
        _ => f64::MAX,
    }
}

/// As people write it in YAML.
fn word(binding: &ModbusBinding) -> String {
    match (binding.data_type, binding.bits.unwrap_or(1)) {
        (None, 1) => "one bit".into(),
        (None, bits) => format!("{bits} bits"),
        (Some(type_), _) => {
            serde_json::to_value(type_).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
        }
    }
}

/// Whether it fits, and what would. How many bytes a character takes in the device's encoding is counted; whether gbk has it
/// at all only the driver knows.
fn text(binding: &ModbusBinding, value: &Json) -> (bool, String) {
    if binding.data_type == Some(T::Cp56) {
        let fits = value.as_str().is_some_and(is_local_time);
        return (fits, "a local time without a zone, from 2000 on, such as 2026-03-01T12:30:00.000".into());
    }
    let registers = binding.length.unwrap_or(1);
    let most = usize::try_from(registers).unwrap_or_default() * 2;
    let encoding = binding.encoding.unwrap_or_default();
    let size = |text: &str| match encoding {
        ModbusEncoding::Utf8 => Some(text.len()),
        ModbusEncoding::Ascii => text.is_ascii().then_some(text.len()),
        ModbusEncoding::Latin1 => text.chars().all(|c| u32::from(c) < 256).then(|| text.chars().count()),
        ModbusEncoding::Gbk => Some(text.chars().map(|c| if c.is_ascii() || c == '€' { 1 } else { 2 }).sum()),
        ModbusEncoding::Utf16 => Some(text.encode_utf16().count() * 2),
    };
    let fits = value.as_str().is_some_and(|text| size(text).is_some_and(|size| size <= most) && !text.contains('\0'));
    let with = match encoding {
        ModbusEncoding::Utf8 => "",
        ModbusEncoding::Ascii => " in ascii",
        ModbusEncoding::Latin1 => " in latin1",
        ModbusEncoding::Gbk => " in gbk",
        ModbusEncoding::Utf16 => " in utf16",
    };
    (fits, format!("text of at most {most} bytes{with} without NUL (length {registers})"))
}

/// A block is written whole: what a shorter one would leave as it is, nobody could tell.
fn block(binding: &ModbusBinding, value: &Json) -> (bool, String) {
    let registers = binding.length.unwrap_or(1);
    let size = usize::try_from(registers).unwrap_or_default() * 2;
    let held = |text: &str| text.len() / 4 * 3 - text.bytes().rev().take_while(|byte| *byte == b'=').count().min(2);
    let fits = value.as_str().is_some_and(|text| text.len() >= 4 && held(text) == size);
    (fits, format!("exactly {size} bytes in base64 (length {registers})"))
}

fn is_local_time(text: &str) -> bool {
    let zone = text.contains(['Z', 'z', '+', '[']) || text.matches('-').count() != 2;
    let time = text.parse::<jiff::civil::DateTime>().ok().filter(|_| !zone);
    time.is_some_and(|time| (2000..=2127).contains(&time.year()))
}

/// Every element by itself.
fn array(binding: &ModbusBinding, value: &Json) -> Result<(), String> {
    let count = binding.count.and_then(|count| usize::try_from(count).ok()).unwrap_or(1);
    let elements = value.as_array().filter(|elements| elements.len() == count);
    let elements = elements.ok_or_else(|| format!("must be an array of {count} values"))?;
    let wrong = |(at, element): (usize, &Json)| {
        let (fits, allowed) = element_of(binding, element);
        (!fits).then(|| format!("element {at} must be {allowed}, is {}", Value(element.clone()).short()))
    };
    elements.iter().enumerate().find_map(wrong).map_or(Ok(()), Err)
}
fn element_of(binding: &ModbusBinding, element: &Json) -> (bool, String) {
    match (binding.data_type, whole(binding)) {
        (None, _) => (element.is_boolean(), "true or false".into()),
        (Some(T::String | T::Cp56), _) => text(binding, element),
        (Some(_), Some((low, high))) => {
            let exact = integer(element).is_some_and(|n| (low..=high).contains(&n));
            let near = double(element).is_some_and(|n| within(n, low, high));
            (
                exact || (integer(element).is_none() && near),
                format!("a number from {low} to {high} ({})", word(binding)),
            )
        }
        (Some(type_), None) => {
            let most = greatest(Some(type_));
            let fits = double(element).is_some_and(|n| n.abs() <= most);
            (fits, format!("a number from {} to {} ({})", shown(-most), shown(most), word(binding)))
        }
    }
}

#[allow(clippy::cast_precision_loss)] // at the ends of 64 bits the driver has the last word
fn within(raw: f64, low: i128, high: i128) -> bool {
    (low as f64..=high as f64).contains(&raw.round())
}

fn holds(binding: &ModbusBinding, property: &EffectiveProperty, value: &Value) -> bool {
    if let (Some((low, high)), Some(exact)) = (whole(binding), integer(&value.0).filter(|_| is_plain(property))) {
        return (low..=high).contains(&exact);
    }
    let Some(raw) = double(&value.0).map(|value| (value - property.offset) / property.scale) else { return true };
    match whole(binding) {
        Some((low, high)) => within(raw, low, high),
        None => raw.abs() <= greatest(binding.data_type) * (1.0 + 1e-12),
    }
}

fn is_plain(property: &EffectiveProperty) -> bool {
    property.scale.to_bits() == 1.0_f64.to_bits() && property.offset == 0.0
}
/// A whole number, exactly.
fn integer(value: &Json) -> Option<i128> {
    let number = || value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from));
    number().or_else(|| value.as_str()?.parse().ok())
}
fn double(value: &Json) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

/// What a number may be, in the property's unit and within its own limits.
#[allow(clippy::cast_precision_loss)] // for people, and only where a scale makes it a fraction anyway
fn numbers(binding: &ModbusBinding, property: &EffectiveProperty) -> String {
    let value = |raw: f64| tidy(raw * property.scale + property.offset);
    let ends = match whole(binding) {
        Some((low, high)) if is_plain(property) => [(low as f64, low.to_string()), (high as f64, high.to_string())],
        Some((low, high)) => [value(low as f64), value(high as f64)].map(|end| (end, shown(end))),
        None => {
            let most = greatest(binding.data_type);
            let value = |raw: f64| if most < f64::MAX { value(raw) } else { raw };
            [-most, most].map(value).map(|end| (end, shown(end)))
        }
    };
    let [mut least, mut most] = ends;
    if property.scale < 0.0 {
        std::mem::swap(&mut least, &mut most);
    }
    let least = property.minimum.filter(|own| *own > least.0).map_or(least.1, shown);
    let most = property.maximum.filter(|own| *own < most.0).map_or(most.1, shown);
    let integer = property.type_ == PropertyType::Integer;
    let (what, steps) = match whole(binding) {
        Some(_) if is_plain(property) && integer => ("a whole number", String::new()),
        Some(_) => ("a number", format!(" in steps of {}", property.scale.abs())),
        None => ("a number", String::new()),
    };
    format!("{what} from {least} to {most}{steps} ({})", word(binding))
}
fn shown(number: f64) -> String {
    const LONG: f64 = 1e15;
    if number.abs() < LONG { number.to_string() } else { format!("{number:e}") }
}
/// Without the noise that arithmetic on doubles leaves.
pub(crate) fn tidy(number: f64) -> f64 {
    format!("{number:.14e}").parse().unwrap_or(number)
}
