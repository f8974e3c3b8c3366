//! A device over broken connections and restarts of its server, as the engine sees it.
mod liar;
mod rig;

use liar::{Liar, Say, World};
use opcua::{
    core::{RequestMessage, ResponseMessage},
    types::{DataValue, NodeId, QualifiedName, StatusCode, Variant},
};
use pollux_crds::{OpcUaBinding, OpcUaDelivery, OpcUaDevice, OpcUaLimits, OpcUaSubscription};
use pollux_mapper::{CallError, PointSpec, Value, Wrote};
use rig::{Rig, at, open, point};
use std::{sync::Arc, time::Duration};

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
fn restart(liar: &Liar) {
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
}

/// Hangs up after it said to one request what `says` says; whoever dials again finds it restarted.
fn restart_after(liar: &Arc<Liar>, mut says: impl FnMut(&RequestMessage) -> Option<Vec<Say>> + Send + 'static) {
    let (server, mut ended, mut restarted) = (Arc::downgrade(liar), false, false);
    liar.script(move |heard| {
        if ended && !restarted && matches!(heard.request, RequestMessage::OpenSecureChannel(_)) {
            restarted = true;
            server.upgrade().iter().for_each(|server| restart(server));
        }
        match says(&heard.request).filter(|_| !ended) {
            Some(mut last) => {
                ended = true;
                last.push(Say::Close);
                last
            }
            None => vec![Say::Good],
        }
    });
}
/// Nodes that were asked for, by service, in the newest session.
fn asked_again(liar: &Liar, service: &str) -> Vec<NodeId> {
    let mut heard = liar.heard();
    let newest = heard.iter().rposition(|heard| matches!(heard.request, RequestMessage::CreateSession(_)));
    let later = heard.split_off(newest.expect("a session"));
    let later = later.into_iter().filter(|heard| heard.request.type_name() == service);
    later
        .flat_map(|heard| match heard.request {
            RequestMessage::Read(read) => ids(read.nodes_to_read, |node| node.node_id),
            RequestMessage::Write(write) => ids(write.nodes_to_write, |node| node.node_id),
            RequestMessage::CreateMonitoredItems(create) => {
                ids(create.items_to_create, |item| item.item_to_monitor.node_id)
            }
            _ => vec![],
        })
        .collect()
}
fn ids<T>(all: Option<Vec<T>>, id: impl FnMut(T) -> NodeId) -> Vec<NodeId> {
    all.into_iter().flatten().map(id).collect()
}
/// By ids, so that nothing is asked but these.
fn plant() -> Vec<PointSpec<OpcUaBinding>> {
    vec![point("count", at("nsu=urn:plant;s=Count")), point("speed", at("nsu=urn:plant;s=Speed"))]
}
/// One node in one request.
fn one_by_one(liar: &Liar) -> OpcUaDevice {
    let limits = OpcUaLimits { read: Some(1), write: Some(1), ..OpcUaLimits::default() };
    let device = brisk(liar, OpcUaDelivery::Poll);
    OpcUaDevice { limits: Some(limits), timeout: "5s".parse().ok(), ..device }
}

#[tokio::test]
async fn what_was_to_be_written_before_a_restart_is_not_written_after_it() {
    let liar = Arc::new(Liar::honest().await);
    let rig = Rig::start(one_by_one(&liar), plant()).await;
    rig.until_is("speed", 1.5).await;
    restart_after(&liar, |request| matches!(request, RequestMessage::Write(_)).then(|| vec![Say::Good]));
    let wrote = rig.write(&[("count", 8_i64.into()), ("speed", 9.5.into())]).await;
    assert_eq!(wrote, [Wrote::Done, Wrote::NotSent]);
    rig.until_is("speed", 1.5).await;
    assert_eq!(liar.world().value("Speed"), Variant::Double(-1.0), "what has the old number is another's");
    assert!(asked_again(&liar, "Write").is_empty());
}

#[tokio::test]
async fn what_a_server_accepts_for_later_is_unknown_once_it_was_restarted() {
    let liar = Arc::new(Liar::honest().await);
    let rig = Rig::start(one_by_one(&liar), plant()).await;
    rig.until_is("speed", 1.5).await;
    restart_after(&liar, |request| {
        let accepted = |answer: &mut ResponseMessage| {
            if let ResponseMessage::Write(write) = answer {
                write.results = Some(vec![StatusCode::GoodCompletesAsynchronously]);
            }
        };
        matches!(request, RequestMessage::Write(_)).then(|| vec![Say::Bent(Box::new(accepted))])
    });
    assert_eq!(rig.write_one("speed", 9.5).await, Wrote::Unknown);
    assert!(!asked_again(&liar, "Read").contains(&World::id("Speed")), "what has the old number is another's");
}

