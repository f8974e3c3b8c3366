//! What comes from the field, and what is told of it.
use super::*;
use crate::testing::scripted::Answer;
use pollux_crds::{CONNECTED, HEALTHY, OVERLOADED};

#[tokio::test(start_paused = true)]
async fn a_configuration_becomes_values_in_the_hub() {
    let script = script(&["a"]);
    let plant = Plant::new(&script, config([device("a")]));
    let status = plant.until("a", reports("temperature", 20.0)).await;
    assert!(reports("setpoint", 20.0)(&status), "the first report has all values");
    assert_eq!(status_of(&status, CONNECTED).0, "True");
    assert_eq!(status_of(&status, HEALTHY).0, "True");
    assert_eq!(status.uid.as_deref(), Some("uid-a"));
    script.set("a", "temperature", 25.5);
    plant.until("a", reports("temperature", 25.5)).await;
    let engines = plant.engines.all();
    assert_eq!(engines["bus"].devices.values().collect::<Vec<_>>(), ["plant/a"]);
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_link_that_dies_turns_connected_false_and_values_bad_until_it_is_back() {
    let script = script(&["a"]);
    let plant = Plant::new(&script, config([device("a")]));
    plant.until("a", is(CONNECTED, "True", "Answers")).await;
    *script.offline.lock().unwrap() = true;
    script.cut();
    let status = plant.until("a", |status| status_of(status, CONNECTED).0 == "False").await;
    assert_eq!(status_of(&status, CONNECTED).1, "Unreachable");
    assert_eq!(status.quality_reason["temperature"], "NotConnected");
    assert!(reports("temperature", 20.0)(&status), "the last value stays");
    *script.offline.lock().unwrap() = false;
    let status = plant.until("a", |s| s.quality.is_empty() && is(CONNECTED, "True", "Answers")(s)).await;
    assert_eq!(status_of(&status, HEALTHY).0, "True");
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn connected_turns_at_most_once_in_thirty_seconds() {
    let script = script(&["a"]);
    let plant = Plant::new(&script, config([device("a")]));
    plant.until("a", is(CONNECTED, "True", "Answers")).await;
    let mut news = plant.hub.news();
    for _ in 0..40 {
        script.cut();
        plant.pass(seconds(3)).await;
    }
    let (mut turns, mut last) = (0, "True".to_owned());
    while let Ok(crate::Word::Device(view)) = news.try_recv() {
        let now = status_of(&view.status(), CONNECTED).0.to_owned();
        turns += usize::from(now != last);
        last = now;
    }
    assert!((1..=5).contains(&turns), "{turns} turns in two minutes");
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_reading_asked_for_is_read_and_shown_at_once() {
    let script = script(&["a", "off"]);
    let mut slow = device("a");
    for property in slow.properties.iter_mut() {
        property.interval = Interval::Every(Span::from_millis(3_600_000));
        property.stale_after = None;
        property.report.deadband = 5.0;
    }
    let plant = Plant::new(&script, config([slow, with_mode(Mode::Off, device("off"))]));
    plant.until("a", reports("temperature", 20.0)).await;
    script.set("a", "temperature", 21.0);
    assert_eq!(plant.control.read("uid-a").await, Ok(()));
    let view = plant.view("a").expect("published");
    assert!(reports("temperature", 21.0)(&view.status()), "within the dead-band too");
    assert_eq!(plant.control.read("nobody").await, Err(ControlError::NoSuchDevice));
    assert!(matches!(plant.control.read("uid-off").await, Err(ControlError::NotConnected(_))));
    script.silent.lock().unwrap().insert("a".into());
    assert!(matches!(plant.control.read("uid-a").await, Err(ControlError::NotConnected(_))));
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_reading_that_a_newer_one_has_overtaken_is_no_news() {
    let (script, mut device) = (script(&["a"]), device("a"));
    *script.limits.lock().unwrap() = crate::Limits::at_once(4).per_unit(2);
    device.properties.iter_mut().for_each(|p| p.interval = Interval::Every(Span::from_secs(5)));
    let plant = Plant::new(&script, config([device]));
    plant.until("a", reports("temperature", 20.0)).await;
    script.answers.lock().unwrap().push_back(Answer::Late(Duration::from_millis(900)));
    plant.poll("a reading is under way", |plant| plant.script.answers.lock().unwrap().is_empty()).await;
    script.set("a", "temperature", 21.0);
    assert_eq!(plant.control.read("uid-a").await, Ok(()));
    plant.until("a", reports("temperature", 21.0)).await;
    plant.pass(seconds(3)).await;
    let view = plant.view("a").expect("published");
    assert!(reports("temperature", 21.0)(&view.status()), "{:?}", view.status().reported);
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn readings_are_served_when_the_source_of_configuration_has_ended() {
    let script = script(&["a"]);
    let mut plant = Plant::new(&script, config([device("a")]));
    plant.until("a", reports("temperature", 20.0)).await;
    plant.config = watch::channel(Arc::default()).0;
    plant.pass(seconds(1)).await;
    assert_eq!(timeout(seconds(10), plant.control.read("uid-a")).await, Ok(Ok(())));
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn channels_say_whether_their_link_is_open_and_are_forgotten_with_their_last_device() {
    let script = script(&["a", "b"]);
    let line = |name: &str| EffectiveDevice { channel: Some("line-1".into()), ..device(name) };
    let plant = Plant::new(&script, config([line("a"), line("b")]));
    plant.until("b", reports("temperature", 20.0)).await;
    let said = plant.hub.channels();
    assert_eq!((said.len(), said[0].name.as_str(), said[0].namespace.as_str()), (1, "line-1", "plant"));
    assert_eq!((said[0].state.node.as_str(), said[0].state.connected), ("edge-1", true));
    *script.offline.lock().unwrap() = true;
    script.cut();
    plant.poll("closed", |plant| !plant.hub.channels()[0].state.connected).await;
    assert_eq!(plant.hub.channels()[0].state.message.as_deref(), Some("link cut"));
    plant.set(config([line("a")]));
    plant.poll("b is gone", |plant| plant.view("b").is_none()).await;
    assert_eq!(plant.hub.channels().len(), 1, "a is still on it");
    plant.set(config([EffectiveDevice { channel: Some("line-2".into()), ..line("a") }]));
    plant.poll("renamed", |plant| plant.hub.channels().iter().map(|c| &c.name).eq(["line-2"])).await;
    plant.set(config([]));
    plant.poll("forgotten", |plant| plant.hub.channels().is_empty()).await;
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_asked_for_too_much_says_so_and_so_do_its_devices() {
    let script = script(&["a", "b"]);
    let line = |name: &str| {
        let mut device = EffectiveDevice { channel: Some("line-1".into()), ..device(name) };
        device.properties.iter_mut().for_each(|p| p.interval = Interval::Every(Span::from_millis(100)));
        device
    };
    let state = |plant: &Plant| plant.hub.channels()[0].state.clone();
    *script.cost.lock().unwrap() = Duration::from_millis(60); // 120 %
    let plant = Plant::new(&script, config([line("a"), line("b")]));
    let status = plant.until("b", is(CONNECTED, "True", OVERLOADED)).await;
    let warning = "used to 120 %: intervals of at least 1.5 times these would fit (a 100ms → 150ms, b 100ms → 150ms)";
    assert_eq!(status_of(&status, CONNECTED).2, format!("the device answers, but its line is {warning}"));
    assert_eq!((state(&plant).utilisation, state(&plant).warning.as_deref()), (Some(120), Some(warning)));
    for _ in 0..10 {
        script.cut();
        plant.poll("closed", |plant| !state(plant).connected).await;
        assert_eq!((state(&plant).utilisation, state(&plant).warning), (None, None), "nothing is asked of it now");
        for _ in 0..24 {
            plant.pass(Duration::from_millis(500)).await;
            let status = plant.view("b").unwrap().status();
            assert_ne!(status_of(&status, CONNECTED).1, "Answers", "what is wrong with it is wrong still");
        }
    }
    *script.offline.lock().unwrap() = true;
    script.cut();
    plant.pass(Duration::from_mins(2)).await;
    *script.offline.lock().unwrap() = false;
    plant.until("b", is(CONNECTED, "True", "Answers")).await; // it is not known any more
    plant.until("b", is(CONNECTED, "True", OVERLOADED)).await;
    plant.set(config([line("a"), line("b"), line("c")]));
    script.set("c", "temperature", 20.0);
    script.set("c", "setpoint", 20.0);
    plant.until("c", is(CONNECTED, "True", OVERLOADED)).await; // one that comes later too
    plant.set(config([line("a"), line("b")]));
    plant.poll("c is gone", |plant| plant.view("c").is_none()).await;

    let mut news = plant.hub.news();
    *script.cost.lock().unwrap() = Duration::from_millis(20); // 40 %
    plant.until("a", is(CONNECTED, "True", "Answers")).await;
    plant.until("b", is(CONNECTED, "True", "Answers")).await;
    assert_eq!((state(&plant).utilisation, state(&plant).warning), (Some(40), None));
    let mut told = 0;
    while news.try_recv().is_ok() {
        told += 1;
    }
    assert!(told <= 6, "{told} versions of two statuses");
    let engines = plant.engines.all();
    assert_eq!(engines["bus"].stats.utilisation.get() / 10_000, 40);
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn devices_of_all_links_are_asked_in_step_whenever_they_came() {
    let (script, names) = (script(&["a", "b", "c", "d"]), ["a", "b", "c", "d"]);
    let plant = Plant::new(&script, config([]));
    for count in 1..=names.len() {
        plant.set(config(names.iter().take(count).map(|name| on(name, device(name)))));
        plant.pass(Duration::from_micros(13_700)).await;
    }
    plant.pass(seconds(2)).await; // what is new is asked at once; from then on in step
    script.log.lock().unwrap().clear();
    plant.pass(seconds(3)).await;
    let log = script.log.lock().unwrap().clone();
    let asked: Vec<_> = log.iter().filter(|(_, seen)| matches!(seen, Seen::Read(..))).map(|(at, _)| *at).collect();
    assert!(asked.len() >= 12, "each of four once a second: {asked:?}");
    for at in &asked {
        let behind = at.duration_since(asked[0]).as_nanos() % 20_000_000;
        assert!(behind <= 1_000_000 || behind >= 19_000_000, "the clock counts milliseconds: {behind} ns of {asked:?}");
    }
    let step = |at: &crate::Instant| (at.duration_since(asked[0]).as_millis() + 10) / 20 % 50;
    let steps: std::collections::BTreeSet<_> = asked.iter().map(step).collect();
    assert!(steps.len() > 1, "and not all at one moment: {asked:?}");
    plant.end().await;
}
