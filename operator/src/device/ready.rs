//! Ready: all other conditions in one. Pure.
use crate::conditions::{Fact, Truth};
use jiff::{SignedDuration, Timestamp};
use pollux_crds::{CONNECTED, Condition, HEALTHY, IN_SYNC, OVERLOADED, READY, condition};
use std::time::Duration;

/// How long a desired value may be under way before the device is not Ready.
const PATIENCE: SignedDuration = SignedDuration::from_secs(60);

/// Ready, and when to look again although nothing changed.
pub(crate) fn ready(
    accepted: &Fact,
    scheduled: &Fact,
    conditions: &[Condition],
    generation: i64,
    now: Timestamp,
) -> (Fact, Option<Duration>) {
    let told: Vec<&Condition> =
        [CONNECTED, HEALTHY, IN_SYNC].iter().filter_map(|type_| condition(conditions, type_)).collect();
    // The oldest truth that this rests on: `kubectl patch` and then `kubectl wait` cannot succeed on what was before.
    let oldest = told.iter().map(|c| c.observed_generation).chain([accepted.generation, scheduled.generation]).min();
    let oldest = oldest.unwrap_or(generation).min(generation);
    let is = |truth, reason: &str, message: &str| Fact::new(READY, truth, reason, message, oldest);
    if scheduled.status != Truth::True {
        return (is(Truth::Unknown, &scheduled.reason, worst(accepted, scheduled)), None);
    }
    if accepted.status == Truth::False {
        return (is(Truth::False, &accepted.reason, &accepted.message), None);
    }
    if told.len() < 3 {
        return (is(Truth::Unknown, "NoReport", "its mapper has not reported yet"), None);
    }
    let mut again = None;
    let bad = |status: &str| {
        told.iter().find(|c| c.status == status && !(status == "False" && c.type_ == IN_SYNC && wait(c, now).is_some()))
    };
    if let Some(in_sync) = condition(conditions, IN_SYNC).filter(|c| c.status == "False") {
        again = wait(in_sync, now);
    }
    if let Some(c) = bad("False") {
        return (is(Truth::False, &reason(c), &c.message), again);
    }
    if let Some(c) = bad("Unknown") {
        return (is(Truth::Unknown, &reason(c), &c.message), again);
    }
    // Ready all the same: what is wrong with the line is wrong with how it is used, and the next thing that a reader asks.
    let overloaded = condition(conditions, CONNECTED).filter(|c| c.reason == OVERLOADED);
    (is(Truth::True, "Ready", overloaded.map_or("", |c| &c.message)), again)
}

/// Of a device that is not scheduled: a spec that is refused is worse than a mapper that is on its way.
fn worst<'a>(accepted: &'a Fact, scheduled: &'a Fact) -> &'a str {
    if accepted.status == Truth::False { &accepted.message } else { &scheduled.message }
}

/// How much longer `InSync` may be False; None: too long already.
fn wait(in_sync: &Condition, now: Timestamp) -> Option<Duration> {
    let since: Timestamp = in_sync.last_transition_time.parse().ok()?;
    let left = since.saturating_add(PATIENCE).ok()?.duration_since(now);
    // A clock that is ahead of ours must not make us wait longer.
    Duration::try_from(left.min(PATIENCE)).ok().filter(|left| !left.is_zero())
}

fn reason(c: &Condition) -> String {
    if c.reason.is_empty() { format!("Not{}", c.type_) } else { c.reason.clone() }
}
