//! Addresses of Kepware's Modbus drivers, as "Modbus Addressing" of their manual has them (support.ptc.com, Kepware Drivers, Modbus
//! Ethernet, Address Descriptions): 400001, 40001 or 41; H4 and hexadecimal digits; .5 a bit; .20H and .20L a string of 20 characters,
//! high or low byte first; \[4\] or \[2\]\[4\] an array; W in front, only written; #nn packed coils, which nothing here can be.
use pollux_crds::{ModbusTable as Table, Place};

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Address {
    pub(super) place: Place,
    pub(super) part: Part,
    /// Values of an array.
    pub(super) count: Option<i32>,
    pub(super) write_only: bool,
}

/// What of the register, or of it and its followers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    /// As it is written.
    Bit(u8),
    /// Characters, and whether the low byte of a register is its first.
    Text {
        length: u16,
        low_first: bool,
    },
}

impl Address {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is no Modbus address: one such as 400001, 300001.5, 400001.20H, 400001[4] or 000001");
        let upper = text.trim().to_ascii_uppercase();
        if upper.contains('#') {
            return Err(format!("{text:?}: coils packed into one number are not there: list them one by one"));
        }
        let (rest, write_only) = upper.strip_prefix('W').map_or((upper.as_str(), false), |rest| (rest, true));
        let (rest, array) = rest.split_once('[').map_or((rest, None), |(before, array)| (before, Some(array)));
        let (digits, part) =
            rest.trim().split_once('.').map_or((rest.trim(), None), |(digits, part)| (digits, Some(part)));
        let place = place(digits).ok_or_else(wrong)?;
        let part = part.map_or(Some(Part::Whole), self::part).ok_or_else(wrong)?;
        let count = array.map(|array| elements(array).ok_or_else(wrong)).transpose()?.filter(|count| *count != 1);
        if part != Part::Whole && (count.is_some() || matches!(place.table, Table::Coil | Table::Discrete)) {
            return Err(wrong());
        }
        Ok(Self { place, part, count, write_only })
    }
}

/// A table's digit and one to five more, which count from 1.
fn place(text: &str) -> Option<Place> {
    let (digits, radix) = text.strip_prefix('H').map_or((text, 10), |digits| (digits, 16));
    let (first, rest) = digits.split_at_checked(1)?;
    let table = match first {
        "0" => Table::Coil,
        "1" => Table::Discrete,
        "3" => Table::Input,
        "4" => Table::Holding,
        _ => return None,
    };
    let plain = (1..=5).contains(&rest.len()) && rest.chars().all(|c| c.is_digit(radix));
    let number = i32::from_str_radix(rest, radix).ok().filter(|number| plain && (1..=65_536).contains(number))?;
    Some(Place { table, address: number - 1 })
}

fn part(text: &str) -> Option<Part> {
    let number = |digits: &str| digits.parse::<u16>().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()));
    if let Some(digits) = text.strip_suffix(['H', 'L']) {
        let length = number(digits).filter(|length| (1..=246).contains(length))?;
        return Some(Part::Text { length, low_first: text.ends_with('L') });
    }
    let bit = number(text).filter(|bit| *bit <= 16)?;
    u8::try_from(bit).ok().map(Part::Bit)
}

/// `4]` or `2][4]`: rows times columns.
fn elements(text: &str) -> Option<i32> {
    let inner = text.trim().strip_suffix(']')?;
    let mut product = 1_i32;
    for number in inner.split("][").flat_map(|part| part.split("] [")) {
        product = product.checked_mul(number.trim().parse().ok().filter(|number| *number >= 1)?)?;
    }
    (product <= 2_000).then_some(product)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_manual_is_understood() {
        let plain = |table, address| Address {
            place: Place { table, address },
            part: Part::Whole,
            count: None,
            write_only: false,
        };
        let first = plain(Table::Holding, 0);
        for same in ["41", "401", "4001", "40001", "400001", "H400001"] {
            assert_eq!(Address::parse(same), Ok(first), "{same}");
        }
        for (text, expected) in [
            ("000001", plain(Table::Coil, 0)),
            ("065536", plain(Table::Coil, 65_535)),
            ("100001", plain(Table::Discrete, 0)),
            ("300030", plain(Table::Input, 29)),
            ("465536", plain(Table::Holding, 65_535)),
            ("H410000", plain(Table::Holding, 65_535)),
            ("H4000A", plain(Table::Holding, 9)),
            ("40001.5", Address { part: Part::Bit(5), ..first }),
            ("400001.15", Address { part: Part::Bit(15), ..first }),
            ("400001.20H", Address { part: Part::Text { length: 20, low_first: false }, ..first }),
            ("400001.7l", Address { part: Part::Text { length: 7, low_first: true }, ..first }),
            ("400001[4]", Address { count: Some(4), ..first }),
            ("400001 [2] [4]", Address { count: Some(8), ..first }),
            ("400001[2][4]", Address { count: Some(8), ..first }),
            ("400001[1]", first),
            ("W40001", Address { write_only: true, ..first }),
            ("000001[16]", Address { count: Some(16), ..plain(Table::Coil, 0) }),
        ] {
            assert_eq!(Address::parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "4",
            "400000",
            "465537",
            "4000001",
            "200001",
            "500001",
            "D100",
            "H465537",
            "40001.",
            "40001.17",
            "40001.x",
            "40001.0H",
            "40001.247H",
            "000001.0",
            "40001[]",
            "40001[0]",
            "40001[4",
            "40001[4].1",
            "40001.1[4]",
            "40001[2001]",
            "4 0001",
            "+40001",
        ] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
        assert!(Address::parse("000001#8").unwrap_err().contains("one by one"));
    }
}
