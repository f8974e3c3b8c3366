//! DeviceModel: what a type of device has.
use crate::{Interval, ModelCommand, Parameter, Property, Report};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// What all devices of one type have.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema, Default)]
#[kube(
    group = "pollux.rs",
    version = "v1alpha1",
    kind = "DeviceModel",
    namespaced,
    shortname = "dm",
    category = "pollux",
    derive = "PartialEq",
    derive = "Default",
    doc = "What a type of device has: its properties, and where they stand on the wire.",
    printcolumn(
        name = "Manufacturer",
        type_ = "string",
        json_path = ".spec.manufacturer",
        description = "Who makes it"
    ),
    printcolumn(
        name = "Product",
        type_ = "string",
        json_path = ".spec.model",
        description = "The manufacturer's name of it"
    ),
    printcolumn(name = "Description", type_ = "string", json_path = ".spec.description", description = "What it is"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        description = "Time since creation"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct DeviceModelSpec {
    /// Who makes the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub manufacturer: Option<String>,
    /// The manufacturer's name of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub model: Option<String>,
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub description: Option<String>,
    /// Names of the properties that `kubectl get devices` shows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub summary: Vec<PropertyName>,
    /// What each Device fills in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub parameters: Vec<Parameter>,
    /// For all properties that say nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defaults: Option<Defaults>,
    /// The properties, in the order in which pending values are written.
    #[schemars(length(min = 1, max = 1000))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub properties: Vec<Property>,
    /// What its devices can be told to do: actions, which are no state.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub commands: Vec<ModelCommand>,
}

/// The name of a property.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct PropertyName(#[schemars(length(max = 63))] pub String);

/// For all properties that say nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
pub struct Defaults {
    /// How often properties are read; default 10s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
    /// When a new value is worth a status write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Report>,
}
