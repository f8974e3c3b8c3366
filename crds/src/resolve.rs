//! `resolve`: a Device, its model and its channel become what a mapper can drive, or all that is wrong with them at once.
use crate::{Channel, Device, DeviceModel, DeviceModelRevisionSpec, EffectiveDevice, SliceDevice};
use std::fmt;

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
    /// MapperClass that drives it.
    pub class: String,
    /// Its properties, shared by all devices that have the same.
    pub revision: DeviceModelRevisionSpec,
    /// Its entry in a slice; `applied` is taken from the Device's status.
    pub device: SliceDevice,
    /// Both together, as the mapper will see it.
    pub effective: EffectiveDevice,
}

/// Pure. `model` and `channel` are the objects that the Device names, None where there is none of that name.
pub fn resolve(device: &Device, model: Option<&DeviceModel>, channel: Option<&Channel>) -> Result<Resolved, Vec<FieldError>> {
    let _ = (device, model, channel);
    Err(vec![])
}

/// What the mapper makes of a slice's entry and its revision. Pure; all errors at once.
pub fn effective(device: &SliceDevice, revision: &DeviceModelRevisionSpec) -> Result<EffectiveDevice, Vec<FieldError>> {
    let _ = (device, revision);
    Err(vec![])
}
