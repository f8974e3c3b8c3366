//! Objects made of what was found on a wire or in a list of tags.
use super::{YAML, names};
use pollux_crds::{
    Binding, ModbusBinding, ModbusDataType as Type, ModbusDevice, ModbusTable as Table, Property, PropertyType,
};
use serde::Serialize;
use serde_json::{Value as Json, json};

/// Characters of a name.
const LONGEST: usize = 63;

/// A property that is read, of the type that its binding gives.
pub(super) fn property(name: &str, binding: ModbusBinding) -> Property {
    Property {
        name: name.into(),
        type_: Some(type_of(&binding)),
        binding: Some(Binding { modbus: Some(binding), ..Binding::default() }),
        ..Property::default()
    }
}

/// The type that a value has before it is scaled.
pub(super) fn type_of(binding: &ModbusBinding) -> PropertyType {
    match binding.data_type {
        _ if binding.count.is_some() => PropertyType::Json,
        None if binding.bits.is_some_and(|bits| bits > 1) => PropertyType::Integer,
        None => PropertyType::Boolean,
        Some(Type::Float16 | Type::Float32 | Type::Float64) => PropertyType::Number,
        Some(Type::String | Type::Cp56) => PropertyType::String,
        Some(Type::Bytes) => PropertyType::Bytes,
        Some(_) => PropertyType::Integer,
    }
}

pub(super) fn place(table: Table, address: i32) -> ModbusBinding {
    ModbusBinding { table: Some(table), address: Some(address), ..ModbusBinding::default() }
}

/// A name that Kubernetes takes, of any text. None: nothing is left.
pub(super) fn object_name(text: &str) -> Option<String> {
    names::object(text, LONGEST)
}

/// One object of ours as a YAML document.
pub(super) fn document(kind: &str, name: &str, spec: &impl Serialize) -> String {
    YAML.object(kind, name, spec)
}

/// A device that is read and never written, with properties of its own.
pub(super) fn device(name: &str, config: &ModbusDevice, properties: &[Property]) -> String {
    device_at(name, &serde_json::to_value(config).unwrap_or_default(), properties)
}

/// The same with the protocol's block as JSON.
pub(super) fn device_at(name: &str, config: &Json, properties: &[Property]) -> String {
    document("Device", name, &json!({"mode": "Monitor", "protocol": {"modbus": config}, "properties": properties}))
}
