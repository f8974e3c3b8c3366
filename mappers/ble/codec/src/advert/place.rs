//! A field at a fixed place.
use crate::number::Number;
use crate::value::hex;
use crate::{Decoded, FieldInfo, NoValue, ValueKind};

/// One field, and where it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    name: &'static str,
    unit: &'static str,
    at: usize,
    form: Form,
}

#[derive(Debug, Clone, Copy)]
enum Form {
    Number(Number),
    /// A device address of so many bytes; all ones is none.
    Address(usize),
    /// From here to the end, by a rule of its own.
    Other(ValueKind, fn(&[u8]) -> Decoded),
}

pub(super) const fn number(name: &'static str, unit: &'static str, at: usize, number: Number) -> Place {
    Place { name, unit, at, form: Form::Number(number) }
}
pub(super) const fn address(name: &'static str, at: usize, bytes: usize) -> Place {
    Place { name, unit: "", at, form: Form::Address(bytes) }
}
pub(super) const fn other(
    (name, unit, kind): (&'static str, &'static str, ValueKind),
    at: usize,
    read: fn(&[u8]) -> Decoded,
) -> Place {
    Place { name, unit, at, form: Form::Other(kind, read) }
}

impl Place {
    pub(super) fn info(&self) -> FieldInfo {
        let kind = match self.form {
            Form::Number(number) => number.kind(),
            Form::Address(_) => ValueKind::Text,
            Form::Other(kind, _) => kind,
        };
        FieldInfo { name: self.name, unit: self.unit, kind }
    }

    /// Of data that is long enough.
    pub(super) fn read(&self, data: &[u8]) -> Decoded {
        let rest = data.get(self.at..).unwrap_or_default();
        let part = |size: usize| rest.get(..size).unwrap_or_default();
        match self.form {
            Form::Number(number) => number.decode(part(number.data_type().size().unwrap_or(0))),
            Form::Address(size) if part(size).iter().all(|byte| *byte == 0xFF) => NoValue::NotKnown.into(),
            Form::Address(size) => hex(part(size).iter(), ":").into(),
            Form::Other(_, read) => read(rest),
        }
    }
}
