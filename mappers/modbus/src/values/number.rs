//! Numbers of one to four registers.
use super::{digits, refused, shown};
use pollux_mapper::{
    PointFault, Value,
    convert::{from_half, to_half},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Number {
    Int16,
    Uint16,
    Int32,
    Uint32,
    Int64,
    Uint64,
    Float16,
    Float32,
    Float64,
    Bcd16,
    Bcd32,
    Bcd64,
    M10k32,
    M10k48,
    M10k64,
    SignMagnitude16,
    SignMagnitude32,
}

impl Number {
    pub(super) fn registers(self) -> u16 {
        match self {
            Self::Int16 | Self::Uint16 | Self::Float16 | Self::Bcd16 | Self::SignMagnitude16 => 1,
            Self::Int32 | Self::Uint32 | Self::Float32 | Self::Bcd32 | Self::M10k32 | Self::SignMagnitude32 => 2,
            Self::M10k48 => 3,
            Self::Int64 | Self::Uint64 | Self::Float64 | Self::Bcd64 | Self::M10k64 => 4,
        }
    }

    /// Its registers in the data of an answer, `offset` registers from the first.
    #[inline]
    pub(super) fn data(self, data: &[u8], offset: usize) -> Option<&[u8]> {
        let start = offset.checked_mul(2)?;
        data.get(start..start.checked_add(usize::from(self.registers()) * 2)?)
    }
    /// `bits`: the lowest of them, as many as its registers have.
    #[inline]
    pub(super) fn decode(self, bits: u64) -> Result<Value, PointFault> {
        Ok(match self {
            Self::Int16 | Self::Int32 | Self::Int64 => Value::Int(self.signed(bits)),
            Self::Uint16 | Self::Uint32 | Self::Uint64 => Value::Uint(bits),
            Self::Float32 => Value::Float(f32::from_bits(u32::try_from(bits).unwrap_or(u32::MAX)).into()),
            Self::Float64 => Value::Float(f64::from_bits(bits)),
            Self::Float16
            | Self::Bcd16
            | Self::Bcd32
            | Self::Bcd64
            | Self::M10k32
            | Self::M10k48
            | Self::M10k64
            | Self::SignMagnitude16
            | Self::SignMagnitude32 => return self.decode_rare(bits),
        })
    }
    fn decode_rare(self, bits: u64) -> Result<Value, PointFault> {
        Ok(match self {
            Self::Float16 => Value::Float(from_half(u16::try_from(bits).unwrap_or(u16::MAX))),
            Self::Bcd16 | Self::Bcd32 | Self::Bcd64 => Value::Uint(digits::of_bcd(bits, self.registers())?),
            Self::M10k32 | Self::M10k48 | Self::M10k64 => Value::Int(digits::of_m10k(bits, self.registers())?),
            Self::SignMagnitude16 | Self::SignMagnitude32 => Value::Int(self.of_sign_magnitude(bits)),
            Self::Int16
            | Self::Int32
            | Self::Int64
            | Self::Uint16
            | Self::Uint32
            | Self::Uint64
            | Self::Float32
            | Self::Float64 => return self.decode(bits),
        })
    }

    pub(super) fn encode(self, value: &Value) -> Result<u64, PointFault> {
        match self {
            Self::Float16 => self.float(value, 65_504.0, |v| {
                let half = to_half(v);
                from_half(half).is_finite().then(|| half.into())
            }),
            Self::Float32 => self.float(value, f32::MAX.into(), |v| {
                let single = single(v);
                single.is_finite().then(|| single.to_bits().into())
            }),
            Self::Float64 => self.float(value, f64::MAX, |v| Some(v.to_bits())),
            Self::Bcd16 | Self::Bcd32 | Self::Bcd64 => self.whole(value).map(|v| digits::to_bcd(v.unsigned_abs())),
            Self::M10k32 | Self::M10k48 | Self::M10k64 => {
                self.whole(value).map(|v| digits::to_m10k(v, self.registers()))
            }
            Self::SignMagnitude16 | Self::SignMagnitude32 => {
                self.whole(value).map(|v| low(v.unsigned_abs()) | if v < 0 { self.sign() } else { 0 })
            }
            Self::Int16 | Self::Uint16 | Self::Int32 | Self::Uint32 | Self::Int64 | Self::Uint64 => {
                self.whole(value).map(|v| low(v.cast_unsigned()) & (u64::MAX >> (64 - self.bits())))
            }
        }
    }

    fn bits(self) -> u32 {
        u32::from(self.registers()) * 16
    }
    fn sign(self) -> u64 {
        1 << (self.bits() - 1)
    }
    fn signed(self, bits: u64) -> i64 {
        let unused = 64 - self.bits();
        (bits << unused).cast_signed() >> unused
    }
    fn of_sign_magnitude(self, bits: u64) -> i64 {
        let magnitude = (bits & !self.sign()).cast_signed(); // 31 bits at most
        if bits & self.sign() == 0 { magnitude } else { -magnitude }
    }

    /// As YAML has it.
    fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }
    /// Least and greatest of whole numbers.
    fn range(self) -> (i128, i128) {
        match self {
            Self::Int16 => (i16::MIN.into(), i16::MAX.into()),
            Self::Uint16 => (0, u16::MAX.into()),
            Self::Int32 => (i32::MIN.into(), i32::MAX.into()),
            Self::Uint32 => (0, u32::MAX.into()),
            Self::Int64 => (i64::MIN.into(), i64::MAX.into()),
            Self::Bcd16 => (0, 9_999),
            Self::Bcd32 => (0, 99_999_999),
            Self::Bcd64 => (0, 9_999_999_999_999_999),
            Self::M10k32 => (-99_999_999, 99_999_999),
            Self::M10k48 => (-999_999_999_999, 999_999_999_999),
            Self::M10k64 => (-9_999_999_999_999_999, 9_999_999_999_999_999),
            Self::SignMagnitude16 => (-0x7FFF, 0x7FFF),
            Self::SignMagnitude32 => (-0x7FFF_FFFF, 0x7FFF_FFFF),
            Self::Uint64 | Self::Float16 | Self::Float32 | Self::Float64 => (0, u64::MAX.into()),
        }
    }

    fn whole(self, value: &Value) -> Result<i128, PointFault> {
        let (least, most) = self.range();
        let number = rounded(value).filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| self.refuse(value, &format!("a number {least}..={most}")))
    }
    fn float(self, value: &Value, most: f64, bits: impl Fn(f64) -> Option<u64>) -> Result<u64, PointFault> {
        let bits = value.as_f64().filter(|v| v.is_finite()).and_then(bits);
        let any = most.to_bits() == f64::MAX.to_bits();
        let allowed = || if any { "a finite number".to_owned() } else { format!("a number within ±{most:e}") };
        bits.ok_or_else(|| self.refuse(value, &allowed()))
    }
    fn refuse(self, value: &Value, allowed: &str) -> PointFault {
        refused(format!("{} does not fit {}: must be {allowed}", shown(value), self.name()))
    }
}

/// The nearest whole number; what lies half-way goes away from zero.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked, and the fraction is zero")]
pub(super) fn rounded(value: &Value) -> Option<i128> {
    match value {
        Value::Float(v) => Some(v.round()).filter(|v| v.abs() < 1e30).map(|v| v as i128),
        other => other.as_i128(),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "rounding is what float32 means; what overflows is refused")]
fn single(value: f64) -> f32 {
    value as f32
}

/// The lowest 64 bits.
#[expect(clippy::cast_possible_truncation, reason = "two's complement: the bits above only repeat the sign")]
fn low(value: u128) -> u64 {
    value as u64
}
