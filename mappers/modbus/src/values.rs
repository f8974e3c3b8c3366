//! Values to registers and back: data types, byte orders, one bit of a register, text. Pure.
use pollux_crds::ByteOrder;
use pollux_mapper::{ErrorKind, PointFault, Precision, Value};

/// How a value stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A coil or a discrete input.
    Coil,
    /// One bit of a register, 0 the least significant.
    Bit(u8),
    Number(Number, ByteOrder),
    /// So many registers of two characters.
    Text(u16),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    Int16,
    Uint16,
    Int32,
    Uint32,
    Int64,
    Uint64,
    Float32,
    Float64,
}

/// What a write puts on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encoded {
    Coil(bool),
    Bit(u8, bool),
    Words(Vec<u16>),
}

impl Format {
    /// Registers, or bits, that one value takes.
    pub fn width(self) -> u16 {
        match self {
            Self::Coil | Self::Bit(_) => 1,
            Self::Number(number, _) => number.registers(),
            Self::Text(registers) => registers,
        }
    }

    pub fn precision(self) -> Precision {
        match self {
            Self::Number(Number::Float32, _) => Precision::Single,
            Self::Number(Number::Float64, _) => Precision::Double,
            _ => Precision::Integer,
        }
    }

    /// `data`: the registers of this value as they came; of a coil, one byte that is 0 or not.
    pub fn decode(self, data: &[u8]) -> Result<Value, PointFault> {
        let short = || PointFault::new(ErrorKind::Protocol, "the answer holds too few registers");
        match self {
            Self::Coil => data.first().map(|byte| Value::Bool(*byte != 0)).ok_or_else(short),
            Self::Bit(bit) => {
                let word = data.first_chunk().map(|pair| u16::from_be_bytes(*pair)).ok_or_else(short)?;
                Ok(Value::Bool(word.checked_shr(bit.into()).unwrap_or(0) & 1 == 1))
            }
            Self::Number(number, order) => number.decode(data, order).ok_or_else(short),
            Self::Text(_) => text(data),
        }
    }

    /// Range-checked in the device's own type; the error says what is allowed.
    pub fn encode(self, value: &Value) -> Result<Encoded, PointFault> {
        match self {
            Self::Coil => truth(value).map(Encoded::Coil),
            Self::Bit(bit) => truth(value).map(|on| Encoded::Bit(bit, on)),
            Self::Number(number, order) => number.encode(value, order).map(Encoded::Words),
            Self::Text(registers) => text_words(registers, value).map(Encoded::Words),
        }
    }

    /// What the device would say if this value were written to it.
    pub fn round_trip(self, value: &Value) -> Result<Value, PointFault> {
        match self.encode(value)? {
            Encoded::Coil(on) | Encoded::Bit(_, on) => Ok(Value::Bool(on)),
            Encoded::Words(words) => {
                self.decode(&words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>())
            }
        }
    }
}

impl Number {
    fn registers(self) -> u16 {
        match self {
            Self::Int16 | Self::Uint16 => 1,
            Self::Int32 | Self::Uint32 | Self::Float32 => 2,
            Self::Int64 | Self::Uint64 | Self::Float64 => 4,
        }
    }

    fn decode(self, data: &[u8], order: ByteOrder) -> Option<Value> {
        Some(match self {
            Self::Int16 => Value::Int(i16::from_be_bytes(plain(data, order)?).into()),
            Self::Uint16 => Value::Uint(u16::from_be_bytes(plain(data, order)?).into()),
            Self::Int32 => Value::Int(i32::from_be_bytes(plain(data, order)?).into()),
            Self::Uint32 => Value::Uint(u32::from_be_bytes(plain(data, order)?).into()),
            Self::Int64 => Value::Int(i64::from_be_bytes(plain(data, order)?)),
            Self::Uint64 => Value::Uint(u64::from_be_bytes(plain(data, order)?)),
            Self::Float32 => Value::Float(f32::from_be_bytes(plain(data, order)?).into()),
            Self::Float64 => Value::Float(f64::from_be_bytes(plain(data, order)?)),
        })
    }

