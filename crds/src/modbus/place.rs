//! Table and address of a binding, however they are written, and how much it takes.
use crate::{ModbusBinding, ModbusDataType, ModbusTable};

/// Table and first address of a value, as they stand in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which table.
    pub table: ModbusTable,
    /// The PDU address, from 0.
    pub address: i32,
}

impl Place {
    /// The same as a data sheet has it: holding 0 is 40001. Six digits where five do not reach.
    pub fn register(self) -> String {
        let first = match self.table {
            ModbusTable::Coil => 0,
            ModbusTable::Discrete => 1,
            ModbusTable::Input => 3,
            ModbusTable::Holding => 4,
        };
        let number = self.address.saturating_add(1);
        if number <= 9_999 { format!("{first}{number:04}") } else { format!("{first}{number:05}") }
    }
}

impl ModbusBinding {
    /// Table and address, from `table` and `address` or from `register`. The error says what is allowed.
    pub fn place(&self) -> Result<Place, String> {
        match (self.table, self.address, &self.register) {
            (Some(table), Some(address), None) => Ok(Place { table, address }),
            (None, None, Some(register)) => of_register(register),
            _ => Err("table and address must be set, or register of a data sheet instead of both".into()),
        }
    }
    /// The table, where it can be told.
    pub fn table(&self) -> Option<ModbusTable> {
        self.place().ok().map(|place| place.table)
    }
    /// Registers (or bits) that it takes on the wire.
    pub fn registers(&self) -> i32 {
        self.one().saturating_mul(self.count.unwrap_or(1).max(1))
    }
    fn one(&self) -> i32 {
        use ModbusDataType as T;
        match self.data_type {
            None
            | Some(
                T::Int8L
                | T::Int8H
                | T::Uint8L
                | T::Uint8H
                | T::Int16
                | T::Uint16
                | T::Float16
                | T::Bcd16
                | T::SignMagnitude16,
            ) => 1,
            Some(T::Int32 | T::Uint32 | T::Float32 | T::Bcd32 | T::M10K32 | T::SignMagnitude32) => 2,
            Some(T::M10K48) => 3,
            Some(T::Int64 | T::Uint64 | T::Float64 | T::Bcd64 | T::M10K64 | T::Cp56) => 4,
            Some(T::String | T::Bytes) => self.length.unwrap_or(1),
        }
    }
}

/// "40001" and "400001" are holding 0: the first digit is the table, the rest counts from 1.
fn of_register(text: &str) -> Result<Place, String> {
    let wrong =
        || format!("register is {text:?}, must be five or six digits in quotes: 0, 1, 3 or 4, then 00001 to 65536");
    let (first, rest) = text.split_at_checked(1).ok_or_else(wrong)?;
    let table = match first {
        "0" => ModbusTable::Coil,
        "1" => ModbusTable::Discrete,
        "3" => ModbusTable::Input,
        "4" => ModbusTable::Holding,
        _ => return Err(wrong()),
    };
    let digits = matches!(rest.len(), 4 | 5) && rest.bytes().all(|byte| byte.is_ascii_digit());
    let number = rest.parse::<i32>().ok().filter(|number| digits && (1..=65_536).contains(number));
    number.map(|number| Place { table, address: number - 1 }).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_written_as_it_is_read() {
        for (text, shown) in
            [("40001", "40001"), ("400001", "40001"), ("049999", "049999"), ("465536", "465536"), ("19999", "19999")]
        {
            assert_eq!(of_register(text).map(Place::register), Ok(shown.to_owned()));
        }
    }

    #[test]
    fn data_sheets_count_from_one_and_name_the_table_by_the_first_digit() {
        let place = |text: &str| {
            let binding = ModbusBinding { register: Some(text.into()), ..ModbusBinding::default() };
            binding.place().map(|place| (place.table, place.address))
        };
        for (text, expected) in [
            ("40001", (ModbusTable::Holding, 0)),
            ("400001", (ModbusTable::Holding, 0)),
            ("465536", (ModbusTable::Holding, 65_535)),
            ("49999", (ModbusTable::Holding, 9_998)),
            ("30010", (ModbusTable::Input, 9)),
            ("10001", (ModbusTable::Discrete, 0)),
            ("00001", (ModbusTable::Coil, 0)),
            ("000017", (ModbusTable::Coil, 16)),
        ] {
            assert_eq!(place(text), Ok(expected), "{text}");
        }
        for text in ["40000", "465537", "20001", "4001", "4000001", "4x001", "", "４0001", "4+001"] {
            assert!(place(text).is_err(), "{text}");
        }
    }
}
