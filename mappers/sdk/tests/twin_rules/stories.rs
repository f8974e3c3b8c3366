//! What a person sees, told step by step.
use crate::world::{Broken, Fate, Op, World};
use pollux_crds::{CONNECTED, DeviceStatus, HEALTHY, IN_SYNC, Mode, condition};
use serde_json::json;

fn status(world: &World) -> &DeviceStatus {
    world.status.as_ref().expect("reported")
}
fn said(world: &World, type_: &str) -> String {
    let c = condition(&status(world).conditions, type_).expect("there");
    format!("{} {}", c.status, c.reason)
}
fn lived(ops: &[Op]) -> World {
    let mut world = World::new(Broken::Not);
    for op in ops {
        world.act(*op);
    }
    world
}
fn error(world: &World, name: &str) -> String {
    let pending = status(world).pending.get(name).expect("it is pending");
    pending.error.clone().unwrap_or_default()
}
const CRASH: Op = Op::Crash { disk_lost: false, server_knows: true };

#[test]
fn a_desired_value_is_written_read_back_and_only_then_in_sync() {
    let mut world = lived(&[Op::Wait(2000), Op::Set(0, 5)]);
    assert_eq!(said(&world, IN_SYNC), "False Writing");
    assert_eq!(status(&world).summary.as_deref(), Some("p0=0→5 p2=? p3=0"));
    assert_eq!(status(&world).pending["p0"].attempts, 1);
    world.act(Op::Wait(3000));
    assert_eq!(said(&world, IN_SYNC), "True Confirmed");
    assert_eq!(status(&world).reported["p0"].0, json!(5));
    assert_eq!(status(&world).applied["p0"].value.0, json!(5));
    assert!(status(&world).pending.is_empty());
    assert_eq!(status(&world).uid.as_deref(), Some("uid-1"));
}

#[test]
fn a_refusal_is_pending_in_the_devices_words_and_tried_again_ever_more_rarely() {
    let mut world = lived(&[Op::Wait(2000), Op::Fate(Fate::Refused, 200), Op::Set(0, 5), Op::Wait(2000)]);
    assert_eq!((said(&world, IN_SYNC), error(&world, "p0")), ("False Refused".into(), "exception 3".into()));
    (0..20).for_each(|_| world.act(Op::Wait(60_000)));
    let attempts = status(&world).pending["p0"].attempts;
    assert!((9..16).contains(&attempts), "{attempts} in twenty minutes");
    world.fates.clear();
    (0..6).for_each(|_| world.act(Op::Wait(60_000)));
    assert_eq!(said(&world, IN_SYNC), "True Confirmed");
}

#[test]
fn drift_is_said_and_not_fought_unless_it_shall_be() {
    let mut world = lived(&[Op::Wait(2000), Op::Set(0, 5), Op::Set(1, 5), Op::Wait(5000)]);
    world.act(Op::Drift(0, 1));
    world.act(Op::Drift(1, 1));
    world.act(Op::Wait(6000));
    assert_eq!(said(&world, IN_SYNC), "False Drifted");
    assert_eq!((world.registers[0][0], world.registers[1][0]), (1, 5));
    world.act(CRASH);
    world.act(Op::Wait(6000));
    assert_eq!((world.registers[0][0], said(&world, IN_SYNC)), (1, "False Drifted".into()));
    world.act(Op::Set(0, 5)); // the same again is no edit
    world.act(Op::Unset(0));
    world.act(Op::Set(0, 5));
    world.act(Op::Wait(6000));
    assert_eq!((world.registers[0][0], said(&world, IN_SYNC)), (5, "True Confirmed".into()));
}

#[test]
fn an_acknowledged_write_that_does_not_stick_is_said_so() {
    let world = lived(&[Op::Wait(2000), Op::Fate(Fate::Ignored, 1), Op::Set(0, 5), Op::Wait(5000)]);
    assert_eq!(said(&world, IN_SYNC), "False NotSticking");
    assert_eq!(error(&world, "p0"), "the device has 0 after the write");
    assert_eq!(status(&world).pending["p0"].attempts, 1);
}

