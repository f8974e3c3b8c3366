//! The decimal floating point numbers of IEEE 11073-20601, Annex F: `medfloat16` (SFLOAT) and `medfloat32` (FLOAT).
use super::raw::{mask, signed};
use crate::{Decoded, NoValue};

/// Bits of mantissa and exponent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parts {
    pub(crate) mantissa: u32,
    pub(crate) exponent: u32,
}
pub(crate) const MEDFLOAT16: Parts = Parts { mantissa: 12, exponent: 4 };
pub(crate) const MEDFLOAT32: Parts = Parts { mantissa: 24, exponent: 8 };

impl Parts {
    /// Greatest mantissa that is a number: the three patterns at either end are special.
    fn most(self) -> i64 {
        (1 << (self.mantissa - 1)) - 3
    }
    fn exponents(self) -> (i64, i64) {
        (-(1 << (self.exponent - 1)), (1 << (self.exponent - 1)) - 1)
    }
    /// The greatest number.
    pub(crate) fn greatest(self) -> f64 {
        scale(self.most(), self.exponents().1)
    }

    pub(crate) fn decode(self, pattern: u64) -> Decoded {
        let mantissa = signed(pattern & mask(self.mantissa), self.mantissa);
        let exponent = signed(pattern >> self.mantissa & mask(self.exponent), self.exponent);
        let top = 1_i64 << (self.mantissa - 1);
        match (exponent, mantissa) {
            (0, m) if m == top - 1 => NoValue::NotANumber.into(),
            (0, m) if m == top - 2 => NoValue::PlusInfinity.into(),
            (0, m) if m == -top => NoValue::NotAtThisResolution.into(),
            (0, m) if m == -top + 1 => NoValue::Reserved.into(),
            (0, m) if m == -top + 2 => NoValue::MinusInfinity.into(),
            _ => scale(mantissa, exponent).into(),
        }
    }

    /// The nearest pattern, with the least mantissa of those that are equal: 36.4 is 364 × 10⁻¹. None: out of range.
    pub(crate) fn encode(self, number: f64) -> Option<u64> {
        let (least, greatest) = self.exponents();
        let fits = |exponent: i64| mantissa_of(number, exponent).filter(|mantissa| mantissa.abs() <= self.most());
        let (mut mantissa, mut exponent) = (least..=greatest).find_map(|exponent| Some((fits(exponent)?, exponent)))?;
        while mantissa % 10 == 0 && mantissa != 0 && exponent < greatest {
            (mantissa, exponent) = (mantissa / 10, exponent + 1);
        }
        if mantissa == 0 {
            exponent = 0;
        }
        let pattern = |part: i64, bits: u32| part.cast_unsigned() & mask(bits);
        (number == 0.0 || mantissa != 0)
            .then(|| pattern(exponent, self.exponent) << self.mantissa | pattern(mantissa, self.mantissa))
    }
}

fn power(exponent: i64) -> f64 {
    10_f64.powi(i32::try_from(exponent).unwrap_or(i32::MAX))
}
/// Divided by a power, not multiplied by its inverse, which no binary number is: 364 / 10 is 36.4.
fn scale(mantissa: i64, exponent: i64) -> f64 {
    let mantissa = mantissa as f64;
    if exponent < 0 { mantissa / power(-exponent) } else { mantissa * power(exponent) }
}
#[expect(clippy::cast_possible_truncation, reason = "rounded, and of a magnitude that is asked for")]
fn mantissa_of(number: f64, exponent: i64) -> Option<i64> {
    let mantissa = if exponent < 0 { number * power(-exponent) } else { number / power(exponent) }.round_ties_even();
    (mantissa.abs() < 1e9).then_some(mantissa as i64)
}
