//! What is kept of a Device: at 100,000 of them every map counts.
use super::Guarded;
use kube::api::ObjectMeta;
use pollux_crds::{CONNECTED, Device, DeviceStatus, FORCE_RELEASE_ANNOTATION, HEALTHY, IN_SYNC, REWRITE_ANNOTATION};

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
        // Of the mapper's conditions only a bad one's words are ever repeated.
        if [CONNECTED, HEALTHY, IN_SYNC].contains(&condition.type_.as_str()) {
            if condition.status == "True" {
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
