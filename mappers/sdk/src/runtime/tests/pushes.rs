//! A protocol that pushes: from the broker to status, and back.
use super::*;
use crate::testing::memory::{Broker, Memory, Mood};
use pollux_crds::{CONNECTED, IN_SYNC};

fn broker(devices: &[&str]) -> Arc<Broker> {
    let broker = Arc::<Broker>::default();
    for device in devices {
        broker.publish(device, "temperature", 20.0);
        broker.publish(device, "setpoint", 20.0);
    }
    broker
}
fn plant(broker: &Arc<Broker>, devices: impl IntoIterator<Item = EffectiveDevice>) -> Plant<Broker> {
    Plant::over(Memory(broker.clone()), broker, config(devices), Store::ephemeral())
}
/// With a button that is pressed, and told of in status so often at most, in seconds.
fn button(every: u64) -> EffectiveDevice {
    let press = EffectiveProperty {
        kind: pollux_crds::PropertyKind::Event,
        stale_after: None,
        report: EffectiveReport { never: false, deadband: 0.0, min_interval: Span::from_secs(every) },
        ..property("press", Access::ReadOnly)
    };
    let state = EffectiveProperty { stale_after: None, ..property("temperature", Access::ReadOnly) };
    EffectiveDevice { properties: vec![press, state].into(), ..device("a") }
}
fn presses(news: &mut tokio::sync::broadcast::Receiver<crate::Word>) -> Vec<f64> {
    let words = std::iter::from_fn(|| news.try_recv().ok());
    words
        .filter_map(|word| match word {
            crate::Word::Happened(one) => one.value.0.as_f64(),
            crate::Word::Device(_) => None,
        })
        .collect()
}
fn patient(device: EffectiveDevice) -> EffectiveDevice {
    let properties = device.properties.iter().map(|p| EffectiveProperty { stale_after: None, ..p.clone() }).collect();
    EffectiveDevice { properties, ..device }
}

