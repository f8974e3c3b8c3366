//! What a server pushes, and what becomes of a device when it does not.
mod liar;
mod rig;

use liar::{Liar, Say, World};
use opcua::{
    core::RequestMessage,
    types::{
        Argument, Array, DataValue, DateTime, ExtensionObject, StatusCode, TimestampsToReturn, Variant,
        VariantScalarTypeId,
    },
};
use pollux_crds::{
    OpcUaBinding, OpcUaDeadband, OpcUaDelivery, OpcUaDevice, OpcUaLimits, OpcUaSampling, OpcUaSubscription,
};
use pollux_mapper::{Interval, PointSpec, Quality, Value, Wrote};
use rig::{Rig, at, open, point};
use std::time::Duration;

/// How often this node was read since then.
fn reads(liar: &Liar, name: &str) -> usize {
    let of = |request: &RequestMessage| match request {
        RequestMessage::Read(read) => read.nodes_to_read.iter().flatten().any(|node| {
            node.node_id == World::id(name) && node.attribute_id == opcua::types::AttributeId::Value as u32
        }),
        _ => false,
    };
    liar.heard().iter().filter(|heard| of(&heard.request)).count()
}

#[tokio::test]
async fn values_are_pushed_with_the_sources_time_and_the_codes_name_and_nothing_is_read() {
    let liar = Liar::honest().await;
    let points = vec![
        point("speed", at("/2:Line/2:Speed")),
        point("name", at("nsu=urn:plant;s=Name")),
        point("read", OpcUaBinding { sampling: Some(OpcUaSampling::Poll), ..at("ns=2;s=Count") }),
    ];
    let rig = Rig::start(open(&liar.url()), points).await;
    rig.until_is("speed", 1.5).await;
    rig.until_is("name", "press").await;
    rig.until_is("read", 7_i64).await;
    let (speed, read) = (reads(&liar, "Speed"), reads(&liar, "Count"));
    let time = DateTime::from(chrono::DateTime::from_timestamp(1_700_000_000, 0).expect("a time"));
    let source = DataValue { source_timestamp: Some(time), ..DataValue::value_only(2.5) };
    liar.world().put(&World::id("Speed"), &source);
    rig.until_is("speed", 2.5).await;
    assert_eq!(rig.state().points["speed"].time, 1_700_000_000_000);
    liar.world().set("Name", "drill");
    rig.until_is("name", "drill").await;
    let doubtful = DataValue { status: Some(StatusCode::UncertainLastUsableValue), ..DataValue::value_only(3.5) };
    liar.world().put(&World::id("Speed"), &doubtful);
    rig.until("it is uncertain", |state| {
        let speed = &state.points["speed"];
        speed.quality == Quality::Uncertain && speed.value == Ok(Value::Float(3.5))
    })
    .await;
    let bad = DataValue { status: Some(StatusCode::BadSensorFailure), ..DataValue::null() };
    liar.world().put(&World::id("Speed"), &bad);
    rig.until_bad("speed", "BadSensorFailure").await;
    rig.until("the other is read on", |_| reads(&liar, "Count") > read + 2).await;
    assert_eq!(reads(&liar, "Speed"), speed, "what is pushed is not read");
}

#[tokio::test]
async fn each_event_counts_but_what_stood_there_before_and_one_that_cannot_be_watched_says_so() {
    let liar = Liar::honest().await;
    let event = |name: &str, address| PointSpec { event: true, writable: false, ..point(name, address) };
    let polled = OpcUaBinding { sampling: Some(OpcUaSampling::Poll), ..at("ns=2;s=Name") };
    let points = vec![event("press", at("ns=2;s=Count")), event("polled", polled), point("speed", at("ns=2;s=Speed"))];
    let rig = Rig::start(open(&liar.url()), points).await;
    rig.until_is("speed", 1.5).await;
    rig.until_bad("polled", "an Event is not polled").await;
    let stamped = |value: i32, second: i64| {
        let time = DateTime::from(chrono::DateTime::from_timestamp(1_700_000_000 + second, 0).expect("a time"));
        DataValue { source_timestamp: Some(time), ..DataValue::value_only(value) }
    };
    for second in 1..=3 {
        liar.world().put(&World::id("Count"), &stamped(5, second));
        rig.until("it is counted", |state| state.told.get("press").copied() == usize::try_from(second).ok()).await;
    }
    assert_eq!(rig.state().points["press"].time, 1_700_000_003_000);
    assert!(rig.state().is("press", &Value::Int(5)));
    assert_eq!((reads(&liar, "Count"), reads(&liar, "Name")), (0, 0), "nobody reads an event");
}

