//! Device: the twin of one machine, sensor or controller.
use crate::{Condition, Property, Protocol, Value, Values};
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What one device is, where it is, and what it shall do.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema, Default)]
#[kube(
    group = "pollux.rs",
    version = "v1alpha1",
    kind = "Device",
    namespaced,
    status = "DeviceStatus",
    shortname = "dev",
    category = "pollux",
    derive = "PartialEq",
    derive = "Default",
    doc = "The twin of one machine, sensor or controller: spec.desired is what it shall be, status.reported what it last said.",
    selectable = ".spec.nodeName",
    selectable = ".spec.model",
    printcolumn(name = "Model", type_ = "string", json_path = ".spec.model", description = "DeviceModel"),
    printcolumn(
        name = "Node",
        type_ = "string",
        json_path = ".status.nodeName",
        description = "Node whose mapper drives it"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status",
        description = "Accepted, scheduled, connected, healthy and in sync"
    ),
    printcolumn(
        name = "Values",
        type_ = "string",
        json_path = ".status.summary",
        description = "Values of the model's summary: ! not good, → still to be written"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        description = "Time since creation"
    ),
    printcolumn(
        name = "Class",
        type_ = "string",
        json_path = ".status.mapperClass",
        description = "MapperClass",
        priority = 1
    ),
    printcolumn(
        name = "Mode",
        type_ = "string",
        json_path = ".spec.mode",
        description = "Control, Monitor or Off",
        priority = 1
    ),
    printcolumn(
        name = "Connected",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Connected')].status",
        description = "The device answers",
        priority = 1
    ),
    printcolumn(
        name = "Healthy",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Healthy')].status",
        description = "Every property is Good",
        priority = 1
    ),
    printcolumn(
        name = "InSync",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='InSync')].status",
        description = "Every desired value is confirmed",
        priority = 1
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message",
        description = "What is wrong",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.mapperClass) || !has(self.protocol.custom)").message("mapperClass is required with protocol.custom"))]
pub struct DeviceSpec {
    /// Name of a DeviceModel in the same namespace. A one-off device may list its properties itself instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub model: Option<String>,
    /// Values of the model's parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub parameters: Values,
    /// The node whose mapper drives the device. A cluster of one node needs none. Only people write it; where the device is
    /// stands in status.nodeName.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub node_name: Option<String>,
    /// The MapperClass that drives the device; default: the protocol's name. Required with a custom protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 40))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')").message("must be lower-case letters, digits and -, and start and end with a letter or digit"))]
    pub mapper_class: Option<String>,
    /// Control: read and write. Monitor: read, never write. Off: do not touch the wire.
    #[serde(default)]
    pub mode: Mode,
    /// How the device is reached.
    pub protocol: Protocol,
    /// By name: overrides of the model's properties, additions to them, or `disabled: true`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub properties: Vec<Property>,
    /// What the device shall be: property name → value. Taking a key away writes nothing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 1000))]
    pub desired: Values,
}

/// What the mapper may do with a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Default)]
pub enum Mode {
    /// Read and write.
    #[default]
    Control,
    /// Read, never write.
    Monitor,
    /// Do not touch the wire.
    Off,
}

/// What the device last said, and how its twin stands. Written by the operator (nodeName, mapperClass, observedGeneration,
/// Accepted, Scheduled, Ready) and by the mapper (the rest).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
pub struct DeviceStatus {
    /// Newest value of each property that was read with quality Good or Uncertain.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 1000))]
    #[x_kube(merge_strategy = MapMerge::Atomic)]
    pub reported: Values,
    /// Since when each reported value holds, RFC 3339. Not advanced by reading the same value again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "crate::device::words")]
    #[x_kube(merge_strategy = MapMerge::Atomic)]
    pub timestamps: BTreeMap<String, String>,
    /// Uncertain or Bad, for properties that are not Good.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "crate::device::words")]
    #[x_kube(merge_strategy = MapMerge::Atomic)]
    pub quality: BTreeMap<String, String>,
    /// Why a property is not Good: Stale, OutOfRange, NotAvailable, or the protocol's word.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "crate::device::words")]
    #[x_kube(merge_strategy = MapMerge::Atomic)]
    pub quality_reason: BTreeMap<String, String>,
    /// Desired values that are not confirmed yet, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 1000))]
    #[x_kube(merge_strategy = MapMerge::Atomic)]
    pub pending: BTreeMap<String, Pending>,
    /// Desired values that the device acknowledged, and by which wiring.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 1000))]
    #[x_kube(merge_strategy = MapMerge::Atomic)]
    pub applied: BTreeMap<String, Applied>,
    /// Who the device says it is: vendor, product, revision, as the protocol tells it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "crate::device::words")]
    #[x_kube(merge_strategy = MapMerge::Atomic)]
    pub identification: BTreeMap<String, String>,
    /// What the mapper learned of the device: addresses that it refuses, requests that are too long for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub learned: Vec<Note>,
    /// The values of the model's summary in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub summary: Option<String>,
    /// Accepted, Scheduled, Connected, Healthy, InSync, Ready.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Generation of the spec that the operator last looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Node whose mapper drives the device; empty where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub node_name: Option<String>,
    /// MapperClass that drives the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub mapper_class: Option<String>,
    /// uid of the Device that the mapper's part speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub uid: Option<String>,
}

/// A line for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Note(#[schemars(length(max = 256))] pub String);

/// A word for each property.
fn words(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "additionalProperties": {"type": "string", "maxLength": 1024}, "maxProperties": 1000})
}

/// A desired value that is not confirmed yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pending {
    /// The value to be written.
    pub value: Value,
    /// Since when it is pending, RFC 3339.
    #[schemars(length(max = 64))]
    pub since: String,
    /// How often it was sent.
    pub attempts: i64,
    /// Why it is not confirmed, in the protocol's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub error: Option<String>,
}

/// A desired value that the device acknowledged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// The value.
    pub value: Value,
    /// Hash of the binding, scale and format by which it was written.
    #[schemars(length(max = 64))]
    pub binding: String,
}