#[tokio::test(start_paused = true)]
async fn pushed_values_turn_bad_with_the_connection_and_stale_in_silence() {
    let broker = broker(&["a"]);
    let plant = plant(&broker, [device("a")]);
    plant.until("a", reports("temperature", 20.0)).await;
    broker.publish("a", "temperature", 25.5);
    plant.until("a", reports("temperature", 25.5)).await;
    *broker.mood.lock().unwrap() = Mood::Offline;
    broker.cut();
    let status = plant.until("a", |status| status_of(status, CONNECTED).0 == "False").await;
    assert_eq!(status.quality_reason["temperature"], "NotConnected");
    assert!(reports("temperature", 25.5)(&status), "the last value stays");
    broker.publish("a", "temperature", 30.0); // nobody listens
    *broker.mood.lock().unwrap() = Mood::Serving;
    let missed = |s: &DeviceStatus| s.quality.is_empty() && reports("temperature", 30.0)(s);
    plant.until("a", missed).await; // it comes with the subscription
    let stale = |s: &DeviceStatus| s.quality_reason.get("temperature").is_some_and(|reason| reason == "Stale");
    plant.until("a", |s| stale(s) && is(CONNECTED, "True", "Answers")(s)).await;
    broker.publish("a", "temperature", 31.0);
    plant.until("a", |s| reports("temperature", 31.0)(s) && !stale(s)).await;
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_write_is_confirmed_by_what_is_pushed_after_it() {
    let broker = broker(&["a"]);
    *broker.only_pushes.lock().unwrap() = true;
    let plant = plant(&broker, [patient(device("a"))]);
    plant.until("a", reports("setpoint", 20.0)).await;
    plant.set(config([wants(22.0, patient(device("a")))]));
    plant
        .poll("written", |plant| plant.script.get("a", "setpoint").and_then(|value| value.as_f64()) == Some(22.0))
        .await;
    plant.pass(Duration::from_millis(100)).await;
    let status = plant.view("a").expect("shown").status();
    assert!(is(IN_SYNC, "False", "Writing")(&status) && reports("setpoint", 20.0)(&status));
    broker.publish("a", "setpoint", 22.0);
    let status = plant.until("a", is(IN_SYNC, "True", "Confirmed")).await;
    assert!(reports("setpoint", 22.0)(&status) && status.pending.is_empty());
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn two_devices_share_one_slot_and_both_get_what_is_desired() {
    let broker = broker(&["a", "b"]);
    *broker.slots.lock().unwrap() = Some(1);
    let plant = plant(&broker, ["a", "b"].map(|name| wants(22.0, patient(device(name)))));
    for name in ["a", "b"] {
        let status = plant.until(name, is(IN_SYNC, "True", "Confirmed")).await;
        assert!(reports("setpoint", 22.0)(&status));
    }
    broker.publish("a", "temperature", 25.0);
    broker.publish("b", "temperature", 26.0);
    plant.until("a", reports("temperature", 25.0)).await;
    plant.until("b", reports("temperature", 26.0)).await;
    assert_eq!(*broker.most.lock().unwrap(), 1);
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_keep_alive_keeps_values_fresh_and_says_nothing_of_a_write() {
    let broker = broker(&["a"]);
    *broker.only_pushes.lock().unwrap() = true;
    let plant = plant(&broker, [device("a")]);
    plant.until("a", reports("setpoint", 20.0)).await;
    let stale = |status: &DeviceStatus| status.quality_reason.values().any(|reason| reason == "Stale");
    for _ in 0..60 {
        plant.pass(seconds(1)).await;
        broker.keep_alive("a");
    }
    plant.pass(Duration::from_millis(100)).await;
    assert!(!stale(&plant.view("a").expect("shown").status()));
    // Written, acknowledged, and not read since: that it is 20 still was said of before.
    plant.set(config([wants(22.0, device("a"))]));
    plant
        .poll("written", |plant| plant.script.get("a", "setpoint").and_then(|value| value.as_f64()) == Some(22.0))
        .await;
    for _ in 0..3 {
        plant.pass(Duration::from_millis(300)).await; // within the time that the write has to show
        broker.keep_alive("a");
    }
    let status = plant.view("a").expect("shown").status();
    assert!(is(IN_SYNC, "False", "Writing")(&status), "{:?}", status_of(&status, IN_SYNC));
    broker.publish("a", "setpoint", 22.0);
    plant.until("a", is(IN_SYNC, "True", "Confirmed")).await;
    plant.until("a", stale).await; // nothing is said any more
    for _ in 0..90 {
        broker.keep_alive("a");
        plant.pass(seconds(1)).await; // a twin is looked at each minute at the latest
    }
    assert!(!stale(&plant.view("a").expect("shown").status()));
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn each_event_is_told_once_status_has_the_last_and_its_time_and_none_grows_stale() {
    let broker = broker(&["a"]);
    let plant = plant(&broker, [button(10)]);
    let status = plant.until("a", reports("temperature", 20.0)).await;
    assert_eq!(status.quality, [].into(), "that nothing was pressed yet is no fault");
    assert!(is(pollux_crds::HEALTHY, "True", "Good")(&status) && !status.reported.contains_key("press"));
    let mut news = plant.hub.news();
    let (mut happened, mut versions, mut times) = (vec![], 0, vec![]);
    for round in 0..3 {
        std::thread::sleep(Duration::from_millis(2)); // times are the wall's, which no paused clock moves on
        for value in [1.0, 1.0, 2.0, 1.0] {
            broker.publish("a", "press", value);
            plant.pass(Duration::from_millis(200)).await;
        }
        plant.pass(seconds(if round == 2 { 3600 } else { 20 })).await;
        let status = plant.view("a").expect("shown").status();
        assert!(reports("press", 1.0)(&status) && status.quality.is_empty(), "{:?}", status.quality);
        times.push(status.timestamps["press"].clone());
    }
    while let Ok(word) = news.try_recv() {
        match word {
            crate::Word::Happened(one) => happened.push((one.property.clone(), one.value.0.as_f64(), one.time_ms)),
            crate::Word::Device(_) => versions += 1,
        }
    }
    let values: Vec<_> = happened.iter().filter_map(|(name, value, _)| value.filter(|_| name == "press")).collect();
    assert_eq!(values, [1.0, 1.0, 2.0, 1.0].repeat(3));
    assert!(happened.windows(2).all(|pair| pair[0].2 <= pair[1].2));
    times.dedup();
    assert_eq!(times.len(), 3, "the same value has another time: {times:?}");
    assert!(versions <= 6, "{versions} statuses for 12 events, each 10 s at most");
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_stood_there_is_in_status_and_did_not_happen_and_a_fault_ends_without_another_event() {
    let broker = broker(&["a"]);
    broker.publish("a", "press", 7.0);
    let plant = plant(&broker, [button(1)]);
    let mut news = plant.hub.news();
    let well = |s: &DeviceStatus| reports("press", 7.0)(s) && s.quality.is_empty();
    let first = plant.until("a", well).await;
    broker.spoil("a", "press");
    let bad = |s: &DeviceStatus| s.quality_reason.get("press").is_some_and(|reason| reason == "malformed");
    plant.until("a", bad).await;
    broker.mend("a", "press");
    let then = plant.until("a", well).await;
    assert_eq!(then.timestamps["press"], first.timestamps["press"], "the last is as old as it is");
    assert_eq!(presses(&mut news), [0.0; 0]);
    broker.publish("a", "press", 7.0);
    plant.pass(seconds(2)).await;
    assert_eq!(presses(&mut news), [7.0]);
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_happens_while_the_device_is_edited_is_told_where_the_property_stands_and_counted_where_not() {
    let broker = broker(&["a"]);
    let plant = plant(&broker, [button(1)]);
    plant.until("a", reports("temperature", 20.0)).await;
    let mut news = plant.hub.news();
    let edited = |generation, change: &dyn Fn(&mut Vec<EffectiveProperty>)| {
        let mut properties = button(1).properties.to_vec();
        change(&mut properties);
        config([EffectiveDevice { properties: properties.into(), generation, ..button(1) }])
    };
    let lost = || plant.engines.all().values().map(|engine| engine.stats.lost_pushes.get()).sum::<u64>();
    // Another property goes, another interval comes: the button stands elsewhere, and is the same.
    for (generation, edit) in [
        (5, &(|p: &mut Vec<EffectiveProperty>| p.reverse()) as &dyn Fn(&mut Vec<EffectiveProperty>)),
        (6, &|p: &mut Vec<EffectiveProperty>| drop(p.pop())),
    ] {
        broker.publish("a", "press", 1.0);
        plant.set(edited(generation, edit));
        plant.pass(seconds(2)).await;
        broker.publish("a", "press", 2.0);
        plant.pass(seconds(2)).await;
        assert_eq!(presses(&mut news), [1.0, 2.0], "generation {generation}");
    }
    assert_eq!(lost(), 0);
    // Whether the press or the edit is first is not said: it is told, or it is counted.
    for generation in (7..47).step_by(2) {
        broker.publish("a", "press", 3.0);
        plant.set(edited(generation, &|p| drop(p.remove(0))));
        plant.pass(seconds(2)).await;
        let (told, lost) = (presses(&mut news).len() as u64, lost());
        assert_eq!(told + lost, 1, "generation {generation}: {told} told, {lost} counted");
        if lost == 1 {
            break;
        }
        plant.set(edited(generation + 1, &|p| p.reverse()));
        plant.pass(seconds(2)).await;
        presses(&mut news);
    }
    assert_eq!(lost(), 1, "the edit was first at least once");
    plant.end().await;
}
