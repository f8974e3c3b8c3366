//! Stories of slices, on an API server in memory.
use crate::{
    queue::Outcome,
    testing::{Fault, NOTES, Plant, Slices},
    world::keys::MapperKey,
};
use pollux_crds::DeviceSlice;
use proptest::prelude::*;
use std::{collections::BTreeMap, time::Duration};

async fn within<F: Future>(story: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), story).await.expect("the story did not end")
}
fn live(uid: &str, generation: i64) -> (String, i64, bool) {
    (uid.into(), generation, false)
}
fn tombstone(uid: &str, generation: i64) -> (String, i64, bool) {
    (uid.into(), generation, true)
}

#[tokio::test]
async fn a_device_reaches_its_slice_after_its_place_stands_in_status() {
    let plant = Plant::new();
    within(async {
        plant.device("d", "u", 1, "a", 20.0);
        plant.settle().await.unwrap();
        assert_eq!(plant.entries("a"), [live("u", 1)]);
        let writes = plant.api.take_writes();
        let at = |needle: &str| {
            writes.iter().position(|w| w.contains(needle)).unwrap_or_else(|| panic!("{needle}: {writes:#?}"))
        };
        // Status lets the mapper write; the revision and the account are there before what names or needs them.
        assert!(at("/devices/d/status") < at("/devicemodelrevisions"));
        assert!(at("/devicemodelrevisions") < at("/deviceslices"));
        assert!(at("/roles/slice.modbus.a") < at("/deviceslices"));
        assert!(at("/deviceslices") < at("/nodes/a"));
        plant.settle().await.unwrap();
        assert_eq!(plant.api.take_writes(), Vec::<String>::new(), "nothing changed, so nothing is written");
    })
    .await;
}

#[tokio::test]
async fn an_invalid_edit_keeps_the_last_valid_entry_also_when_another_replica_leads() {
    let plant = Plant::new();
    within(async {
        plant.device("d", "u", 1, "a", 20.0);
        plant.settle().await.unwrap();
        plant.mapper_acts("a");
        plant.device("d", "u", 2, "b", 2_000.0);
        plant.settle().await.unwrap();
        let plant = plant.successor();
        plant.settle().await.unwrap();
        assert_eq!((plant.entries("a"), plant.entries("b")), (vec![live("u", 1)], vec![]));
        assert_eq!(plant.condition("d", "Accepted"), ("False".into(), "LastValidKept".into(), 2));
        let desired = &plant.slice("a").unwrap().spec.devices[0].desired;
        assert_eq!(desired["setpoint"].0, 20.0);
    })
    .await;
}

#[tokio::test]
async fn a_moved_device_waits_until_the_old_mapper_let_go_and_takes_what_it_acknowledged_along() {
    let plant = Plant::new();
    within(async {
        plant.device("d", "u", 1, "a", 20.0);
        plant.settle().await.unwrap();
        plant.mapper_acts("a");
        let path = Plant::device_path("d");
        let mut device = plant.api.get(&path).unwrap();
        device["status"]["applied"] = serde_json::json!({
            "setpoint": {"value": 20, "binding": "h"}, "forgotten": {"value": 1, "binding": "h"},
        });
        plant.api.put(&path, device);
        plant.device("d", "u", 2, "b", 20.0);
        plant.settle().await.unwrap();
        assert_eq!((plant.entries("a"), plant.entries("b")), (vec![tombstone("u", 1)], vec![]));
        assert_eq!(plant.condition("d", "Scheduled").1, "PreviousNodeUnreachable");
        plant.mapper_acts("a");
        plant.settle().await.unwrap();
        assert_eq!((plant.entries("a"), plant.entries("b")), (vec![], vec![live("u", 2)]));
        let applied = plant.slice("b").unwrap().spec.devices[0].applied.clone();
        assert_eq!(applied.keys().collect::<Vec<_>>(), ["setpoint"]);
    })
    .await;
}

