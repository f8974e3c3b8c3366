//! DeviceSlice: what one mapper on one node shall do.
use crate::{Applied, ChannelNode, Mode, Protocol, Values, Writes};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What one mapper on one node shall do. Chunk 0 always exists and is the index.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema, Default)]
#[kube(
    group = "pollux.rs",
    version = "v1alpha1",
    kind = "DeviceSlice",
    namespaced,
    status = "DeviceSliceStatus",
    shortname = "dslice",
    category = "pollux",
    derive = "PartialEq",
    derive = "Default",
    doc = "Internal: what one mapper on one node shall do, compiled by the operator from valid objects only. Named <class>.<node>.<chunk>.",
    printcolumn(name = "Class", type_ = "string", json_path = ".spec.class", description = "MapperClass"),
    printcolumn(name = "Node", type_ = "string", json_path = ".spec.nodeName", description = "Node"),
    printcolumn(
        name = "Writes",
        type_ = "string",
        json_path = ".spec.index.writes",
        description = "Enabled, or Disabled for the whole class; in chunk 0 only"
    ),
    printcolumn(
        name = "Devices",
        type_ = "string",
        json_path = ".spec.devices[*].name",
        description = "Devices of this chunk",
        priority = 1
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        description = "Time since creation"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct DeviceSliceSpec {
    /// MapperClass.
    #[schemars(length(max = 40))]
    pub class: String,
    /// Node.
    #[schemars(length(max = 253))]
    pub node_name: String,
    /// In chunk 0 only: what holds for all chunks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<SliceIndex>,
    /// The devices of this chunk.
    #[serde(default)]
    #[schemars(length(max = 4096))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub devices: Vec<SliceDevice>,
}

/// What holds for all chunks of a mapper.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
pub struct SliceIndex {
    /// Hash of the devices of each chunk, chunk 0 included; as many as there are chunks.
    #[schemars(length(max = 4096))]
    pub chunks: Vec<ChunkHash>,
    /// Status writes per second that this mapper may spend.
    pub writes_per_second: f64,
    /// Enabled: written as each device's mode says. Disabled: nothing is written to any device.
    #[serde(default)]
    pub writes: Writes,
}

/// Hash of one chunk's devices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct ChunkHash(#[schemars(length(max = 64))] pub String);

/// One device, ready to be driven.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
pub struct SliceDevice {
    /// Namespace of the Device.
    #[schemars(length(max = 63))]
    pub namespace: String,
    /// Name of the Device.
    #[schemars(length(max = 253))]
    pub name: String,
    /// uid of the Device.
    #[schemars(length(max = 64))]
    pub uid: String,
    /// Generation of the Device's spec that this is; the last valid one.
    pub generation: i64,
    /// When the Device was created, in seconds of Unix time: of two that open one resource with different settings, the later is refused.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub created: i64,
    /// Tombstone: the device was taken away; the mapper lets go of it and says so in `status.released`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub released: bool,
    /// Name of the DeviceModelRevision with its properties.
    #[schemars(length(max = 64))]
    pub revision: String,
    /// Values of the parameters, defaults filled in.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub parameters: Values,
    /// What the mapper may do: Control, Monitor or Off.
    #[serde(default)]
    pub mode: Mode,
    /// How it is reached, its Channel merged in.
    #[serde(default)]
    pub protocol: ResolvedProtocol,
    /// Name of the Channel that it shares, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub channel: Option<String>,
    /// What it shall be.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 1000))]
    pub desired: Values,
    /// Desired values acknowledged before, from status: what the mapper goes by where its own disk has no record.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 1000))]
    pub applied: BTreeMap<String, Applied>,
    /// Text of the annotation pollux.rs/rewrite; its hash where it is longer than 253 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub rewrite: Option<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde gives a reference
fn is_zero(n: &i64) -> bool {
    *n == 0
}

/// A protocol block whose schema is not checked again: the Device's was, and a Channel's was merged in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct ResolvedProtocol(pub Protocol);

impl schemars::JsonSchema for ResolvedProtocol {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ResolvedProtocol".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
    }
}

/// The mapper's word.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
pub struct DeviceSliceStatus {
    /// Devices that the mapper drives: uid → generation.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 4096))]
    #[x_kube(merge_strategy = MapMerge::Atomic)]
    pub taken: BTreeMap<String, i64>,
    /// uids of devices that the mapper has let go of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4096))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub released: Vec<Uid>,
    /// How Channels stand on this node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub channels: Vec<SliceChannel>,
}

/// uid of a Device.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Uid(#[schemars(length(max = 64))] pub String);

/// How one Channel stands on this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
pub struct SliceChannel {
    /// Namespace of the Channel.
    #[schemars(length(max = 63))]
    pub namespace: String,
    /// Name of the Channel.
    #[schemars(length(max = 253))]
    pub name: String,
    /// What `Channel.status` gets.
    pub state: ChannelNode,
}
