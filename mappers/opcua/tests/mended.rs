//! A device over broken connections and restarts of its server, as the engine sees it.
mod liar;
mod rig;

use liar::{Liar, Say, World};
use opcua::{
    core::RequestMessage,
    types::{DataValue, NodeId, QualifiedName, Variant},
};
use pollux_crds::{OpcUaDelivery, OpcUaDevice, OpcUaSubscription};
use pollux_mapper::{Value, Wrote};
use rig::{Rig, at, open, point};

/// Soon looked after.
fn brisk(liar: &Liar, mode: OpcUaDelivery) -> OpcUaDevice {
    let subscription = OpcUaSubscription {
        mode: Some(mode),
        keep_alive: "1s".parse().ok(),
        min_publishing_interval: "20ms".parse().ok(),
        ..OpcUaSubscription::default()
    };
    OpcUaDevice { subscription: Some(subscription), timeout: "2s".parse().ok(), ..open(&liar.url()) }
}

/// As after a restart by which urn:plant has another number; by the old one there is another Speed.
fn renumber(liar: &Liar) {
    let mut world = liar.world();
    world.namespaces =
        vec!["http://opcfoundation.org/UA/".into(), "urn:liar".into(), "urn:new".into(), "urn:plant".into()];
    let moved = NodeId::new(3, "Speed");
    let mut speed = world.nodes[&World::id("Speed")].clone();
    speed.browse_name = QualifiedName::new(3, "Speed");
    world.nodes.insert(moved.clone(), speed);
    world.child(&World::id("Line"), &moved);
    world.set("Speed", -1.0);
    world.forget_sessions();
    drop(world);
    liar.cut();
}

#[tokio::test]
async fn after_a_cut_values_come_on_and_nothing_is_attached_anew() {
    let liar = Liar::honest().await;
    let rig = Rig::start(brisk(&liar, OpcUaDelivery::Auto), vec![point("speed", at("ns=2;s=Speed"))]).await;
    rig.until_is("speed", 1.5).await;
    let items = liar.heard_of("CreateMonitoredItems").len();
    for round in 0..5 {
        liar.cut();
        liar.world().set("Speed", f64::from(round) + 10.0);
        rig.until_is("speed", f64::from(round) + 10.0).await;
        rig.until("it is up", rig::State::is_up).await;
    }
    assert_eq!(liar.heard_of("CreateMonitoredItems").len(), items);
    assert_eq!(liar.heard_of("CreateSession").len(), 1);
    assert!(rig.state().link.as_ref().is_some_and(|link| link.up), "the engine need not dial");
}

#[tokio::test]
async fn namespaces_that_are_numbered_anew_are_found_anew() {
    for mode in [OpcUaDelivery::Auto, OpcUaDelivery::Poll] {
        let liar = Liar::honest().await;
        let points = vec![point("id", at("nsu=urn:plant;s=Speed")), point("path", at("/2:Line/nsu=urn:plant;Speed"))];
        let rig = Rig::start(brisk(&liar, mode), points).await;
        rig.until_is("id", 1.5).await;
        rig.until_is("path", 1.5).await;
        renumber(&liar);
        liar.world().put(&NodeId::new(3, "Speed"), &DataValue::value_only(7.5));
        rig.until_is("id", 7.5).await;
        rig.until_is("path", 7.5).await;
        let writes = rig.write(&[("id", 8.5.into())]).await;
        assert_eq!(writes, [Wrote::Done]);
        rig.until_is("id", 8.5).await;
        assert_eq!(liar.world().value("Speed"), Variant::Double(-1.0), "what has the old number is another's");
    }
}

#[tokio::test]
async fn what_is_registered_is_registered_anew_in_each_session() {
    let liar = Liar::honest().await;
    let rig = Rig::start(brisk(&liar, OpcUaDelivery::Poll), vec![point("speed", at("ns=2;s=Speed"))]).await;
    rig.until_is("speed", 1.5).await;
    assert_eq!(liar.heard_of("RegisterNodes").len(), 1);
    liar.world().forget_sessions();
    liar.cut();
    liar.world().set("Speed", 2.5);
    rig.until_is("speed", 2.5).await;
    assert_eq!(liar.heard_of("CreateSession").len(), 2);
    assert_eq!(liar.heard_of("RegisterNodes").len(), 2);
}

#[tokio::test]
async fn while_it_is_mended_the_device_is_down_and_then_up() {
    let liar = Liar::honest().await;
    let rig = Rig::start(brisk(&liar, OpcUaDelivery::Auto), vec![point("speed", at("ns=2;s=Speed"))]).await;
    rig.until("it is up", |state| state.is_up() && state.is("speed", &Value::Float(1.5))).await;
    liar.refuse(true);
    liar.cut();
    rig.until("it is down", |state| state.connected.as_ref().is_some_and(|word| !word.up)).await;
    liar.refuse(false);
    liar.world().set("Speed", 3.5);
    rig.until("it is up", rig::State::is_up).await;
    rig.until_is("speed", 3.5).await;
}

#[tokio::test]
async fn a_write_over_a_cut_is_sent_once() {
    let liar = Liar::honest().await;
    let rig = Rig::start(brisk(&liar, OpcUaDelivery::Auto), vec![point("speed", at("ns=2;s=Speed"))]).await;
    rig.until_is("speed", 1.5).await;
    liar.script(|heard| match &heard.request {
        RequestMessage::Write(_) => vec![Say::Close],
        _ => vec![Say::Good],
    });
    assert_eq!(rig.write_one("speed", 9.5).await, Wrote::Unknown);
    rig.until("it is mended", |_| liar.heard_of("ActivateSession").len() > 1).await;
    rig.until("it is up", rig::State::is_up).await;
    assert_eq!(liar.heard_of("Write").len(), 1);
}