#[tokio::test]
async fn force_release_names_the_node_and_opens_only_that_one() {
    let plant = Plant::new();
    within(async {
        plant.device("d", "u", 1, "a", 20.0);
        plant.settle().await.unwrap();
        plant.device("d", "u", 2, "b", 20.0);
        plant.annotate("d", pollux_crds::FORCE_RELEASE_ANNOTATION, "b");
        plant.settle().await.unwrap();
        assert_eq!(plant.entries("b"), []);
        plant.annotate("d", pollux_crds::FORCE_RELEASE_ANNOTATION, "a");
        plant.settle().await.unwrap();
        assert_eq!((plant.entries("a"), plant.entries("b")), (vec![], vec![live("u", 2)]));
    })
    .await;
}

#[tokio::test]
async fn a_mapper_that_answers_is_asked_whatever_was_forced_before() {
    let plant = Plant::new();
    within(async {
        plant.device("d", "u", 1, "a", 20.0);
        plant.settle().await.unwrap();
        plant.annotate("d", pollux_crds::FORCE_RELEASE_ANNOTATION, "a");
        plant.cx.world.learn_pod("a");
        plant.device("d", "u", 2, "b", 20.0);
        plant.settle().await.unwrap();
        assert_eq!((plant.entries("a"), plant.entries("b")), (vec![tombstone("u", 1)], vec![]));
        assert_eq!(plant.condition("d", "Scheduled").1, "Releasing");
        // Its node is cut off for good: now the word counts.
        plant.node("a", "Unknown");
        plant.settle().await.unwrap();
        assert_eq!((plant.entries("a"), plant.entries("b")), (vec![], vec![live("u", 2)]));
        // It came back after all, and the device with it: the next move waits again.
        plant.node("a", "True");
        plant.device("d", "u", 3, "a", 20.0);
        plant.settle().await.unwrap();
        plant.mapper_acts("b");
        plant.settle().await.unwrap();
        plant.mapper_acts("a");
        assert_eq!(plant.entries("a"), [live("u", 3)]);
        plant.device("d", "u", 4, "b", 20.0);
        plant.settle().await.unwrap();
        assert_eq!((plant.entries("a"), plant.entries("b")), (vec![tombstone("u", 3)], vec![]));
    })
    .await;
}

#[tokio::test]
async fn with_the_last_device_label_account_and_index_go_in_that_order() {
    let plant = Plant::new();
    within(async {
        plant.device("d", "u", 1, "a", 20.0);
        plant.settle().await.unwrap();
        plant.mapper_acts("a");
        plant.delete_device("d");
        plant.settle().await.unwrap();
        assert_eq!(plant.entries("a"), [tombstone("u", 1)]);
        plant.api.take_writes();
        plant.mapper_acts("a");
        plant.settle().await.unwrap();
        let writes = plant.api.take_writes();
        let at = |needle: &str| {
            writes.iter().position(|w| w.contains(needle)).unwrap_or_else(|| panic!("{needle}: {writes:#?}"))
        };
        assert!(at("PATCH /api/v1/nodes/a") < at("serviceaccounts/slice.modbus.a"));
        // While the index is there, somebody looks again whether all else is gone.
        assert!(at("DELETE /api/v1/namespaces/pollux-mappers/secrets/modbus.a") < at("DELETE /apis/pollux.rs"));
        assert_eq!(plant.slice("a"), None);
    })
    .await;
}

#[tokio::test]
async fn no_slice_has_a_device_before_status_lets_its_mapper_write() {
    let plant = Plant::new();
    within(async {
        plant.device("d", "u", 1, "a", 20.0);
        crate::mapper::reconcile(&plant.cx, &MapperKey::new("modbus", "a")).await.unwrap();
        assert_eq!(plant.entries("a"), []);
    })
    .await;
}

