//! No sequence of restarts, edits and faults writes anything that a rule of design §3 forbids; and what may be written
//! arrives. The rules are judged over the recorded history by an oracle that shares nothing with the twin.
mod oracle;
mod stories;
mod world;

use oracle::judge;
use pollux_crds::{IN_SYNC, Mode, condition};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use std::time::Duration;
use world::{Broken, Fate, KINDS, Op, World};

fn op() -> impl Strategy<Value = Op> {
    let property = 0..KINDS.len();
    let value = 0_i64..6;
    let fate = prop_oneof![
        Just(Fate::Done),
        Just(Fate::Refused),
        Just(Fate::NotSent),
        Just(Fate::DoneUnknown),
        Just(Fate::LostUnknown),
        Just(Fate::Ignored),
        Just(Fate::SaveFails),
        Just(Fate::CrashBeforeSave),
        Just(Fate::CrashAfterSave),
        Just(Fate::CrashAfterSending),
    ];
    prop_oneof![
        8 => (property.clone(), value.clone()).prop_map(|(p, v)| Op::Set(p, v)),
        2 => property.clone().prop_map(Op::Unset),
        2 => prop_oneof![Just(Mode::Control), Just(Mode::Control), Just(Mode::Monitor), Just(Mode::Off)].prop_map(Op::Mode),
        1 => any::<bool>().prop_map(Op::Writes),
        2 => property.clone().prop_map(Op::Rewire),
        1 => Just(Op::Rewrite),
        1 => Just(Op::Describe),
        4 => (property.clone(), value).prop_map(|(p, v)| Op::Drift(p, v)),
        2 => Just(Op::Disconnect),
        4 => Just(Op::Connect),
        4 => (fate, 1_u8..3).prop_map(|(fate, times)| Op::Fate(fate, times)),
        2 => (property, any::<bool>()).prop_map(|(p, on)| Op::Mute(p, on)),
        3 => (any::<bool>(), any::<bool>())
            .prop_map(|(disk_lost, server_knows)| Op::Crash { disk_lost, server_knows }),
        1 => Just(Op::Stop),
        2 => any::<bool>().prop_map(Op::DiskFull),
        3 => Just(Op::Start),
        12 => (0_u16..12_000).prop_map(Op::Wait),
    ]
}
fn life() -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(op(), 1..40)
}
fn lived(ops: &[Op], broken: Broken) -> World {
    let mut world = World::new(broken);
    world.run(Duration::from_secs(2));
    for op in ops {
        world.act(*op);
    }
    world
}
/// All faults end: the device answers, the mapper runs and may write.
fn heal(world: &mut World) {
    world.fates.clear();
    (0..KINDS.len()).for_each(|p| world.act(Op::Mute(p, false)));
    for op in [Op::DiskFull(false), Op::Start, Op::Mode(Mode::Control), Op::Writes(true), Op::Connect] {
        world.act(op);
    }
    (0..12).for_each(|_| world.act(Op::Wait(60_000)));
}
fn told(world: &World) -> String {
    world.history.iter().map(|(at, event)| format!("{at:?} {event:?}")).collect::<Vec<_>>().join("\n")
}
fn in_sync(world: &World) -> (String, String) {
    let status = world.status.as_ref().expect("reported");
    let found = condition(&status.conditions, IN_SYNC).expect("every status has it");
    (found.status.clone(), found.reason.clone())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_written_that_a_rule_forbids(ops in life()) {
        let world = lived(&ops, Broken::Not);
        let wrong = judge(&KINDS, &world.history);
        prop_assert!(wrong.is_empty(), "{wrong:#?}\n{}", told(&world));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// After the faults nothing is left that only waits, and the annotation brings every value onto the device.
    #[test]
    fn what_may_be_written_arrives(ops in life()) {
        let mut world = lived(&ops, Broken::Not);
        heal(&mut world);
        let (status, reason) = in_sync(&world);
        let settled = ["Confirmed", "NothingDesired", "Drifted", "BindingChanged", "NotSticking", "UnknownWhetherWritten"];
        prop_assert!(settled.contains(&reason.as_str()), "{status} {reason} {:#?}", world.status);
        world.act(Op::Rewrite);
        world.act(Op::Wait(60_000));
        prop_assert_eq!(in_sync(&world).0, "True", "{:#?}", world.status);
        for (property, wanted) in world.config.desired.clone() {
            let bank = usize::from(world.config.wiring[property] % 2 == 1);
            let has = world.registers[property][bank];
            prop_assert!(has == wanted, "p{property} is {has}, desired {wanted}");
        }
        let wrong = judge(&KINDS, &world.history);
        prop_assert!(wrong.is_empty(), "{wrong:#?}\n{}", told(&world));
        let reports = world.reports;
        world.act(Op::Wait(60_000));
        prop_assert_eq!(world.reports, reports, "an idle device costs no status writes");
    }
}

/// The oracle finds each of these out; else it proves nothing about the one that is not broken.
#[test]
fn the_oracle_complains_of_every_broken_twin() {
    for (broken, rule) in [
        (Broken::ReplaysAtStart, "rule 1"),
        (Broken::ReplaysAtStart, "rule 3"),
        (Broken::IgnoresMode, "rule 4"),
        (Broken::WritesOnRewire, "rule 5"),
        (Broken::ForgetsSending, "rule 3"),
        (Broken::InventsReadings, "rule 1: property"),
        (Broken::SendsTwice, "rule 6"),
    ] {
        let mut runner = TestRunner::deterministic();
        let found = (0..400).any(|_| {
            let ops = life().new_tree(&mut runner).expect("a life").current();
            judge(&KINDS, &lived(&ops, broken).history).iter().any(|wrong| wrong.contains(rule))
        });
        assert!(found, "{broken:?} was never found to break {rule}");
    }
}
