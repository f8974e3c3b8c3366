//! Conditions of status, in the form of the Kubernetes API conventions.
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// One observation of an object's state. Each type has one writer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct Condition {
    /// What is observed: Accepted, Scheduled, Connected, Healthy, InSync or Ready.
    #[serde(rename = "type")]
    #[schemars(length(max = 64))]
    pub type_: String,
    /// True, False or Unknown.
    #[schemars(length(max = 16))]
    pub status: String,
    /// One word in CamelCase, for programs.
    #[schemars(length(max = 128))]
    pub reason: String,
    /// One sentence, for people.
    #[schemars(length(max = 4096))]
    pub message: String,
    /// The generation of the spec that this speaks of.
    pub observed_generation: i64,
    /// When `status` last changed, RFC 3339.
    #[schemars(length(max = 64))]
    pub last_transition_time: String,
}

/// Accepted: the spec can be carried out (operator).
pub const ACCEPTED: &str = "Accepted";
/// Scheduled: a mapper runs on the device's node and has taken it (operator).
pub const SCHEDULED: &str = "Scheduled";
/// Connected: this device answers (mapper).
pub const CONNECTED: &str = "Connected";
/// Healthy: every property is Good (mapper).
pub const HEALTHY: &str = "Healthy";
/// `InSync`: every desired value is confirmed (mapper).
pub const IN_SYNC: &str = "InSync";
/// Ready: all of the others (operator).
pub const READY: &str = "Ready";

/// The condition of that type.
pub fn condition<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|c| c.type_ == type_)
}
/// Reason of Connected=True on a link that is asked for more than it can carry.
pub const OVERLOADED: &str = "Overloaded";