#[tokio::test]
async fn slices_stay_until_the_pod_that_reads_them_is_gone() {
    let plant = Plant::new();
    within(async {
        plant.device("d", "u", 1, "a", 20.0);
        plant.settle().await.unwrap();
        plant.mapper_acts("a");
        plant.delete_device("d");
        plant.cx.world.learn_pod("a");
        plant.settle().await.unwrap();
        plant.mapper_acts("a");
        plant.settle().await.unwrap();
        assert!(plant.slice("a").is_some_and(|slice| slice.spec.devices.is_empty()));
        plant.cx.world.forget_pod("a");
        plant.settle().await.unwrap();
        assert_eq!(plant.slice("a"), None);
    })
    .await;
}

#[tokio::test]
async fn what_only_the_mapper_changed_in_status_makes_no_work() {
    let plant = Plant::new();
    within(async {
        plant.device("d", "u", 1, "a", 20.0);
        plant.settle().await.unwrap();
        plant.cx.world.queue.open(true);
        let path = Plant::device_path("d");
        let mut device = plant.api.get(&path).unwrap();
        device["status"]["reported"] = serde_json::json!({"setpoint": 21});
        device["status"]["summary"] = serde_json::json!("setpoint=21");
        plant.api.put(&path, device);
        plant.look_at_device("d");
        assert!(plant.cx.world.queue.is_empty());
        plant.device("d", "u", 2, "a", 21.0);
        assert_eq!(plant.cx.world.queue.len(), 3, "the Device, its mapper, its class");
    })
    .await;
}

#[tokio::test]
async fn a_word_of_release_that_is_older_than_the_device_is_not_believed() {
    let plant = Plant::new();
    within(async {
        plant.device("d", "u", 1, "a", 20.0);
        plant.settle().await.unwrap();
        plant.mapper_says("a", &["u"], &["u"]);
        plant.device("d", "u", 2, "b", 20.0);
        plant.settle().await.unwrap();
        assert_eq!((plant.entries("a"), plant.entries("b")), (vec![tombstone("u", 1)], vec![]));
    })
    .await;
}

#[tokio::test]
async fn a_last_valid_entry_that_moves_to_another_chunk_is_not_lost_with_a_write_that_fails() {
    let plant = Plant::new();
    within(async {
        let names: Vec<_> = (10..21).map(|i| format!("d{i}")).collect();
        for name in &names {
            plant.wide(name, 1, "a", 33);
        }
        plant.settle().await.unwrap();
        plant.mapper_acts("a");
        assert_eq!(plant.chunks("a").iter().map(|c| c.spec.devices.len()).collect::<Vec<_>>(), [5, 6]);
        plant.wide("d20", 2, "a", NOTES + 1);
        for name in &names[5..10] {
            plant.wide(name, 2, "a", NOTES);
        }
        plant.api.fail(Fault { after: 1, done: false });
        plant.settle().await.unwrap_err();
        plant.settle().await.unwrap();
        assert_eq!(plant.chunks("a").iter().map(|c| c.spec.devices.len()).collect::<Vec<_>>(), [5, 5, 1]);
        assert!(plant.entries("a").contains(&live("d20", 1)), "{:?}", plant.entries("a"));
    })
    .await;
}

#[tokio::test]
async fn a_device_that_is_pinned_elsewhere_while_it_is_being_placed_stands_in_one_slice_only() {
    let plant = Plant::new();
    within(async {
        let (a, b) = (MapperKey::new("modbus", "a"), MapperKey::new("modbus", "b"));
        plant.device("d", "u", 1, "a", 20.0);
        crate::device::reconcile(&plant.cx, &"n/d".into()).await.unwrap();
        plant.look_at_device("d");
        let hold = plant.api.hold("POST /apis/pollux.rs/v1alpha1/namespaces/pollux-mappers/devicemodelrevisions");
        let other = async {
            // Mapper a has decided, and its revision is on the way.
            hold.arrived.acquire().await.unwrap().forget();
            plant.device("d", "u", 2, "b", 20.0);
            crate::device::reconcile(&plant.cx, &"n/d".into()).await.unwrap();
            plant.look_at_device("d");
            hold.permits.add_permits(9);
            crate::mapper::reconcile(&plant.cx, &b).await.unwrap();
            assert_eq!(plant.entries("b"), []);
        };
        let first = Box::pin(crate::mapper::reconcile(&plant.cx, &a));
        let (first, ()) = tokio::join!(first, Box::pin(other));
        first.unwrap();
        assert_eq!((plant.entries("a"), plant.entries("b")), (vec![live("u", 1)], vec![]));
        plant.settle().await.unwrap();
        plant.mapper_acts("a");
        plant.settle().await.unwrap();
        assert_eq!((plant.entries("a"), plant.entries("b")), (vec![], vec![live("u", 2)]));
    })
    .await;
}