/// Paths, items, Reads and Writes of many nodes, each more than the server's Acknowledge allows for one message.
#[tokio::test]
async fn what_is_larger_than_the_server_takes_is_sent_in_parts() {
    for mode in [OpcUaDelivery::Auto, OpcUaDelivery::Poll] {
        let liar = Liar::honest().await;
        liar.world().most_request = 8192;
        let name = |number: i32| format!("N{number}");
        (0..500).for_each(|number| liar.world().add(&name(number), number));
        let address = |number| match number % 2 {
            0 => at(&format!("ns=2;s={}", name(number))),
            _ => at(&format!("/2:Line/2:{}", name(number))),
        };
        let points = (0..500).map(|number| point(&name(number), address(number))).collect();
        let subscription = OpcUaSubscription { mode: Some(mode), ..OpcUaSubscription::default() };
        let rig = Rig::start(OpcUaDevice { subscription: Some(subscription), ..open(&liar.url()) }, points).await;
        let each = |state: &rig::State| (0..500).all(|number| state.is(&name(number), &Value::Int(number.into())));
        rig.until("all are Good", each).await;
        let pushed = liar.heard_of("CreateMonitoredItems").len() > 1;
        assert_eq!(pushed, mode == OpcUaDelivery::Auto, "nothing is read in cycles that can be pushed");
    }
}

#[tokio::test]
async fn what_is_written_while_it_is_subscribed_is_written_and_pushed() {
    let liar = Liar::honest().await;
    let rig = Rig::start(open(&liar.url()), vec![point("speed", at("ns=2;s=Speed"))]).await;
    rig.until_is("speed", 1.5).await;
    assert_eq!(rig.write_one("speed", 8.5).await, Wrote::Done);
    rig.until_is("speed", 8.5).await;
    let ages = liar.heard_of("Read").into_iter().filter_map(|heard| match heard.request {
        RequestMessage::Read(read) if read.timestamps_to_return == TimestampsToReturn::Source => Some(read.max_age),
        _ => None,
    });
    assert!(ages.collect::<Vec<_>>().iter().all(|age| age.to_bits() == 0), "from the device itself");
}

#[tokio::test]
async fn a_server_without_subscriptions_is_read_in_cycles_and_says_so() {
    for service in ["CreateSubscription", "CreateMonitoredItems"] {
        let liar = Liar::start(move |heard| {
            let refused = heard.request.type_name() == service;
            vec![if refused { Say::Fault(StatusCode::BadServiceUnsupported) } else { Say::Good }]
        })
        .await;
        let rig = Rig::start(open(&liar.url()), vec![point("speed", at("ns=2;s=Speed"))]).await;
        rig.until_is("speed", 1.5).await;
        liar.world().set("Speed", 2.5);
        rig.until_is("speed", 2.5).await;
        rig.until("it says so", |state| {
            let known = state.known.as_ref();
            known.is_some_and(|known| known.learned.iter().any(|line| line.contains("speed (BadServiceUnsupported)")))
        })
        .await;
    }
}

#[tokio::test]
async fn a_node_deleted_is_bad_alone_and_comes_back_by_itself() {
    let liar = Liar::honest().await;
    let points = vec![point("speed", at("ns=2;s=Speed")), point("count", at("ns=2;s=Count"))];
    let rig = Rig::start(open(&liar.url()), points).await;
    rig.until_is("count", 7_i64).await;
    rig.until_is("speed", 1.5).await;
    liar.world().remove("Speed");
    rig.until_bad("speed", "BadNodeIdUnknown").await;
    liar.world().set("Count", 8_i32);
    rig.until_is("count", 8_i64).await;
    assert!(rig.state().is_up());
    liar.world().add("Speed", 4.5);
    rig.until_is("speed", 4.5).await;
    liar.world().set("Speed", 5.5);
    rig.until_is("speed", 5.5).await;
}

