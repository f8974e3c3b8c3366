//! DeviceModelRevision: the effective properties of devices, immutable, named by their content.
use crate::{ModelCommand, Property, PropertyName};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The effective properties of devices: a model's, a Device's own merged in, defaults filled in, parameters not yet.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema, Default)]
#[kube(
    group = "pollux.rs",
    version = "v1alpha1",
    kind = "DeviceModelRevision",
    namespaced,
    shortname = "dmr",
    category = "pollux",
    derive = "PartialEq",
    derive = "Default",
    doc = "Internal: the effective properties of devices, immutable, named by the hash of their content. Written by the operator.",
    printcolumn(
        name = "Summary",
        type_ = "string",
        json_path = ".spec.summary",
        description = "Properties that the summary shows"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        description = "Time since creation"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self == oldSelf").message("a revision is immutable"))]
pub struct DeviceModelRevisionSpec {
    /// Names of the properties that the summary shows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub summary: Vec<PropertyName>,
    /// The properties.
    #[schemars(length(max = 1000))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub properties: Vec<Property>,
    /// The commands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub commands: Vec<ModelCommand>,
}

impl DeviceModelRevisionSpec {
    /// Name of the revision: the first 160 bits of the SHA-256 of its JSON, which serde writes in the order of the fields.
    pub fn hash(&self) -> String {
        hash(self)
    }
}

/// The first 160 bits of the SHA-256 of a value's JSON, in hexadecimal. Maps are ordered, so equal values have equal hashes.
pub fn hash<T: Serialize>(value: &T) -> String {
    let json = serde_json::to_vec(value).expect("no map with keys other than strings, so JSON cannot fail");
    hash_of(&json)
}

/// The same of what is JSON already.
pub(crate) fn hash_of(json: &[u8]) -> String {
    let mut text = format!("{:x}", Sha256::digest(json));
    text.truncate(40);
    text
}
