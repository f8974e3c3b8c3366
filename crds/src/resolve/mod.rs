//! `resolve`: a Device, its model and its channel become what a mapper can drive, or all that is wrong with them at once.
mod ble;
#[cfg(test)]
mod ble_tests;
mod command;
mod event;
#[cfg(test)]
mod event_tests;
mod exponent;
mod merge;
mod modbus;
mod opcua;
mod property;
mod protocol;
#[cfg(test)]
mod tests;

use crate::{
    Access, Binding, BleConnection, BleDevice, CUSTOM, Channel, Device, DeviceModel, DeviceModelRevisionSpec,
    DeviceSpec, EffectiveDevice, EffectiveProperty, FreeForm, ModbusDevice, ModbusTcp, ModelCommand, OpcUaDevice,
    PropertyName, Protocol, ResolvedProtocol, SliceDevice, Value, Values, check_desired_value, hash, is_property_name,
    parameters::{self, OWN_NAME, fill, list, unknown},
};
use kube::ResourceExt;
pub use opcua::host_and_port;
use serde_json::Value as Json;
use std::{collections::BTreeMap, fmt};

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub struct FieldError {
    /// Path of the field, such as `spec.desired.setpoint`; of another object with its kind and name before it.
    pub field: String,
    /// What is wrong, and what is allowed.
    pub message: String,
}
impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}
impl FieldError {
    /// An error at a field.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// Field of the error that says that there is no such model.
pub const MODEL_FIELD: &str = "spec.model";
/// Whether an error at this field says that there is no such Channel, or that it is one of another protocol.
pub fn is_channel_field(field: &str) -> bool {
    [protocol::CHANNEL_FIELD, opcua::CHANNEL_FIELD, ble::CHANNEL_FIELD].contains(&field)
}

/// A device that can be driven.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// `MapperClass` that drives it.
    pub class: String,
    /// Its properties, shared by all devices that have the same.
    pub revision: DeviceModelRevisionSpec,
    /// Its entry in a slice; `applied` is taken from the Device's status.
    pub device: SliceDevice,
    /// Both together, as the mapper will see it.
    pub effective: EffectiveDevice,
}

/// Pure. `model` and `channel` are the objects that the Device names, None where there is none of that name.
pub fn resolve(
    device: &Device,
    model: Option<&DeviceModel>,
    channel: Option<&Channel>,
) -> Result<Resolved, Vec<FieldError>> {
    let spec = &device.spec;
    let mut errors = vec![];
    let revision = collect(&mut errors, merge::revision(device, model));
    let declared = model.map_or(&[][..], |m| &m.spec.parameters);
    let of_model = model.map(|m| format!("DeviceModel {}: ", m.name_any()));
    // What a model that is not there declares, nobody knows.
    let parameters = match (&spec.model, model) {
        (Some(_), None) => None,
        _ => collect(&mut errors, fill(declared, of_model.as_deref().unwrap_or_default(), &spec.parameters)),
    };
    let protocol =
        collect(&mut errors, protocol::merge(&device.namespace().unwrap_or_default(), &spec.protocol, channel));
    let class = spec.mapper_class.clone().or_else(|| spec.protocol.name().map(str::to_owned));
    let (Some(revision), Some(class)) = (revision, class) else {
        return Err(errors);
    };
    // What could not be made is stood in for, so that the errors of the rest are told at once too.
    let parameters =
        parameters.unwrap_or_else(|| declared.iter().map(|p| (p.name.clone(), Value::default())).collect());
    let (protocol, channel) = protocol.unwrap_or_else(|| (ResolvedProtocol(spec.protocol.clone()), None));
    let (name, size) = merge::named(&revision);
    if size > merge::MAX_REVISION {
        let most = merge::MAX_REVISION;
        let message = format!("compiled, the properties have {size} bytes, at most {most} are allowed: shorten texts");
        errors.push(FieldError::new("spec.properties", message));
    }
    let entry = SliceDevice {
        namespace: device.namespace().unwrap_or_default(),
        name: device.name_any(),
        uid: device.uid().unwrap_or_default(),
        generation: device.metadata.generation.unwrap_or_default(),
        created: device.metadata.creation_timestamp.as_ref().map(|t| t.0.as_second()).unwrap_or_default(),
        released: false,
        revision: name,
        parameters,
        mode: spec.mode,
        protocol,
        channel,
        desired: spec.desired.clone(),
        applied: device.status.as_ref().map(|s| s.applied.clone()).unwrap_or_default(),
        rewrite: device.annotations().get(crate::REWRITE_ANNOTATION).map(|text| token(text)),
    };
    let origin = Origin { own: &spec.properties, model: of_model };
    let effective = collect(&mut errors, judge(&entry, &revision, &origin));
    match effective.filter(|_| errors.is_empty()) {
        Some(effective) => Ok(Resolved { class, revision, device: entry, effective }),
        None => Err(errors),
    }
}