#[tokio::test]
async fn one_unknown_node_among_many_leaves_the_subscription_as_it_is() {
    let liar = Liar::honest().await;
    let mut points = vec![];
    for number in 0..200_i32 {
        liar.world().add(&format!("N{number}"), number);
        points.push(point(&format!("n{number}"), at(&format!("ns=2;s=N{number}"))));
    }
    liar.world().remove("N77");
    let rig = Rig::start(open(&liar.url()), points).await;
    rig.until("all but one", |state| {
        (0..200_i64).all(|n| n == 77 || state.is(&format!("n{n}"), &Value::Int(n)))
            && state.is_bad("n77", "BadNodeIdUnknown")
    })
    .await;
    let before = reads(&liar, "N76");
    liar.world().set("N76", 1_076_i32);
    rig.until_is("n76", 1_076_i64).await;
    assert_eq!(reads(&liar, "N76"), before, "its neighbours are pushed on");
    liar.world().add("N77", 77_i32);
    rig.until_is("n77", 77_i64).await;
}

#[tokio::test]
async fn the_plc_behind_the_server_gone_takes_the_device_down_and_not_the_link() {
    let liar = Liar::honest().await;
    let points = vec![point("speed", at("ns=2;s=Speed")), point("count", at("ns=2;s=Count"))];
    let rig = Rig::start(open(&liar.url()), points).await;
    rig.until("it is up", |state| state.is_up() && state.is("speed", &Value::Float(1.5))).await;
    rig.until_is("count", 7_i64).await;
    let gone = DataValue { status: Some(StatusCode::BadNoCommunication), ..DataValue::null() };
    liar.world().put(&World::id("Speed"), &gone);
    rig.until_bad("speed", "BadNoCommunication").await;
    assert!(rig.state().is_up(), "one node is not the device");
    liar.world().put(&World::id("Count"), &gone);
    rig.until("it is down", |state| state.is_down("BadNoCommunication")).await;
    assert!(rig.state().link.as_ref().is_some_and(|link| link.up), "the session is not");
    liar.world().set("Speed", 6.5);
    rig.until("it is up again", |state| state.is_up() && state.is("speed", &Value::Float(6.5))).await;
}

#[tokio::test]
async fn a_refused_dead_band_is_said_and_all_changes_come() {
    let liar = Liar::start(|heard| match &heard.request {
        RequestMessage::CreateMonitoredItems(items) => {
            let filtered =
                items.items_to_create.iter().flatten().any(|item| !item.requested_parameters.filter.is_null());
            vec![if filtered { refuse_filters() } else { Say::Good }]
        }
        _ => vec![Say::Good],
    })
    .await;
    let deadband = Some(OpcUaDeadband { percent: Some(5.0), absolute: None });
    let points = vec![point("speed", OpcUaBinding { deadband, ..at("ns=2;s=Speed") })];
    let rig = Rig::start(open(&liar.url()), points).await;
    rig.until_is("speed", 1.5).await;
    liar.world().set("Speed", 1.6);
    rig.until_is("speed", 1.6).await;
    rig.until("it says so", |state| {
        state.known.as_ref().is_some_and(|known| known.learned.iter().any(|line| line.contains("dead-band of: speed")))
    })
    .await;
}

fn refuse_filters() -> Say {
    use opcua::{core::ResponseMessage, types::MonitoredItemCreateResult};
    Say::Bent(Box::new(|answer| {
        if let ResponseMessage::CreateMonitoredItems(items) = answer {
            let refused = MonitoredItemCreateResult {
                status_code: StatusCode::BadFilterNotAllowed,
                ..MonitoredItemCreateResult::default()
            };
            for item in items.results.iter_mut().flatten() {
                *item = refused.clone();
            }
        }
    }))
}