#[tokio::test]
async fn a_leader_whose_watch_is_behind_puts_nothing_older_in_force() {
    let plant = Plant::new();
    within(async {
        plant.device("d", "u", 1, "b", 10.0);
        let old = plant.api.get(&Plant::device_path("d")).unwrap();
        plant.device("d", "u", 2, "a", 20.0);
        plant.settle().await.unwrap();
        plant.mapper_acts("a");
        plant.settle().await.unwrap();
        let next = plant.successor();
        next.see_old("d", &old);
        for node in ["a", "b"] {
            let outcome = crate::mapper::reconcile(&next.cx, &MapperKey::new("modbus", node)).await.unwrap();
            assert_eq!(outcome == Outcome::Again(crate::BEHIND), node == "a");
        }
        next.api.take_writes();
        let outcome = crate::device::reconcile(&next.cx, &"n/d".into()).await.unwrap();
        assert_eq!((outcome, next.api.take_writes()), (Outcome::Again(crate::BEHIND), vec![]));
        assert_eq!((next.entries("a"), next.entries("b")), (vec![live("u", 2)], vec![]));
    })
    .await;
}

#[tokio::test]
async fn a_device_is_not_put_back_while_the_mapper_still_says_that_it_let_it_go() {
    let plant = Plant::new();
    within(async {
        plant.cx.world.learn_pod("a");
        plant.device("d", "u", 1, "a", 20.0);
        plant.settle().await.unwrap();
        plant.mapper_acts("a");
        plant.device("d", "u", 2, "b", 20.0);
        plant.settle().await.unwrap();
        plant.mapper_acts("a");
        plant.settle().await.unwrap();
        plant.mapper_acts("b");
        plant.device("d", "u", 3, "a", 20.0);
        plant.settle().await.unwrap();
        plant.mapper_acts("b");
        plant.settle().await.unwrap();
        // The mapper on a has not seen yet that the tombstone is gone: what it says of it is of last time.
        assert_eq!((plant.entries("a"), plant.entries("b")), (vec![], vec![]));
        plant.mapper_acts("a");
        plant.settle().await.unwrap();
        assert_eq!(plant.entries("a"), [live("u", 3)]);
    })
    .await;
}

#[tokio::test]
async fn an_entry_that_the_api_server_refuses_stops_nobody_else() {
    let plant = Plant::new();
    within(async {
        let accepted = |name: &str| plant.condition(name, "Accepted");
        for name in ["d1", "d2", "d3"] {
            plant.device(name, name, 1, "a", 10.0);
        }
        plant.settle().await.unwrap();
        plant.mapper_acts("a");
        // An edit, a new one, and two neighbours.
        plant.api.refuse(Some("66.5"));
        plant.device("d2", "d2", 2, "a", 66.5);
        plant.device("d4", "d4", 2, "a", 66.5);
        plant.device("d3", "d3", 2, "a", 20.0);
        plant.settle().await.unwrap();
        assert_eq!(plant.entries("a"), [live("d1", 1), live("d2", 1), live("d3", 2)]);
        assert_eq!(accepted("d2"), ("False".into(), "LastValidKept".into(), 2));
        assert_eq!(accepted("d4"), ("False".into(), "NotStored".into(), 2));
        assert_eq!((accepted("d1").0, accepted("d3").0), ("True".into(), "True".into()));
        let message = plant.condition_of("d2", "Accepted")["message"].clone();
        assert_eq!(message, "generation 1 stays in force: the API server does not take it: x: not so");
        // It is tried again when it is another one.
        plant.device("d2", "d2", 3, "a", 30.0);
        plant.settle().await.unwrap();
        assert_eq!(accepted("d2"), ("True".into(), "Valid".into(), 3));
        assert_eq!(plant.entries("a")[1], live("d2", 3));
    })
    .await;
}