/// All that is wrong with a model by itself: what a Device gives is stood in for.
pub fn judge_model(model: &DeviceModel) -> Vec<FieldError> {
    let protocol = anywhere(model);
    let missing = model.spec.parameters.iter().filter(|p| p.default.is_none());
    let parameters = missing.map(|p| (p.name.clone(), parameters::sample(p.type_))).collect();
    let spec = DeviceSpec { protocol, parameters, model: Some(model.name_any()), ..DeviceSpec::default() };
    let device = Device { spec, ..Device::default() };
    let prefix = format!("DeviceModel {}: ", model.name_any());
    let mut errors = resolve(&device, Some(model), None).err().unwrap_or_default();
    for error in &mut errors {
        error.field = error.field.replacen(&prefix, "", 1);
    }
    errors
}

/// How a device of this model might be reached.
fn anywhere(model: &DeviceModel) -> Protocol {
    let binding = model.spec.properties.iter().find_map(|p| p.binding.as_ref()).and_then(Binding::name);
    let command = || model.spec.commands.iter().find_map(ModelCommand::protocol);
    let none = Protocol::default();
    match binding.or_else(command) {
        Some(CUSTOM) => Protocol { custom: Some(FreeForm::default()), ..none },
        Some("opcua") => {
            let url = Some("opc.tcp://device:4840".to_owned());
            Protocol { opcua: Some(OpcUaDevice { url, ..OpcUaDevice::default() }), ..none }
        }
        Some("ble") => {
            let name = Some("device".to_owned());
            let connection = Some(BleConnection::Held); // which an Event may need
            Protocol { ble: Some(BleDevice { name, connection, ..BleDevice::default() }), ..none }
        }
        _ => {
            let tcp = Some(ModbusTcp { host: "device".into(), port: 502 });
            Protocol { modbus: Some(ModbusDevice { tcp, unit_id: 1, ..ModbusDevice::default() }), ..none }
        }
    }
}

/// A text that only shall differ from the one before, short enough for a slice.
fn token(text: &str) -> String {
    const LONGEST: usize = 253;
    if text.chars().count() <= LONGEST { text.to_owned() } else { hash(&text) }
}

/// What the mapper makes of a slice's entry and its revision. Pure; all errors at once.
pub fn effective(device: &SliceDevice, revision: &DeviceModelRevisionSpec) -> Result<EffectiveDevice, Vec<FieldError>> {
    judge(device, revision, &Origin { own: &[], model: None })
}

/// Whose field a property's error is.
pub(crate) struct Origin<'a> {
    /// The Device's own properties.
    own: &'a [crate::Property],
    /// `DeviceModel boiler: `.
    model: Option<String>,
}
impl Origin<'_> {
    fn is_own(&self, property: &str) -> bool {
        self.own.iter().any(|p| p.name == property)
    }
    fn field(&self, property: &str, field: &str) -> String {
        let object = if self.is_own(property) { "" } else { self.model.as_deref().unwrap_or_default() };
        format!("{object}spec.properties[{property}]{field}")
    }
}

fn collect<T>(errors: &mut Vec<FieldError>, result: Result<T, Vec<FieldError>>) -> Option<T> {
    result.map_err(|more| errors.extend(more)).ok()
}

