//! The driver against open62541, which enforces limits and knows index ranges and dead-bands:
//! `cargo test -p pollux-opcua --test open62541 -- --ignored` with POLLUX_OPEN62541.
#[allow(dead_code, reason = "other tests use all of it")]
#[path = "../src/peer.rs"]
mod peer;
mod rig;

use peer::Peer;
use pollux_crds::{OpcUaBinding, OpcUaDeadband, OpcUaDelivery, OpcUaDevice, OpcUaSubscription};
use pollux_mapper::{CallError, PointSpec, Value, Wrote};
use rig::{Rig, at, open, point};
use serde_json::json;
use std::sync::Arc;

const NUMBERS: [&str; 8] = ["Byte", "SByte", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64"];

fn device(peer: &Peer, mode: OpcUaDelivery) -> OpcUaDevice {
    let subscription = OpcUaSubscription {
        mode: Some(mode),
        keep_alive: "1s".parse().ok(),
        min_publishing_interval: "20ms".parse().ok(),
        ..OpcUaSubscription::default()
    };
    OpcUaDevice { subscription: Some(subscription), root: Some("/nsu=urn:test;Line7".into()), ..open(&peer.url()) }
}
fn test(name: &str) -> OpcUaBinding {
    at(&format!("nsu=urn:test;s={name}"))
}
/// Nodes by id and by path, all written and read.
fn points() -> Vec<PointSpec<OpcUaBinding>> {
    let numbers = NUMBERS.iter().map(|kind| point(kind, test(&format!("Scalar.{kind}"))));
    let paths = ["Speed", "Count", "Setpoint"].map(|name| point(name, at(&format!("/nsu=urn:test;{name}"))));
    let again = (0..20).map(|number| point(&format!("again{number}"), at("/nsu=urn:test;Speed")));
    numbers.chain(paths).chain(again).collect()
}

#[tokio::test]
#[ignore = "needs open62541"]
async fn limits_of_one_seven_and_none_said_and_not_said_at_open62541() {
    const ALL: [&str; 7] = ["read", "write", "call", "browse", "register", "translate", "items"];
    for (most, hidden) in [(1, false), (7, false), (0, false), (1, true), (7, true)] {
        let limits = ALL.map(|kind| format!("{kind}={most}"));
        let mut arguments: Vec<&str> = limits.iter().map(String::as_str).collect();
        arguments.extend(hidden.then_some("hidden=1"));
        for mode in [OpcUaDelivery::Auto, OpcUaDelivery::Poll] {
            let peer = Peer::open62541(&arguments);
            let rig = Rig::start(device(&peer, mode), points()).await;
            rig.until("all are Good", |state| {
                state.points.len() == points().len() && state.points.values().all(|one| one.value.is_ok())
            })
            .await;
            for round in 1..3_u8 {
                let values: Vec<(&str, Value)> = NUMBERS
                    .iter()
                    .map(|name| (*name, Value::Uint(round.into())))
                    .chain([("Speed", Value::Float(round.into())), ("Count", Value::Int(round.into()))])
                    .collect();
                let wrote = rig.write(&values).await;
                assert!(wrote.iter().all(|one| *one == Wrote::Done), "{most} {hidden} {mode:?}: {wrote:?}");
                rig.until_is("again19", f64::from(round)).await;
                rig.until("numbers", |state| {
                    NUMBERS.iter().all(|name| {
                        state.is(name, &Value::Uint(round.into())) || state.is(name, &Value::Int(round.into()))
                    })
                })
                .await;
            }
            let learned = rig.state().known.as_ref().is_some_and(|known| known.kept.get("Read").is_some());
            assert_eq!(learned, hidden && most > 0, "what is said need not be learned: {most} {hidden} {mode:?}");
        }
    }
}

#[tokio::test]
#[ignore = "needs open62541"]
async fn parts_of_arrays_are_read_and_written_and_access_is_told_by_name_at_open62541() {
    let peer = Peer::open62541(&[]);
    let part = |range: &str| OpcUaBinding { index_range: Some(range.into()), ..test("Floats") };
    let points = vec![
        point("second", part("1")),
        point("middle", part("1:2")),
        point("beyond", part("9")),
        point("all", test("Floats")),
        point("locked", test("Locked")),
        point("denied", test("Denied")),
    ];
    let rig = Rig::start(device(&peer, OpcUaDelivery::Auto), points).await;
    rig.until_bad("beyond", "BadIndexRangeNoData").await;
    let list = |json| Value::Json(Arc::new(json));
    assert_eq!(rig.write_one("second", 7.5).await, Wrote::Done);
    rig.until_is("second", 7.5).await;
    assert_eq!(rig.write_one("middle", list(json!([8.5, 9.5]))).await, Wrote::Done);
    rig.until_is("middle", list(json!([8.5, 9.5]))).await;
    rig.until_is("second", 8.5).await;
    for (name, code) in [("locked", "BadNotWritable"), ("denied", "BadUserAccessDenied")] {
        let wrote = rig.write_one(name, 1.0).await;
        assert!(matches!(&wrote, Wrote::Refused(fault) if fault.text == code), "{name}: {wrote:?}");
    }
}

#[tokio::test]
#[ignore = "needs open62541"]
async fn one_unknown_among_a_thousand_and_one_deleted_that_comes_back_at_open62541() {
    let mut peer = Peer::open62541(&[]);
    let node = |number: usize| if number == 500 { at("nsu=urn:test;i=77") } else { test("Count") };
    let mut points: Vec<_> = (0..1000).map(|number| point(&format!("n{number}"), node(number))).collect();
    points.push(point("float", at("nsu=urn:test;i=3")));
    let rig = Rig::start(device(&peer, OpcUaDelivery::Auto), points).await;
    rig.until("the float", |state| state.points.get("float").is_some_and(|one| one.value.is_ok())).await;
    for round in 0..2_i64 {
        assert_eq!(rig.write_one("n0", Value::Int(100 + round)).await, Wrote::Done);
        rig.until("all but one", |state| {
            (0..1000).all(|n| n == 500 || state.is(&format!("n{n}"), &Value::Int(100 + round)))
                && state.is_bad("n500", "BadNodeIdUnknown")
        })
        .await;
        peer.command("delete 3");
        rig.until_bad("float", "BadNodeIdUnknown").await;
        assert!(rig.state().is_up());
        peer.command("add 3");
        rig.until("it is back", |state| state.points.get("float").is_some_and(|one| one.value.is_ok())).await;
    }
}

#[tokio::test]
#[ignore = "needs open62541"]
async fn dead_bands_where_they_go_and_all_changes_where_they_do_not_at_open62541() {
    let peer = Peer::open62541(&[]);
    let banded = |absolute: Option<f64>, percent: Option<f64>, name: &str| OpcUaBinding {
        deadband: Some(OpcUaDeadband { absolute, percent }),
        ..test(name)
    };
    let points = vec![
        point("absolute", banded(Some(5.0), None, "Setpoint")),
        point("percent", banded(None, Some(5.0), "Setpoint")),
        point("unranged", banded(None, Some(5.0), "Speed")),
        point("setpoint", test("Setpoint")),
        point("speed", test("Speed")),
    ];
    let rig = Rig::start(device(&peer, OpcUaDelivery::Auto), points).await;
    rig.until("all are known", |state| state.points.len() == 5).await;
    assert_eq!(rig.write(&[("setpoint", 50.0.into()), ("speed", 50.0.into())]).await, [Wrote::Done, Wrote::Done]);
    for name in ["absolute", "percent", "setpoint", "unranged"] {
        rig.until_is(name, 50.0).await;
    }
    assert_eq!(rig.write(&[("setpoint", 51.0.into()), ("speed", 51.0.into())]).await, [Wrote::Done, Wrote::Done]);
    rig.until_is("setpoint", 51.0).await;
    rig.until_is("unranged", 51.0).await;
    assert_eq!(rig.write_one("setpoint", 70.0).await, Wrote::Done);
    rig.until_is("absolute", 70.0).await;
    rig.until_is("percent", 70.0).await;
    // 50 and 70 were news, 51 was none.
    for name in ["absolute", "percent"] {
        assert!(rig.state().told[name] <= 3, "{name} {}", rig.state().told[name]);
    }
    rig.until("it says so", |state| {
        state
            .known
            .as_ref()
            .is_some_and(|known| known.learned.iter().any(|line| line.contains("dead-band of: unranged")))
    })
    .await;
}

#[tokio::test]
#[ignore = "needs open62541"]
async fn methods_by_path_and_by_id_at_open62541() {
    let peer = Peer::open62541(&[]);
    let rig = Rig::start(device(&peer, OpcUaDelivery::Auto), vec![point("speed", test("Speed"))]).await;
    rig.until("it is known", |state| state.points.contains_key("speed")).await;
    let two = [("a", Value::Int(2)), ("b", Value::Float(0.5))];
    assert_eq!(rig.call(None, "/nsu=urn:test;Add", &two).await, Ok(Value::Float(2.5)));
    assert_eq!(rig.call(Some("nsu=urn:test;s=Line7"), "nsu=urn:test;s=Add", &two).await, Ok(Value::Float(2.5)));
    let called = rig.call(None, "/nsu=urn:test;Refuse", &[]).await;
    assert!(matches!(&called, Err(CallError::Refused(fault)) if fault.text == "BadInvalidState"), "{called:?}");
}
