//! Where something stands on a device, as a person says it (`holding 0`, `40001`) and reads it (`holding 0 (40001)`).
use super::words;
use crate::frame::{MAX_READ_BITS, MAX_READ_REGISTERS};
use pollux_crds::{ModbusBinding, ModbusTable as Table, Place};

/// `holding 0`, or `40001` as data sheets have it; and how many of the words that took.
pub(super) fn parse(words: &[String]) -> Result<(Place, usize), String> {
    let first =
        words.first().ok_or("say where: a table and an address such as holding 0, or a register such as 40001")?;
    if first.starts_with(|c: char| c.is_ascii_digit()) {
        let binding = ModbusBinding { register: Some(first.clone()), ..ModbusBinding::default() };
        return binding.place().map(|place| (place, 1));
    }
    let table = words::table(first)?;
    let word = words.get(1).ok_or_else(|| format!("{first} needs an address, such as {first} 0"))?;
    let address = word.parse::<u16>().map_err(|_| format!("address is {word:?}, must be 0 to 65535"))?;
    Ok((Place { table, address: address.into() }, 2))
}

/// The most that one read may ask for.
pub(super) fn most(table: Table) -> u16 {
    if table.has_bits() { MAX_READ_BITS } else { MAX_READ_REGISTERS }
}

/// `holding 0 (40001)`.
pub(super) fn shown(place: Place) -> String {
    let name = place.table.name();
    format!("{name} {} ({})", place.address, place.register())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_said_in_two_ways() {
        let parse = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            parse(&words).map(|(place, took)| (shown(place), took))
        };
        assert_eq!(parse("holding 0 float32"), Ok(("holding 0 (40001)".into(), 2)));
        assert_eq!(parse("40001 float32"), Ok(("holding 0 (40001)".into(), 1)));
        assert_eq!(parse("Input 65535"), Ok(("input 65535 (365536)".into(), 2)));
        assert_eq!(parse("000017"), Ok(("coil 16 (00017)".into(), 1)));
        for wrong in ["", "holding", "holding 65536", "holding -1", "20001", "register 1"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