#[tokio::test]
async fn one_polled_node_without_its_machine_takes_nothing_down_that_is_pushed() {
    let liar = Liar::honest().await;
    let gone = DataValue { status: Some(StatusCode::BadNoCommunication), ..DataValue::null() };
    liar.world().put(&World::id("Count"), &gone);
    liar.world().put(&World::id("Name"), &gone);
    let points = vec![
        point("speed", at("ns=2;s=Speed")),
        point("count", OpcUaBinding { sampling: Some(OpcUaSampling::Poll), ..at("ns=2;s=Count") }),
        PointSpec { interval: Interval::OnConnect, ..point("name", at("ns=2;s=Name")) },
    ];
    let rig = Rig::start(open(&liar.url()), points).await;
    rig.until_is("speed", 1.5).await;
    rig.until_bad("count", "BadNoCommunication").await;
    rig.until("it is read on", |_| reads(&liar, "Count") > 8).await;
    assert!(rig.state().is_up(), "one node is not the device");
    assert_eq!(liar.heard_of("CreateMonitoredItems").len(), 1, "it was never attached anew");
    liar.world().set("Name", "drill");
    rig.until_is("name", "drill").await; // what is read once is asked again until it has a value
    liar.world().set("Speed", 2.5);
    rig.until_is("speed", 2.5).await;
}

#[tokio::test]
async fn pushed_nodes_without_their_machine_stop_no_reading_of_one_that_has_it() {
    let liar = Liar::honest().await;
    let points = vec![
        point("speed", at("ns=2;s=Speed")),
        point("count", OpcUaBinding { sampling: Some(OpcUaSampling::Poll), ..at("ns=2;s=Count") }),
    ];
    let rig = Rig::start(open(&liar.url()), points).await;
    rig.until("it is up", |state| state.is_up() && state.is("speed", &Value::Float(1.5))).await;
    rig.until_is("count", 7_i64).await;
    let gone = DataValue { status: Some(StatusCode::BadNoCommunication), ..DataValue::null() };
    liar.world().put(&World::id("Speed"), &gone);
    rig.until_bad("speed", "BadNoCommunication").await;
    liar.world().set("Count", 8_i32);
    rig.until_is("count", 8_i64).await;
    assert!(rig.state().is_up() && rig.state().downs == 0, "one node is not the device");
    // The reads say it then, and take it back.
    liar.world().put(&World::id("Count"), &gone);
    rig.until("it is down", |state| state.is_down("BadNoCommunication")).await;
    liar.world().set("Count", 9_i32);
    rig.until("it is up again", |state| state.is_up() && state.is("count", &Value::Int(9))).await;
}

#[tokio::test]
async fn one_silent_node_among_good_ones_has_nothing_read_again() {
    let liar = Liar::honest().await;
    let points = vec![
        point("speed", at("ns=2;s=Speed")),
        point("count", at("ns=2;s=Count")),
        PointSpec { interval: Interval::OnConnect, ..point("name", at("ns=2;s=Name")) },
    ];
    let rig = Rig::start(open(&liar.url()), points).await;
    rig.until_is("name", "press").await;
    rig.until_is("count", 7_i64).await;
    rig.until("it is up", rig::State::is_up).await;
    let gone = DataValue { status: Some(StatusCode::BadNoCommunication), ..DataValue::null() };
    liar.world().put(&World::id("Count"), &gone);
    rig.until_bad("count", "BadNoCommunication").await;
    let before = reads(&liar, "Name");
    for round in 0..5 {
        liar.world().set("Speed", f64::from(round) + 10.0);
        rig.until_is("speed", f64::from(round) + 10.0).await;
    }
    assert_eq!(reads(&liar, "Name"), before, "nothing was said of the device that was not known");
}

#[tokio::test]
async fn what_is_said_of_one_node_stands_while_another_is_looked_for() {
    let liar = Liar::start(|heard| match &heard.request {
        RequestMessage::CreateMonitoredItems(items) => {
            let filtered =
                items.items_to_create.iter().flatten().any(|item| !item.requested_parameters.filter.is_null());
            vec![if filtered { refuse_filters() } else { Say::Good }]
        }
        _ => vec![Say::Good],
    })
    .await;
    let deadband = Some(OpcUaDeadband { percent: Some(5.0), absolute: None });
    let points = vec![
        point("speed", OpcUaBinding { deadband, ..at("ns=2;s=Speed") }),
        point("late", at("ns=2;s=Late")),
        point("never", at("ns=2;s=Never")),
    ];
    let rig = Rig::start(open(&liar.url()), points).await;
    rig.until_is("speed", 1.5).await;
    let is_said = |state: &rig::State| {
        state.known.as_ref().is_some_and(|known| known.learned.iter().any(|line| line.contains("dead-band of: speed")))
    };
    rig.until("it says so", is_said).await;
    liar.world().add("Late", 4.0);
    rig.until_is("late", 4.0).await;
    liar.world().set("Speed", 2.5);
    rig.until_is("speed", 2.5).await;
    assert!(is_said(&rig.state()));
}

