//! What is kept of a Device: at 100,000 of them every map counts.
use super::Guarded;
use crate::conditions::Truth;
use kube::{
    api::ObjectMeta,
    core::{DeserializeGuard, error_boundary::InvalidObject},
};
use pollux_crds::{
    ACCEPTED, CONNECTED, Condition, Device, DeviceSpec, DeviceStatus, FORCE_RELEASE_ANNOTATION, HEALTHY, IN_SYNC,
    OVERLOADED, READY, REWRITE_ANNOTATION, SCHEDULED, condition,
};
use serde::{Deserialize, Serialize};

/// The conditions of which it is known at once how they stand.
pub const COUNTED: [&str; 3] = [ACCEPTED, SCHEDULED, READY];

/// A Device in memory: JSON, which takes a third of the room, and is decoded when the Device is looked at.
#[derive(Debug)]
pub struct Kept {
    object: Result<Box<[u8]>, Box<InvalidObject>>,
    /// How each condition of [`COUNTED`] stands.
    pub states: [Truth; 3],
}

/// A Device without the words that are the same for all.
#[derive(Serialize, Deserialize)]
struct Parts {
    metadata: ObjectMeta,
    spec: DeviceSpec,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<StatusRow>,
}

/// What [`prune`] leaves of status. In rows: the names of a condition's fields would take as much room as what stands in them.
#[derive(Serialize, Deserialize)]
struct StatusRow(Vec<ConditionRow>, Option<i64>, Option<String>, Option<String>);
#[derive(Serialize, Deserialize)]
struct ConditionRow(String, String, String, String, i64, String);

impl From<DeviceStatus> for StatusRow {
    fn from(status: DeviceStatus) -> Self {
        let DeviceStatus { conditions, observed_generation, node_name, mapper_class, .. } = status;
        let row = |c: Condition| {
            let Condition { type_, status, reason, message, observed_generation, last_transition_time } = c;
            ConditionRow(type_, status, reason, message, observed_generation, last_transition_time)
        };
        Self(conditions.into_iter().map(row).collect(), observed_generation, node_name, mapper_class)
    }
}
impl From<StatusRow> for DeviceStatus {
    fn from(StatusRow(conditions, observed_generation, node_name, mapper_class): StatusRow) -> Self {
        let condition = |row: ConditionRow| {
            let ConditionRow(type_, status, reason, message, observed_generation, last_transition_time) = row;
            Condition { type_, status, reason, message, observed_generation, last_transition_time }
        };
        let conditions = conditions.into_iter().map(condition).collect();
        Self { conditions, observed_generation, node_name, mapper_class, ..Self::default() }
    }
}

impl Kept {
    /// Without what the operator does not read.
    pub(super) fn of(device: Guarded<Device>) -> Self {
        let Device { metadata, spec, status } = match device.0 {
            Ok(device) => device,
            Err(invalid) => return Self { object: Err(Box::new(invalid)), states: [Truth::Unknown; 3] },
        };
        let conditions = status.as_ref().map_or(&[][..], |s| &s.conditions);
        let states = COUNTED.map(|type_| condition(conditions, type_).map_or(Truth::Unknown, |c| Truth::of(&c.status)));
        let json = serde_json::to_vec(&Parts { metadata, spec, status: status.map(Into::into) });
        Self { object: Ok(json.expect("all keys are strings, so JSON cannot fail").into()), states }
    }
    /// The Device.
    pub fn device(&self) -> Guarded<Device> {
        let json = match &self.object {
            Ok(json) => json,
            Err(invalid) => return DeserializeGuard(Err((**invalid).clone())),
        };
        let decoded = serde_json::from_slice(json);
        DeserializeGuard(match decoded {
            Ok(Parts { metadata, spec, status }) => Ok(Device { metadata, spec, status: status.map(Into::into) }),
            Err(error) => Err(InvalidObject { error: error.to_string(), metadata: ObjectMeta::default() }),
        })
    }
    /// Nothing that the operator reads differs.
    pub(super) fn same(&self, other: &Self) -> bool {
        match (&self.object, &other.object) {
            (Ok(a), Ok(b)) => a == b,
            (Err(a), Err(b)) => a.error == b.error && a.metadata == b.metadata,
            _ => false,
        }
    }
}

/// Drops what the operator does not read. Two versions that are equal after this need no reconcile.
pub(super) fn prune(device: &mut Guarded<Device>) {
    match &mut device.0 {
        Ok(device) => {
            metadata(&mut device.metadata, &[REWRITE_ANNOTATION, FORCE_RELEASE_ANNOTATION]);
            if let Some(status) = device.status.take() {
                device.status = Some(prune_status(status));
            }
        }
        Err(invalid) => metadata(&mut invalid.metadata, &[REWRITE_ANNOTATION, FORCE_RELEASE_ANNOTATION]),
    }
}

fn prune_status(status: DeviceStatus) -> DeviceStatus {
    let DeviceStatus { mut conditions, observed_generation, node_name, mapper_class, .. } = status;
    for condition in &mut conditions {
        // Of the mapper's conditions only a bad one's words are ever repeated, and those on an overloaded link.
        if [CONNECTED, HEALTHY, IN_SYNC].contains(&condition.type_.as_str()) {
            if condition.status == "True" && condition.reason != OVERLOADED {
                condition.message.clear();
                condition.reason.clear();
            }
            condition.message = crate::conditions::cut(&condition.message, 512);
        }
        condition.message.shrink_to_fit();
    }
    conditions.shrink_to_fit();
    DeviceStatus { conditions, observed_generation, node_name, mapper_class, ..DeviceStatus::default() }
}

/// Keeps the name, the uid, the generation, the time of creation, and these annotations.
pub(super) fn metadata(metadata: &mut ObjectMeta, annotations: &[&str]) {
    let kept = metadata.annotations.take().unwrap_or_default();
    let kept: std::collections::BTreeMap<_, _> =
        kept.into_iter().filter(|(key, _)| annotations.contains(&key.as_str())).collect();
    *metadata = ObjectMeta {
        name: metadata.name.take(),
        namespace: metadata.namespace.take(),
        uid: metadata.uid.take(),
        generation: metadata.generation,
        creation_timestamp: metadata.creation_timestamp.take(),
        annotations: (!kept.is_empty()).then_some(kept),
        ..ObjectMeta::default()
    };
}