#[test]
fn a_value_that_cannot_be_read_is_written_once_and_never_because_of_a_lost_record() {
    let mut world = lived(&[Op::Wait(2000), Op::Set(2, 5), Op::Wait(2000)]);
    assert_eq!((world.registers[2][0], said(&world, IN_SYNC)), (5, "True Confirmed".into()));
    world.act(Op::Drift(2, 0));
    for op in [CRASH, Op::Wait(3000), Op::Crash { disk_lost: true, server_knows: true }, Op::Wait(3000)] {
        world.act(op);
        assert_eq!(world.registers[2][0], 0);
    }
    assert_eq!(said(&world, IN_SYNC), "True Confirmed");
    world.act(Op::Crash { disk_lost: true, server_knows: false });
    world.act(Op::Wait(3000));
    assert_eq!((world.registers[2][0], said(&world, IN_SYNC)), (0, "Unknown UnknownWhetherWritten".into()));
    assert_eq!(error(&world, "p2"), "unknown whether written; set another value, or annotate pollux.rs/rewrite");
    world.act(Op::Set(2, 4));
    world.act(Op::Wait(2000));
    assert_eq!((world.registers[2][0], said(&world, IN_SYNC)), (4, "True Confirmed".into()));
}

#[test]
fn another_wiring_writes_nothing_until_somebody_says_so() {
    let mut world =
        lived(&[Op::Wait(2000), Op::Set(0, 5), Op::Set(1, 5), Op::Wait(5000), Op::Rewire(0), Op::Rewire(1)]);
    world.act(Op::Wait(6000));
    assert_eq!((world.registers[0][1], world.registers[1][1]), (0, 0));
    assert_eq!(said(&world, IN_SYNC), "False BindingChanged");
    world.act(Op::Rewrite);
    world.act(Op::Wait(6000));
    assert_eq!((world.registers[0][1], world.registers[1][1], said(&world, IN_SYNC)), (5, 5, "True Confirmed".into()));
}

#[test]
fn monitor_and_off_write_nothing_and_say_so() {
    let mut world = lived(&[Op::Mode(Mode::Monitor), Op::Wait(2000), Op::Set(0, 5), Op::Wait(3000)]);
    assert_eq!((world.registers[0][0], said(&world, IN_SYNC)), (0, "False Monitor".into()));
    assert_eq!(error(&world, "p0"), "not written: mode is Monitor");
    world.act(Op::Mode(Mode::Off));
    world.act(Op::Wait(3000));
    for type_ in [CONNECTED, HEALTHY, IN_SYNC] {
        assert_eq!(said(&world, type_), "Unknown Off");
    }
    assert_eq!(status(&world).quality_reason["p0"], "Off");
    world.act(Op::Mode(Mode::Control));
    world.act(Op::Wait(3000));
    assert_eq!((world.registers[0][0], said(&world, IN_SYNC)), (5, "True Confirmed".into()));
}

#[test]
fn silence_is_never_shown_as_health() {
    let mut world = lived(&[Op::Wait(3000)]);
    assert_eq!((said(&world, CONNECTED), said(&world, HEALTHY)), ("True Answers".into(), "True Good".into()));
    world.act(Op::Mute(0, true));
    world.act(Op::Wait(3000));
    assert_eq!(said(&world, HEALTHY), "False NotGood");
    assert_eq!(
        (status(&world).quality["p0"].as_str(), status(&world).quality_reason["p0"].as_str()),
        ("Bad", "exception 4")
    );
    assert_eq!(status(&world).reported["p0"].0, json!(0), "the last good value stays");
    world.act(Op::Mute(0, false));
    world.act(Op::Disconnect);
    assert_eq!((said(&world, CONNECTED), said(&world, HEALTHY)), ("False Timeout".into(), "False NotConnected".into()));
    assert_eq!(status(&world).quality_reason["p1"], "NotConnected");
    assert_eq!(status(&world).summary.as_deref(), Some("p0=0! p2=? p3=0!"));
}

#[test]
fn a_device_that_flaps_changes_connected_at_most_twice_a_minute() {
    let mut world = lived(&[Op::Wait(3000)]);
    let mut changes = 0;
    let mut last = said(&world, CONNECTED);
    for _ in 0..30 {
        for op in [Op::Disconnect, Op::Wait(1000), Op::Connect, Op::Wait(1000)] {
            world.act(op);
            let now = said(&world, CONNECTED);
            changes += usize::from(now != last);
            last = now;
        }
    }
    assert!((2..=3).contains(&changes), "{changes} in a minute");
    world.act(Op::Wait(40_000));
    assert_eq!(said(&world, CONNECTED), "True Answers");
}

