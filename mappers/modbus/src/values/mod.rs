//! Values to registers and back: numbers, fields of a register, text, time, bytes, arrays, in every byte order. Pure.
mod array;
mod block;
mod digits;
mod field;
mod number;
mod order;
mod text;
mod time;

pub use field::Field;
pub use number::Number;
pub use text::Text;

use pollux_crds::ByteOrder;
use pollux_mapper::{ErrorKind, PointFault, Precision, Samples, Slot, Value};

/// How a value stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Format {
    pub one: One,
    pub order: ByteOrder,
    /// So many of them, as a JSON array.
    pub count: Option<u16>,
}

/// One value, or one element of an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum One {
    /// A coil or a discrete input.
    Coil,
    Field(Field),
    Number(Number),
    Time,
    Text(Text),
    /// So many registers as they stand.
    Bytes(u16),
}

/// What a write puts on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encoded {
    Coils(Vec<bool>),
    /// Bits of one register; the others stay as they are.
    Field {
        set: u16,
        clear: u16,
    },
    Words(Vec<u16>),
}

impl From<One> for Format {
    fn from(one: One) -> Self {
        Self { one, order: ByteOrder::Abcd, count: None }
    }
}
impl From<Number> for Format {
    fn from(number: Number) -> Self {
        One::Number(number).into()
    }
}
impl From<Field> for Format {
    fn from(field: Field) -> Self {
        One::Field(field).into()
    }
}
impl From<Text> for Format {
    fn from(text: Text) -> Self {
        One::Text(text).into()
    }
}

impl Format {
    #[must_use]
    pub fn with(self, order: ByteOrder) -> Self {
        Self { order, ..self }
    }

    /// Registers, or bits, that it takes.
    pub fn width(self) -> u16 {
        self.one.width().saturating_mul(self.count.unwrap_or(1))
    }

    pub fn precision(self) -> Precision {
        match self.one {
            One::Number(Number::Float16) => Precision::Half,
            One::Number(Number::Float32) => Precision::Single,
            One::Number(Number::Float64) => Precision::Double,
            _ => Precision::Integer,
        }
    }

    /// Out of the data of an answer: registers, or bits eight to a byte. `offset`: how many addresses after the first.
    #[inline]
    pub fn decode(self, data: &[u8], offset: usize) -> Result<Value, PointFault> {
        match self.count {
            Some(count) => array::decode(self, count, data, offset),
            None => self.one.decode(data, offset, self.order),
        }
    }

    /// As [`decode`](Self::decode) does, to the engine: without detours for single numbers, which most values are.
    #[inline]
    pub(crate) fn deliver(self, data: &[u8], offset: usize, slot: Slot, out: &mut Samples) {
        let decoded = match self {
            Self { one: One::Number(number), order, count: None } => {
                number.data(data, offset).ok_or_else(short).and_then(|data| number.decode(order::gather(data, order)))
            }
            _ => self.decode(data, offset),
        };
        match decoded {
            Ok(value) => out.put(slot, value),
            Err(fault) => out.fault(slot, fault),
        }
    }

    /// Rounded to the nearest that the device can hold, and range-checked in its own type; the error says what is allowed.
    pub fn encode(self, value: &Value) -> Result<Encoded, PointFault> {
        match self.count {
            Some(count) => array::encode(self, count, value),
            None => self.one.encode(value, self.order),
        }
    }

    /// What the device would say if this value were written to it.
    pub fn round_trip(self, value: &Value) -> Result<Value, PointFault> {
        self.decode(&bytes(&self.encode(value)?), 0)
    }
}

impl One {
    fn width(self) -> u16 {
        match self {
            Self::Coil | Self::Field(_) => 1,
            Self::Number(number) => number.registers(),
            Self::Time => 4,
            Self::Text(text) => text.registers,
            Self::Bytes(registers) => registers,
        }
    }

    #[inline]
    fn decode(self, data: &[u8], offset: usize, order: ByteOrder) -> Result<Value, PointFault> {
        if self == Self::Coil {
            let byte = data.get(offset / 8).ok_or_else(short)?;
            return Ok(Value::Bool(byte >> (offset % 8) & 1 == 1));
        }
        let start = offset.saturating_mul(2);
        let end = start.saturating_add(usize::from(self.width()) * 2);
        let data = data.get(start..end).ok_or_else(short)?;
        match self {
            Self::Field(field) => Ok(field.decode(order::word(data, order))),
            Self::Number(number) => number.decode(order::gather(data, order)),
            Self::Time => time::decode(order::gather(data, order)),
            Self::Text(text) => text.decode(data, order),
            Self::Bytes(_) => Ok(block::decode(data, order)),
            Self::Coil => Err(short()),
        }
    }

    fn encode(self, value: &Value, order: ByteOrder) -> Result<Encoded, PointFault> {
        match self {
            Self::Coil => field::truth(value).map(|on| Encoded::Coils(vec![on])),
            Self::Field(field) => {
                let (set, clear) = field.encode(value)?;
                let [set, clear] = [set, clear].map(|mask| order::word(&mask.to_be_bytes(), order));
                Ok(Encoded::Field { set, clear })
            }
            Self::Number(number) => {
                Ok(Encoded::Words(order::scatter(number.encode(value)?, number.registers(), order)))
            }
            Self::Time => Ok(Encoded::Words(order::scatter(time::encode(value)?, 4, order))),
            Self::Text(text) => text.encode(value, order).map(Encoded::Words),
            Self::Bytes(registers) => block::encode(registers, value, order).map(Encoded::Words),
        }
    }
}

/// As an answer to a read would have them.
fn bytes(encoded: &Encoded) -> Vec<u8> {
    match encoded {
        Encoded::Coils(coils) => {
            let byte = |eight: &[bool]| eight.iter().rev().fold(0, |byte: u8, on| byte << 1 | u8::from(*on));
            coils.chunks(8).map(byte).collect()
        }
        Encoded::Field { set, .. } => set.to_be_bytes().to_vec(),
        Encoded::Words(words) => words.iter().flat_map(|word| word.to_be_bytes()).collect(),
    }
}

fn short() -> PointFault {
    PointFault::new(ErrorKind::Protocol, "the answer holds too few registers")
}

/// What the device sent is no value of this format.
fn garbled(text: String) -> PointFault {
    PointFault::new(ErrorKind::Protocol, text)
}

fn refused(text: String) -> PointFault {
    PointFault::new(ErrorKind::Config, text)
}

/// For messages: short, and as people write it.
fn shown(value: &Value) -> String {
    match value {
        Value::Bool(v) => v.to_string(),
        Value::Int(v) => v.to_string(),
        Value::Uint(v) => v.to_string(),
        Value::Float(v) => v.to_string(),
        Value::Text(v) => format!("{:?}", v.chars().take(40).collect::<String>()),
        Value::Bytes(v) => format!("a value of {} bytes", v.len()),
        Value::Json(_) => "a JSON document".into(),
    }
}
