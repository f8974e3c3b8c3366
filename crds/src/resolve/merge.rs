//! A model's properties, a Device's own over them, and the defaults: field by field, whole fields.
use super::{FieldError, MODEL_FIELD};
use crate::{
    Access, Defaults, Device, DeviceModel, DeviceModelRevisionSpec, Property, PropertyKind, PropertyType, Report,
    device_model_revision::hash_of,
};
use kube::ResourceExt;
use std::collections::BTreeSet;

/// Most properties of one device: what the schemas of revisions and of status take.
const MOST: usize = 1000;

/// Most bytes of a revision's JSON: what etcd takes in one object, with room for metadata.
pub(super) const MAX_REVISION: usize = 1024 * 1024;

/// Name of a revision, and its size in bytes.
pub(super) fn named(revision: &DeviceModelRevisionSpec) -> (String, usize) {
    let json = serde_json::to_vec(revision).expect("no map with keys other than strings, so JSON cannot fail");
    (hash_of(&json), json.len())
}

/// The properties that a Device ends up with, parameters not yet filled in.
pub(super) fn revision(
    device: &Device,
    model: Option<&DeviceModel>,
) -> Result<DeviceModelRevisionSpec, Vec<FieldError>> {
    let spec = &device.spec;
    if let (Some(name), None) = (&spec.model, model) {
        let namespace = device.namespace().unwrap_or_default();
        return Err(vec![FieldError::new(MODEL_FIELD, format!("no DeviceModel {name:?} in namespace {namespace}"))]);
    }
    let models = model.map_or(&[][..], |m| &m.spec.properties);
    let mut errors = duplicates("spec.properties", &spec.properties);
    if let Some(model) = model {
        errors.extend(duplicates(&format!("DeviceModel {}: spec.properties", model.name_any()), models));
    }
    let overridden = models.iter().map(|p| match spec.properties.iter().find(|own| own.name == p.name) {
        Some(own) => over(own, p),
        None => p.clone(),
    });
    let added = spec.properties.iter().filter(|own| !models.iter().any(|p| p.name == own.name)).cloned();
    let defaults = model.and_then(|m| m.spec.defaults.clone()).unwrap_or_default();
    let properties: Vec<Property> =
        overridden.chain(added).filter(|p| p.disabled != Some(true)).map(|p| with_defaults(p, &defaults)).collect();
    if properties.is_empty() {
        errors
            .push(FieldError::new("spec.properties", "the device has no properties: name a model, or list them here"));
    }
    if properties.len() > MOST {
        let (with, all) = (models.len(), properties.len());
        let message = format!("with the {with} of the model there are {all}, at most {MOST} are allowed");
        errors.push(FieldError::new("spec.properties", message));
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let disabled = |name: &str| spec.properties.iter().any(|p| p.name == name && p.disabled == Some(true));
    let mut summary = model.map(|m| m.spec.summary.clone()).unwrap_or_default();
    summary.retain(|name| !disabled(&name.0));
    let commands = model.map(|m| m.spec.commands.clone()).unwrap_or_default();
    Ok(DeviceModelRevisionSpec { summary, properties, commands })
}

fn duplicates(field: &str, properties: &[Property]) -> Vec<FieldError> {
    let mut seen = BTreeSet::new();
    let twice = properties.iter().filter(|p| !seen.insert(&p.name));
    twice.map(|p| FieldError::new(format!("{field}[{}]", p.name), "stands there twice")).collect()
}

/// What `own` gives replaces the model's field. Destructured without `..`, so that a new field is not forgotten.
fn over(own: &Property, model: &Property) -> Property {
    let Property {
        name,
        disabled,
        type_,
        kind,
        access,
        unit,
        description,
        range,
        minimum,
        maximum,
        enum_,
        interval,
        read_group,
        report,
        invalid,
        scale,
        offset,
        scale_exponent_from,
        expression,
        stale_after,
        enforce,
        write,
        binding,
    } = own.clone();
    let m = model.clone();
    // A binding of one's own ends the model's expression, and the other way round: they exclude each other.
    let (binding, expression) = match (binding, expression) {
        (None, None) => (m.binding, m.expression),
        given => given,
    };
    let read_group = read_group.or(m.read_group.filter(|_| expression.is_none()));
    // So does taking the right to write end how the model has it written.
    let writes = access != Some(Access::ReadOnly);
    let (enforce, write) = (enforce.or(m.enforce.filter(|_| writes)), write.or(m.write.filter(|_| writes)));
    Property {
        name,
        disabled: disabled.or(m.disabled),
        type_: type_.or(m.type_),
        kind: kind.or(m.kind),
        access: access.or(m.access),
        unit: unit.or(m.unit),
        description: description.or(m.description),
        range: range.or(m.range),
        minimum: minimum.or(m.minimum),
        maximum: maximum.or(m.maximum),
        enum_: enum_.or(m.enum_),
        interval: interval.or(m.interval),
        read_group,
        report: report.or(m.report),
        invalid: invalid.or(m.invalid),
        scale: scale.or(m.scale),
        offset: offset.or(m.offset),
        scale_exponent_from: scale_exponent_from.or(m.scale_exponent_from),
        expression,
        stale_after: stale_after.or(m.stale_after),
        enforce,
        write,
        binding,
    }
}

fn with_defaults(mut property: Property, defaults: &Defaults) -> Property {
    property.interval = property.interval.or(defaults.interval);
    property.report = property.report.clone().or_else(|| Some(report_of(&property, defaults.report.clone()?)));
    property.disabled = None;
    property
}
/// A dead-band for all properties is one for those that are numbers, and states.
fn report_of(property: &Property, report: Report) -> Report {
    let event = property.kind == Some(PropertyKind::Event);
    let numeric = !event && matches!(property.type_, Some(PropertyType::Integer | PropertyType::Number));
    Report { deadband: report.deadband.filter(|_| numeric), ..report }
}
