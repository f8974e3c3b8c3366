//! Objects of BTHome, one after the other.
use super::super::Reading;
use super::event;
use super::objects::OBJECTS;
use crate::field::distinct;
use crate::format::utf8;
use crate::number::Number;
use crate::{DataType, Decoded, Error, FieldInfo, Value, ValueKind};

/// A row of the published list.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) id: u8,
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) form: Form,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    Number(Number),
    Text,
    Raw,
    Button,
    Dimmer,
    Command,
    /// So many bytes, the last of which is the major one.
    Version(usize),
}

/// Steps of the dimmer's turn, arguments of a command, and what follows an id that is not in the list: its length is not known either.
const STEPS: FieldInfo = FieldInfo { name: "dimmerSteps", unit: "", kind: ValueKind::UInt };
const ARGUMENTS: FieldInfo = FieldInfo { name: "commandArguments", unit: "", kind: ValueKind::Bytes };
const UNKNOWN: FieldInfo = FieldInfo { name: "unknown", unit: "", kind: ValueKind::Bytes };
/// More names than the list has.
pub(super) const NAMES: usize = 80;

pub(super) const fn number(data_type: DataType, m: i32, d: i32) -> Form {
    Form::Number(Number::new(data_type).scaled(m, d, 0))
}

/// Names, units and types of all fields. Of a name that several objects have, numbers with a fraction win.
pub fn fields() -> Vec<FieldInfo> {
    let listed = OBJECTS.iter().map(Object::info).chain([STEPS, ARGUMENTS, UNKNOWN]);
    let mut fields = distinct(listed);
    for field in &mut fields {
        let mut same = OBJECTS.iter().filter(|object| object.name == field.name).map(|object| object.info().kind);
        if same.clone().any(|kind| kind == ValueKind::Float) {
            field.kind = ValueKind::Float;
        } else if same.any(|kind| kind == ValueKind::Int) {
            field.kind = ValueKind::Int;
        }
    }
    fields
}

/// Hands on every object of a payload that is not, or no longer, encrypted. A payload that is cut short gives none at all. From the first id
/// on that is not in the list, the rest is handed on raw, as `unknown`.
pub fn read(payload: &[u8], each: &mut dyn FnMut(Reading)) -> Result<(), Error> {
    walk(payload, &mut |_, _| Ok(()), &mut |_| {})?;
    let mut seen = [("", 0_u8); NAMES];
    let mut hand = |field: FieldInfo, value: Decoded| {
        let index = count(&mut seen, field.name);
        each(Reading { field, index, value });
    };
    let mut unknown = None;
    walk(payload, &mut |object, part| object.read(part, &mut hand), &mut |rest| unknown = Some(rest.to_vec()))?;
    if let Some(rest) = unknown {
        hand(UNKNOWN, Value::Bytes(rest).into());
    }
    Ok(())
}

/// How many of that name there were, this one included.
fn count(seen: &mut [(&'static str, u8); NAMES], name: &'static str) -> u8 {
    match seen.iter_mut().find(|(other, _)| *other == name || other.is_empty()) {
        Some((other, count)) => {
            (*other, *count) = (name, count.saturating_add(1));
            *count
        }
        None => u8::MAX,
    }
}

type EachObject<'a> = dyn FnMut(&'static Object, &[u8]) -> Result<(), Error> + 'a;
fn walk(mut rest: &[u8], each: &mut EachObject<'_>, unknown: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
    while let Some((id, data)) = rest.split_first() {
        let Ok(at) = OBJECTS.binary_search_by_key(id, |object| object.id) else {
            unknown(rest);
            break;
        };
        let Some(object) = OBJECTS.get(at) else { break };
        let (header, size) = object.size(data)?;
        let needed = header + size;
        let part = data.get(header..needed).ok_or(Error::TooShort { what: object.name, needed, got: data.len() })?;
        if matches!(object.form, Form::Text) {
            utf8(part)?;
        }
        each(object, part)?;
        rest = data.get(needed..).unwrap_or_default();
    }
    Ok(())
}

impl Object {
    fn info(&self) -> FieldInfo {
        let kind = match self.form {
            Form::Number(number) => number.kind(),
            Form::Raw => ValueKind::Bytes,
            Form::Text | Form::Button | Form::Dimmer | Form::Command | Form::Version(_) => ValueKind::Text,
        };
        FieldInfo { name: self.name, unit: self.unit, kind }
    }

    /// Bytes of a length that comes first, and bytes that follow.
    fn size(&self, data: &[u8]) -> Result<(usize, usize), Error> {
        let length = || data.first().map(|length| usize::from(*length));
        let length = || length().ok_or(Error::TooShort { what: self.name, needed: 1, got: 0 });
        Ok(match self.form {
            Form::Number(number) => (0, number.data_type().size().unwrap_or(0)),
            Form::Text | Form::Raw => (1, length()?),
            Form::Button => (0, 1),
            Form::Dimmer => (0, 2),
            // The upper three bits are reserved; what is to be done is not counted.
            Form::Command => (1, 1 + (length()? & 0x1F)),
            Form::Version(size) => (0, size),
        })
    }

    fn read(&self, part: &[u8], hand: &mut dyn FnMut(FieldInfo, Decoded)) -> Result<(), Error> {
        let (first, rest) = part.split_first().map_or((0, part), |(first, rest)| (*first, rest));
        match self.form {
            Form::Number(number) => hand(self.info(), number.decode(part)),
            Form::Text => hand(self.info(), Value::Text(utf8(part)?.to_owned().into()).into()),
            Form::Raw => hand(self.info(), Value::Bytes(part.to_vec()).into()),
            Form::Button => hand(self.info(), event::button(first)),
            Form::Dimmer => {
                let (turn, steps) = (event::dimmer(first), rest.first().map_or(0, |steps| u64::from(*steps)));
                let none = matches!(turn, Decoded::None(_)); // nor was it turned by so much
                let steps = if none { turn.clone() } else { Value::UInt(steps).into() };
                hand(self.info(), turn);
                hand(STEPS, steps);
            }
            Form::Command => {
                hand(self.info(), event::command(first));
                if !rest.is_empty() {
                    hand(ARGUMENTS, Value::Bytes(rest.to_vec()).into());
                }
            }
            Form::Version(_) => {
                let parts: Vec<String> = part.iter().rev().map(u8::to_string).collect();
                hand(self.info(), Value::Text(parts.join(".").into()).into());
            }
        }
        Ok(())
    }
}