    fn encode(self, value: &Value, order: ByteOrder) -> Result<Vec<u16>, PointFault> {
        match self {
            Self::Int16 => Ok(words(whole::<i16>(value, "int16", i16::MIN, i16::MAX)?.to_be_bytes(), order)),
            Self::Uint16 => Ok(words(whole::<u16>(value, "uint16", u16::MIN, u16::MAX)?.to_be_bytes(), order)),
            Self::Int32 => Ok(words(whole::<i32>(value, "int32", i32::MIN, i32::MAX)?.to_be_bytes(), order)),
            Self::Uint32 => Ok(words(whole::<u32>(value, "uint32", u32::MIN, u32::MAX)?.to_be_bytes(), order)),
            Self::Int64 => Ok(words(whole::<i64>(value, "int64", i64::MIN, i64::MAX)?.to_be_bytes(), order)),
            Self::Uint64 => Ok(words(whole::<u64>(value, "uint64", u64::MIN, u64::MAX)?.to_be_bytes(), order)),
            Self::Float32 => Ok(words(single(value)?.to_be_bytes(), order)),
            Self::Float64 => Ok(words(finite(value, "float64")?.to_be_bytes(), order)),
        }
    }
}

/// The bytes of one value, most significant first, whatever their order on the wire; and the other way round.
fn arrange(bytes: &mut [u8], order: ByteOrder) {
    if matches!(order, ByteOrder::Cdab | ByteOrder::Dcba) {
        bytes.reverse(); // all bytes: registers and what is in them
    }
    if matches!(order, ByteOrder::Badc | ByteOrder::Cdab) {
        bytes.chunks_exact_mut(2).for_each(<[u8]>::reverse);
    }
}

fn plain<const N: usize>(data: &[u8], order: ByteOrder) -> Option<[u8; N]> {
    let mut bytes = *data.first_chunk::<N>()?;
    arrange(&mut bytes, order);
    Some(bytes)
}

fn words<const N: usize>(mut bytes: [u8; N], order: ByteOrder) -> Vec<u16> {
    arrange(&mut bytes, order);
    bytes.chunks_exact(2).filter_map(|pair| pair.first_chunk()).map(|pair| u16::from_be_bytes(*pair)).collect()
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
        Value::Bytes(_) => "a value of bytes".into(),
        Value::Json(_) => "a JSON document".into(),
    }
}

fn whole<T: TryFrom<i128> + Copy + std::fmt::Display>(
    value: &Value,
    name: &str,
    low: T,
    high: T,
) -> Result<T, PointFault> {
    let fit = value.as_i128().and_then(|v| T::try_from(v).ok());
    fit.ok_or_else(|| refused(format!("{} does not fit {name}: must be a whole number {low}..={high}", shown(value))))
}

fn finite(value: &Value, name: &str) -> Result<f64, PointFault> {
    let number = value.as_f64().filter(|v| v.is_finite());
    number.ok_or_else(|| refused(format!("{} does not fit {name}: must be a finite number", shown(value))))
}

#[expect(clippy::cast_possible_truncation, reason = "rounding is what float32 means; what overflows is refused")]
fn single(value: &Value) -> Result<f32, PointFault> {
    let number = finite(value, "float32")? as f32;
    if number.is_finite() {
        return Ok(number);
    }
    Err(refused(format!("{} does not fit float32: must be within ±{:e}", shown(value), f32::MAX)))
}

fn truth(value: &Value) -> Result<bool, PointFault> {
    match (value.as_bool(), value.as_i128()) {
        (Some(on), _) => Ok(on),
        (None, Some(0)) => Ok(false),
        (None, Some(1)) => Ok(true),
        _ => Err(refused(format!("{} does not fit one bit: must be true, false, 1 or 0", shown(value)))),
    }
}

/// Up to the first NUL, as C has it, without trailing spaces.
fn text(data: &[u8]) -> Result<Value, PointFault> {
    let bytes = data.split(|byte| *byte == 0).next().unwrap_or_default();
    let text = std::str::from_utf8(bytes).map_err(|_| PointFault::new(ErrorKind::Protocol, "not valid UTF-8"))?;
    Ok(Value::from(text.trim_end_matches(' ')))
}

fn text_words(registers: u16, value: &Value) -> Result<Vec<u16>, PointFault> {
    let most = usize::from(registers) * 2;
    let text = value.as_str().filter(|text| text.len() <= most && !text.contains('\0'));
    let text = text.ok_or_else(|| {
        refused(format!(
            "{} does not fit {registers} registers: must be a text of at most {most} bytes without NUL",
            shown(value)
        ))
    })?;
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(most, 0);
    Ok(bytes.chunks_exact(2).filter_map(|pair| pair.first_chunk()).map(|pair| u16::from_be_bytes(*pair)).collect())
}