#[tokio::test]
async fn a_revision_that_the_api_server_refuses_stops_nobody_else() {
    let plant = Plant::new();
    within(async {
        for name in ["d1", "d2"] {
            plant.device(name, name, 1, "a", 10.0);
        }
        plant.settle().await.unwrap();
        plant.api.refuse(Some("strange"));
        plant.edit("d1", 2, |spec| {
            spec["properties"] = serde_json::json!([{"name": "setpoint", "description": "strange"}]);
        });
        plant.device("d2", "d2", 2, "a", 20.0);
        plant.settle().await.unwrap();
        assert_eq!(plant.entries("a"), [live("d1", 1), live("d2", 2)]);
        let message = plant.condition_of("d1", "Accepted")["message"].clone();
        assert_eq!(message, "generation 1 stays in force: the API server does not take it: spec.x: not so");
    })
    .await;
}

#[derive(Debug, Clone)]
enum Write {
    Edit { device: usize, notes: usize, elsewhere: bool },
    Delete { device: usize },
    MapperActs { node: bool },
    Pass(Option<Fault>),
}

fn writes() -> impl Strategy<Value = Vec<Write>> {
    let fault = (0_usize..5, any::<bool>()).prop_map(|(after, done)| Fault { after, done });
    let act = prop_oneof![
        4 => (0_usize..11, 0..=NOTES + 8, prop::bool::weighted(0.2))
            .prop_map(|(device, notes, elsewhere)| Write::Edit { device, notes, elsewhere }),
        1 => (0_usize..11).prop_map(|device| Write::Delete { device }),
        1 => any::<bool>().prop_map(|node| Write::MapperActs { node }),
        3 => prop::option::of(fault).prop_map(Write::Pass),
    ];
    prop::collection::vec(act, 1..25)
}

/// The entries of a mapper in all its chunks: uid → greatest generation in force, or None if there are tombstones only.
fn known(slices: &Slices, node: &str) -> BTreeMap<String, Option<i64>> {
    let mut all = BTreeMap::new();
    for entry in slices.values().filter(|s| s.spec.node_name == node).flat_map(|s| &s.spec.devices) {
        let known = all.entry(entry.uid.clone()).or_insert(None);
        *known = (*known).max((!entry.released).then_some(entry.generation));
    }
    all
}

