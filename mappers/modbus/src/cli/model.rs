//! Objects made of what was found on a wire or in a list of tags.
use super::yaml;
use pollux_crds::{
    Binding, ModbusBinding, ModbusDataType as Type, ModbusDevice, ModbusTable as Table, Property, PropertyType,
};
use serde::Serialize;
use serde_json::{Value as Json, json};

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

/// A name that Kubernetes takes, of any text: lower case letters, digits and single dashes; at most 63. None: nothing is left.
pub(super) fn object_name(text: &str) -> Option<String> {
    let dashed: String =
        text.to_ascii_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let parts: Vec<&str> = dashed.split('-').filter(|part| !part.is_empty()).collect();
    let name: String = parts.join("-").chars().take(63).collect();
    let name = name.trim_end_matches('-');
    (!name.is_empty()).then(|| name.to_owned())
}

/// Refuses what Kubernetes would.
pub(super) fn checked_name(option: &str, name: &str) -> Result<(), String> {
    if object_name(name).as_deref() == Some(name) {
        return Ok(());
    }
    let other = object_name(name).map_or(String::new(), |other| format!(", such as {other}"));
    Err(format!("{option} {name}: must be lower case letters, digits and single dashes, at most 63{other}"))
}

/// One object of ours as a YAML document.
pub(super) fn document(kind: &str, name: &str, spec: &impl Serialize) -> String {
    let spec = serde_json::to_value(spec).unwrap_or_default();
    yaml::document(&json!({"apiVersion": "pollux.rs/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}))
}

/// A device that is read and never written, with properties of its own.
pub(super) fn device(name: &str, config: &ModbusDevice, properties: &[Property]) -> String {
    device_at(name, &serde_json::to_value(config).unwrap_or_default(), properties)
}

/// The same with the protocol's block as JSON.
pub(super) fn device_at(name: &str, config: &Json, properties: &[Property]) -> String {
    document("Device", name, &json!({"mode": "Monitor", "protocol": {"modbus": config}, "properties": properties}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_fit_for_kubernetes() {
        for (text, name) in [
            ("Line 7 / Boiler", Some("line-7-boiler")),
            ("°°", None),
            ("a--b-", Some("a-b")),
            ("TT_101", Some("tt-101")),
        ] {
            assert_eq!(object_name(text).as_deref(), name);
        }
        assert!(checked_name("--model", "line-7").is_ok());
        assert_eq!(
            checked_name("--model", "Line 7"),
            Err("--model Line 7: must be lower case letters, digits and single dashes, at most 63, such as line-7"
                .into())
        );
    }
}
