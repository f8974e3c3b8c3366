//! Through a value, item by item.
use super::layout::{Form, Item, Layout};
use super::{clock, exponential};
use crate::format::{MAX_LENGTH, utf8};
use crate::value::hex;
use crate::{Decoded, Error, NoValue, Value};

impl Layout {
    /// The value of a field. The whole must be as long as it says itself: a value cut short gives no field at all. Behind the last item that
    /// the flags tell of there may be more, which a later revision put there.
    pub fn decode(&self, field: &str, bytes: &[u8]) -> Result<Decoded, Error> {
        self.field(field)?;
        let flags = self.read_flags(bytes)?;
        let (mut at, mut found) = (self.flags, None);
        for item in self.items.iter().filter(|item| item.when.holds(flags)) {
            let size = self.size(item, bytes.len(), at)?;
            let part = bytes.get(at..at + size).ok_or(self.too_short(at + size, bytes.len()))?;
            if found.is_none() && item.name == field {
                found = Some(item.read(part, bytes)?);
            }
            at += item.takes(size);
        }
        if self.flags == 0 && bytes.len() > at {
            return Err(Error::TooLong { what: self.name(), needed: at, got: bytes.len() });
        }
        Ok(found.unwrap_or(NoValue::Absent.into()))
    }

    /// The bytes to write for a field of a characteristic without flags: the only field as it is, one of several into what was read.
    pub fn encode(&self, field: &str, value: &Value, current: &[u8]) -> Result<Vec<u8>, Error> {
        let name = self.field(field)?.name;
        if self.flags > 0 {
            return Err(Error::ReadOnly(name));
        }
        if let [item] = self.items {
            let mut bytes = vec![0; Self::size_of(item.form).unwrap_or(0)];
            return item.write(&mut bytes, value).map(|text| text.unwrap_or(bytes));
        }
        self.decode(field, current)?;
        let (mut bytes, mut at) = (current.to_vec(), 0);
        for item in self.items {
            let size = self.size(item, bytes.len(), at)?;
            if item.name == field {
                let part = bytes.get_mut(at..at + size).ok_or(self.too_short(at + size, current.len()))?;
                item.write(part, value)?;
            }
            at += item.takes(size);
        }
        Ok(bytes)
    }

    fn read_flags(&self, bytes: &[u8]) -> Result<u32, Error> {
        let flags = bytes.get(..self.flags).ok_or(self.too_short(self.flags, bytes.len()))?;
        Ok(u32::try_from(Self::flags_shape().get(flags)).unwrap_or_default())
    }
    /// Bytes that are read for an item; of one that goes to the end, those that are left.
    fn size(&self, item: &Item, length: usize, at: usize) -> Result<usize, Error> {
        match item.form {
            Form::Overlaid(number) => Ok(number.data_type().size().unwrap_or(0)),
            Form::Last(number) => {
                let (one, left) = (number.data_type().size().unwrap_or(1), length.saturating_sub(at));
                if left < one { Err(self.too_short(at + one, length)) } else { Ok(left - left % one) }
            }
            form => Ok(Self::size_of(form).unwrap_or_else(|| length.saturating_sub(at))),
        }
    }
    fn too_short(&self, needed: usize, got: usize) -> Error {
        Error::TooShort { what: self.name(), needed, got }
    }
}

impl Item {
    fn takes(&self, size: usize) -> usize {
        if matches!(self.form, Form::Overlaid(_) | Form::Flags(_)) { 0 } else { size }
    }

    fn read(&self, part: &[u8], whole: &[u8]) -> Result<Decoded, Error> {
        Ok(match self.form {
            Form::Number(number) | Form::Overlaid(number) => number.decode(part),
            Form::Flags(number) => number.decode(whole.get(..4).unwrap_or(whole)),
            Form::Last(number) => {
                let one = number.data_type().size().unwrap_or(1);
                number.decode(part.get(part.len().saturating_sub(one)..).unwrap_or_default())
            }
            Form::Text => Value::Text(utf8(part)?.to_owned().into()).into(),
            Form::Exponential => exponential::decode(part),
            Form::DateTime => clock::decode(part),
            Form::Hex(_) => hex(part.iter().rev(), "").into(),
        })
    }

    /// Into its bytes; text has none yet, and is returned.
    fn write(&self, part: &mut [u8], value: &Value) -> Result<Option<Vec<u8>>, Error> {
        match (self.form, value) {
            (Form::Number(number), value) => number.encode(part, value).map(|()| None),
            (Form::Exponential, value) => {
                let code = exponential::encode(value)?;
                part.fill(code);
                Ok(None)
            }
            (Form::Text, Value::Text(text)) if text.len() > MAX_LENGTH => {
                Err(Error::NoRoom { room: MAX_LENGTH, got: text.len() })
            }
            (Form::Text, Value::Text(text)) => Ok(Some(text.as_bytes().to_vec())),
            (Form::Text, other) => Err(Error::WrongType { what: self.name, wanted: "text", given: other.type_name() }),
            _ => Err(Error::ReadOnly(self.name)),
        }
    }
}
