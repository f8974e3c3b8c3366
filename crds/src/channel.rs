//! Channel: one bus or gateway that devices share.
use crate::ChannelProtocol;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// How the shared resource is reached.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema, Default)]
#[kube(
    group = "pollux.rs",
    version = "v1alpha1",
    kind = "Channel",
    namespaced,
    status = "ChannelStatus",
    shortname = "chan",
    category = "pollux",
    derive = "PartialEq",
    derive = "Default",
    doc = "One bus, gateway, server, adapter or broker that devices share.",
    printcolumn(name = "Endpoint", type_ = "string", json_path = ".status.endpoint", description = "What is opened"),
    printcolumn(
        name = "Connected",
        type_ = "string",
        json_path = ".status.summary",
        description = "Nodes on which it is open, of those that use it"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        description = "Time since creation"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct ChannelSpec {
    /// The protocol, and how the resource is reached.
    pub protocol: ChannelProtocol,
}

/// How the channel stands on each node that uses it; copied by the operator from the mappers' word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
pub struct ChannelStatus {
    /// What is opened, such as tcp://10.0.0.5:502 or rtu:/dev/ttyUSB0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub endpoint: Option<String>,
    /// Nodes on which it is open, of those that use it, such as 1/2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub summary: Option<String>,
    /// One item per node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["node".into()]))]
    pub nodes: Vec<ChannelNode>,
}

/// How the channel stands on one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct ChannelNode {
    /// Name of the node.
    #[schemars(length(max = 253))]
    pub node: String,
    /// Whether the link is open.
    pub connected: bool,
    /// Why not, in the protocol's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
    /// Part of the time that the polled devices take, in percent; over 80 is too much, and over 100 cannot be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utilisation: Option<i32>,
    /// What would make it fit, where it is used too much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub warning: Option<String>,
}
