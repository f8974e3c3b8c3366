//! What a Device says of itself, as tables.
use super::{dereference::Ground, ready::ready, scheduled::scheduled, validate::Verdict};
use crate::{
    conditions::{Fact, Truth},
    intent::{Intent, Refusal},
    place::Obstacle,
    world::{
        facts::{NodeFact, PodFact},
        index::Held,
        keys::MapperKey,
    },
};
use jiff::Timestamp;
use pollux_crds::Condition;
use std::time::Duration;

const NOW: &str = "2026-05-01T12:00:00Z";

#[allow(clippy::unnecessary_wraps, reason = "as it stands in the tables")]
fn node(ready: &str) -> Option<NodeFact> {
    Some(NodeFact { ready: ready.into(), unschedulable: false, taints: vec![], classes: [].into() })
}
#[allow(clippy::unnecessary_wraps, reason = "as it stands in the tables")]
fn pod(ready: bool, why: &str) -> Option<PodFact> {
    Some(PodFact { ready, why: why.into() })
}
#[allow(clippy::unnecessary_wraps, reason = "as it stands in the tables")]
fn home(generation: i64, taken: Option<i64>) -> Option<Held> {
    let mapper = MapperKey::new("modbus", "a");
    Some(Held { mapper, uid: "u".into(), generation, tombstone: false, let_go: false, taken })
}
/// Refused for a reason, so that no Device need be resolved: Scheduled looks only at what is in force.
fn verdict(home: Option<Held>, target: Ground) -> Verdict {
    let key = Some(MapperKey::new("modbus", "a"));
    let accepted = Err(Refusal::new("Invalid", "spec: wrong"));
    let intent = Intent {
        accepted,
        target: key.clone(),
        waiting_for: None,
        obstacle: None,
        shown: key,
        home,
        forced: None,
        behind: false,
    };
    Verdict { intent, target, previous: Ground::default() }
}

#[test]
fn scheduled_follows_node_then_pod_then_what_the_mapper_took() {
    let up = || pod(true, "");
    let down = || pod(false, "ErrImagePull");
    for (node, pod, home, expected) in [
        (node("True"), up(), home(4, Some(4)), (Truth::True, "Taken", 4)),
        (node("True"), up(), home(4, Some(3)), (Truth::True, "Taken", 3)),
        (node("True"), up(), home(4, Some(9)), (Truth::True, "Taken", 4)),
        (node("True"), up(), home(4, None), (Truth::False, "Starting", 5)),
        (node("True"), down(), home(4, None), (Truth::False, "Starting", 5)),
        (node("True"), down(), home(4, Some(4)), (Truth::Unknown, "MapperLost", 4)),
        (node("True"), None, home(4, Some(4)), (Truth::Unknown, "MapperLost", 4)),
        (node("True"), None, home(4, None), (Truth::False, "NoMapper", 5)),
        (node("Unknown"), up(), home(4, Some(4)), (Truth::Unknown, "NodeNotReady", 4)),
        (node("False"), up(), home(4, Some(4)), (Truth::Unknown, "NodeNotReady", 4)),
        (None, up(), home(4, Some(4)), (Truth::Unknown, "NodeNotReady", 4)),
        (node("True"), up(), None, (Truth::False, "NotAccepted", 5)),
    ] {
        let fact = scheduled(&verdict(home, Ground { node, pod }), false, 5);
        assert_eq!((fact.status, &*fact.reason, fact.generation), expected, "{}", fact.message);
    }
    let blocked = scheduled(&verdict(home(4, None), Ground { node: node("True"), pod: None }), true, 5);
    assert_eq!(blocked.reason, "PolicyMissing");
}

