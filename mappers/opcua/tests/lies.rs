//! A server that lies: whatever it answers, what it lies about is Bad in words, all else is as it was, and once it is honest again
//! everything is. Through the driver, on the engine.
#![allow(clippy::panic, reason = "tests")]
mod liar;
mod rig;

use futures_util::future::join_all;
use liar::{Heard, Liar, Say, World};
use opcua::{
    core::ResponseMessage,
    types::{ByteString, DataValue, DateTime, StatusCode, Variant},
};
use pollux_crds::{OpcUaDelivery, OpcUaDevice, OpcUaSubscription};
use pollux_mapper::Value;
use rig::{Rig, at, open, point};
use std::sync::{Arc, Mutex};

/// What the honest server says: bytes that are found in its answer.
const HONEST: [u8; 16] = *b"an honest answer";

fn delivered(url: &str, mode: OpcUaDelivery) -> OpcUaDevice {
    let subscription = OpcUaSubscription {
        mode: Some(mode),
        min_publishing_interval: "20ms".parse().ok(),
        ..OpcUaSubscription::default()
    };
    OpcUaDevice { subscription: Some(subscription), ..open(url) }
}

/// The honest bytes as a Variant (Part 6, 5.2.2.16) in place of which others are said.
fn bent(mut body: Vec<u8>, lie: &[u8]) -> Vec<u8> {
    let honest = [&[15, 16, 0, 0, 0][..], &HONEST].concat();
    if let Some(at) = body.windows(honest.len()).position(|bytes| bytes == honest) {
        body.splice(at..at + honest.len(), lie.iter().copied());
    }
    body
}

/// Name, bytes of a Variant. The longest are much longer than what is left of the answer.
fn values() -> Vec<(&'static str, Vec<u8>)> {
    let most = [0xFF, 0xFF, 0xFF, 0x7F];
    let of = |kind: u8, rest: &[&[u8]]| [&[kind][..], &rest.concat()].concat();
    let strange = [1, 2, 0x39, 0x30]; // ns=2;i=12345
    let two = [2, 0, 0, 0];
    vec![
        ("2³¹ numbers", of(0x8B, &[&most])),
        ("2³¹ texts", of(0x8C, &[&most])),
        ("2³¹ values", of(0x98, &[&most])),
        ("−5 numbers", of(0x8B, &[&[0xFB, 0xFF, 0xFF, 0xFF]])),
        ("a text of 2³¹ bytes", of(12, &[&most])),
        ("2³¹ bytes", of(15, &[&most])),
        ("a text that is not UTF-8", of(12, &[&two, &[0xFF, 0xFE]])),
        ("a matrix of other dimensions", of(0xCB, &[&two, &[0; 16], &two, &[3, 0, 0, 0, 5, 0, 0, 0]])),
        ("a matrix of 2³² elements", of(0xCB, &[&two, &[0; 16], &two, &[0, 0, 1, 0, 0, 0, 1, 0]])),
        ("a matrix of nothing", of(0xCB, &[&two, &[0; 16], &two, &[0; 8]])),
        ("dimensions without values", of(0x4B, &[&[0; 8]])),
        ("an object of 2³¹ bytes", of(22, &[&strange, &[1], &most])),
        ("an object of 2³¹ letters", of(22, &[&strange, &[2], &most])),
        ("2³¹ objects", of(0x96, &[&most])),
        ("an object in no encoding", of(22, &[&strange, &[9]])),
        ("a node id of no kind", of(17, &[&[0x3F]])),
        ("values in values", [24].repeat(1_000)),
        ("data in data", [23, 1].repeat(100_000)),
        ("diagnostics in diagnostics", [&[25][..], &[0x40; 100_000]].concat()),
        ("nothing of what it says", vec![11]),
    ]
}