/// No write takes an entry away but one that the mapper let go of, nor puts an older configuration in its place.
fn nothing_is_forgotten(history: &[Slices]) {
    for (before, after) in history.iter().zip(history.iter().skip(1)) {
        for node in ["a", "b"] {
            let now = known(after, node);
            for (uid, generation) in known(before, node) {
                let words = || before.values().filter(|s| s.spec.node_name == node).filter_map(|s| s.status.as_ref());
                let let_go = words().any(|s| s.released.iter().any(|r| r.0 == uid))
                    && !words().any(|s| s.taken.contains_key(&uid));
                match now.get(&uid) {
                    None => assert!(generation.is_none() && let_go, "{uid} was forgotten on {node}"),
                    Some(Some(now)) => assert!(Some(*now) >= generation, "{uid} went back on {node}"),
                    Some(None) => {}
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 30, ..ProptestConfig::with_cases(12) })]
    /// Entries grow, move between chunks and nodes, and become tombstones, while writes of slices fail or lose their answers.
    #[test]
    fn no_entry_is_forgotten_with_a_write_that_fails(writes in writes()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let plant = Plant::new();
            let name = |device: usize| format!("d{}", 10 + device);
            for device in 0..11 {
                plant.wide(&name(device), 1, "a", 33);
            }
            plant.settle().await.unwrap();
            plant.mapper_acts("a");
            let mut generation = 1;
            for write in writes {
                generation += 1;
                match write {
                    Write::Edit { device, notes, elsewhere } => {
                        plant.wide(&name(device), generation, if elsewhere { "b" } else { "a" }, notes);
                    }
                    Write::Delete { device } => plant.delete_device(&name(device)),
                    Write::MapperActs { node } => plant.mapper_acts(if node { "a" } else { "b" }),
                    Write::Pass(fault) => {
                        if let Some(fault) = fault {
                            plant.api.fail(fault);
                        }
                        plant.pass().await.ok();
                    }
                }
                let (a, b) = (driven(&plant, "a"), driven(&plant, "b"));
                assert!(!a.iter().any(|uid| b.contains(uid)), "on a: {a:?}, on b: {b:?}");
            }
            nothing_is_forgotten(&plant.api.take_history());
        });
    }
}

#[derive(Debug, Clone)]
enum Act {
    Edit { node: bool, valid: bool },
    Remake { node: bool },
    Delete,
    MapperActs { node: bool },
    Settle,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        (any::<bool>(), prop::bool::weighted(0.8)).prop_map(|(node, valid)| Act::Edit { node, valid }),
        any::<bool>().prop_map(|node| Act::Remake { node }),
        Just(Act::Delete),
        any::<bool>().prop_map(|node| Act::MapperActs { node }),
        Just(Act::Settle),
        Just(Act::Settle),
    ];
    prop::collection::vec(act, 1..25)
}

/// What a mapper drives: what it took, until it said that it let go.
fn driven(plant: &Plant, node: &str) -> Vec<String> {
    let of = |slice: DeviceSlice| {
        let in_spec = slice.spec.devices.into_iter().filter(|e| !e.released).map(|e| e.uid);
        in_spec.chain(slice.status.unwrap_or_default().taken.into_keys()).collect::<Vec<_>>()
    };
    plant.chunks(node).into_iter().flat_map(of).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    /// Whatever people do and however slow mappers are: one device, under whatever uid, is driven on one node at most.
    #[test]
    fn one_device_is_never_driven_on_two_nodes(acts in acts()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(within(async {
            let plant = Plant::new();
            let (mut generation, mut uid) = (0, 0);
            let name = |second: bool| if second { "b" } else { "a" };
            for act in acts {
                generation += 1;
                match act {
                    Act::Edit { node, valid } => {
                        let setpoint = if valid { 20.0 } else { 1e6 };
                        plant.device("d", &format!("u{uid}"), generation, name(node), setpoint);
                    }
                    Act::Remake { node } => {
                        uid += 1;
                        plant.delete_device("d");
                        plant.device("d", &format!("u{uid}"), generation, name(node), 20.0);
                    }
                    Act::Delete => {
                        uid += 1;
                        plant.delete_device("d");
                    }
                    Act::MapperActs { node } => plant.mapper_acts(name(node)),
                    Act::Settle => plant.settle().await.unwrap(),
                }
                let (a, b) = (driven(&plant, "a"), driven(&plant, "b"));
                assert!(a.is_empty() || b.is_empty(), "on a: {a:?}, on b: {b:?}");
            }
            // And it is never stuck: with mappers that answer, the device ends where it is wanted.
            plant.device("d", &format!("u{uid}"), generation + 1, "b", 20.0);
            for _ in 0..3 {
                plant.settle().await.unwrap();
                plant.mapper_acts("a");
                plant.mapper_acts("b");
            }
            plant.settle().await.unwrap();
            assert_eq!(plant.entries("b"), [live(&format!("u{uid}"), generation + 1)]);
            assert_eq!(plant.entries("a"), []);
        }));
    }
}