fn judge(
    device: &SliceDevice,
    revision: &DeviceModelRevisionSpec,
    origin: &Origin<'_>,
) -> Result<EffectiveDevice, Vec<FieldError>> {
    let mut errors = vec![];
    let own_name = Json::String(device.name.clone());
    let mut values: BTreeMap<&str, &Json> = device.parameters.iter().map(|(k, v)| (k.as_str(), &v.0)).collect();
    values.insert(OWN_NAME, &own_name);
    let config = collect(&mut errors, protocol::config(&device.namespace, &device.protocol.0, &values));
    let name = device.protocol.0.name().unwrap_or_default();
    let properties = property::judge_all(revision, &device.protocol.0, &values, origin, &mut errors);
    let commands = command::judge_all(revision, name, &values, origin, &mut errors);
    errors.extend(config.iter().filter_map(|c| match &device.protocol.0 {
        Protocol { opcua: Some(_), .. } => opcua::check_root(&c.json),
        Protocol { ble: Some(_), .. } => ble::check_device(&c.json),
        _ => None,
    }));
    let summary = summary(revision, &properties, origin, &mut errors);
    Wishes { desired: &device.desired, revision, properties: &properties, protocol: name }.check(&mut errors);
    let Some(protocol::Config { json, timeout, offline_after }) = config.filter(|_| errors.is_empty()) else {
        return Err(errors);
    };
    Ok(EffectiveDevice {
        namespace: device.namespace.clone(),
        name: device.name.clone(),
        uid: device.uid.clone(),
        generation: device.generation,
        mode: device.mode,
        protocol: name,
        config: json.into(),
        timeout,
        offline_after,
        channel: device.channel.clone(),
        properties,
        summary,
        desired: device.desired.clone(),
        applied: device.applied.clone(),
        rewrite: device.rewrite.clone(),
        commands,
    })
}

fn summary(
    revision: &DeviceModelRevisionSpec,
    properties: &[EffectiveProperty],
    origin: &Origin<'_>,
    errors: &mut Vec<FieldError>,
) -> Vec<usize> {
    const WITHOUT: usize = 2; // what is shown where the model names nothing
    let known: Vec<&str> = revision.properties.iter().map(|p| p.name.as_str()).collect();
    for PropertyName(name) in revision.summary.iter().filter(|name| !known.contains(&name.0.as_str())) {
        let field = format!("{}spec.summary", origin.model.as_deref().unwrap_or_default());
        errors.push(FieldError::new(field, format!("{name}: {}", unknown("property", &known))));
    }
    if revision.summary.is_empty() {
        return (0..properties.len().min(WITHOUT)).collect();
    }
    revision.summary.iter().filter_map(|name| properties.iter().position(|p| p.name == name.0)).collect()
}

/// Desired values beside what they may be.
struct Wishes<'a> {
    desired: &'a Values,
    revision: &'a DeviceModelRevisionSpec,
    /// Those of the revision that are right.
    properties: &'a [EffectiveProperty],
    protocol: &'a str,
}

impl Wishes<'_> {
    /// Names, types and ranges of desired values, and that the property may be written at all.
    fn check(&self, errors: &mut Vec<FieldError>) {
        for (name, value) in self.desired {
            if let Err(message) = self.one(name, value) {
                errors.push(FieldError::new(format!("spec.desired.{name}"), message));
            }
        }
    }

    fn one(&self, name: &str, value: &Value) -> Result<(), String> {
        let known = || self.revision.properties.iter();
        let writable = || known().filter(|p| p.access.unwrap_or_default() != Access::ReadOnly);
        let writable = || writable().map(|p| p.name.as_str()).collect::<Vec<_>>();
        match self.properties.iter().find(|p| p.name == name) {
            Some(property) if property.is_written() => check_desired_value(self.protocol, property, value),
            Some(_) => Err(format!("is ReadOnly; writable are: {}", list(&writable()))),
            None if !is_property_name(name) => Err("not the name of a property".into()),
            // What is wrong with the property was told; what it may be is not known.
            None if known().any(|p| p.name == name) => Ok(()),
            None => Err(unknown("property", &writable()).replace("there are", "writable are")),
        }
    }
}