#[tokio::test]
async fn a_value_that_is_a_lie_is_bad_and_all_others_are_good() {
    let lie: Arc<Mutex<Option<Vec<u8>>>> = Arc::default();
    let told = lie.clone();
    let liar = Liar::start(move |heard| match (heard.request.type_name(), told.lock().expect("no panic").clone()) {
        ("Read", Some(lie)) => vec![Say::Bytes(Box::new(move |body| bent(body, &lie)))],
        _ => vec![Say::Good],
    })
    .await;
    liar.world().add("Lie", Variant::from(ByteString::from(HONEST.as_slice())));
    let device = delivered(&liar.url(), OpcUaDelivery::Poll);
    let points =
        vec![point("before", at("ns=2;s=Speed")), point("lie", at("ns=2;s=Lie")), point("behind", at("ns=2;s=Count"))];
    let rig = Rig::start(device, points).await;
    let honest = Value::Bytes(Arc::from(HONEST.as_slice()));
    rig.until_is("lie", honest.clone()).await;
    for (turn, (name, bytes)) in (1_i32..).zip(values()) {
        *lie.lock().expect("no panic") = Some(bytes);
        rig.until(name, |state| state.is_bad("lie", "")).await;
        let words = rig.state().points["lie"].value.clone().expect_err("bad").text;
        assert!(words.contains("Bad"), "{name}: {words}");
        // Values of the others still come, and not those of before.
        liar.world().set("Speed", f64::from(turn));
        liar.world().set("Count", turn);
        rig.until_is("before", f64::from(turn)).await;
        rig.until_is("behind", i64::from(turn)).await;
        *lie.lock().expect("no panic") = None;
        rig.until(name, |state| state.is("lie", &honest)).await;
        assert!(rig.state().is_up(), "{name}");
    }
    assert_eq!(liar.accepted(), 2, "one to ask for its endpoints, one for all values");
}

/// What can be encoded, and is strange all the same.
fn strange() -> Vec<(&'static str, DataValue)> {
    let now = DateTime::from(chrono::Utc::now());
    let at = |ticks: i64| DataValue { source_timestamp: Some(DateTime::from(ticks)), ..DataValue::value_only(5_i32) };
    let code = |bits: u32| DataValue { status: Some(StatusCode::from(bits)), ..DataValue::new_at(5_i32, now) };
    vec![
        ("no number", DataValue::value_only(f64::NAN)),
        ("more than any number", DataValue::value_only(f64::INFINITY)),
        ("a date of no calendar", DataValue::value_only(DateTime::from(i64::MAX))),
        ("a date before all dates", DataValue::value_only(DateTime::from(i64::MIN))),
        ("a time at the end of times", at(i64::MAX)),
        ("a time before all times", at(i64::MIN)),
        ("nothing", DataValue::null()),
        ("nothing that is Good", DataValue { value: Some(Variant::Empty), ..DataValue::null() }),
        ("a code that nobody knows", code(0x8FFF_0000)),
        ("a severity that there is not", code(0xC000_0000)),
        ("another type", DataValue::value_only("seven")),
        ("an array", DataValue::value_only(vec![1_i32, 2, 3])),
        ("a long text", DataValue::value_only("x".repeat(500_000))),
        (
            "a value in a value",
            DataValue::value_only(Variant::Variant(Box::new(Variant::Variant(Box::new(Variant::Int32(1)))))),
        ),
        ("a type that nobody knows", {
            let body =
                opcua::types::type_loader::ByteStringBody::new(ByteString::from(vec![1; 9]), World::id("Strange"));
            DataValue::value_only(Variant::ExtensionObject(opcua::types::ExtensionObject::new(body)))
        }),
    ]
}

#[tokio::test]
async fn a_strange_value_harms_no_other_pushed_or_read() {
    for mode in [OpcUaDelivery::Poll, OpcUaDelivery::Auto] {
        let liar = Liar::honest().await;
        liar.world().add("Strange", 7_i32);
        let points = vec![point("strange", at("ns=2;s=Strange")), point("count", at("ns=2;s=Count"))];
        let rig = Rig::start(delivered(&liar.url(), mode), points).await;
        rig.until_is("strange", 7_i64).await;
        for (turn, (name, value)) in (1_i32..).zip(strange()) {
            let told = rig.state().told["strange"];
            liar.world().put(&World::id("Strange"), &value);
            // Whatever it means, it is told; Bad has words.
            rig.until(name, |state| state.told["strange"] > told).await;
            let came = rig.state().points["strange"].value.clone();
            assert!(came.is_ok() || came.as_ref().is_err_and(|fault| !fault.text.is_empty()), "{name}: {came:?}");
            liar.world().set("Count", turn);
            rig.until_is("count", i64::from(turn)).await;
            liar.world().set("Strange", 7_i32);
            rig.until(name, |state| state.is("strange", &Value::Int(7))).await;
            assert!(rig.state().is_up(), "{mode:?}, {name}");
        }
    }
}

