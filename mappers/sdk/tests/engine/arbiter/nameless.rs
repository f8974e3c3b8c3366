//! Where an answer does not say whose it is, one who did not answer is left alone until its answer cannot come any more.
use super::*;

fn rtu() -> Limits {
    Limits::default().nameless(true)
}
/// Unit 0 answers after 1.4 s, which is longer than it is waited for; the others after 20 ms.
fn one_is_late(unit: usize, _: Instant) -> (Duration, Outcome) {
    if unit == 0 { (ms(200), Outcome::Device) } else { (ms(20), Outcome::Ok) }
}
fn rests(sim: &Sim, unit: usize) -> Vec<Duration> {
    let asked: Vec<&Went> = sim.of(unit).collect();
    asked.windows(2).map(|pair| pair[1].began - pair[0].ended).collect()
}

#[test]
fn a_unit_that_did_not_answer_is_left_alone_and_the_others_go_on() {
    let mut sim = Sim::new(rtu(), [plan(&[100], 0), plan(&[100], 1), plan(&[100], 2)]);
    sim.run(sim.at(30_000), one_is_late, on_time);
    assert!(rests(&sim, 0).iter().all(|rest| *rest >= ms(1_000)), "{:?}", rests(&sim, 0));
    assert!(sim.of(0).count() > 3, "it is asked again all the same");
    for pair in sim.went.windows(2).filter(|pair| pair[0].unit == 0) {
        assert_ne!(pair[1].unit, 0, "another goes first");
    }
    assert!(sim.of(1).count() > 280, "{}", sim.of(1).count());
}

#[test]
fn a_line_with_one_unit_rests() {
    let mut sim = Sim::new(rtu(), [plan(&[100, 300], 0)]);
    sim.run(sim.at(20_000), one_is_late, on_time);
    assert!(sim.went.len() > 3);
    assert!(rests(&sim, 0).iter().all(|rest| *rest >= ms(1_000)), "{:?}", rests(&sim, 0));
}

#[test]
fn what_is_to_be_written_waits_too_and_then_goes() {
    let mut sim = Sim::new(rtu(), [plan(&[100], 0), plan(&[100], 1)]);
    sim.run(sim.at(1), answers, on_time);
    while sim.arbiter.fails(0) == 0 {
        let until = sim.now + ms(1);
        sim.run(until, |unit, _| if unit == 0 { (ms(200), Outcome::Device) } else { (ms(20), Outcome::Ok) }, on_time);
    }
    let gave_up = sim.of(0).filter(|w| w.outcome == Outcome::Device).last().unwrap().ended;
    sim.arbiter.write(0, 7);
    sim.arbiter.write(1, 8);
    let until = sim.now + ms(3_000);
    sim.run(until, |_, _| (ms(20), Outcome::Ok), on_time);
    let began = |write| sim.written.iter().find(|(_, _, w)| *w == write).map(|(at, ..)| *at).unwrap();
    assert!(began(8) < gave_up + ms(100), "the neighbour's is not held up");
    assert!(began(7) >= gave_up + ms(1_000) && began(7) < gave_up + ms(1_050));
    assert_eq!(sim.arbiter.waiting(), 0);
}

#[test]
fn a_line_that_is_opened_anew_has_not_forgotten_what_is_on_its_way() {
    let mut sim = Sim::new(rtu(), [plan(&[100], 0)]);
    sim.run(sim.at(50), answers, on_time);
    sim.now = sim.at(150);
    let mut due = vec![];
    let (unit, deadline, _) = sim.arbiter.due(sim.now, &mut due).unwrap();
    sim.arbiter.queue(unit, deadline.unwrap(), [Arc::new(Exchange { points: vec![], request: due })].into_iter());
    assert!(matches!(sim.arbiter.next(sim.now, rtu()), Some(Work::Read { .. })));
    sim.arbiter.relink(sim.now); // under way when the port was lost
    assert!(sim.arbiter.next(sim.now, rtu()).is_none());
    assert_eq!(sim.arbiter.wake(sim.now), Some(sim.at(1_150)));
}

#[test]
fn where_answers_have_names_nobody_waits() {
    let mut sim = Sim::new(Limits::default(), [plan(&[100], 0)]);
    sim.run(sim.at(1_000), one_is_late, on_time);
    assert!(rests(&sim, 0).first().is_some_and(|rest| *rest < ms(100)), "{:?}", rests(&sim, 0));
}
