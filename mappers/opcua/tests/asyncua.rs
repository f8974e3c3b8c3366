//! The driver against asyncua, which shares no code with it: `cargo test -p pollux-opcua --test asyncua -- --ignored` with POLLUX_PYTHON.
#[allow(dead_code, reason = "other tests use all of it")]
#[path = "../src/peer.rs"]
mod peer;
mod rig;

use peer::Peer;
use pollux_crds::{OpcUaBinding, OpcUaDelivery, OpcUaDevice, OpcUaSampling, OpcUaSubscription};
use pollux_mapper::{CallError, Value, Wrote};
use rig::{Rig, at, open, point};
use serde_json::json;
use std::sync::Arc;

fn server() -> (Peer, OpcUaDevice) {
    let peer = Peer::asyncua(&[]);
    let url = peer.url();
    let subscription = OpcUaSubscription { keep_alive: "1s".parse().ok(), ..OpcUaSubscription::default() };
    let device =
        OpcUaDevice { subscription: Some(subscription), root: Some("/nsu=urn:test;Line7".into()), ..open(&url) };
    (peer, device)
}
fn json(value: serde_json::Value) -> Value {
    Value::Json(Arc::new(value))
}
fn test(name: &str) -> OpcUaBinding {
    at(&format!("nsu=urn:test;s={name}"))
}

#[tokio::test]
#[ignore = "needs asyncua"]
async fn every_kind_of_name_is_found_and_pushed_or_read() {
    let (mut peer, device) = server();
    let names = [
        ("speed", "nsu=urn:test;s=Speed"),
        ("path", "/nsu=urn:test;Speed"),
        ("numeric", "nsu=urn:test;i=1001"),
        ("guid", "nsu=urn:test;g=72962b91-fa75-4ae6-8d28-b404dc7daf63"),
        ("opaque", "nsu=urn:test;b=AQL/"),
        ("state", "i=2259"),
    ];
    let pushed = names.map(|(name, node)| point(name, at(node)));
    let read = names.map(|(name, node)| {
        point(&format!("{name}_read"), OpcUaBinding { sampling: Some(OpcUaSampling::Poll), ..at(node) })
    });
    peer.command("set Speed 2.25");
    let rig = Rig::start(device, pushed.into_iter().chain(read).collect()).await;
    for how in ["", "_read"] {
        for (name, value) in [("speed", 2.25), ("path", 2.25), ("numeric", 1.5), ("guid", 2.5), ("opaque", 3.5)] {
            rig.until_is(&format!("{name}{how}"), value).await;
        }
    }
    peer.command("set Speed 3.25");
    rig.until_is("speed", 3.25).await;
    rig.until_is("speed_read", 3.25).await;
    peer.command("status Speed BadSensorFailure");
    rig.until_bad("speed", "BadSensorFailure").await;
    rig.until_bad("speed_read", "BadSensorFailure").await;
}

#[tokio::test]
#[ignore = "needs asyncua"]
async fn writes_are_of_the_nodes_type_and_values_alone_and_refusals_have_names() {
    let (mut peer, device) = server();
    let names = ["Speed", "Count", "Name", "On", "Floats", "Locked"];
    let rig = Rig::start(device, names.iter().map(|name| point(name, test(name))).collect()).await;
    rig.until("all are known", |state| names.iter().all(|name| state.points.contains_key(*name))).await;
    peer.command("written");
    let floats = json(json!([1.5, 2.5]));
    let values = [
        ("Speed", Value::Int(12)),
        ("Count", Value::Float(13.0)),
        ("Name", Value::from("lathe")),
        ("On", Value::Bool(false)),
        ("Floats", floats.clone()),
    ];
    assert_eq!(rig.write(&values).await, vec![Wrote::Done; 5]);
    rig.until_is("Speed", 12.0).await;
    rig.until_is("Count", 13_i64).await;
    rig.until_is("Name", "lathe").await;
    rig.until_is("On", false).await;
    rig.until_is("Floats", floats).await;
    let wrote = rig.write_one("Locked", Value::Int(1)).await;
    assert!(
        matches!(&wrote, Wrote::Refused(fault) if ["BadUserAccessDenied", "BadNotWritable"].contains(&&*fault.text)),
        "{wrote:?}"
    );
    let written = peer.command("written");
    let came = written["written"].as_array().expect("a list");
    assert!(came.len() >= 5, "{written}");
    for one in came {
        assert!(one["status"] == false && one["times"] == false, "{one}");
    }
}

