//! Text and raw bytes.
use super::{ByteOrder, DataType};
use crate::{Error, Value};

/// Text ends before the zeros that fill it up.
pub(crate) fn decode(data_type: DataType, order: ByteOrder, bytes: &[u8]) -> Result<Value, Error> {
    match data_type {
        DataType::Utf8 => utf8(bytes).map(|text| Value::Text(text.to_owned().into())),
        DataType::Utf16 => {
            let (units, []) = bytes.as_chunks::<2>() else { return Err(Error::NotText("UTF-16: their number is odd")) };
            let units = units.iter().map(|unit| match order {
                ByteOrder::Little => u16::from_le_bytes(*unit),
                ByteOrder::Big => u16::from_be_bytes(*unit),
            });
            let text: Result<String, _> = char::decode_utf16(units).collect();
            let text = text.map_err(|_| Error::NotText("UTF-16"))?;
            Ok(Value::Text(text.trim_end_matches('\0').to_owned().into()))
        }
        _ => Ok(Value::Bytes(bytes.to_vec())),
    }
}

pub(crate) fn utf8(bytes: &[u8]) -> Result<&str, Error> {
    let text = std::str::from_utf8(bytes).map_err(|_| Error::NotText("UTF-8"))?;
    Ok(text.trim_end_matches('\0'))
}

pub(crate) fn encode(data_type: DataType, order: ByteOrder, value: &Value) -> Result<Vec<u8>, Error> {
    let wrong = |wanted| Error::WrongType { what: data_type.name(), wanted, given: value.type_name() };
    match (data_type, value) {
        (DataType::Utf8, Value::Text(text)) => Ok(text.as_bytes().to_vec()),
        (DataType::Utf16, Value::Text(text)) => Ok(text
            .encode_utf16()
            .flat_map(|unit| match order {
                ByteOrder::Little => unit.to_le_bytes(),
                ByteOrder::Big => unit.to_be_bytes(),
            })
            .collect()),
        (DataType::Utf8 | DataType::Utf16, _) => Err(wrong("text")),
        (_, Value::Bytes(bytes)) => Ok(bytes.clone()),
        _ => Err(wrong("bytes")),
    }
}
