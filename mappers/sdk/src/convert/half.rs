//! IEEE 754 binary16, which Rust has no type for.
use super::number::reparse;

const SIGN: u16 = 0x8000;
const INFINITE: u16 = 0x7C00;

/// The number that these bits are.
#[must_use]
pub fn from_half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1F), f64::from(bits & 0x3FF));
    let magnitude = match exponent {
        0 => fraction * 2_f64.powi(-24),
        0x1F if fraction == 0.0 => f64::INFINITY,
        0x1F => f64::NAN,
        _ => (1024.0 + fraction) * 2_f64.powi(exponent - 25),
    };
    if bits & SIGN == 0 { magnitude } else { -magnitude }
}

/// The bits nearest to a number, ties to even; infinite from 65,520 on.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "steps are from 0 to 2048")]
pub fn to_half(value: f64) -> u16 {
    let sign = if value.is_sign_negative() { SIGN } else { 0 };
    let magnitude = value.abs();
    if magnitude.is_nan() {
        return sign | INFINITE | 0x200;
    }
    if magnitude >= 65_520.0 {
        return sign | INFINITE;
    }
    let exponent = i32::try_from(magnitude.to_bits() >> 52).unwrap_or(0).saturating_sub(1023).max(-14);
    let steps = (magnitude / 2_f64.powi(exponent - 10)).round_ties_even() as u16;
    let above = u16::try_from(exponent + 14).unwrap_or(0) << 10; // the hidden bit of `steps` is one more
    sign | (above + steps)
}

/// The double of the shortest decimal that means the same half.
#[must_use]
pub fn shortest_half(value: f64) -> f64 {
    const DIGITS: usize = 5;
    let bits = to_half(value);
    let mut short = (0..DIGITS).map(|digits| reparse(value, format_args!("{value:.digits$e}")));
    short.find(|short| to_half(*short) == bits).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// IEEE 754-2019, table 3.5 and the examples that everybody prints.
    #[test]
    fn the_values_of_the_standard() {
        for (bits, value) in [
            (0x3C00, 1.0),
            (0xC000, -2.0),
            (0x7BFF, 65_504.0),
            (0x0400, 2_f64.powi(-14)),
            (0x0001, 2_f64.powi(-24)),
            (0x03FF, 2_f64.powi(-14) - 2_f64.powi(-24)),
            (0x3555, 0.333_251_953_125),
            (0x4248, 3.140_625),
            (0x7C00, f64::INFINITY),
            (0xFC00, f64::NEG_INFINITY),
        ] {
            assert_eq!(from_half(bits).to_bits(), value.to_bits(), "{bits:04X}");
            assert_eq!(to_half(value), bits, "{value}");
        }
        for (value, bits) in [(65_519.9, 0x7BFF), (65_520.0, 0x7C00), (2049.0, 0x6800), (2051.0, 0x6802), (1e-9, 0)] {
            assert_eq!(to_half(value), bits, "{value}: to the nearest, ties to even");
        }
    }
    #[test]
    fn every_half_survives_also_in_print() {
        for bits in (0..=u16::MAX).filter(|bits| !from_half(*bits).is_nan()) {
            assert_eq!(to_half(from_half(bits)), bits);
            assert_eq!(to_half(shortest_half(from_half(bits))), bits);
        }
        assert!(from_half(0x7E00).is_nan() && from_half(to_half(f64::NAN)).is_nan());
        assert_eq!(shortest_half(from_half(to_half(21.3))).to_string(), "21.3");
    }
}
