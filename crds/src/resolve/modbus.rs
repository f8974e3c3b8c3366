//! Whether a Modbus binding can carry a property's type, and whether it can be written.
use super::{FieldError, Origin};
use crate::{
    Access, EffectiveProperty, GroupMember, ModbusBinding, ModbusDataType as T, ModbusDevice, ModbusTable, Place,
    Property, PropertyType, ReadGroup, WriteFunction, modbus::read_cap, read_groups,
};
use std::collections::BTreeMap;

/// What is wrong, as (field below `binding.modbus`, message).
pub(super) fn check(
    binding: &ModbusBinding,
    type_: PropertyType,
    has_enum: bool,
    access: Access,
) -> Vec<(&'static str, String)> {
    let mut wrong = binding.flaws();
    let Some(table) = binding.table() else { return wrong };
    let writable = access != Access::ReadOnly;
    if writable && matches!(table, ModbusTable::Discrete | ModbusTable::Input) {
        wrong.push((".table", "this table cannot be written; writable are: coil, holding".to_owned()));
    }
    if writable && binding.count.is_some() && binding.data_type.is_some_and(is_byte) {
        wrong.push((".count", "an array of single bytes cannot be written; access must be ReadOnly".to_owned()));
    }
    if wrong.is_empty() {
        wrong.extend(carries(binding, type_, has_enum));
    }
    wrong
}

fn is_byte(type_: T) -> bool {
    matches!(type_, T::Int8L | T::Int8H | T::Uint8L | T::Uint8H)
}

/// The form of a value on the wire, as far as property types care.
enum Form {
    Truth,
    Whole,
    Real,
    Text,
    Block,
    Array,
}
fn form(binding: &ModbusBinding) -> Form {
    match binding.data_type {
        _ if binding.count.is_some() => Form::Array,
        None if binding.bits.unwrap_or(1) == 1 => Form::Truth,
        Some(T::Float16 | T::Float32 | T::Float64) => Form::Real,
        Some(T::String | T::Cp56) => Form::Text,
        Some(T::Bytes) => Form::Block,
        _ => Form::Whole,
    }
}

fn carries(binding: &ModbusBinding, type_: PropertyType, has_enum: bool) -> Option<(&'static str, String)> {
    let wrong = |field, text: &str| Some((field, text.to_owned()));
    match (type_, form(binding)) {
        (PropertyType::Json, Form::Array)
        | (PropertyType::Boolean, Form::Truth)
        | (PropertyType::Bytes, Form::Block)
        | (PropertyType::Integer | PropertyType::Number, Form::Whole | Form::Real) => None,
        (PropertyType::Bytes, _) => wrong(".dataType", "type bytes needs dataType bytes"),
        (PropertyType::Json, _) => wrong(".count", "type json needs count: an array of values"),
        (_, Form::Array) => wrong(".count", "needs type json: the value is an array"),
        (PropertyType::Boolean, _) => {
            wrong(".dataType", "type boolean needs a coil, a discrete input or a bit of a register")
        }
        (PropertyType::Integer | PropertyType::Number, _) => {
            wrong(".dataType", "type number and integer need a numeric dataType, or bit and bits")
        }
        (PropertyType::String, Form::Text) if !has_enum => None,
        (PropertyType::String, Form::Whole | Form::Truth) if has_enum => None,
        (PropertyType::String, _) if has_enum => wrong(".dataType", "enum needs an integer dataType, a coil or bits"),
        (PropertyType::String, _) => wrong(".dataType", "type string needs dataType string or cp56, or enum"),
    }
}

/// A property's binding beside the device that it is on.
pub(super) struct Placed<'a> {
    pub(super) name: &'a str,
    pub(super) binding: &'a ModbusBinding,
    pub(super) read: bool,
    pub(super) written: bool,
}

/// What of a binding does not go with its device: the field of either, and why.
pub(super) enum Misfit {
    /// A field below `spec.protocol.modbus` of the Device.
    Device(&'static str, String),
    /// A field below `binding.modbus` of the property.
    Property(&'static str, String),
}

pub(super) fn placed(device: &ModbusDevice, property: &Placed<'_>) -> Vec<Misfit> {
    let Placed { name, binding, read, written } = property;
    let Ok(Place { table, address }) = binding.place() else { return vec![] };
    let mut wrong = vec![];
    let offset = device.address_offset.unwrap_or(0);
    let (first, width) = (address.saturating_add(offset), binding.registers());
    if offset != 0 && (first < 0 || first.saturating_add(width) > 65_536) {
        let message = format!("{name} would stand at {first}, must be from 0 to 65535 with all of its {width}");
        wrong.push(Misfit::Device(".addressOffset", message));
    }
    let field = if binding.count.is_some() { ".count" } else { ".dataType" };
    let (most, what, _) = read_cap(device, table);
    if *read && width > most {
        let message = format!("takes {width} {what}; limits of the device allow {most} in one request");
        wrong.push(Misfit::Property(field, message));
    }
    if *written {
        wrong.extend(written_at_once(device, table, width).map(|message| Misfit::Property(field, message)));
    }
    wrong
}

/// A value is written in one request, or not at all.
fn written_at_once(device: &ModbusDevice, table: ModbusTable, width: i32) -> Option<String> {
    let limits = device.limits.clone().unwrap_or_default();
    let (most, what) = match table {
        ModbusTable::Coil | ModbusTable::Discrete => (limits.write_bits.unwrap_or(1968), "coils"),
        ModbusTable::Input | ModbusTable::Holding => (limits.write_registers.unwrap_or(123), "registers"),
    };
    if device.write_function == Some(WriteFunction::Single) && width > 1 {
        return Some(format!("takes {width} {what}; writeFunction Single writes one: access must be ReadOnly"));
    }
    (width > most).then(|| format!("takes {width} {what}; one write carries {most}: access must be ReadOnly"))
}

/// What one property alone does not tell: how it goes with the device's settings, and with others.
pub(super) fn on_device(
    device: &ModbusDevice,
    judged: &[EffectiveProperty],
    known: &BTreeMap<&str, &Property>,
    origin: &Origin<'_>,
    errors: &mut Vec<FieldError>,
) {
    for property in judged {
        let Some(binding) = known.get(property.name.as_str()).and_then(|p| p.binding.as_ref()?.modbus.as_ref()) else {
            continue;
        };
        let (read, written) = (property.is_read(), property.is_written());
        let place = Placed { name: &property.name, binding, read, written };
        errors.extend(placed(device, &place).into_iter().map(|misfit| match misfit {
            Misfit::Device(field, message) => FieldError::new(format!("spec.protocol.modbus{field}"), message),
            Misfit::Property(field, message) => {
                FieldError::new(origin.field(&property.name, &format!(".binding.modbus{field}")), message)
            }
        }));
    }
    let members: Vec<GroupMember<'_>> = judged
        .iter()
        .filter_map(|p| {
            let binding = known.get(p.name.as_str())?.binding.as_ref()?.modbus.as_ref()?;
            Some(GroupMember { name: &p.name, binding, group: p.read_group.as_deref().filter(|_| p.is_read()) })
        })
        .collect();
    for ReadGroup { members: of, flaw } in read_groups(device, &members) {
        let Some(message) = flaw else { continue };
        let names = || of.iter().filter_map(|at| members.get(*at)).map(|member| member.name);
        // Where a Device's own property is among them, it is the Device that can mend it.
        let name = names().find(|name| origin.is_own(name)).or(names().next()).unwrap_or_default();
        errors.push(FieldError::new(origin.field(name, ".readGroup"), message));
    }
}
