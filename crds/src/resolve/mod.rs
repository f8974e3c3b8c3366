//! `resolve`: a Device, its model and its channel become what a mapper can drive, or all that is wrong with them at once.
mod merge;
mod modbus;
mod property;
mod protocol;
#[cfg(test)]
mod tests;

use crate::{
    Channel, Device, DeviceModel, DeviceModelRevisionSpec, EffectiveDevice, EffectiveProperty, PropertyName,
    ResolvedProtocol, SliceDevice, Value, check_value, is_property_name,
    parameters::{OWN_NAME, fill, unknown},
};
use kube::ResourceExt;
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
    let parameters = collect(&mut errors, fill(declared, &spec.parameters));
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
    let entry = SliceDevice {
        namespace: device.namespace().unwrap_or_default(),
        name: device.name_any(),
        uid: device.uid().unwrap_or_default(),
        generation: device.metadata.generation.unwrap_or_default(),
        created: device.metadata.creation_timestamp.as_ref().map(|t| t.0.as_second()).unwrap_or_default(),
        released: false,
        revision: revision.hash(),
        parameters,
        mode: spec.mode,
        protocol,
        channel,
        desired: spec.desired.clone(),
        applied: device.status.as_ref().map(|s| s.applied.clone()).unwrap_or_default(),
        rewrite: device.annotations().get(crate::REWRITE_ANNOTATION).cloned(),
    };
    let origin = Origin { own: &spec.properties, model: model.map(|m| format!("DeviceModel {}: ", m.name_any())) };
    let effective = collect(&mut errors, judge(&entry, &revision, &origin));
    match effective.filter(|_| errors.is_empty()) {
        Some(effective) => Ok(Resolved { class, revision, device: entry, effective }),
        None => Err(errors),
    }
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
    fn field(&self, property: &str, field: &str) -> String {
        let own = self.own.iter().any(|p| p.name == property);
        let object = if own { "" } else { self.model.as_deref().unwrap_or_default() };
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
    let config = collect(&mut errors, protocol::config(&device.protocol.0, &values));
    let name = device.protocol.0.name().unwrap_or_default();
    let properties = property::judge_all(revision, name, &values, origin, &mut errors);
    let summary = summary(revision, &properties, origin, &mut errors);
    if errors.is_empty() {
        check_desired(&device.desired, &properties, &mut errors);
    }
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
        config: json,
        timeout,
        offline_after,
        channel: device.channel.clone(),
        properties,
        summary,
        desired: device.desired.clone(),
        applied: device.applied.clone(),
        rewrite: device.rewrite.clone(),
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

/// Names, types and ranges of desired values, and that the property may be written at all.
fn check_desired(desired: &BTreeMap<String, Value>, properties: &[EffectiveProperty], errors: &mut Vec<FieldError>) {
    for (name, value) in desired {
        let field = format!("spec.desired.{name}");
        let writable = || properties.iter().filter(|p| p.is_written()).map(|p| p.name.as_str()).collect::<Vec<_>>();
        match properties.iter().find(|p| p.name == *name) {
            None if !is_property_name(name) => errors.push(FieldError::new(field, "not the name of a property")),
            None => errors
                .push(FieldError::new(field, unknown("property", &writable()).replace("there are", "writable are"))),
            Some(property) if !property.is_written() => errors.push(FieldError::new(
                field,
                format!("is ReadOnly; writable are: {}", crate::parameters::list(&writable())),
            )),
            Some(property) => {
                if let Err(message) = check_value(property, value) {
                    errors.push(FieldError::new(field, message));
                }
            }
        }
    }
}
