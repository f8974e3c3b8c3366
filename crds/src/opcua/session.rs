//! What the devices of one OPC UA session share beside security: how long it lives, how values come, and what fits into a request.
use super::times;
use crate::Span;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How long the session outlives its connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
pub struct OpcUaSession {
    /// How long the server keeps a session of which it hears nothing, 10s to 1h; default 1m. The server may choose another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "times::session_timeout")]
    pub timeout: Option<Span>,
    /// How long a broken connection is mended, with its session and subscriptions, before all begins anew, 0s to 10m; default 30s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "times::heal_within")]
    pub heal_within: Option<Span>,
}

/// How values come.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
pub struct OpcUaSubscription {
    /// Subscribed or read; default Auto.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<OpcUaDelivery>,
    /// Shortest publishing interval that is asked for, 10ms to 1h; default 100ms. Values sampled more often come several at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "times::publishing")]
    pub min_publishing_interval: Option<Span>,
    /// How often the server says that it is there while nothing changes, 1s to 10m; default 5s. After three of these without a
    /// word its values are stale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "times::keep_alive")]
    pub keep_alive: Option<Span>,
    /// Monitored items in one subscription; default 5000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub items: Option<i32>,
    /// Publish requests that wait at the server at once; default 3, and one more than there are subscriptions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 64))]
    pub publish_requests: Option<i32>,
}

/// How values come; default Auto. Auto: subscribed, and read in cycles where the server refuses that. Poll: read in cycles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, Default)]
pub enum OpcUaDelivery {
    /// Subscribed, read where the server refuses that.
    #[default]
    Auto,
    /// Read.
    Poll,
}

/// What fits into one request and one answer. What the server says of itself counts too, and the lesser of both.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
pub struct OpcUaLimits {
    /// Nodes in one Read or RegisterNodes; default what the server says, at most 10000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub read: Option<i32>,
    /// Nodes in one Write; default what the server says, at most 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub write: Option<i32>,
    /// Nodes or paths in one Browse or TranslateBrowsePaths; default what the server says, at most 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub browse: Option<i32>,
    /// Monitored items in one request; default what the server says, at most 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub monitored_items: Option<i32>,
    /// Elements of one array; default 65535. A longer one makes its property Bad.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub array_length: Option<i32>,
    /// Bytes of one string; default 1048576. A longer one makes its property Bad.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1024, max = 16_777_216))]
    pub string_length: Option<i32>,
    /// Bytes of one answer; default 16777216. Answers under way together take four times this at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 65_536, max = 67_108_864))]
    pub message_size: Option<i32>,
}
