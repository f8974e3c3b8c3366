//! Every field of Modbus and of Bluetooth LE at its bounds and just outside, through the offline pipeline: what the reference promises,
//! the schema holds.
#![cfg(feature = "offline")]
#![allow(clippy::unwrap_used)] // how a test fails

use pollux_crds::{manifests, offline};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

/// A field, what is at its bounds, and what is just outside.
struct Row(&'static str, Vec<Json>, Vec<Json>);

macro_rules! row {
    ($field:literal, $inside:tt, $outside:tt) => {
        Row($field, list(json!($inside)), list(json!($outside)))
    };
}
fn list(json: Json) -> Vec<Json> {
    let Json::Array(items) = json else { return vec![] };
    items
}

mod ble;
mod modbus;

/// A protocol's fields.
struct Protocol {
    name: &'static str,
    /// Of a Device; all but `is_devices` also of a Channel.
    settings: Vec<Row>,
    is_devices: &'static [&'static str],
    /// Each as a whole.
    bindings: Vec<Row>,
    /// A block with this field, and with what it needs beside; for a Device or a Channel.
    block: fn(&str, &Json, &str) -> Json,
    /// What a message may say in place of a field's name.
    instead: &'static str,
}
impl Protocol {
    fn is_shared(&self, field: &str) -> bool {
        !self.is_devices.iter().any(|own| field.split('.').next() == Some(own))
    }
}

fn protocols() -> [Protocol; 2] {
    [
        Protocol {
            name: "modbus",
            settings: modbus::settings(),
            is_devices: &modbus::IS_DEVICES,
            bindings: modbus::bindings(),
            block: |field, value, _| modbus::block(field, value),
            instead: "coil and discrete take an address only",
        },
        Protocol {
            name: "ble",
            settings: ble::settings(),
            is_devices: &ble::IS_DEVICES,
            bindings: ble::bindings(),
            block: ble::block,
            instead: "must be from", // a time: its rule is told at the field
        },
    ]
}

fn object(kind: &str, protocol: &str, block: &Json) -> Json {
    json!({"apiVersion": "pollux.rs/v1alpha1", "kind": kind, "metadata": {"name": "d"}, "spec": {"protocol": {protocol: block}}})
}
fn model(protocol: &str, binding: &Json) -> Json {
    json!({"apiVersion": "pollux.rs/v1alpha1", "kind": "DeviceModel", "metadata": {"name": "m"},
        "spec": {"properties": [{"name": "p", "type": "json", "binding": {protocol: binding}}]}})
}

/// Accepts what is at the bounds, and refuses the rest by the name of the field, or of one that it does not go with.
fn judge(field: &str, object: &Json, fits: bool, instead: &str, wrong: &mut Vec<String>) {
    let told = match offline::load(object) {
        Ok(_) if fits => return,
        Ok(_) => "was accepted".to_owned(),
        Err(errors) => errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
    };
    let last = field.rsplit('.').next().unwrap_or_default();
    if fits || !(told.contains(last) || told.contains(instead)) {
        wrong.push(format!("{field} of {object}: {told}"));
    }
}

#[test]
fn every_field_holds_its_bounds() {
    let mut wrong = vec![];
    for protocol in protocols() {
        let Protocol { name, settings, bindings, block, instead, .. } = &protocol;
        for Row(field, inside, outside) in settings {
            for (value, fits) in inside.iter().map(|value| (value, true)).chain(outside.iter().map(|v| (v, false))) {
                judge(field, &object("Device", name, &block(field, value, "Device")), fits, instead, &mut wrong);
                if protocol.is_shared(field) {
                    judge(field, &object("Channel", name, &block(field, value, "Channel")), fits, instead, &mut wrong);
                }
            }
        }
        for Row(field, inside, outside) in bindings {
            for (binding, fits) in inside.iter().map(|b| (b, true)).chain(outside.iter().map(|b| (b, false))) {
                judge(field, &model(name, binding), fits, instead, &mut wrong);
            }
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn no_field_is_left_out_here() {
    let leaves = |plural: &str, pointer: String| {
        let crds = manifests();
        let (_, crd) = crds.iter().find(|(name, _)| *name == plural).unwrap();
        let mut found = BTreeSet::new();
        walk(
            "",
            crd.pointer("/spec/versions/0/schema/openAPIV3Schema").unwrap().pointer(&pointer).unwrap(),
            &mut found,
        );
        found
    };
    let rows = |rows: &[Row]| rows.iter().map(|row| row.0.to_owned()).collect::<BTreeSet<_>>();
    for protocol in protocols() {
        let name = protocol.name;
        let block = format!("/properties/spec/properties/protocol/properties/{name}");
        assert_eq!(leaves("devices", block.clone()), rows(&protocol.settings));
        let shared = rows(&protocol.settings).into_iter().filter(|field| protocol.is_shared(field));
        assert_eq!(leaves("channels", block), shared.collect());
        let binding = "/properties/spec/properties/properties/items/properties/binding/properties";
        assert_eq!(leaves("devicemodels", format!("{binding}/{name}")), rows(&protocol.bindings));
    }
}

/// Fields without fields of their own.
fn walk(path: &str, schema: &Json, found: &mut BTreeSet<String>) {
    let inner = schema.get("items").unwrap_or(schema);
    match inner.get("properties").and_then(Json::as_object) {
        Some(fields) => fields.iter().for_each(|(name, field)| {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            walk(&path, field, found);
        }),
        None => _ = found.insert(path.to_owned()),
    }
}

/// What the schema of a Channel says of a field, that of a Device says too: both are written down.
#[test]
fn a_channels_fields_are_a_devices() {
    let block = |plural: &str, protocol: &str| {
        let (_, crd) = manifests().into_iter().find(|(name, _)| *name == plural).unwrap();
        let schema = crd.pointer("/spec/versions/0/schema/openAPIV3Schema").unwrap();
        schema
            .pointer(&format!("/properties/spec/properties/protocol/properties/{protocol}/properties"))
            .unwrap()
            .clone()
    };
    for protocol in ["modbus", "ble"] {
        let (devices, channels) = (block("devices", protocol), block("channels", protocol));
        for (name, field) in channels.as_object().unwrap() {
            let plain = |field: &Json| {
                let mut field = field.clone();
                field.as_object_mut().unwrap().remove("description"); // there: default, or the Channel's
                field
            };
            assert_eq!(plain(field), plain(&devices[name]), "{name}");
        }
    }
}
