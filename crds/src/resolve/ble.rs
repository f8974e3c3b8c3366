//! crds/src/resolve/ble.rs: a Device of Bluetooth LE with its Channel merged in, and whether a binding can carry a property's type.
use super::{FieldError, Origin};
use crate::{
    Access, BleBinding, BleConnection, BleDevice, BleForm, BleSource, Channel, EffectiveProperty, Property,
    PropertyType, Source,
    ble::{self, is_adapter, is_address},
    span::Time,
};
use kube::ResourceExt;
use pollux_ble_codec::{ValueKind, advert};
use serde::Deserialize as _;
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// Field of the error that says that there is no such Channel, or that it is one of another protocol.
pub(super) const CHANNEL_FIELD: &str = "spec.protocol.ble.channel";
const ADAPTER: &str = "must be hci0, hci1 and so on, or the adapter's address such as AA:BB:CC:DD:EE:FF";
const READ_ONLY: &str = "what is advertised, and what the adapter knows, cannot be written: access must be ReadOnly";
const CONNECTION: &str = "needs a connection, and spec.protocol.ble.connection is Never: it must be WhenDue or Held";
const HELD: &str = "an Event of a characteristic needs spec.protocol.ble.connection: Held, for nothing is notified while others have the slot";
const GROUP: &str = "members of a readGroup must stand in one characteristic, or in one advertisement";
const BIND_KEY: &str = "goes with a property of format BTHome: nothing else is encrypted by it";
const ADDRESS: &str = "must be six bytes in hexadecimal digits with colons between, such as AA:BB:CC:DD:EE:FF";

/// The Channel's fields where the Device gives none of its own; and the Channel's name.
pub(super) fn merge(
    namespace: &str,
    own: &BleDevice,
    channel: Option<&Channel>,
) -> Result<(BleDevice, Option<String>), Vec<FieldError>> {
    let wrong = |field: &str, message: String| Err(vec![FieldError::new(field, message)]);
    let flaws = own.flaws();
    if !flaws.is_empty() {
        let field = |field| format!("spec.protocol.ble{field}");
        return Err(flaws.into_iter().map(|(at, message)| FieldError::new(field(at), message)).collect());
    }
    in_bounds("", own.times())?;
    let Some(name) = &own.channel else {
        adapter("", own)?;
        return Ok((own.clone(), None));
    };
    let Some(found) = channel else {
        return wrong(CHANNEL_FIELD, format!("no Channel {name:?} in namespace {namespace}"));
    };
    let Some(shared) = &found.spec.protocol.ble else {
        return wrong(CHANNEL_FIELD, format!("Channel {} is not one of protocol ble", found.name_any()));
    };
    let object = format!("Channel {}: ", found.name_any());
    in_bounds(&object, shared.times_for(own))?;
    let merged = own.clone().in_channel(shared.clone());
    adapter(&object, &merged)?;
    Ok((merged, Some(name.clone())))
}

fn adapter(object: &str, device: &BleDevice) -> Result<(), Vec<FieldError>> {
    match &device.adapter {
        Some(name) if !is_adapter(name) => {
            Err(vec![FieldError::new(format!("{object}spec.protocol.ble.adapter"), ADAPTER)])
        }
        _ => Ok(()),
    }
}

