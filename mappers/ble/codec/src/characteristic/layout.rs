//! What a layout is made of.
use crate::assigned::Kind;
use crate::field::distinct;
use crate::format::Shape;
use crate::near::{nearest, shortened};
use crate::number::Number;
use crate::{DataType, Error, FieldInfo, Uuid, ValueKind};

/// How the value of a characteristic is laid out: flags, if it has any, then one item after the other.
#[derive(Debug)]
pub struct Layout {
    pub(super) uuid: u16,
    /// Bytes of flags at its start.
    pub(super) flags: usize,
    pub(super) items: &'static [Item],
}

/// One field, or one of two ways in which a field may come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    pub(super) name: &'static str,
    unit: &'static str,
    pub(super) form: Form,
    pub(super) when: When,
}

/// What an item is, and how many bytes it takes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    Number(Number),
    /// What follows begins at the same byte.
    Overlaid(Number),
    /// Bits of the flags; takes nothing.
    Flags(Number),
    /// As many as there are up to the end; the value is the last.
    Last(Number),
    /// To the end.
    Text,
    /// Time Exponential 8: a byte.
    Exponential,
    /// Date Time: 7 bytes.
    DateTime,
    /// So many bytes, shown as hexadecimal digits with the most significant first.
    Hex(usize),
}

/// An item is there when these bits of the flags are so.
#[derive(Debug, Clone, Copy)]
pub(super) struct When {
    mask: u32,
    equal: u32,
}

impl When {
    const ALWAYS: Self = Self { mask: 0, equal: 0 };
    pub(super) fn holds(self, flags: u32) -> bool {
        flags & self.mask == self.equal
    }
}

impl Item {
    const fn new(name: &'static str, unit: &'static str, form: Form) -> Self {
        Self { name, unit, form, when: When::ALWAYS }
    }
    /// There only if all of these bits are set.
    pub(super) const fn if_set(mut self, mask: u32) -> Self {
        (self.when.mask, self.when.equal) = (self.when.mask | mask, self.when.equal | mask);
        self
    }
    /// There only if none of these bits is set.
    pub(super) const fn if_clear(mut self, mask: u32) -> Self {
        self.when.mask |= mask;
        self
    }
    pub(super) fn info(&self) -> FieldInfo {
        let kind = match self.form {
            Form::Number(number) | Form::Overlaid(number) | Form::Flags(number) | Form::Last(number) => number.kind(),
            Form::Exponential => ValueKind::Float,
            Form::Text | Form::DateTime | Form::Hex(_) => ValueKind::Text,
        };
        FieldInfo { name: self.name, unit: self.unit, kind }
    }
}

pub(super) const fn number(name: &'static str, unit: &'static str, number: Number) -> Item {
    Item::new(name, unit, Form::Number(number))
}
pub(super) const fn plain(name: &'static str, unit: &'static str, data_type: DataType) -> Item {
    number(name, unit, Number::new(data_type))
}
pub(super) const fn overlaid(name: &'static str, unit: &'static str, number: Number) -> Item {
    Item::new(name, unit, Form::Overlaid(number))
}
pub(super) const fn last(name: &'static str, unit: &'static str, number: Number) -> Item {
    Item::new(name, unit, Form::Last(number))
}
/// One bit of the flags.
pub(super) const fn flag(name: &'static str, bit: u32) -> Item {
    Item::new(name, "", Form::Flags(Number::new(DataType::Boolean).bits(bit, 1)))
}
/// Some bits of the flags.
pub(super) const fn flags(name: &'static str, first: u32, count: u32) -> Item {
    Item::new(name, "", Form::Flags(Number::new(DataType::Uint32).bits(first, count)))
}
pub(super) const fn text(name: &'static str) -> Item {
    Item::new(name, "", Form::Text)
}
/// A duration in steps that grow.
pub(super) const fn exponential(name: &'static str) -> Item {
    Item::new(name, "s", Form::Exponential)
}
pub(super) const fn date_time(name: &'static str) -> Item {
    Item::new(name, "", Form::DateTime)
}
pub(super) const fn hex(name: &'static str, bytes: usize) -> Item {
    Item::new(name, "", Form::Hex(bytes))
}

impl Layout {
    pub(super) fn number(&self) -> u16 {
        self.uuid
    }
    /// Of this characteristic.
    pub fn uuid(&self) -> Uuid {
        Uuid::short(self.uuid)
    }
    /// Its assigned name.
    pub fn name(&self) -> &'static str {
        Kind::Characteristic.name(self.uuid()).unwrap_or("the characteristic")
    }
    /// Names, units and types of its fields.
    pub fn fields(&self) -> Vec<FieldInfo> {
        distinct(self.items.iter().map(Item::info))
    }
    /// The field that is meant where none is named: the only one.
    pub fn only(&self) -> Option<FieldInfo> {
        match self.items {
            [item] => Some(item.info()),
            _ => None,
        }
    }
    /// The field of that name.
    pub fn field(&self, name: &str) -> Result<FieldInfo, Error> {
        let found = self.items.iter().find(|item| item.name == name).map(Item::info);
        let names = self.items.iter().map(|item| item.name);
        let unknown = || Error::Field { what: self.name(), text: shortened(name), nearest: nearest(name, names) };
        found.ok_or_else(unknown)
    }
    /// The shape of a field of one number that may be written.
    pub(super) fn size_of(form: Form) -> Option<usize> {
        match form {
            Form::Number(number) => number.data_type().size(),
            Form::Overlaid(_) | Form::Flags(_) => Some(0),
            Form::Exponential => Some(1),
            Form::DateTime => Some(7),
            Form::Hex(bytes) => Some(bytes),
            Form::Last(_) | Form::Text => None,
        }
    }
    pub(super) fn flags_shape() -> Shape {
        crate::format::scalar::little(DataType::Uint32)
    }
}
