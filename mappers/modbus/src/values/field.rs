//! Bits of one register: one that is true or false, several that are a number, and its low or high byte.
use super::{refused, shown};
use pollux_mapper::{PointFault, Value};

/// From bit `low` (0 is the least significant) upward. One bit is true or false, more are a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Field {
    low: u8,
    bits: u8,
    signed: bool,
}

impl Field {
    pub const INT8_L: Self = Self { low: 0, bits: 8, signed: true };
    pub const INT8_H: Self = Self { low: 8, bits: 8, signed: true };
    pub const UINT8_L: Self = Self { low: 0, bits: 8, signed: false };
    pub const UINT8_H: Self = Self { low: 8, bits: 8, signed: false };

    /// None: it does not fit into a register.
    pub fn new(low: u8, bits: u8) -> Option<Self> {
        (bits >= 1 && low.checked_add(bits)? <= 16).then_some(Self { low, bits, signed: false })
    }

    pub(super) fn decode(self, word: u16) -> Value {
        let bits = word.checked_shr(self.low.into()).unwrap_or(0) & self.ones();
        match (self.bits, self.signed) {
            (1, _) => Value::Bool(bits == 1),
            (_, false) => Value::Uint(bits.into()),
            (_, true) => {
                let [_, byte] = bits.to_be_bytes();
                Value::Int(byte.cast_signed().into())
            }
        }
    }

    /// Bits to set and bits to clear.
    pub(super) fn encode(self, value: &Value) -> Result<(u16, u16), PointFault> {
        let raw = if self.bits == 1 { u16::from(truth(value)?) } else { self.number(value)? };
        let shift = |bits: u16| bits.checked_shl(self.low.into()).unwrap_or(0);
        Ok((shift(raw), shift(self.ones() & !raw)))
    }

    fn number(self, value: &Value) -> Result<u16, PointFault> {
        let (low, high) = if self.signed { (-128, 127) } else { (0, i128::from(self.ones())) };
        let number = super::number::rounded(value).filter(|number| (low..=high).contains(number));
        let name = if self.signed { "int8".to_owned() } else { format!("{} bits", self.bits) };
        let number = number
            .ok_or_else(|| refused(format!("{} does not fit {name}: must be a number {low}..={high}", shown(value))))?;
        Ok(u16::try_from(number & i128::from(self.ones())).unwrap_or(0))
    }

    fn ones(self) -> u16 {
        u16::MAX.checked_shr(16_u32.saturating_sub(self.bits.into())).unwrap_or(0)
    }
}

pub(super) fn truth(value: &Value) -> Result<bool, PointFault> {
    match (value.as_bool(), value.as_i128()) {
        (Some(on), _) => Ok(on),
        (None, Some(0)) => Ok(false),
        (None, Some(1)) => Ok(true),
        _ => Err(refused(format!("{} does not fit one bit: must be true, false, 1 or 0", shown(value)))),
    }
}