#[tokio::test]
async fn the_rest_of_a_read_is_not_asked_for_after_a_restart() {
    let liar = Arc::new(Liar::honest().await);
    let rig = Rig::start(one_by_one(&liar), plant()).await;
    rig.until_is("speed", 1.5).await;
    let count = |request: &RequestMessage| match request {
        RequestMessage::Read(read) => {
            read.nodes_to_read.iter().flatten().any(|node| node.node_id == World::id("Count"))
        }
        _ => false,
    };
    restart_after(&liar, move |request| count(request).then(|| vec![Say::Good]));
    rig.until("it was restarted", |_| liar.world().namespaces.len() == 4).await;
    liar.world().put(&NodeId::new(3, "Speed"), &DataValue::value_only(7.5));
    rig.until_is("speed", 7.5).await;
    assert!(!asked_again(&liar, "Read").contains(&World::id("Speed")), "what has the old number is another's");
}

#[tokio::test]
async fn a_method_found_before_a_restart_is_not_called_after_it() {
    let liar = Arc::new(Liar::honest().await);
    liar.world().method("Reset", |_| Ok(vec![]));
    let rig = Rig::start(one_by_one(&liar), plant()).await;
    rig.until_is("speed", 1.5).await;
    let translate = |request: &RequestMessage| matches!(request, RequestMessage::TranslateBrowsePathsToNodeIds(_));
    restart_after(&liar, move |request| translate(request).then(|| vec![Say::Good]));
    let called = rig.call(Some("nsu=urn:plant;s=Line"), "nsu=urn:plant;s=Reset", &[]).await;
    assert!(
        matches!(&called, Err(CallError::Refused(fault)) if fault.text.contains("the session is another")),
        "{called:?}"
    );
    assert_eq!(liar.heard_of("Call").len(), 0);
}

#[tokio::test]
async fn what_was_found_before_a_restart_is_not_subscribed_after_it() {
    let liar = Arc::new(Liar::honest().await);
    let of_type = |request: &RequestMessage| match request {
        RequestMessage::Read(read) => {
            read.nodes_to_read.iter().flatten().any(|node| node.node_id == World::id("Speed"))
        }
        _ => false,
    };
    restart_after(&liar, move |request| of_type(request).then(|| vec![Say::Good]));
    let rig = Rig::start(brisk(&liar, OpcUaDelivery::Auto), vec![point("speed", at("nsu=urn:plant;s=Speed"))]).await;
    rig.until("it was restarted", |_| liar.world().namespaces.len() == 4).await;
    liar.world().put(&NodeId::new(3, "Speed"), &DataValue::value_only(7.5));
    rig.until_is("speed", 7.5).await;
    assert!(!asked_again(&liar, "CreateMonitoredItems").contains(&World::id("Speed")));
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
        restart(&liar);
        liar.cut();
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

#[tokio::test]
async fn a_device_that_is_configured_anew_while_it_is_found_again_leaves_nothing_subscribed() {
    let liar = Liar::honest().await;
    let points = vec![point("speed", at("nsu=urn:plant;s=Speed")), point("count", at("nsu=urn:plant;s=Count"))];
    let rig = Rig::start(brisk(&liar, OpcUaDelivery::Auto), points.clone()).await;
    rig.until_is("count", 7_i64).await;
    liar.clear();
    let mut first = true;
    liar.script(move |heard| match &heard.request {
        RequestMessage::CreateMonitoredItems(_) if std::mem::take(&mut first) => {
            vec![Say::Wait(Duration::from_secs(1)), Say::Good]
        }
        _ => vec![Say::Good],
    });
    restart(&liar);
    liar.cut();
    liar.wait_for("it is subscribed anew", |heard| matches!(heard.request, RequestMessage::CreateMonitoredItems(_)))
        .await;
    rig.apply(brisk(&liar, OpcUaDelivery::Auto), points.into_iter().take(1).collect(), 2).await;
    liar.world().put(&NodeId::new(3, "Speed"), &DataValue::value_only(7.5));
    rig.until_is("speed", 7.5).await;
    rig.until("only that is watched", |_| liar.world().items() == 1).await;
}

/// Whoever comes next is not kept out by a session that nobody uses.
#[tokio::test]
async fn when_the_mapper_ends_its_session_is_closed_before_it_is_gone() {
    let liar = Liar::honest().await;
    let rig = Rig::start(brisk(&liar, OpcUaDelivery::Auto), plant()).await;
    rig.until_is("speed", 1.5).await;
    assert_eq!(liar.world().counts(), (1, 1));
    rig.stop().await;
    assert_eq!(liar.world().counts(), (0, 0));
}
