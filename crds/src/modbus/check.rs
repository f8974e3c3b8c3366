//! Whether the fields of a binding go together. The same is said in CEL where the API server can see it.
use crate::{ByteOrder, ModbusBinding, ModbusDataType as T, ModbusTable, Place};

/// Registers that one request reads at most, by the standard.
const MOST_REGISTERS: i32 = 125;
/// Coils in one array: more would not fit into a value of 4,096 characters.
const MOST_BITS: i32 = 680;

impl ModbusBinding {
    /// What does not go together, as (field below `binding.modbus`, message); empty: all does.
    pub fn flaws(&self) -> Vec<(&'static str, String)> {
        let Place { table, address } = match self.place() {
            Ok(place) => place,
            Err(message) => return vec![("", message)],
        };
        let bits = matches!(table, ModbusTable::Coil | ModbusTable::Discrete);
        let mut flaws = vec![];
        if bits && self.is_register() {
            flaws.push(("", "coil and discrete take an address only, and count".to_owned()));
        } else if !bits && self.data_type.is_some() == self.bit.is_some() {
            flaws.push(("", "holding and input need dataType, or bit (0 to 15)".to_owned()));
        }
        flaws.extend(self.field());
        flaws.extend(self.text());
        flaws.extend(self.order());
        flaws.extend(self.size(address, bits));
        flaws
    }

    /// Something is set that only registers have.
    fn is_register(&self) -> bool {
        let Self { table: _, address: _, register: _, alone: _, count: _, data_type, byte_order, .. } = self;
        data_type.is_some()
            || byte_order.is_some()
            || self.bit.is_some()
            || self.bits.is_some()
            || self.length.is_some()
            || self.encoding.is_some()
            || self.trim.is_some()
    }

    fn field(&self) -> Vec<(&'static str, String)> {
        let mut flaws = vec![];
        if let Some(bit) = self.bit.filter(|bit| !(0..=15).contains(bit)) {
            flaws.push((".bit", format!("must be from 0 to 15, is {bit}")));
        }
        let bits = self.bits.unwrap_or(1);
        match self.bit {
            None if self.bits.is_some() => flaws.push((".bits", "goes with bit".to_owned())),
            Some(bit) if bits < 1 || bit.saturating_add(bits) > 16 => {
                flaws.push((".bits", format!("bit and bits must end within 16, are {bit} and {bits}")));
            }
            Some(_) if self.count.is_some() => flaws.push((".count", "does not go with bit".to_owned())),
            None if self.count.is_some() && self.data_type == Some(T::Bytes) => {
                flaws.push((".count", "does not go with dataType bytes: length says how many registers".to_owned()));
            }
            _ => {}
        }
        flaws
    }

    fn text(&self) -> Vec<(&'static str, String)> {
        let string = self.data_type == Some(T::String);
        let mut flaws = vec![];
        if (string || self.data_type == Some(T::Bytes)) != self.length.is_some() {
            flaws.push((".length", "goes with dataType string or bytes, and only with them".to_owned()));
        }
        if self.length.is_some_and(|length| !(1..=MOST_REGISTERS).contains(&length)) {
            flaws.push((".length", format!("must be from 1 to {MOST_REGISTERS} registers")));
        }
        for (field, set) in [(".encoding", self.encoding.is_some()), (".trim", self.trim.is_some())] {
            if set && !string {
                flaws.push((field, "goes with dataType string only".to_owned()));
            }
        }
        flaws
    }

    fn order(&self) -> Option<(&'static str, String)> {
        let order = self.byte_order?;
        let long = order != order.pattern();
        let plain = matches!(self.data_type, Some(T::String | T::Bytes));
        if plain && !matches!(order, ByteOrder::Abcd | ByteOrder::Badc) {
            return Some((".byteOrder", "of string and bytes must be ABCD or BADC".to_owned()));
        }
        let eight = matches!(self.data_type, Some(T::Int64 | T::Uint64 | T::Float64 | T::Bcd64 | T::M10K64 | T::Cp56));
        (long && !eight).then(|| {
            (
                ".byteOrder",
                "of eight letters goes with types of 64 bits; the others take ABCD, BADC, CDAB or DCBA".into(),
            )
        })
    }

    fn size(&self, address: i32, bits: bool) -> Vec<(&'static str, String)> {
        let (width, what) = (self.registers(), if bits { "coils" } else { "registers" });
        let most = if bits { MOST_BITS } else { MOST_REGISTERS };
        let mut flaws = vec![];
        if self.count.is_some_and(|count| count < 2) {
            flaws.push((".count", "must be at least 2".to_owned()));
        }
        if width > most {
            flaws.push((".count", format!("takes {width} {what}; one value takes at most {most}")));
        }
        if address.saturating_add(width) > 65_536 {
            flaws.push((".address", format!("{address} with {width} {what} ends beyond 65535")));
        }
        flaws
    }
}