#[tokio::test]
#[ignore = "needs asyncua"]
async fn a_thousand_with_one_unknown_among_them() {
    for mode in [OpcUaDelivery::Auto, OpcUaDelivery::Poll] {
        let (mut peer, device) = server();
        let subscription = OpcUaSubscription { mode: Some(mode), ..OpcUaSubscription::default() };
        let node = |number: usize| if number == 500 { test("NoSuchNode") } else { test("Count") };
        let points = (0..1000).map(|number| point(&format!("n{number}"), node(number))).collect();
        let rig = Rig::start(OpcUaDevice { subscription: Some(subscription), ..device }, points).await;
        for value in [21, 22] {
            peer.command(&format!("set Count {value}"));
            rig.until("all but one", |state| {
                (0..1000).all(|n| n == 500 || state.is(&format!("n{n}"), &Value::Int(value)))
                    && state.is_bad("n500", "BadNodeIdUnknown")
            })
            .await;
        }
    }
}

#[tokio::test]
#[ignore = "needs asyncua"]
async fn a_node_deleted_is_bad_alone_and_comes_back() {
    let (mut peer, device) = server();
    let rig = Rig::start(device, vec![point("speed", test("Speed")), point("count", test("Count"))]).await;
    peer.command("set Speed 1.5");
    peer.command("set Count 7");
    rig.until_is("speed", 1.5).await;
    rig.until_is("count", 7_i64).await;
    peer.command("delete Speed");
    rig.until_bad("speed", "BadNodeIdUnknown").await;
    peer.command("set Count 8");
    rig.until_is("count", 8_i64).await;
    assert!(rig.state().is_up());
    peer.command("add Speed");
    peer.command("set Speed 2.5");
    rig.until_is("speed", 2.5).await;
    peer.command("set Speed 3.5");
    rig.until_is("speed", 3.5).await;
    rig.until_is("count", 8_i64).await;
}

#[tokio::test]
#[ignore = "needs asyncua"]
async fn no_communication_is_the_devices_and_not_the_links() {
    let (mut peer, device) = server();
    let rig = Rig::start(device, vec![point("speed", test("Speed")), point("count", test("Count"))]).await;
    rig.until("it is up", |state| state.is_up() && state.points.len() == 2).await;
    peer.command("silence on");
    rig.until("it is down", |state| state.is_down("BadNoCommunication")).await;
    assert!(rig.state().link.as_ref().is_some_and(|link| link.up), "the session is not");
    peer.command("silence off");
    peer.command("set Speed 4.5");
    rig.until("it is up", rig::State::is_up).await;
    rig.until_is("speed", 4.5).await;
}

#[tokio::test]
#[ignore = "needs asyncua"]
async fn namespaces_reordered_at_a_restart_are_found_anew() {
    for mode in [OpcUaDelivery::Auto, OpcUaDelivery::Poll] {
        let (mut peer, device) = server();
        let subscription =
            OpcUaSubscription { mode: Some(mode), keep_alive: "1s".parse().ok(), ..OpcUaSubscription::default() };
        let points = vec![point("speed", test("Speed")), point("path", at("/nsu=urn:test;Speed"))];
        let rig = Rig::start(OpcUaDevice { subscription: Some(subscription), ..device }, points).await;
        peer.command("set Speed 5.5");
        rig.until_is("speed", 5.5).await;
        rig.until_is("path", 5.5).await;
        peer.command("reorder 0.2");
        peer.command("set Speed 6.5");
        rig.until_is("speed", 6.5).await;
        rig.until_is("path", 6.5).await;
        let other = Value::Float(-1.0);
        assert!(!rig.state().is("speed", &other) && !rig.state().is("path", &other));
    }
}

