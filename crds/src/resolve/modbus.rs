//! Whether a Modbus binding can carry a property's type, and whether it can be written.
use crate::{Access, ModbusBinding, ModbusDataType, ModbusTable, Place, PropertyType, parameters::list};
use std::collections::BTreeMap;

/// What is wrong, as (field below `binding.modbus`, message).
pub(super) fn check(
    binding: &ModbusBinding,
    type_: PropertyType,
    has_enum: bool,
    access: Access,
) -> Vec<(&'static str, String)> {
    let mut wrong = vec![];
    let Place { table, address } = match binding.place() {
        Ok(place) => place,
        Err(message) => return vec![("", message)],
    };
    if access != Access::ReadOnly && matches!(table, ModbusTable::Discrete | ModbusTable::Input) {
        wrong.push((".table", "this table cannot be written; writable are: coil, holding".to_owned()));
    }
    let bits = matches!(table, ModbusTable::Coil | ModbusTable::Discrete);
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
    if address + binding.registers() > 65_536 {
        wrong.push((".address", format!("{address} with {} registers ends beyond 65535", binding.registers())));
    }
    wrong
}

fn carries(binding: &ModbusBinding, type_: PropertyType, has_enum: bool) -> Option<String> {
    let bit = binding.data_type.is_none();
    let text = binding.data_type == Some(ModbusDataType::String);
    let float =
        matches!(binding.data_type, Some(ModbusDataType::Float16 | ModbusDataType::Float32 | ModbusDataType::Float64));
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

/// One property that is read together with others.
pub(super) struct Member<'a> {
    pub(super) group: &'a str,
    pub(super) name: &'a str,
    pub(super) binding: &'a ModbusBinding,
}

/// Read groups that no single request can read: the names of the members, and why.
pub(super) fn groups<'a>(members: impl Iterator<Item = Member<'a>>) -> Vec<(Vec<&'a str>, String)> {
    let mut groups: BTreeMap<&str, Vec<Member<'_>>> = BTreeMap::new();
    for member in members {
        groups.entry(member.group).or_default().push(member);
    }
    let wrong = groups.into_iter().filter_map(|(group, members)| {
        let why = spans_too_much(&members)?;
        let names: Vec<&str> = members.iter().map(|member| member.name).collect();
        let message = format!("{group} ({}) {why}", list(&names));
        Some((names, message))
    });
    wrong.collect()
}

fn spans_too_much(members: &[Member<'_>]) -> Option<String> {
    let places =
        || members.iter().filter_map(|member| Some((member.binding.place().ok()?, member.binding.registers())));
    let table = places().next()?.0.table;
    if let Some((other, _)) = places().find(|(place, _)| place.table != table) {
        let (one, other) = (word(table), word(other.table));
        return Some(format!("spans tables {one} and {other}; one request reads one table"));
    }
    let start = places().map(|(place, _)| place.address).min()?;
    let end = places().map(|(place, registers)| place.address + registers).max()?;
    let (most, what) = match table {
        ModbusTable::Coil | ModbusTable::Discrete => (2000, "bits"),
        ModbusTable::Input | ModbusTable::Holding => (125, "registers"),
    };
    (end - start > most).then(|| format!("spans {} {what}; one request reads at most {most}", end - start))
}

fn word(table: ModbusTable) -> &'static str {
    match table {
        ModbusTable::Coil => "coil",
        ModbusTable::Discrete => "discrete",
        ModbusTable::Input => "input",
        ModbusTable::Holding => "holding",
    }
}
