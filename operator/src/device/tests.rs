//! What a Device says of itself, as tables.
use super::{dereference::Ground, ready::ready, scheduled::scheduled, validate::Verdict};
use crate::{
    conditions::{Fact, Truth},
    intent::{Intent, Refusal},
    place::Obstacle,
    testing::Plant,
    world::{
        facts::{NodeFact, PodFact},
        index::Held,
        keys::MapperKey,
    },
};
use jiff::Timestamp;
use pollux_crds::Condition;
use serde_json::json;
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
    Some(Held { mapper, uid: "u".into(), generation, tombstone: false, let_go: false, taken, answers: false })
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
        let fact = scheduled(&verdict(home, Ground { node, pod, barred: None }), false, 5);
        assert_eq!((fact.status, &*fact.reason, fact.generation), expected, "{}", fact.message);
    }
    let blocked = scheduled(&verdict(home(4, None), Ground { node: node("True"), ..Ground::default() }), true, 5);
    assert_eq!(blocked.reason, "PolicyMissing");
    let lost = scheduled(&verdict(home(4, Some(4)), Ground::default()), false, 5);
    assert!(lost.message.contains("node a does not exist any more"), "{}", lost.message);
}

#[test]
fn a_node_whose_taint_the_class_does_not_bear_is_named_with_it() {
    let barred = |home| {
        let target =
            Ground { node: node("True"), pod: None, barred: Some("node a has the taint gpu:NoExecute".into()) };
        scheduled(&verdict(home, target), false, 5)
    };
    let never = barred(home(4, None));
    assert_eq!((never.status, &*never.reason), (Truth::False, "NodeTainted"));
    let driven = barred(home(4, Some(4)));
    assert_eq!((driven.status, &*driven.reason), (Truth::Unknown, "MapperLost"));
    assert!([never, driven].iter().all(|fact| fact.message.contains("gpu:NoExecute")));
}

#[test]
fn a_previous_node_is_named_and_why_it_does_not_answer() {
    for (ground, reason, part) in [
        (Ground { node: node("True"), pod: pod(true, ""), barred: None }, "Releasing", "letting go"),
        (Ground { node: node("Unknown"), pod: pod(true, ""), barred: None }, "PreviousNodeUnreachable", "not ready"),
        (Ground { node: node("True"), ..Ground::default() }, "PreviousNodeUnreachable", "no mapper runs there"),
        (Ground::default(), "PreviousNodeUnreachable", "pollux.rs/force-release=old"),
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
fn a_device_on_an_overloaded_line_is_ready_and_says_so() {
    let mut conditions = ["Connected", "Healthy", "InSync"].map(|type_| told(type_, "True", 7, NOW));
    let fact = |conditions: &[Condition]| {
        let is = |type_| Fact::new(type_, Truth::True, "Valid", "", 7);
        ready(&is("Accepted"), &is("Scheduled"), conditions, 7, NOW.parse().unwrap()).0
    };
    assert_eq!(fact(&conditions).message, "");
    conditions[0].reason = "Overloaded".into();
    let said = fact(&conditions);
    assert_eq!((said.status, &*said.reason, &*said.message), (Truth::True, "Ready", "Connected message"));
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

/// Somebody edits a Device past every check: no operator can decode it any more.
fn garble(plant: &Plant, name: &str, generation: i64) {
    let path = Plant::device_path(name);
    let mut device = plant.api.get(&path).unwrap();
    device["metadata"]["generation"] = json!(generation);
    device["spec"]["mode"] = json!("Sideways");
    plant.api.put(&path, device);
    plant.look_at_device(name);
}
fn entry(uid: &str, generation: i64) -> (String, i64, bool) {
    (uid.into(), generation, false)
}

#[tokio::test]
async fn a_device_that_cannot_be_decoded_stays_as_it_was_and_harms_no_other() {
    let plant = Plant::new();
    plant.device("d", "u", 1, "a", 20.0);
    plant.device("e", "v", 1, "a", 20.0);
    plant.settle().await.unwrap();
    garble(&plant, "d", 2);
    plant.device("e", "v", 2, "a", 30.0);
    for plant in [plant.successor(), plant] {
        plant.settle().await.unwrap();
        assert_eq!(plant.entries("a"), [entry("u", 1), entry("v", 2)]);
        assert_eq!(plant.condition("d", "Accepted"), ("False".into(), "LastValidKept".into(), 2));
        assert_eq!(plant.condition("e", "Accepted"), ("True".into(), "Valid".into(), 2));
    }
}

#[tokio::test]
async fn a_device_that_never_could_be_decoded_says_so_and_runs_nowhere() {
    let plant = Plant::new();
    plant.device("e", "v", 1, "a", 20.0);
    plant.api.put(
        &Plant::device_path("d"),
        json!({"metadata": {"name": "d", "namespace": "n", "uid": "u", "generation": 1}, "spec": {"mode": "Sideways"}}),
    );
    plant.look_at_device("d");
    plant.settle().await.unwrap();
    assert_eq!(plant.condition("d", "Accepted"), ("False".into(), "CannotDecode".into(), 1));
    assert_eq!(plant.entries("a"), [entry("v", 1)]);
}

#[tokio::test]
async fn a_model_that_cannot_be_decoded_stops_none_of_its_devices() {
    let plant = Plant::new();
    plant.device("d", "u", 1, "a", 20.0);
    plant.settle().await.unwrap();
    let model = json!({"metadata": {"name": "m", "namespace": "n"}, "spec": {"properties": 7}});
    plant.cx.world.learn_model(&"n/m".into(), serde_json::from_value(model).unwrap());
    plant.device("e", "v", 1, "a", 20.0);
    plant.settle().await.unwrap();
    assert_eq!(plant.entries("a"), [entry("u", 1)]);
    assert_eq!(plant.condition("d", "Accepted").1, "LastValidKept");
    assert_eq!(plant.condition("e", "Accepted").1, "CannotDecode");
}

#[tokio::test]
async fn what_was_said_of_a_device_that_is_gone_does_not_stay_with_one_of_its_name() {
    let plant = Plant::new();
    plant.device("d", "u", 1, "a", 20.0);
    plant.settle().await.unwrap();
    plant.mapper_acts("a");
    // Made anew, which the watch has not told yet; what is said of the old one lands in the new one.
    let mut anew = plant.api.get(&Plant::device_path("d")).unwrap();
    anew["metadata"]["uid"] = json!("v");
    anew["spec"]["nodeName"] = json!("b");
    anew.as_object_mut().unwrap().remove("status");
    plant.api.put(&Plant::device_path("d"), anew);
    plant.node("a", "Unknown");
    super::reconcile(&plant.cx, &"n/d".into()).await.unwrap();
    assert_eq!(plant.api.get(&Plant::device_path("d")).unwrap()["status"]["nodeName"], "a");
    plant.node("a", "True");
    plant.look_at_device("d");
    plant.settle().await.unwrap();
    assert_eq!(plant.api.get(&Plant::device_path("d")).unwrap()["status"]["nodeName"], "");
    plant.mapper_acts("a");
    plant.settle().await.unwrap();
    assert_eq!((plant.entries("a"), plant.entries("b")), (vec![], vec![entry("v", 1)]));
}
