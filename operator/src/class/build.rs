//! Step 3: a class's objects, and what its status shall say. Pure.
use super::{daemon_set, dereference::Facts};
use crate::{
    conditions::{Fact, Truth},
    intent::Refusal,
    world::made::MADE_LABEL,
};
use jiff::Timestamp;
use kube::{Resource, ResourceExt};
use pollux_crds::{MAPPERS_NAMESPACE, READY, mapper_name};
use serde_json::{Value as Json, json};

/// What shall be there, and what status shall say when it is.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) objects: Vec<Json>,
    pub(crate) ready: Fact,
    pub(crate) now: Timestamp,
}

pub(crate) fn build(facts: &Facts, obstacle: Option<&Refusal>, now: Timestamp) -> Built {
    let generation = facts.class.meta().generation.unwrap_or_default();
    let is = |truth, reason: &str, message: String| Fact::new(READY, truth, reason, message, generation);
    let ready = match obstacle {
        Some(refusal) => is(Truth::False, refusal.reason, refusal.message.clone()),
        None if facts.ready < facts.nodes => {
            is(Truth::False, "Starting", format!("{} of {} mappers are ready", facts.ready, facts.nodes))
        }
        None => is(Truth::True, "Running", format!("{} of {} mappers are ready", facts.ready, facts.nodes)),
    };
    let objects = match (&facts.class.0, obstacle) {
        (Ok(class), None) => {
            let owners = facts.owner.references();
            vec![account(&class.name_any(), &owners), daemon_set::daemon_set(class, &owners)]
        }
        _ => vec![],
    };
    Built { objects, ready, now }
}

fn account(class: &str, owners: &Json) -> Json {
    json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {
            "name": mapper_name(class), "namespace": MAPPERS_NAMESPACE,
            "labels": {(MADE_LABEL): crate::FIELD_MANAGER}, "ownerReferences": owners,
        },
    })
}