/// Pushed again it would be thrown away again, and what stands behind it in its message too.
#[tokio::test]
async fn a_pushed_value_that_cannot_be_decoded_is_read_from_then_on() {
    let liar = Liar::honest().await;
    let points = ["speed", "name", "count"].map(|name| {
        let (first, rest) = name.split_at(1);
        point(name, at(&format!("ns=2;s={}{rest}", first.to_uppercase())))
    });
    let limits = OpcUaLimits { string_length: Some(1024), ..OpcUaLimits::default() };
    let rig = Rig::start(OpcUaDevice { limits: Some(limits), ..open(&liar.url()) }, points.into()).await;
    rig.until_is("name", "press").await;
    liar.world().set("Name", "x".repeat(2000));
    rig.until_bad("name", "BadDecodingError").await;
    let before = reads(&liar, "Name");
    rig.until("it is read on", |_| reads(&liar, "Name") > before + 30).await;
    let watched = liar.heard_of("CreateMonitoredItems").into_iter().flat_map(|heard| match heard.request {
        RequestMessage::CreateMonitoredItems(create) => create.items_to_create.unwrap_or_default(),
        _ => vec![],
    });
    let watched = watched.filter(|item| item.item_to_monitor.node_id == World::id("Name")).count();
    assert_eq!(watched, 1, "it is not subscribed again");
    liar.world().set("Name", "drill");
    rig.until_is("name", "drill").await;
    liar.world().set("Count", 8_i32);
    rig.until_is("count", 8_i64).await;
}

/// More than is decoded of values of values at once.
#[tokio::test]
async fn a_list_of_structures_is_decoded_whatever_stands_behind_it() {
    let liar = Liar::honest().await;
    let structure = || Variant::from(ExtensionObject::from_message(Argument::default()));
    let list = Array::new(VariantScalarTypeId::ExtensionObject, vec![structure(), structure()]).expect("a list");
    liar.world().add("List", Variant::from(list));
    let mut points = vec![point("list", at("ns=2;s=List"))];
    for number in 0..3 {
        liar.world().add(&format!("Large{number}"), "x".repeat(900_000));
        points.push(point(&format!("large{number}"), at(&format!("ns=2;s=Large{number}"))));
    }
    let rig = Rig::start(open(&liar.url()), points).await;
    let told = |state: &rig::State| (0..3).all(|number| state.told.contains_key(&format!("large{number}")));
    rig.until("all are told", |state| state.points.contains_key("list") && told(state)).await;
    assert!(rig.state().points["list"].value.is_ok(), "{:?}", rig.state().points["list"]);
    assert_eq!(liar.heard_of("CreateMonitoredItems").len(), 1, "nothing was given up");
}

/// What is not there has no machine, whichever of the two is heard first.
#[tokio::test]
async fn a_pushed_node_that_is_not_there_does_not_keep_a_device_up_whose_machine_is_gone() {
    let bad = |code| DataValue { status: Some(code), ..DataValue::null() };
    for lost in [StatusCode::BadNodeIdUnknown, StatusCode::BadNodeIdInvalid] {
        for first in ["Speed", "Count"] {
            let liar = Liar::honest().await;
            let points = vec![point("speed", at("ns=2;s=Speed")), point("count", at("ns=2;s=Count"))];
            let rig = Rig::start(open(&liar.url()), points).await;
            rig.until("it is up", |state| state.is_up() && state.is("speed", &Value::Float(1.5))).await;
            rig.until_is("count", 7_i64).await;
            let second = if first == "Speed" { "Count" } else { "Speed" };
            for name in [first, second] {
                let code = if name == "Speed" { StatusCode::BadNoCommunication } else { lost };
                liar.world().put(&World::id(name), &bad(code));
                if name == first {
                    rig.until_bad(&name.to_lowercase(), "Bad").await;
                    assert!(rig.state().is_up(), "one node is not the device");
                }
            }
            let down = format!("it is down: {lost}, {first} first");
            rig.until(&down, |state| state.is_down("BadNoCommunication")).await;
        }
    }
}

