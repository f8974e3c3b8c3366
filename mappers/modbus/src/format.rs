//! The format that a binding asks for. Pure.
use crate::values::{Field, Format, Number, One, Text};
use pollux_crds::{ModbusBinding, ModbusDataType as T, ModbusTable};

/// Or what is wrong with it, and what is allowed.
pub fn format(binding: &ModbusBinding) -> Result<Format, String> {
    if let Some((field, text)) = binding.flaws().into_iter().next() {
        let field = field.trim_start_matches('.');
        return Err(if field.is_empty() { text } else { format!("{field} {text}") });
    }
    let order = binding.byte_order.unwrap_or_default();
    let count = binding.count.and_then(|count| u16::try_from(count).ok());
    let one = match (binding.place()?.table, binding.data_type) {
        (ModbusTable::Coil | ModbusTable::Discrete, _) => One::Coil,
        (_, Some(kind)) => one(kind, binding),
        (_, None) => One::Field(bits(binding)?),
    };
    Ok(Format { one, order, count })
}

fn bits(binding: &ModbusBinding) -> Result<Field, String> {
    let part = |part: Option<i32>| part.and_then(|part| u8::try_from(part).ok());
    let field =
        part(binding.bit).zip(part(Some(binding.bits.unwrap_or(1)))).and_then(|(low, bits)| Field::new(low, bits));
    field.ok_or_else(|| "bit and bits must end within 16".to_owned())
}

fn one(kind: T, binding: &ModbusBinding) -> One {
    One::Number(match kind {
        T::Int8L => return One::Field(Field::INT8_L),
        T::Int8H => return One::Field(Field::INT8_H),
        T::Uint8L => return One::Field(Field::UINT8_L),
        T::Uint8H => return One::Field(Field::UINT8_H),
        T::Cp56 => return One::Time,
        T::String => return One::Text(text(binding)),
        T::Bytes => return One::Bytes(length(binding)),
        T::Int16 => Number::Int16,
        T::Uint16 => Number::Uint16,
        T::Int32 => Number::Int32,
        T::Uint32 => Number::Uint32,
        T::Int64 => Number::Int64,
        T::Uint64 => Number::Uint64,
        T::Float16 => Number::Float16,
        T::Float32 => Number::Float32,
        T::Float64 => Number::Float64,
        T::Bcd16 => Number::Bcd16,
        T::Bcd32 => Number::Bcd32,
        T::Bcd64 => Number::Bcd64,
        T::M10K32 => Number::M10k32,
        T::M10K48 => Number::M10k48,
        T::M10K64 => Number::M10k64,
        T::SignMagnitude16 => Number::SignMagnitude16,
        T::SignMagnitude32 => Number::SignMagnitude32,
    })
}

fn text(binding: &ModbusBinding) -> Text {
    Text {
        registers: length(binding),
        encoding: binding.encoding.unwrap_or_default(),
        trim: binding.trim.unwrap_or_default(),
    }
}

fn length(binding: &ModbusBinding) -> u16 {
    binding.length.and_then(|length| u16::try_from(length).ok()).unwrap_or(1)
}