#[test]
fn a_previous_node_is_named_and_why_it_does_not_answer() {
    for (ground, reason, part) in [
        (Ground { node: node("True"), pod: pod(true, "") }, "Releasing", "letting go"),
        (Ground { node: node("Unknown"), pod: pod(true, "") }, "PreviousNodeUnreachable", "not ready"),
        (Ground { node: node("True"), pod: None }, "PreviousNodeUnreachable", "no mapper runs there"),
        (Ground { node: None, pod: None }, "PreviousNodeUnreachable", "pollux.rs/force-release=old"),
    ] {
        let mut verdict = verdict(home(4, Some(4)), Ground::default());
        verdict.intent.waiting_for = Some(MapperKey::new("modbus", "old"));
        verdict.previous = ground;
        let fact = scheduled(&verdict, false, 5);
        assert_eq!((fact.status, &*fact.reason), (Truth::False, reason));
        assert!(fact.message.contains(part), "{}", fact.message);
    }
}

#[test]
fn what_has_no_place_says_where_it_is_until_then() {
    let mut verdict = verdict(home(4, Some(4)), Ground::default());
    verdict.intent.obstacle = Some(Obstacle { reason: "NodeMissing", message: "no node \"x\"".into() });
    let fact = scheduled(&verdict, false, 5);
    assert_eq!(fact.message, "no node \"x\"; until then it stays on node a");
}

fn told(type_: &str, status: &str, generation: i64, since: &str) -> Condition {
    Condition {
        type_: type_.into(),
        status: status.into(),
        reason: format!("{type_}Reason"),
        message: format!("{type_} message"),
        observed_generation: generation,
        last_transition_time: since.into(),
    }
}
fn judge(accepted: Truth, scheduled: Truth, told: &[Condition]) -> (Truth, String, i64, Option<Duration>) {
    let accepted = Fact::new("Accepted", accepted, "LastValidKept", "wrong", 7);
    let scheduled = Fact::new("Scheduled", scheduled, "NodeNotReady", "lost", 6);
    let now: Timestamp = NOW.parse().unwrap();
    let (fact, again) = ready(&accepted, &scheduled, told, 7, now);
    (fact.status, fact.reason, fact.generation, again)
}

#[test]
fn ready_is_the_worst_of_all_and_speaks_of_the_oldest_generation() {
    use Truth::{False, True, Unknown};
    let of = |connected, healthy, in_sync| {
        [("Connected", connected), ("Healthy", healthy), ("InSync", in_sync)]
            .map(|(type_, status)| told(type_, status, if type_ == "Healthy" { 5 } else { 7 }, "2026-05-01T11:00:00Z"))
    };
    for (accepted, scheduled, conditions, expected) in [
        (True, True, of("True", "True", "True"), (True, "Ready")),
        (True, Unknown, of("True", "True", "True"), (Unknown, "NodeNotReady")),
        (True, False, of("False", "True", "True"), (Unknown, "NodeNotReady")),
        (False, True, of("True", "True", "True"), (False, "LastValidKept")),
        (True, True, of("False", "False", "True"), (False, "ConnectedReason")),
        (True, True, of("True", "False", "Unknown"), (False, "HealthyReason")),
        (True, True, of("True", "True", "Unknown"), (Unknown, "InSyncReason")),
        (True, True, of("True", "True", "False"), (False, "InSyncReason")),
    ] {
        let (status, reason, generation, _) = judge(accepted, scheduled, &conditions);
        assert_eq!((status, &*reason, generation), (expected.0, expected.1, 5));
    }
    let (status, reason, ..) = judge(True, True, &of("True", "True", "True")[..2]);
    assert_eq!((status, &*reason), (Unknown, "NoReport"));
}

#[test]
fn a_desired_value_may_be_under_way_for_a_minute() {
    let since = |since: &str| {
        [told("Connected", "True", 7, since), told("Healthy", "True", 7, since), told("InSync", "False", 7, since)]
    };
    let judged = |time: &str| {
        let (status, _, _, again) = judge(Truth::True, Truth::True, &since(time));
        (status, again.map(|d| d.as_secs()))
    };
    assert_eq!(judged("2026-05-01T11:59:15Z"), (Truth::True, Some(15)));
    assert_eq!(judged("2026-05-01T11:59:00Z"), (Truth::False, None));
    assert_eq!(judged("2026-05-01T18:00:00Z"), (Truth::True, Some(60)), "a clock ahead of ours");
    assert_eq!(judged("rubbish"), (Truth::False, None));
}
