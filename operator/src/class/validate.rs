//! Step 2: whether mappers of a class may run. Pure.
use super::dereference::Facts;
use crate::{intent::Refusal, owner::Owner};
use kube::{Resource, ResourceExt};
use pollux_crds::{MAPPERS_NAMESPACE, is_class_name};

pub(crate) fn validate(facts: &Facts) -> Option<Refusal> {
    let name = facts.class.name_any();
    if let Err(invalid) = &facts.class.0 {
        return Some(Refusal::new("CannotDecode", format!("cannot decode: {}", invalid.error)));
    }
    if !is_class_name(&name) {
        let message = format!("metadata.name: {name:?} is not a DNS label of at most 40 characters, without dots");
        return Some(Refusal::new("InvalidName", message));
    }
    if facts.class.meta().deletion_timestamp.is_some() {
        return Some(Refusal::new("Deleting", "it is being deleted"));
    }
    if let Owner::Gone(owner) = &facts.owner {
        let message =
            format!("no mapper is started: ConfigMap {MAPPERS_NAMESPACE}/{owner}, which owns them, is not there");
        return Some(Refusal::new("Uninstalled", message));
    }
    if facts.missing_policies.is_empty() {
        return None;
    }
    let missing = facts.missing_policies.join(", ");
    let message = format!(
        "no mapper is started: without these, a node that is broken into reaches beyond its own devices: {missing}"
    );
    Some(Refusal::new("PolicyMissing", message))
}
