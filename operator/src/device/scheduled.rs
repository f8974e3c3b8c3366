//! Scheduled: whether a mapper runs on the device's node and has taken it. Pure.
use super::{dereference::Ground, validate::Verdict};
use crate::{
    conditions::{Fact, Truth},
    world::keys::MapperKey,
};
use pollux_crds::{FORCE_RELEASE_ANNOTATION, SCHEDULED};

pub(crate) fn scheduled(verdict: &Verdict, missing_policies: bool, generation: i64) -> Fact {
    let intent = &verdict.intent;
    let no = |reason: &str, message: String| Fact::new(SCHEDULED, Truth::False, reason, message, generation);
    if let Some(obstacle) = &intent.obstacle {
        let stays = intent.home.as_ref().map(|home| format!("; until then it stays on node {}", home.mapper.node));
        return no(obstacle.reason, format!("{}{}", obstacle.message, stays.unwrap_or_default()));
    }
    if let Some(previous) = &intent.waiting_for {
        return waiting(previous, &verdict.previous, &no);
    }
    let Some(key) = &intent.target else {
        return no("NodeNotChosen", "it has no node".into());
    };
    if intent.accepted.is_err() && intent.home.is_none() {
        return no("NotAccepted", "there is nothing valid to run".into());
    }
    on_ground(key, verdict, missing_policies, generation)
}

fn waiting(previous: &MapperKey, ground: &Ground, no: &impl Fn(&str, String) -> Fact) -> Fact {
    let node_ready = ground.node.as_ref().is_some_and(|n| n.ready == "True");
    if node_ready && ground.pod.as_ref().is_some_and(|p| p.ready) {
        return no("Releasing", format!("the mapper on node {} is letting go of it", previous.node));
    }
    let why = match (&ground.node, node_ready) {
        (None, _) => "that node does not exist any more",
        (Some(_), false) => "that node is not ready",
        _ => "no mapper runs there",
    };
    let node = &previous.node;
    let message = format!(
        "node {node} had it and has not confirmed that it let go: {why}. If it will not come back: kubectl annotate this device {FORCE_RELEASE_ANNOTATION}={node}, which counts while it does not answer"
    );
    no("PreviousNodeUnreachable", message)
}

fn on_ground(key: &MapperKey, verdict: &Verdict, missing_policies: bool, generation: i64) -> Fact {
    let fact =
        |truth, reason: &str, message: String, generation| Fact::new(SCHEDULED, truth, reason, message, generation);
    let home = verdict.intent.home.as_ref();
    let taken = home.and_then(|h| h.taken);
    let driven = home.zip(taken).map(|(home, taken)| taken.min(home.generation));
    let node = &key.node;
    let ready = verdict.target.node.as_ref().map(|n| n.ready.as_str());
    if ready != Some("True") {
        let state = ready.map_or("does not exist any more".into(), |ready| format!("is not ready (Ready is {ready})"));
        let message = format!("node {node} {state}; its mapper may go on");
        return fact(Truth::Unknown, "NodeNotReady", message, driven.unwrap_or(generation));
    }
    let barred = verdict.target.barred.as_deref();
    match (&verdict.target.pod, driven) {
        (Some(pod), Some(driven)) if pod.ready => {
            fact(Truth::True, "Taken", format!("driven by the mapper on node {node}"), driven)
        }
        (Some(pod), None) if pod.ready => {
            fact(Truth::False, "Starting", format!("the mapper on node {node} has not taken it yet"), generation)
        }
        (pod, Some(driven)) => {
            let why = pod.as_ref().map_or(barred.unwrap_or("its Pod is gone"), |p| p.why.as_str());
            fact(Truth::Unknown, "MapperLost", format!("the mapper on node {node} is not ready: {why}"), driven)
        }
        (Some(pod), None) => fact(
            Truth::False,
            "Starting",
            format!("the mapper on node {node} is not ready yet: {}", pod.why),
            generation,
        ),
        (None, None) if missing_policies => {
            let message = "no mapper is started while admission policies are missing: see kubectl describe mapperclass";
            fact(Truth::False, "PolicyMissing", message.into(), generation)
        }
        (None, None) => match barred {
            Some(taint) => fact(Truth::False, "NodeTainted", format!("no mapper runs there: {taint}"), generation),
            None => fact(Truth::False, "NoMapper", format!("no mapper runs on node {node} yet"), generation),
        },
    }
}
