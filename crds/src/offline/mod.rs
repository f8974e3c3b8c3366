//! One object as the API server would take it, without an API server: schema defaults, structural schema, CEL rules, and the
//! logic of the admission policy on property names. What `--file` and `check` run, so that laptop and cluster say the same.
mod policy;
mod schemas;
mod structural;
pub mod yaml;

pub use schemas::schemas_text;

use crate::{Channel, Device, DeviceModel, FieldError, GROUP, MapperClass, VERSION, parameters::list};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube_cel::{CompiledSchema, apply_defaults};
use schemas::Kind;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use std::{collections::BTreeSet, sync::Arc};

/// An object that the API server would take.
#[derive(Debug, Clone, PartialEq)]
pub enum Object {
    /// What a type of device has.
    DeviceModel(Box<DeviceModel>),
    /// One shared bus or gateway.
    Channel(Box<Channel>),
    /// One device.
    Device(Arc<Device>),
    /// How a protocol's mapper is run.
    MapperClass(Box<MapperClass>),
}

/// Kinds that people write.
pub const KINDS: [&str; 4] = ["Channel", "Device", "DeviceModel", "MapperClass"];
const MAX_NAME: usize = 253;
const MAX_NAMESPACE: usize = 63;

/// Gives back what [`load`] keeps from one object for the next. For after the last one: what comes later is judged as well, but
/// the schemas are read again for it.
pub fn forget() {
    schemas::forget();
    structural::forget();
}

/// Whether an object is one of ours: others (a Secret, a Pod) are not judged here.
pub fn is_ours(object: &Json) -> bool {
    let version = object.get("apiVersion").and_then(Json::as_str).unwrap_or_default();
    version.split('/').next() == Some(GROUP) || version == GROUP
}

/// The object with its defaults, or all that is wrong with it at once. `status` is not looked at: who writes a spec cannot
/// write it.
pub fn load(object: &Json) -> Result<Object, Vec<FieldError>> {
    let schemas = schemas::all();
    let kind = find(&schemas, object).map_err(|error| vec![error])?;
    let mut object = object.clone();
    if let Some(map) = object.as_object_mut() {
        map.remove("status");
    }
    structural::whole_numbers(&mut object);
    structural::drop_nulls(&kind.schema, &mut object);
    let mut errors = metadata(&object, kind.namespaced);
    structural::check(&kind.schema, &object, &mut errors);
    let object = apply_defaults(&kind.schema, &object);
    // As the API server does it: rules only where the types are right.
    if errors.is_empty() {
        errors.extend(rules(&kind.rules, &object));
    }
    let told: BTreeSet<String> = errors.iter().map(|e| e.field.clone()).collect();
    errors.extend(policy::check(&object).into_iter().filter(|e| !told.contains(&e.field)));
    if errors.is_empty() { typed(&kind.name, object) } else { Err(errors) }
}

fn find<'a>(schemas: &'a [Kind], object: &Json) -> Result<&'a Kind, FieldError> {
    let text = |field: &str| object.get(field).and_then(Json::as_str).unwrap_or_default();
    if !object.is_object() {
        return Err(FieldError::new("", "must be an object with apiVersion, kind and metadata"));
    }
    let (version, ours) = (text("apiVersion"), format!("{GROUP}/{VERSION}"));
    if version != ours {
        return Err(FieldError::new("apiVersion", format!("must be {ours}, is {version:?}")));
    }
    schemas.iter().find(|k| k.name == text("kind")).ok_or_else(|| {
        let hint = nearest(text("kind"), KINDS.into_iter()).unwrap_or_default();
        FieldError::new("kind", format!("unknown kind {:?}{hint}; there are: {}", text("kind"), list(&KINDS)))
    })
}

fn rules(rules: &CompiledSchema, object: &Json) -> Vec<FieldError> {
    match kube_cel::validate_compiled(rules, object, None) {
        Ok(()) => vec![],
        Err(errors) => errors.into_iter().map(|e| FieldError::new(e.field_path, e.message)).collect(),
    }
}

fn typed(kind: &str, object: Json) -> Result<Object, Vec<FieldError>> {
    fn read<T: DeserializeOwned>(object: Json) -> Result<Box<T>, Vec<FieldError>> {
        // Never, as the schema is made of the type: the decoder's words name what it is about.
        serde_json::from_value(object).map(Box::new).map_err(|e| vec![FieldError::new("", e.to_string())])
    }
    match kind {
        "DeviceModel" => read(object).map(Object::DeviceModel),
        "Channel" => read(object).map(Object::Channel),
        "Device" => read(object).map(|device: Box<Device>| Object::Device(device.into())),
        _ => read(object).map(Object::MapperClass),
    }
}

/// Name, namespace, labels and annotations as the API server takes them.
fn metadata(object: &Json, namespaced: bool) -> Vec<FieldError> {
    let Some(metadata) = object.get("metadata").filter(|m| m.is_object()) else {
        return vec![FieldError::new("metadata", "required: name at least")];
    };
    let mut errors = vec![];
    match metadata.get("name").and_then(Json::as_str) {
        Some(name) if is_subdomain(name) => {}
        Some(name) => errors.push(FieldError::new(
            "metadata.name",
            format!("must be lower-case letters, digits, - and ., at most {MAX_NAME}, is {name:?}"),
        )),
        None => errors.push(FieldError::new("metadata.name", "required")),
    }
    match metadata.get("namespace").and_then(Json::as_str) {
        Some(_) if !namespaced => errors.push(FieldError::new("metadata.namespace", "this kind has no namespace")),
        Some(name) if name.len() > MAX_NAMESPACE || name.contains('.') || !is_subdomain(name) => errors.push(
            FieldError::new("metadata.namespace", format!("must be lower-case letters, digits and -, is {name:?}")),
        ),
        _ => {}
    }
    for map in ["labels", "annotations"] {
        let items = metadata.get(map).and_then(Json::as_object).into_iter().flatten();
        errors.extend(items.filter(|(_, value)| !value.is_string()).map(|(key, value)| {
            FieldError::new(format!("metadata.{map}.{key}"), format!("must be text, is {value}; quote it"))
        }));
    }
    if errors.is_empty()
        && let Err(error) = serde_json::from_value::<ObjectMeta>(metadata.clone())
    {
        errors.push(FieldError::new("metadata", error.to_string()));
    }
    errors
}

/// RFC 1123 subdomain.
fn is_subdomain(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let label = |l: &str| !l.is_empty() && l.chars().all(inner) && !l.starts_with('-') && !l.ends_with('-');
    name.len() <= MAX_NAME && name.split('.').all(label)
}

/// `, did you mean x?` where one of the names is near enough to be meant.
pub(crate) fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    const LONGEST: usize = 64; // a longer word is no misspelling of ours
    if wrong.chars().count() > LONGEST {
        return None;
    }
    let bound = wrong.chars().count().div_ceil(3).min(3);
    let near = names.map(|name| (distance(&wrong.to_lowercase(), &name.to_lowercase()), name)).min()?;
    (near.0 <= bound).then(|| format!(", did you mean {}?", near.1))
}

/// Levenshtein, a row at a time.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for ((to, over), up) in b.iter().zip(&row).zip(row.iter().skip(1)) {
            let left = next.last().copied().unwrap_or_default();
            next.push((over + usize::from(from != *to)).min(up + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