#[tokio::test]
#[ignore = "needs asyncua"]
async fn subscriptions_and_sessions_deleted_behind_our_back_are_made_anew() {
    let (mut peer, device) = server();
    let rig = Rig::start(device, vec![point("speed", test("Speed"))]).await;
    rig.until("it is known", |state| state.points.contains_key("speed")).await;
    for (at, deed) in ["drop-subscriptions", "drop-sessions", "restart 0.2"].into_iter().enumerate() {
        peer.command(deed);
        let value = 10.0 + f64::from(u8::try_from(at).expect("few"));
        peer.command(&format!("set Speed {value}"));
        rig.until_is("speed", value).await;
        rig.until("it is up", rig::State::is_up).await;
    }
}

#[tokio::test]
#[ignore = "needs asyncua"]
async fn methods_are_called_typed_refused_by_name_and_never_twice() {
    let (mut peer, device) = server();
    let device = OpcUaDevice { timeout: "2s".parse().ok(), ..device };
    let rig = Rig::start(device, vec![point("speed", test("Speed"))]).await;
    rig.until("it is known", |state| state.points.contains_key("speed")).await;
    let method = |name: &str| format!("/nsu=urn:test;{name}");
    let two = [("a", Value::Int(2)), ("b", Value::Float(0.5))];
    assert_eq!(rig.call(None, &method("Add"), &two).await, Ok(Value::Float(2.5)));
    assert_eq!(rig.call(Some("nsu=urn:test;s=Line7"), "nsu=urn:test;s=Add", &two).await, Ok(Value::Float(2.5)));
    assert_eq!(rig.call(None, &method("Reset"), &[("code", Value::Int(255))]).await, Ok(json(json!(null))));
    let called = rig.call(None, &method("Reset"), &[("code", Value::Int(256))]).await;
    assert!(matches!(&called, Err(CallError::Refused(fault)) if fault.text.starts_with("code: Bad")), "{called:?}");
    let called = rig.call(None, &method("Refuse"), &[]).await;
    assert!(matches!(&called, Err(CallError::Refused(fault)) if fault.text == "BadInvalidState"), "{called:?}");
    peer.command("requests");
    let called = rig.call(None, &method("Slow"), &[("seconds", Value::Float(4.0))]).await;
    assert!(matches!(called, Err(CallError::Unknown(_))), "{called:?}");
    rig.until("it is up", rig::State::is_up).await;
    let requests = peer.command("requests");
    assert!(
        requests.to_string().contains("\"Call\":1") || requests.to_string().contains("\"CallRequest\":1"),
        "{requests}"
    );
}

#[tokio::test]
#[ignore = "needs asyncua"]
async fn structures_and_enumerations_by_the_servers_definitions() {
    let (_peer, device) = server();
    let points = ["Mode", "Colour", "Level", "Point", "Line"].map(|name| point(name, test(name)));
    let rig = Rig::start(device, points.into_iter().collect()).await;
    rig.until("all are Good", |state| {
        ["Mode", "Colour", "Level", "Point", "Line"]
            .iter()
            .all(|name| state.points.get(*name).is_some_and(|one| one.value.is_ok()))
    })
    .await;
    let wanted = json(json!({"x": 3.5, "y": -1}));
    assert_eq!(rig.write_one("Point", json(json!({"x": 3.5, "y": -1.0}))).await, Wrote::Done);
    rig.until_is("Point", wanted).await;
    assert_eq!(rig.write_one("Mode", Value::Int(2)).await, Wrote::Done);
    rig.until_is("Mode", Value::Int(2)).await;
}
