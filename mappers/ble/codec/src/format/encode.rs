//! A value into bytes.
use super::{DataType, Format, MAX_LENGTH, scalar, text};
use crate::{Error, Value};

pub(super) fn whole(format: &Format, value: &Value) -> Result<Vec<u8>, Error> {
    format.check()?;
    if let (None, None) = (format.data_type.size(), format.length) {
        let bytes = text::encode(format.data_type, format.byte_order, value)?;
        return fits(bytes, MAX_LENGTH);
    }
    let mut bytes = vec![0; format.data_type.size().or(format.length).unwrap_or(0)];
    part(format, &mut bytes, value)?;
    Ok(bytes)
}

pub(super) fn part(format: &Format, bytes: &mut [u8], value: &Value) -> Result<(), Error> {
    format.check()?;
    let (at, size) = (format.offset.unwrap_or(0), format.part(bytes)?.len());
    let Some(place) = bytes.get_mut(at..at.saturating_add(size)) else { return Ok(()) };
    if format.data_type.width().is_none() {
        if format.data_type == DataType::Utf16 && size % 2 == 1 {
            return Err(Error::NotText("UTF-16: their number is odd"));
        }
        let mut new = fits(text::encode(format.data_type, format.byte_order, value)?, size)?;
        new.resize(size, 0);
        place.copy_from_slice(&new);
        return Ok(());
    }
    let pattern = scalar::encode(format.shape(), value)?;
    if format.not_known == Some(pattern) {
        return Err(Error::Special { value: value.as_f64().unwrap_or_default() });
    }
    format.shape().put(place, pattern);
    Ok(())
}

fn fits(bytes: Vec<u8>, room: usize) -> Result<Vec<u8>, Error> {
    match bytes.len() {
        got if got > room => Err(Error::NoRoom { room, got }),
        _ => Ok(bytes),
    }
}