#[test]
fn an_old_stamp_means_unchanged_and_confirmed() {
    let mut world = lived(&[Op::Wait(3000)]);
    let before = status(&world).clone();
    let reports = world.reports;
    world.act(Op::Wait(60_000));
    assert_eq!((world.reports, status(&world)), (reports, &before));
    world.act(Op::Drift(0, 3));
    world.act(Op::Wait(3000));
    assert_ne!(status(&world).timestamps["p0"], before.timestamps["p0"]);
    assert_eq!(status(&world).timestamps["p1"], before.timestamps["p1"]);
    assert_eq!(world.reports, reports + 1);
}

#[test]
fn a_reading_older_than_the_edit_confirms_nothing() {
    let mut world = lived(&[Op::Wait(2000), Op::Drift(0, 3), Op::Set(0, 0)]);
    assert_eq!(said(&world, IN_SYNC), "False Writing");
    world.act(Op::Wait(4000));
    assert_eq!((world.registers[0][0], said(&world, IN_SYNC)), (0, "True Confirmed".into()));
}

#[test]
fn a_rewrite_that_a_crash_interrupts_goes_on_after_it() {
    let mut world = lived(&[Op::Wait(2000), Op::Set(0, 5), Op::Wait(3000), Op::Drift(0, 1), Op::Wait(2000)]);
    world.act(Op::Fate(Fate::NotSent, 1));
    for op in [Op::Rewrite, CRASH, Op::Wait(4000)] {
        world.act(op);
    }
    assert_eq!((world.registers[0][0], said(&world, IN_SYNC)), (5, "True Confirmed".into()));
}

#[test]
fn what_certainly_did_not_leave_is_sent_after_a_crash_too() {
    for fate in [Fate::NotSent, Fate::Refused] {
        let mut world =
            lived(&[Op::Wait(2000), Op::Fate(fate, 1), Op::Set(2, 5), Op::Wait(500), CRASH, Op::Wait(3000)]);
        assert_eq!((world.registers[2][0], said(&world, IN_SYNC)), (5, "True Confirmed".into()), "{fate:?}");
        world.act(Op::Wait(1000));
    }
}

#[test]
fn a_value_that_is_only_enforced_again_stays_acknowledged_through_a_crash() {
    let mut world = lived(&[Op::Wait(2000), Op::Set(1, 5), Op::Wait(4000), Op::Fate(Fate::CrashAfterSave, 1)]);
    for op in [Op::Drift(1, 0), Op::Wait(6000), Op::Rewire(1), Op::Start, Op::Wait(6000)] {
        world.act(op);
    }
    assert_eq!((world.registers[1][1], said(&world, IN_SYNC)), (0, "False BindingChanged".into()));
}

#[test]
fn what_was_acknowledged_and_cannot_be_read_back_is_pending_and_its_first_reading_judges() {
    for (then, said_then) in [(1, "False NotSticking"), (5, "True Confirmed")] {
        let mut world = lived(&[Op::Wait(2000), Op::Set(0, 5), Op::Mute(0, true), Op::Wait(12_000)]);
        assert_eq!(said(&world, IN_SYNC), "Unknown NoReading");
        assert_eq!(error(&world, "p0"), "acknowledged, and not read back since: cannot be read: exception 4");
        assert_eq!(status(&world).summary.as_deref(), Some("p0=0→5! p2=? p3=0"));
        for op in [Op::Drift(0, then), Op::Mute(0, false), Op::Wait(6000)] {
            world.act(op);
        }
        assert_eq!(said(&world, IN_SYNC), said_then);
    }
}

#[test]
fn a_record_that_the_disk_does_not_take_is_said_until_it_does() {
    let mut world = lived(&[Op::Wait(2000), Op::Set(0, 5), Op::DiskFull(true), Op::Wait(3000)]);
    let message = |world: &World| condition(&status(world).conditions, IN_SYNC).expect("there").message.clone();
    let why = "; a restart may forget it, its record cannot be saved: disk full";
    assert_eq!(said(&world, IN_SYNC), "True Confirmed");
    assert!(message(&world).ends_with(why), "{}", message(&world));
    world.act(Op::DiskFull(false));
    assert_eq!(message(&world), "every desired value is confirmed");
    for op in [Op::Drift(0, 1), CRASH, Op::Wait(6000)] {
        world.act(op);
    }
    assert_eq!((world.registers[0][0], said(&world, IN_SYNC)), (1, "False Drifted".into()));
}
