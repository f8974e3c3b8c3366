//! Units that take turns at the slots of their link.
use super::*;

/// Of these, that wait for one slot and take two seconds to let go of it.
fn sim(plans: impl IntoIterator<Item = Plan>) -> Sim {
    let mut sim = Sim::new(Limits::at_once(1).attached(Some(1)), plans);
    sim.detaching = ms(2_000);
    sim
}

#[test]
fn who_is_due_finds_a_slot_that_an_idle_one_has_let_go_of_before() {
    let mut sim = sim([plan(&[60_000], 0), plan(&[60_000], 30_000_000_000)]);
    sim.run(sim.at(600_000), answers, on_time);
    let settled = sim.at(120_000);
    let turns: Vec<_> = sim.attached.iter().filter(|(at, ..)| *at >= settled).collect();
    assert_eq!(turns.len(), 16);
    for (_, unit, waited) in turns {
        assert_eq!(*waited, Some(Duration::ZERO), "unit {unit}");
    }
    for unit in [0, 1] {
        let began: Vec<_> = sim.of(unit).map(|went| went.began).filter(|began| *began >= settled).collect();
        assert!(began.windows(2).all(|two| two[1] - two[0] == ms(60_000)), "{began:?}");
    }
}
#[test]
fn who_has_something_to_do_soon_lets_go_for_nobody_who_is_not_due() {
    // The first is never idle for as long as it takes to let go.
    let mut sim = sim([plan(&[2_000], 0), plan(&[60_000], 30_000_000_000)]);
    sim.run(sim.at(600_000), answers, on_time);
    let (slow, settled) = (sim.of(1).map(|went| went.began).collect::<Vec<_>>(), sim.at(60_000));
    assert_eq!(slow.len(), 11, "{slow:?}");
    let turns = sim.attached.iter().filter(|(at, unit, _)| *unit == 0 && *at >= settled).count();
    assert_eq!(turns, 9, "once for each turn of the other");
}
#[test]
fn one_lets_go_for_each_probe_however_many_are_taken_for_dead() {
    let mut sim = Sim::new(Limits::at_once(8).attached(Some(3)), (0..6).map(|_| plan(&[1_000], 0)));
    (sim.detaching, sim.absent) = (ms(2_000), BTreeSet::from([3, 4, 5]));
    let settled = sim.at(60_000);
    for second in 1..=600 {
        sim.run(sim.at(1_000 * second), answers, on_time);
        // Those who are there tell what they have by themselves: they are never idle.
        for unit in 0..3 {
            if sim.arbiter.is_attached(unit) {
                sim.arbiter.unschedule(unit, 0);
            }
        }
    }
    let late = || sim.attached.iter().filter(|(at, ..)| *at >= settled);
    let probes = late().filter(|(_, unit, _)| sim.absent.contains(unit)).count();
    let others = late().count() - probes;
    assert!(probes >= 20, "{probes}");
    assert!(others <= probes + 1, "{others} had to be attached anew for {probes} probes");
}
/// One of two slots is held by the first, and in the other one a probe of the second is under way that takes long: who is told to let go
/// where a third comes? `busy`: the first tells what it has by itself. `write`: the third has something to be written.
fn beside_a_probe(busy: bool, write: bool) -> Vec<usize> {
    let mut sim = Sim::new(Limits::at_once(8).attached(Some(2)), [3_600_000; 2].map(|every| plan(&[every], 0)));
    sim.absent = BTreeSet::from([1]);
    while sim.arbiter.fails(1) < 3 {
        let until = sim.now + ms(1_000);
        sim.run(until, answers, on_time);
    }
    if busy {
        sim.arbiter.unschedule(0, 0);
    }
    let (mut third, mut gone, end) = (None, vec![], sim.now + ms(300_000));
    while sim.now < end {
        sim.now += ms(100);
        match sim.arbiter.next(sim.now, sim.limits) {
            Some(Work::Attach { unit: 1, probe: true, .. }) => {
                let unit = sim.arbiter.add(plan(&[3_600_000], 0), sim.now); // and the probe is never done
                if write {
                    sim.arbiter.write(unit, 7);
                }
                third = Some(unit);
            }
            Some(Work::Detach { unit }) => gone.push(unit),
            Some(other) => panic!("{other:?}"),
            None => {}
        }
    }
    assert!(third.is_some());
    gone
}
#[test]
fn while_one_is_probed_an_idle_one_lets_go_for_who_waits_and_a_busy_one_only_for_a_write() {
    assert_eq!(beside_a_probe(false, false), [0]);
    assert_eq!(beside_a_probe(false, true), [0]);
    assert_eq!(beside_a_probe(true, false), [0; 0]);
    assert_eq!(beside_a_probe(true, true), [0]);
}
