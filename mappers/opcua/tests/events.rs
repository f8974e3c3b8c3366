//! What happens at a server: each once, and what only stands there not at all.
mod liar;
mod rig;

use liar::{Liar, Say, World};
use opcua::{
    core::ResponseMessage,
    types::{DataValue, DateTime, MonitoredItemCreateResult, StatusCode},
};
use pollux_crds::{OpcUaDelivery, OpcUaDevice, OpcUaSubscription};
use pollux_mapper::{PointSpec, Value};
use rig::{Rig, at, open, point};

/// Soon looked after.
fn brisk(liar: &Liar) -> OpcUaDevice {
    let subscription = OpcUaSubscription {
        mode: Some(OpcUaDelivery::Auto),
        keep_alive: "1s".parse().ok(),
        min_publishing_interval: "20ms".parse().ok(),
        ..OpcUaSubscription::default()
    };
    OpcUaDevice { subscription: Some(subscription), timeout: "2s".parse().ok(), ..open(&liar.url()) }
}
fn stamped(value: i32, second: i64) -> DataValue {
    let time = DateTime::from(chrono::DateTime::from_timestamp(1_700_000_000 + second, 0).expect("a time"));
    DataValue { source_timestamp: Some(time), ..DataValue::value_only(value) }
}
fn press(liar: &Liar, value: i32, second: i64) {
    liar.world().put(&World::id("Count"), &stamped(value, second));
}
/// An event that stands at 1 since second 1, and a state, by which it is seen that all was heard.
async fn button(liar: &Liar) -> Rig {
    press(liar, 1, 1);
    let event = PointSpec { event: true, writable: false, ..point("press", at("ns=2;s=Count")) };
    let rig = Rig::start(brisk(liar), vec![event, point("speed", at("ns=2;s=Speed"))]).await;
    rig.until_is("press", 1_i64).await;
    assert_eq!(told(&rig), 0, "what stood there");
    rig
}
fn told(rig: &Rig) -> usize {
    rig.state().told.get("press").copied().unwrap_or(0)
}
/// How many were told by the time that this has come, which is sent after them.
async fn told_before(rig: &Rig, liar: &Liar, speed: f64) -> usize {
    liar.world().set("Speed", speed);
    rig.until_is("speed", speed).await;
    told(rig)
}
async fn until_told(rig: &Rig, count: usize) {
    rig.until(&format!("{count} are told"), |state| state.told.get("press") == Some(&count)).await;
}

#[tokio::test]
async fn two_presses_alike_are_two_and_a_status_is_none() {
    let liar = Liar::honest().await;
    let rig = button(&liar).await;
    press(&liar, 1, 2);
    until_told(&rig, 1).await;
    press(&liar, 1, 3);
    until_told(&rig, 2).await;
    let doubtful = DataValue { status: Some(StatusCode::UncertainLastUsableValue), ..stamped(1, 3) };
    liar.world().put(&World::id("Count"), &doubtful);
    assert_eq!(told_before(&rig, &liar, 2.0).await, 2);
    rig.stop().await;
}

#[tokio::test]
async fn what_stands_there_after_a_subscription_was_made_anew_is_none_unless_it_happened_meanwhile() {
    let liar = Liar::honest().await;
    let rig = button(&liar).await;
    press(&liar, 1, 2);
    until_told(&rig, 1).await;
    let made = || liar.heard_of("CreateMonitoredItems").len();
    let (mut told, mut second) = (1_u8, 2);
    // A server that was restarted, and one that lost the subscription alone, while we were connected and while not.
    for (round, (restarts, cuts)) in (1_u8..).zip([(true, true), (false, true), (false, false)]) {
        // Nothing happened; the server stamps it anew; something happened.
        for (value, later, news) in [(told, 0, 0), (told, 1, 0), (told + 1, 1, 1)] {
            let before = made();
            second += later;
            {
                let mut world = liar.world();
                if restarts {
                    world.forget_sessions();
                } else {
                    world.forget_subscriptions();
                }
                world.put(&World::id("Count"), &stamped(value.into(), second));
            }
            if cuts {
                liar.cut();
            }
            rig.until("it is subscribed anew", |_| made() > before).await;
            rig.until("it is up", rig::State::is_up).await;
            told += news;
            until_told(&rig, told.into()).await;
            let speed =
                f64::from(round) * 100.0 + f64::from(value) + f64::from(i32::try_from(second).expect("few")) / 100.0;
            let so_far = told_before(&rig, &liar, speed).await;
            assert_eq!(so_far, usize::from(told), "round {round}: {value}, {later} s later");
            assert!(rig.state().is("press", &Value::Int(told.into())));
        }
    }
    press(&liar, told.into(), second + 1);
    until_told(&rig, usize::from(told) + 1).await;
    rig.stop().await;
}

#[tokio::test]
async fn what_stood_there_before_a_node_was_bad_is_none_after_it() {
    let liar = Liar::honest().await;
    let rig = button(&liar).await;
    press(&liar, 5, 2);
    until_told(&rig, 1).await;
    let bad = DataValue { status: Some(StatusCode::BadNoCommunication), ..DataValue::null() };
    for (value, second, told) in [(5, 2_i32, 2), (5, 10, 3), (6, 11, 5)] {
        liar.world().put(&World::id("Count"), &bad);
        rig.until_bad("press", "BadNoCommunication").await; // which is told too
        press(&liar, value, second.into());
        rig.until_is("press", i64::from(value)).await;
        assert_eq!(told_before(&rig, &liar, f64::from(second)).await, told, "{value} of {second}");
    }
    rig.stop().await;
}

#[tokio::test]
async fn a_server_that_tells_no_two_alike_is_said_to() {
    let liar = Liar::honest().await;
    let mut first = true;
    liar.script(move |heard| {
        let refused = Say::Bent(Box::new(|answer| {
            if let ResponseMessage::CreateMonitoredItems(items) = answer {
                let refused = MonitoredItemCreateResult {
                    status_code: StatusCode::BadMonitoredItemFilterUnsupported,
                    ..MonitoredItemCreateResult::default()
                };
                items.results.iter_mut().flatten().for_each(|item| *item = refused.clone());
            }
        }));
        let items = heard.request.type_name() == "CreateMonitoredItems";
        if items && std::mem::take(&mut first) { vec![refused] } else { vec![Say::Good] }
    });
    let rig = button(&liar).await;
    rig.until("it says so", |state| {
        let lines = state.known.as_ref().map(|known| &known.learned);
        lines.is_some_and(|lines| lines.iter().any(|line| line.contains("changes alone") && line.contains("press")))
    })
    .await;
    press(&liar, 2, 2);
    until_told(&rig, 1).await;
    rig.stop().await;
}