type Bend = fn(&mut ResponseMessage);
/// Which service lies, what it says, and how its honest answer is bent to it.
fn services() -> Vec<(&'static str, &'static str, Bend)> {
    use ResponseMessage as R;
    vec![
        ("TranslateBrowsePathsToNodeIds", "no results", |answer| {
            if let R::TranslateBrowsePathsToNodeIds(answer) = answer {
                answer.results = None;
            }
        }),
        ("TranslateBrowsePathsToNodeIds", "more results", |answer| {
            if let R::TranslateBrowsePathsToNodeIds(answer) = answer {
                answer.results.get_or_insert_default().push(opcua::types::BrowsePathResult::default());
            }
        }),
        ("TranslateBrowsePathsToNodeIds", "Good, and nothing found", |answer| {
            if let R::TranslateBrowsePathsToNodeIds(answer) = answer {
                answer.results.iter_mut().flatten().for_each(|result| result.targets = None);
            }
        }),
        ("CreateSubscription", "an interval that is no number", |answer| {
            if let R::CreateSubscription(answer) = answer {
                answer.revised_publishing_interval = f64::NAN;
                answer.revised_max_keep_alive_count = 0;
            }
        }),
        ("CreateSubscription", "an interval of centuries", |answer| {
            if let R::CreateSubscription(answer) = answer {
                answer.revised_publishing_interval = 1e300;
                answer.revised_max_keep_alive_count = u32::MAX;
            }
        }),
        ("CreateSubscription", "an interval before it began", |answer| {
            if let R::CreateSubscription(answer) = answer {
                answer.revised_publishing_interval = -1e9;
            }
        }),
        ("CreateMonitoredItems", "no results", |answer| {
            if let R::CreateMonitoredItems(answer) = answer {
                answer.results = None;
            }
        }),
        ("CreateMonitoredItems", "more results", |answer| {
            if let R::CreateMonitoredItems(answer) = answer {
                let more = vec![opcua::types::MonitoredItemCreateResult::default(); 100];
                answer.results.get_or_insert_default().extend(more);
            }
        }),
    ]
}
/// The same of those that come before, and of values.
fn more_services() -> Vec<(&'static str, &'static str, Bend)> {
    use ResponseMessage as R;
    vec![
        ("CreateSession", "it lives no time", |answer| {
            if let R::CreateSession(answer) = answer {
                answer.revised_session_timeout = f64::NEG_INFINITY;
            }
        }),
        ("GetEndpoints", "none", |answer| {
            if let R::GetEndpoints(answer) = answer {
                answer.endpoints = None;
            }
        }),
        ("GetEndpoints", "a thousand, of which none is one", |answer| {
            if let R::GetEndpoints(answer) = answer {
                answer.endpoints = Some(vec![opcua::types::EndpointDescription::default(); 1000]);
            }
        }),
        ("Read", "no results", |answer| {
            if let R::Read(answer) = answer {
                answer.results = None;
            }
        }),
        ("Read", "all the same text", |answer| {
            if let R::Read(answer) = answer {
                answer.results.iter_mut().flatten().for_each(|value| value.value = Some("lie".into()));
            }
        }),
        ("Publish", "of a subscription that is not there", |answer| {
            if let R::Publish(answer) = answer {
                answer.subscription_id = 4_000_000;
                answer.available_sequence_numbers = Some(vec![1; 10_000]);
                answer.results = Some(vec![StatusCode::BadSequenceNumberUnknown; 1_000]);
                answer.notification_message.sequence_number = u32::MAX;
            }
        }),
    ]
}

/// One that lies so for a while.
async fn lied(service: &'static str, what: &'static str, bend: Bend) {
    let liar = Liar::start(move |heard: &Heard| {
        if heard.request.type_name() != service {
            return vec![Say::Good];
        }
        // A Publish that is answered at once is asked again at once: a pause, as even liars make it.
        let pause = (service == "Publish").then_some(Say::Wait(std::time::Duration::from_millis(20)));
        pause.into_iter().chain([Say::Bent(Box::new(bend))]).collect()
    })
    .await;
    let mode = if service == "Read" { OpcUaDelivery::Poll } else { OpcUaDelivery::Auto };
    let points = vec![point("speed", at("/2:Line/2:Speed")), point("count", at("ns=2;s=Count"))];
    let rig = Rig::start(delivered(&liar.url(), mode), points).await;
    liar.wait_for(&format!("{service}, {what}"), |heard| heard.request.type_name() == service).await;
    liar.clear();
    // Time for the lie to work, until it is asked again or values come all the same.
    let again = async {
        while liar.heard_of(service).is_empty() && !rig.state().is("count", &Value::Int(7)) {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(liar::PATIENCE, again).await.unwrap_or_else(|_| panic!("{service}, {what}: nothing more"));
    liar.script(|_| vec![Say::Good]);
    liar.world().set("Speed", 42.0);
    liar.world().set("Count", 42_i32);
    rig.until(&format!("{service}, {what}: good again"), |state| {
        state.is("speed", &Value::Float(42.0)) && state.is("count", &Value::Int(42)) && state.is_up()
    })
    .await;
}

#[tokio::test]
async fn a_service_that_lied_is_heard_again_once_it_is_honest() {
    join_all(services().into_iter().chain(more_services()).map(|(service, what, bend)| lied(service, what, bend)))
        .await;
}
