//! What is written, and what is not.
use super::*;
use crate::testing::scripted::Answer;
use pollux_crds::{CONNECTED, IN_SYNC};
use tokio::time::Instant;
use tokio::time::sleep_until;

#[tokio::test(start_paused = true)]
async fn a_desired_value_is_written_once_and_confirmed_and_so_is_each_edit() {
    let script = script(&["a"]);
    let plant = Plant::new(&script, config([wants(22.0, device("a"))]));
    let status = plant.until("a", is(IN_SYNC, "True", "Confirmed")).await;
    assert!(reports("setpoint", 22.0)(&status) && status.pending.is_empty());
    plant.pass(seconds(60)).await;
    assert_eq!(plant.setpoints(), [22.0]);
    assert!(matches!(script.seen()[..], [Seen::Attach(_), Seen::Read(..), ..]), "it is read first");
    plant.set(config([wants(23.0, wants(22.0, device("a")))]));
    let edited = Instant::now();
    plant.until("a", |s| reports("setpoint", 23.0)(s) && is(IN_SYNC, "True", "Confirmed")(s)).await;
    assert!(edited.elapsed() < Duration::from_millis(100), "by the engine's own read-back: {:?}", edited.elapsed());
    plant.pass(seconds(60)).await;
    assert_eq!(plant.setpoints(), [22.0, 23.0]);
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn monitor_and_the_switch_of_the_class_hold_every_write_back() {
    let script = script(&["a"]);
    let wanted = wants(22.0, device("a"));
    let disabled = NodeConfig { writes: Writes::Disabled, ..config([wanted.clone()]) };
    let plant = Plant::new(&script, disabled);
    plant.until("a", is(IN_SYNC, "False", "WritesDisabled")).await;
    plant.pass(seconds(60)).await;
    plant.set(config([with_mode(Mode::Monitor, wanted.clone())]));
    plant.until("a", is(IN_SYNC, "False", "Monitor")).await;
    plant.pass(seconds(60)).await;
    assert!(plant.setpoints().is_empty());
    plant.set(config([edited(edited(wanted))]));
    plant.until("a", is(IN_SYNC, "True", "Confirmed")).await;
    assert_eq!(plant.setpoints(), [22.0]);
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn off_never_touches_the_wire_and_what_is_turned_on_is_read_first() {
    let script = script(&["a"]);
    let off = with_mode(Mode::Off, wants(22.0, device("a")));
    let plant = Plant::new(&script, config([off.clone()]));
    plant.until("a", is(CONNECTED, "Unknown", "Off")).await;
    plant.pass(seconds(60)).await;
    assert_eq!((script.seen(), *script.connects.lock().unwrap()), (vec![], (0, 0)));
    plant.set(config([with_mode(Mode::Control, off.clone())]));
    plant.until("a", is(IN_SYNC, "True", "Confirmed")).await;
    assert!(matches!(script.seen()[..], [Seen::Attach(_), Seen::Read(..), ..,]));
    plant.set(config([edited(with_mode(Mode::Off, edited(off)))]));
    plant.until("a", is(CONNECTED, "Unknown", "Off")).await;
    let before = script.seen();
    assert!(matches!(before.last(), Some(Seen::Detach(_))), "the wire is silent when Off is said: {before:?}");
    plant.pass(seconds(60)).await;
    assert_eq!(script.seen(), before);
    assert!(plant.engines.all().is_empty(), "its link is closed");
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_mode_turned_to_control_is_decided_upon_a_reading_of_after() {
    let script = script(&["a"]);
    let monitored = with_mode(Mode::Monitor, wants(22.0, device("a")));
    let plant = Plant::new(&script, config([monitored.clone()]));
    plant.until("a", is(IN_SYNC, "False", "Monitor")).await;
    plant.pass(Duration::from_millis(1)).await;
    let before = script.seen().len();
    plant.set(config([with_mode(Mode::Control, monitored)]));
    plant.until("a", is(IN_SYNC, "True", "Confirmed")).await;
    let after = script.seen().split_off(before);
    let write = after.iter().position(|seen| matches!(seen, Seen::Write(..))).expect("written");
    assert!(reads(&after[..write]) > 0, "{after:?}");
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_reading_that_was_under_way_says_is_no_word_on_the_write_after_it() {
    let script = script(&["a"]);
    *script.limits.lock().unwrap() = crate::Limits::at_once(4).per_unit(2);
    let mut device = device("a");
    device.properties[1].enforce = Enforce::Always;
    let plant = Plant::new(&script, config([device.clone()]));
    plant.until("a", reports("setpoint", 20.0)).await;
    for setpoint in 30..40 {
        script.answers.lock().unwrap().push_back(Answer::Late(Duration::from_millis(900)));
        plant.poll("a reading is under way", |plant| plant.script.answers.lock().unwrap().is_empty()).await;
        device = wants(f64::from(setpoint), device);
        plant.set(config([device.clone()]));
        plant.until("a", |s| s.pending.is_empty() && reports("setpoint", f64::from(setpoint))(s)).await;
        plant.pass(seconds(5)).await;
    }
    assert_eq!(plant.setpoints(), (30..40).map(f64::from).collect::<Vec<_>>());
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_for_before_a_write_is_no_word_on_it_though_nothing_newer_is_there() {
    let (script, mut device) = (script(&["a"]), wants(22.0, device("a")));
    *script.limits.lock().unwrap() = crate::Limits::at_once(4).per_unit(2);
    for property in device.properties.iter_mut() {
        (property.interval, property.stale_after) = (Interval::Every(Span::from_secs(5)), None);
    }
    let (tolerance, at_once) = (0.0, Span::from_millis(0));
    device.properties[1].enforce = Enforce::Always;
    device.properties[1].verify = EffectiveVerify::ReadBack { tolerance, delay: at_once, within: at_once };
    let plant = Plant::new(&script, config([device]));
    plant.until("a", is(IN_SYNC, "True", "Confirmed")).await;
    plant.pass(seconds(5)).await;
    let last = script.log.lock().unwrap().last().expect("it is read").0;
    sleep_until(last + Duration::from_millis(4950)).await;
    script.set("a", "setpoint", 19.0); // by hand
    let late = |ms| Answer::Late(Duration::from_millis(ms));
    // One reading is asked for, and before it is there the next cycle's begins. By the first it is written to, so the second
    // is older than the write; those of after are not answered for a while.
    script.answers.lock().unwrap().extend([late(100), late(600), Answer::Normal, Answer::Silent, Answer::Silent]);
    let turned_further = async {
        plant.pass(Duration::from_millis(25)).await;
        script.set("a", "setpoint", 18.0);
    };
    assert_eq!(tokio::join!(plant.control.read("uid-a"), turned_further), (Ok(()), ()));
    let status = plant.until("a", reports("setpoint", 18.0)).await;
    assert_eq!(plant.setpoints(), [22.0, 22.0]);
    assert_eq!(status.pending["setpoint"].error, None, "nothing is known of it yet");
    plant.until("a", is(IN_SYNC, "True", "Confirmed")).await;
    plant.pass(seconds(120)).await;
    assert_eq!(plant.setpoints(), [22.0, 22.0]);
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_reading_that_was_under_way_when_mode_or_switch_turned_is_no_word_on_what_came_after() {
    let monitored = with_mode(Mode::Monitor, wants(22.0, device("a")));
    let off = NodeConfig { writes: Writes::Disabled, ..config([wants(22.0, device("a"))]) };
    let on = config([wants(22.0, device("a"))]);
    let turned = config([with_mode(Mode::Control, monitored.clone())]);
    for (before, after) in [(config([monitored]), turned), (off, on)] {
        let script = script(&["a"]);
        let plant = Plant::new(&script, before);
        plant.until("a", reports("setpoint", 20.0)).await;
        script.set("a", "setpoint", 19.0); // by hand
        script.answers.lock().unwrap().push_back(Answer::Late(Duration::from_millis(900)));
        plant.poll("a reading is under way", |plant| plant.script.answers.lock().unwrap().is_empty()).await;
        script.set("a", "setpoint", 22.0); // and again
        plant.set(after);
        plant.until("a", is(IN_SYNC, "True", "Confirmed")).await;
        assert!(plant.setpoints().is_empty(), "the device has it already");
        plant.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_whose_record_cannot_be_saved() {
    let (folder, script) = (tempfile::tempdir().unwrap(), script(&["a"]));
    let plant = Plant::at(folder.path(), &script, config([device("a")]));
    plant.until("a", reports("setpoint", 20.0)).await;
    let records = folder.path().join("records");
    std::fs::remove_dir_all(&records).unwrap();
    plant.set(config([wants(22.0, device("a"))]));
    let error = |s: &DeviceStatus| s.pending.get("setpoint").and_then(|p| p.error.clone()).unwrap_or_default();
    let status = plant.until("a", |status| !error(status).is_empty()).await;
    assert!(error(&status).starts_with("not sent: its record cannot be saved: "), "{}", error(&status));
    plant.pass(seconds(60)).await;
    assert!(plant.setpoints().is_empty());
    std::fs::create_dir(&records).unwrap();
    plant.until("a", is(IN_SYNC, "True", "Confirmed")).await;
    assert_eq!(plant.setpoints(), [22.0]);
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_device_that_is_taken_away_while_it_is_written_to_keeps_what_was_acknowledged() {
    let (folder, script) = (tempfile::tempdir().unwrap(), script(&["a"]));
    *script.cost.lock().unwrap() = Duration::from_millis(500);
    let wanted = wants(22.0, device("a"));
    let plant = Plant::at(folder.path(), &script, config([wanted.clone()]));
    plant.poll("written", |plant| !plant.setpoints().is_empty()).await;
    plant.set(config([with_mode(Mode::Off, wanted.clone())]));
    plant.until("a", is(CONNECTED, "Unknown", "Off")).await;
    plant.end().await;
    let store = Store::open(folder.path()).unwrap();
    let record: crate::twin::Record = store.load_record("uid-a").expect("a record");
    assert_eq!(record.values["setpoint"].state, crate::twin::State::Acknowledged);
}