fn in_bounds(object: &str, times: Vec<Time>) -> Result<(), Vec<FieldError>> {
    let wrong = times.into_iter().filter_map(|(field, time, bounds)| {
        Some(FieldError::new(format!("{object}spec.protocol.ble.{field}"), bounds.refuse(time)?))
    });
    let wrong: Vec<_> = wrong.collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// What is wrong with the device's own address, parameters filled in.
pub(super) fn check_device(block: &Json) -> Option<FieldError> {
    let wrong = |field: &str, message: &str| Some(FieldError::new(format!("spec.protocol.ble.{field}"), message));
    match (block.get("address"), block.get("name")) {
        (Some(address), _) if !address.as_str().is_some_and(is_address) => wrong("address", ADDRESS),
        (_, Some(name)) if name.as_str().is_none_or(str::is_empty) => wrong("name", "must be text"),
        _ => None,
    }
}

/// What is wrong with a binding whose parameters are filled in, as (field below the property, message).
pub(super) fn check(block: &Json, property: &Property, type_: PropertyType, access: Access) -> Vec<(String, String)> {
    let below = |(field, message): (&str, String)| (format!(".binding.ble{field}"), message);
    let binding = match BleBinding::deserialize(block) {
        Ok(binding) => binding,
        // A parameter that is no text, where a text is needed.
        Err(error) => {
            return vec![below((
                "",
                format!("with its parameters filled in: {error}; write \"…${{name}}…\" around it"),
            ))];
        }
    };
    let flaws = binding.flaws().into_iter().map(|(field, message)| below((field, message.to_owned())));
    let mut flaws: Vec<_> = flaws.collect();
    let written = access != Access::ReadOnly;
    if written && binding.characteristic.is_none() {
        flaws.push(below(("", READ_ONLY.to_owned())));
    }
    if !flaws.is_empty() {
        return flaws;
    }
    let source = match binding.source() {
        Ok(source) => source,
        Err(flaw) => return vec![below(flaw)],
    };
    if let Some(message) = carries(&source, type_, property.enum_.is_some()) {
        return vec![below((field_of(&binding), message.to_owned()))];
    }
    let BleSource::Characteristic { form, .. } = &source else { return vec![] };
    match form {
        BleForm::Layout(layout, field) if written && !form.is_writable() => {
            let message = format!("{} of {} cannot be written: access must be ReadOnly", field.name, layout.name());
            vec![below((".field", message))]
        }
        _ => {
            let names = property.enum_.iter().flatten();
            let wrong = names.filter_map(|name| ble::wire::check_name(form, name.value));
            wrong.map(|message| (".enum".to_owned(), message)).collect()
        }
    }
}

/// Which field says of what kind the value is.
fn field_of(binding: &BleBinding) -> &'static str {
    match binding {
        BleBinding { data_type: Some(_), .. } => ".dataType",
        BleBinding { about: Some(_), .. } => ".about",
        BleBinding { advertisement: Some(_), .. } => ".advertisement.field",
        BleBinding { field: Some(_), .. } => ".field",
        _ => ".characteristic",
    }
}

/// What is wrong with the type of a property for values of this kind.
fn carries(source: &BleSource, type_: PropertyType, has_enum: bool) -> Option<&'static str> {
    use ValueKind::{Bool, Bytes, Float, Int, Text, UInt};
    match (type_, source.kind()) {
        (PropertyType::Integer | PropertyType::Number, Int | UInt | Float)
        | (PropertyType::Boolean, Bool)
        | (PropertyType::Bytes, Bytes) => None,
        (PropertyType::Boolean, Int | UInt) if source.is_bit() => None,
        (PropertyType::String, Text) if !has_enum => None,
        (PropertyType::String, Bool | Int | UInt) if has_enum => None,
        (PropertyType::Integer | PropertyType::Number, _) => {
            Some("type number and integer need a value that is a number")
        }
        (PropertyType::Boolean, _) => Some("type boolean needs dataType boolean, or one bit of a number"),
        (PropertyType::Bytes, _) => Some("type bytes needs dataType bytes"),
        (PropertyType::String, _) if has_enum => Some("enum needs a whole number, or a boolean (0 and 1)"),
        (PropertyType::String, _) => Some("type string needs text, or enum"),
        (PropertyType::Json, _) => Some("type json cannot be read from one value"),
    }
}

/// What one property alone does not tell: how it goes with the device's settings, and with others. `all`: how many there are, with
/// those that are wrong.
pub(super) fn on_device(
    device: &BleDevice,
    judged: &[EffectiveProperty],
    all: usize,
    origin: &Origin<'_>,
    errors: &mut Vec<FieldError>,
) {
    let mut groups: BTreeMap<&str, BleSource> = BTreeMap::new();
    let mut keyed = false;
    for property in judged {
        let Source::Binding(json) = &property.source else { continue };
        let Some(source) = BleBinding::deserialize(json.value()).ok().and_then(|binding| binding.source().ok()) else {
            continue;
        };
        let mut wrong = |field: &str, message: &str| {
            errors.push(FieldError::new(origin.field(&property.name, field), message));
        };
        if device.connection == Some(BleConnection::Never) && source.needs_connection() {
            wrong(".binding.ble", CONNECTION);
        }
        if property.is_event() && source.needs_connection() && device.connection != Some(BleConnection::Held) {
            wrong(".kind", HELD);
        }
        keyed |= matches!(source, BleSource::Known { format: advert::Format::BtHome, .. });
        let Some(group) = property.read_group.as_deref() else { continue };
        match groups.get(group) {
            Some(first) if !first.is_beside(&source) => wrong(".readGroup", GROUP),
            Some(_) => {}
            None => drop(groups.insert(group, source)),
        }
    }
    // Of properties with errors of their own nothing is known.
    if device.bind_key_from.is_some() && !keyed && judged.len() == all {
        errors.push(FieldError::new("spec.protocol.ble.bindKeyFrom", BIND_KEY));
    }
}
