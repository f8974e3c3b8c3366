//! Whether a Modbus binding can carry a property's type, and whether it can be written.
use crate::{Access, ModbusBinding, ModbusDataType, ModbusTable, PropertyType};

/// What is wrong, as (field below `binding.modbus`, message).
pub(super) fn check(
    binding: &ModbusBinding,
    type_: PropertyType,
    has_enum: bool,
    access: Access,
) -> Vec<(&'static str, String)> {
    let mut wrong = vec![];
    if access != Access::ReadOnly && matches!(binding.table, ModbusTable::Discrete | ModbusTable::Input) {
        wrong.push((".table", "this table cannot be written; writable are: coil, holding".to_owned()));
    }
    let bits = matches!(binding.table, ModbusTable::Coil | ModbusTable::Discrete);
    let rest = binding.data_type.is_some()
        || binding.bit.is_some()
        || binding.length.is_some()
        || binding.byte_order.is_some();
    if bits && rest {
        wrong.push(("", "coil and discrete take an address only".to_owned()));
    } else if !bits && binding.data_type.is_some() == binding.bit.is_some() {
        wrong.push(("", "holding and input need dataType, or bit (0 to 15)".to_owned()));
    } else {
        wrong.extend(carries(binding, type_, has_enum).map(|message| (".dataType", message)));
    }
    if (binding.data_type == Some(ModbusDataType::String)) != binding.length.is_some() {
        wrong.push((".length", "goes with dataType string, and only with it".to_owned()));
    }
    if binding.address + binding.registers() > 65_536 {
        wrong.push((
            ".address",
            format!("{} with {} registers ends beyond 65535", binding.address, binding.registers()),
        ));
    }
    wrong
}

fn carries(binding: &ModbusBinding, type_: PropertyType, has_enum: bool) -> Option<String> {
    let bit = binding.data_type.is_none();
    let text = binding.data_type == Some(ModbusDataType::String);
    let float = matches!(binding.data_type, Some(ModbusDataType::Float32 | ModbusDataType::Float64));
    match type_ {
        PropertyType::Boolean if !bit => {
            Some("type boolean needs a coil, a discrete input or a bit of a register".into())
        }
        PropertyType::Integer | PropertyType::Number if bit || text => {
            Some("type number and integer need a numeric dataType".into())
        }
        PropertyType::String if has_enum && (text || float) => {
            Some("enum needs an integer dataType, a coil or a bit".into())
        }
        PropertyType::String if !has_enum && !text => Some("type string needs dataType string, or enum".into()),
        PropertyType::Bytes | PropertyType::Json => Some("Modbus carries boolean, integer, number and string".into()),
        _ => None,
    }
}

impl ModbusBinding {
    /// Registers (or bits) that it takes on the wire.
    pub fn registers(&self) -> i32 {
        match self.data_type {
            None | Some(ModbusDataType::Int16 | ModbusDataType::Uint16) => 1,
            Some(ModbusDataType::Int32 | ModbusDataType::Uint32 | ModbusDataType::Float32) => 2,
            Some(ModbusDataType::Int64 | ModbusDataType::Uint64 | ModbusDataType::Float64) => 4,
            Some(ModbusDataType::String) => self.length.unwrap_or(1),
        }
    }
}
