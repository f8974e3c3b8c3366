//! crds/src/resolve/ble.rs: a Device of Bluetooth LE with its Channel merged in, and whether a binding can carry a property's type.
use super::{FieldError, Origin};
use crate::{
    Access, BleAbout, BleAdvertisement, BleBinding, BleConnection, BleDataType as T, BleDevice, BleFormat, Channel,
    EffectiveProperty, Property, PropertyType, Source,
    ble::{is_adapter, is_address},
    span::Time,
};
use kube::ResourceExt;
use serde::Deserialize as _;
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// Field of the error that says that there is no such Channel, or that it is one of another protocol.
pub(super) const CHANNEL_FIELD: &str = "spec.protocol.ble.channel";
const ADAPTER: &str = "must be hci0, hci1 and so on, or the adapter's address such as AA:BB:CC:DD:EE:FF";
const READ_ONLY: &str = "what is advertised, and what the adapter knows, cannot be written: access must be ReadOnly";
const CONNECTION: &str = "needs a connection, and spec.protocol.ble.connection is Never: it must be WhenDue or Held";
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

/// What is wrong with a binding whose parameters are filled in, as (field below `binding.ble`, message).
pub(super) fn check(
    block: &Json,
    property: &Property,
    type_: PropertyType,
    access: Access,
) -> Vec<(&'static str, String)> {
    let binding = match BleBinding::deserialize(block) {
        Ok(binding) => binding,
        // A parameter that is no text, where a text is needed.
        Err(error) => {
            return vec![("", format!("with its parameters filled in: {error}; write \"…${{name}}…\" around it"))];
        }
    };
    let mut flaws: Vec<_> = binding.flaws().into_iter().map(|(field, message)| (field, message.to_owned())).collect();
    if binding.is_read_only() && access != Access::ReadOnly {
        flaws.push(("", READ_ONLY.to_owned()));
    }
    if flaws.is_empty() {
        flaws.extend(carries(&binding, type_, property.enum_.is_some()));
    }
    flaws
}

/// The form of a value in the air, as far as property types care.
enum Form {
    Truth,
    /// A whole number of one bit.
    Bit,
    Whole,
    Real,
    Text,
    Block,
}
/// None: the assigned numbers, or a format, say it.
fn form(binding: &BleBinding) -> Option<Form> {
    if let Some(about) = binding.about {
        return Some(match about {
            BleAbout::Rssi | BleAbout::TxPower | BleAbout::Battery => Form::Whole,
            BleAbout::LastSeen | BleAbout::LocalName => Form::Text,
        });
    }
    Some(match binding.data_type? {
        T::Medfloat16 | T::Medfloat32 | T::Float32 | T::Float64 => Form::Real,
        T::Utf8 | T::Utf16 => Form::Text,
        T::Bytes => Form::Block,
        T::Boolean => Form::Truth,
        _ if binding.bits.as_ref().is_some_and(|bits| bits.count == 1) => Form::Bit,
        _ => Form::Whole,
    })
}

fn carries(binding: &BleBinding, type_: PropertyType, has_enum: bool) -> Option<(&'static str, String)> {
    let field = if binding.about.is_some() { ".about" } else { ".dataType" };
    let message = match (type_, form(binding)?) {
        (PropertyType::Integer | PropertyType::Number, Form::Whole | Form::Bit | Form::Real)
        | (PropertyType::Boolean, Form::Truth | Form::Bit)
        | (PropertyType::Bytes, Form::Block) => return None,
        (PropertyType::String, Form::Text) if !has_enum => return None,
        (PropertyType::String, Form::Whole | Form::Bit | Form::Truth) if has_enum => return None,
        (PropertyType::Integer | PropertyType::Number, _) => "type number and integer need a value that is a number",
        (PropertyType::Boolean, _) => "type boolean needs dataType boolean, or one bit of a number",
        (PropertyType::Bytes, _) => "type bytes needs dataType bytes",
        (PropertyType::String, _) if has_enum => "enum needs a whole number",
        (PropertyType::String, _) => "type string needs text, or enum",
        (PropertyType::Json, _) => "type json cannot be read from one value",
    };
    Some((field, message.to_owned()))
}

/// Where a property stands: what is read by one request.
type Place = (Option<String>, Option<String>, Option<i32>, Option<BleAdvertisement>);

fn place(binding: &BleBinding) -> Place {
    let whole =
        |advertisement: &BleAdvertisement| BleAdvertisement { field: None, index: None, ..advertisement.clone() };
    let BleBinding { characteristic, service, handle, advertisement, .. } = binding;
    (characteristic.clone(), service.clone(), *handle, advertisement.as_ref().map(whole))
}

/// What one property alone does not tell: how it goes with the device's settings, and with others.
pub(super) fn on_device(
    device: &BleDevice,
    judged: &[EffectiveProperty],
    all: usize,
    origin: &Origin<'_>,
    errors: &mut Vec<FieldError>,
) {
    let mut groups: BTreeMap<&str, Place> = BTreeMap::new();
    let mut keyed = false;
    for property in judged {
        let Source::Binding(json) = &property.source else { continue };
        let Ok(binding) = BleBinding::deserialize(json.value()) else { continue };
        let mut wrong = |field: &str, message: &str| {
            errors.push(FieldError::new(origin.field(&property.name, field), message));
        };
        if device.connection == Some(BleConnection::Never) && binding.needs_connection() {
            wrong(".binding.ble", CONNECTION);
        }
        keyed |= binding.advertisement.as_ref().is_some_and(|from| from.format == Some(BleFormat::BtHome));
        let Some(group) = property.read_group.as_deref() else { continue };
        let own = place(&binding);
        if *groups.entry(group).or_insert_with(|| own.clone()) != own || binding.about.is_some() {
            wrong(".readGroup", GROUP);
        }
    }
    // Of properties with errors of their own nothing is known.
    if device.bind_key_from.is_some() && !keyed && judged.len() == all {
        errors.push(FieldError::new("spec.protocol.ble.bindKeyFrom", BIND_KEY));
    }
}
