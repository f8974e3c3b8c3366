//! Step 3: what status shall say. Pure.
use super::{dereference::Facts, ready, scheduled, validate::Verdict};
use crate::conditions::{Fact, Truth, stamp, transitions};
use jiff::Timestamp;
use kube::Resource;
use pollux_crds::{ACCEPTED, Condition, DeviceStatus, READY};
use std::time::Duration;

/// What status shall say, and when to look again.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) status: DeviceStatus,
    /// What changed, for Events.
    pub(crate) news: Vec<Fact>,
    pub(crate) again: Option<Duration>,
}

pub(crate) fn build(facts: &Facts, verdict: &Verdict, now: Timestamp) -> Built {
    let generation = facts.device.meta().generation.unwrap_or_default();
    let accepted = accepted(verdict, generation);
    let scheduled = scheduled::scheduled(verdict, facts.missing_policies, generation);
    let (ready, again) = ready::ready(&accepted, &scheduled, &facts.status.conditions, generation, now);
    let all = [accepted, scheduled, ready];
    let old = &facts.status.conditions;
    let conditions: Vec<Condition> = stamp(old, &all, &now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    let news = news(&transitions(old, &all));
    let shown = verdict.intent.shown.as_ref();
    let class = shown
        .map(|key| key.class.to_string())
        .or_else(|| facts.device.0.as_ref().ok().and_then(crate::world::index::class_of).map(str::to_owned));
    let status = DeviceStatus {
        conditions,
        observed_generation: Some(generation),
        // Always there: an apply that left it out would take nothing away that a mapper holds too.
        node_name: Some(shown.map(|key| key.node.to_string()).unwrap_or_default()),
        mapper_class: Some(class.unwrap_or_default()),
        ..DeviceStatus::default()
    };
    Built { status, news, again }
}

/// Ready repeats the reason of what it follows from: one Event is enough.
fn news(changed: &[&Fact]) -> Vec<Fact> {
    let echo = |f: &Fact| f.type_ == READY && changed.iter().any(|c| c.type_ != READY && c.reason == f.reason);
    changed.iter().filter(|f| !echo(f)).map(|f| (*f).clone()).collect()
}

fn accepted(verdict: &Verdict, generation: i64) -> Fact {
    let intent = &verdict.intent;
    match (&intent.accepted, &intent.home) {
        (Ok(_), _) => Fact::new(ACCEPTED, Truth::True, "Valid", "", generation),
        (Err(refusal), None) => Fact::new(ACCEPTED, Truth::False, refusal.reason, &refusal.message, generation),
        (Err(refusal), Some(home)) => {
            let message = format!("generation {} stays in force: {}", home.generation, refusal.message);
            Fact::new(ACCEPTED, Truth::False, "LastValidKept", message, generation)
        }
    }
}