#[tokio::test]
async fn a_node_deleted_while_its_device_is_down_says_nothing_of_the_device() {
    let liar = Liar::honest().await;
    let points = vec![point("speed", at("ns=2;s=Speed")), point("count", at("ns=2;s=Count"))];
    let rig = Rig::start(open(&liar.url()), points).await;
    rig.until("it is up", |state| state.is_up() && state.is("speed", &Value::Float(1.5))).await;
    rig.until_is("count", 7_i64).await;
    let gone = DataValue { status: Some(StatusCode::BadNoCommunication), ..DataValue::null() };
    for name in ["Speed", "Count"] {
        liar.world().put(&World::id(name), &gone);
    }
    rig.until("it is down", |state| state.is_down("BadNoCommunication")).await;
    let downs = rig.state().downs;
    liar.clear();
    liar.world().remove("Count");
    liar.wait_for("it is given up", |heard| heard.request.type_name() == "DeleteMonitoredItems").await;
    liar.clear();
    liar.wait_for("it is looked for", |heard| heard.request.type_name() == "Read").await;
    let state = rig.state();
    assert!(state.is_down("BadNoCommunication") && state.downs == downs, "{:?}", state.connected);
}

/// An answer that cannot be decoded is nobody's value: none of its items spoils others.
#[tokio::test]
async fn items_whose_making_was_answered_in_nonsense_are_subscribed_again() {
    let liar = Liar::honest().await;
    let points = vec![point("speed", at("ns=2;s=Speed")), point("count", at("ns=2;s=Count"))];
    let rig = Rig::start(open(&liar.url()), points).await;
    rig.until_is("speed", 1.5).await;
    rig.until_is("count", 7_i64).await;
    let mut once = true;
    liar.script(move |heard| match heard.request.type_name() {
        "CreateMonitoredItems" if std::mem::take(&mut once) => vec![Say::Bytes(Box::new(|mut body| {
            body.truncate(body.len() - 8);
            body
        }))],
        _ => vec![Say::Good],
    });
    liar.clear();
    liar.world().forget_subscriptions();
    liar.publish(|_| vec![Say::Fault(StatusCode::BadNoSubscription)]).await;
    rig.until("again, and once more", |_| liar.heard_of("CreateMonitoredItems").len() > 1).await;
    rig.until("both are watched", |_| liar.world().items() == 2).await;
    liar.world().set("Speed", 9.5);
    rig.until_is("speed", 9.5).await;
}

/// Read until then, in the same session; for ever where it has no such service.
#[tokio::test]
async fn what_is_read_while_the_server_refuses_to_publish_is_pushed_once_it_does_not() {
    for (code, name, ends) in [
        (StatusCode::BadOutOfMemory, "BadOutOfMemory", true),
        (StatusCode::BadServiceUnsupported, "BadServiceUnsupported", false),
    ] {
        let liar = Liar::start(move |heard| match heard.request.type_name() {
            "Publish" => vec![Say::Fault(code)],
            _ => vec![Say::Good],
        })
        .await;
        let rig = Rig::start(open(&liar.url()), vec![point("speed", at("ns=2;s=Speed"))]).await;
        let line = format!("speed ({name})");
        rig.until("it is read for that", |state| {
            state.known.as_ref().is_some_and(|known| known.learned.iter().any(|said| said.contains(&line)))
        })
        .await;
        liar.script(|_| vec![Say::Good]);
        liar.clear();
        // The pause after a first refusal, and who waits for its end looks each minute.
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(61)).await;
        tokio::time::resume();
        if ends {
            rig.until("it is watched", |_| liar.world().items() == 1).await;
            liar.world().set("Speed", 8.5);
            rig.until_is("speed", 8.5).await;
            let before = reads(&liar, "Speed");
            liar.world().set("Speed", 9.5);
            rig.until_is("speed", 9.5).await;
            assert_eq!(reads(&liar, "Speed"), before, "it is pushed");
        } else {
            rig.until("it is read on", |_| reads(&liar, "Speed") > 30).await;
            assert_eq!(liar.heard_of("CreateMonitoredItems").len(), 0, "it is not tried again");
        }
    }
}
