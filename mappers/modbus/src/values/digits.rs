//! Decimal digits in registers: BCD, four bits a digit; modulo 10,000, four digits a register.
use super::garbled;
use pollux_mapper::PointFault;

const DIGITS: u16 = 10_000;

pub(super) fn of_bcd(bits: u64, registers: u16) -> Result<u64, PointFault> {
    let width = usize::from(registers) * 4;
    let digit = |at: usize| bits >> (4 * at) & 0xF;
    let value = (0..width).rev().try_fold(0, |value, at| (digit(at) < 10).then(|| value * 10 + digit(at)));
    value.ok_or_else(|| garbled(format!("not BCD: 0x{bits:0width$X} has a digit above 9")))
}

pub(super) fn to_bcd(value: u128) -> u64 {
    let mut rest = value;
    let digits = std::iter::from_fn(|| {
        let digit = rest % 10;
        rest /= 10;
        u64::try_from(digit).ok()
    });
    digits.take(16).zip(0..).fold(0, |bits, (digit, at)| bits | digit << (4 * at))
}

/// The most significant register first: 12 and 3456 are 123,456; of a negative number both are negative. Schneider Electric, "Modbus
/// Protocol and Register Map for ION Devices", 70022-0124-01, has it so (ABCD); its `PowerLogic` circuit monitors and PM800 have the
/// least significant first (CDAB).
pub(super) fn of_m10k(bits: u64, registers: u16) -> Result<i64, PointFault> {
    let bytes = bits.to_be_bytes();
    let words = bytes.chunks_exact(2).filter_map(|pair| pair.first_chunk()).map(|pair| i16::from_be_bytes(*pair));
    let words = words.skip(4_usize.saturating_sub(registers.into()));
    if words.clone().any(|word| word < 0) && words.clone().any(|word| word > 0) {
        let width = usize::from(registers) * 4;
        return Err(garbled(format!("not modulo 10,000: 0x{bits:0width$X} has registers of both signs")));
    }
    words.into_iter().try_fold(0, |value, word| {
        let fault = || garbled(format!("not modulo 10,000: 0x{word:04X} is {word}, must be -9999 to 9999"));
        if word.unsigned_abs() < DIGITS { Ok(value * i64::from(DIGITS) + i64::from(word)) } else { Err(fault()) }
    })
}

pub(super) fn to_m10k(value: i128, registers: u16) -> u64 {
    let word = |at: u16| i16::try_from(value / i128::from(DIGITS).pow(at.into()) % i128::from(DIGITS)).unwrap_or(0);
    (0..registers).fold(0, |bits, at| bits | u64::from(word(at).cast_unsigned()) << (16 * at))
}
