//! What is read together, and what becomes of cycles that nobody could keep.
use super::*;

#[test]
fn multiples_of_an_interval_share_its_requests() {
    let mut sim = Sim::new(Limits::default(), [plan(&[1_000, 5_000], 123_456_789)]);
    sim.run(sim.at(60_000), answers, on_time);
    let together = sim.went.iter().filter(|w| w.groups == [0, 1]).count();
    let alone = sim.went.iter().filter(|w| w.groups == [0]).count();
    // Both at once after attaching, then every fifth cycle: no request for the slow points alone.
    assert_eq!((sim.went.len(), together, alone), (61, 13, 48), "{:?}", sim.went);
    assert_eq!(sim.missed[&0], 0);
}

/// Due 1 ms after the faster ones, and later each time: it rides along, until that would be far too early.
#[test]
fn what_is_almost_due_rides_along_and_keeps_its_interval() {
    let mut sim = Sim::new(Limits::default(), [plan(&[1_000, 2_001], 0)]);
    sim.run(sim.at(200_500), answers, on_time);
    let slow: Vec<&Went> = sim.went.iter().filter(|w| w.groups.contains(&1)).collect();
    assert!(slow.iter().all(|w| w.groups == [0, 1]), "never a request of its own");
    assert_eq!((sim.went.len(), slow.len()), (201, 101), "as often as was asked for");
}

/// The other way round: the slow one is due a moment before the fast one.
#[test]
fn a_faster_group_that_is_almost_due_goes_with_a_slower_one() {
    let mut sim = Sim::new(Limits::default(), [plan(&[1_000, 1_999], 0)]);
    sim.run(sim.at(100_500), answers, on_time);
    let slow: Vec<&Went> = sim.went.iter().filter(|w| w.groups.contains(&1)).collect();
    assert!(slow.iter().all(|w| w.groups == [0, 1]), "never a request of its own");
    assert_eq!(sim.of(0).filter(|w| w.groups.contains(&0)).count(), 101, "as often as was asked for");
}

#[test]
fn what_is_far_from_due_has_its_own_request() {
    let mut sim = Sim::new(Limits::default(), [plan(&[2_000, 3_000], 0)]);
    sim.run(sim.at(60_500), answers, on_time);
    let slow: Vec<Instant> = sim.went.iter().filter(|w| w.groups.contains(&1)).map(|w| w.began).collect();
    let gaps: Vec<Duration> = slow.windows(2).map(|pair| pair[1] - pair[0]).skip(1).collect();
    assert!(gaps.iter().all(|gap| *gap == ms(3_000)), "{gaps:?}");
}

/// What may be stale soon after its interval is not read early one time and late the next.
#[test]
fn riding_along_stretches_no_gap_by_much() {
    for slow in (1_000..6_000).step_by(50) {
        let mut sim = Sim::new(Limits::default(), [plan(&[1_000, slow], 0)]);
        sim.run(sim.at(120_500), answers, on_time);
        let read: Vec<Instant> = sim.went.iter().filter(|w| w.groups.contains(&1)).map(|w| w.began).collect();
        let longest = read.windows(2).map(|pair| pair[1] - pair[0]).max();
        assert!(longest <= Some(ms(slow + slow / 10 + 20)), "{slow} ms: {longest:?}");
    }
}

/// A timer that fires late: what is due a moment after the others is still read with them.
#[test]
fn a_late_clock_tears_no_group_apart() {
    let mut sim = Sim::new(Limits::default(), [plan(&[100, 200, 400, 1_000], 77_000_000)]);
    let mut n = 0;
    sim.run(sim.at(60_050), answers, || {
        n += 1;
        ms(n % 30)
    });
    assert_eq!(sim.went.len(), 601, "one request each cycle");
    for (group, count) in [(0, 601), (1, 301), (2, 151), (3, 61)] {
        let read = sim.went.iter().filter(|w| w.groups.contains(&group)).count();
        assert!(read.abs_diff(count) <= 1, "group {group}: {read}, not {count}");
    }
}

/// A process that was suspended, a link that was blocked: one reading, not a burst, and what was missed is counted.
#[test]
fn what_was_missed_is_skipped_and_counted() {
    let mut sim = Sim::new(Limits::default(), [plan(&[1_000], 0), plan(&[500, 2_000], 0)]);
    sim.run(sim.at(10_100), answers, on_time);
    let (before, missed) = (sim.went.len(), sim.missed.clone());
    assert_eq!(missed.values().sum::<u64>(), 0);
    sim.now += Duration::from_hours(1);
    let woken = sim.now;
    sim.run(woken + ms(400), answers, on_time);
    assert_eq!(sim.went.len() - before, 2, "one request of each unit: {:?}", &sim.went[before..]);
    assert_eq!((sim.missed[&0], sim.missed[&1]), (3_599, 7_199 + 1_799));
    sim.run(woken + ms(10_400), answers, on_time);
    assert_eq!(sim.of(0).filter(|w| w.began > woken + ms(400)).count(), 10, "and then as before");
}

#[test]
fn a_link_that_comes_back_is_asked_once_for_each_cycle() {
    let mut sim = Sim::new(Limits::default(), [plan(&[1_000], 3), plan(&[1_000, 5_000], 9)]);
    sim.run(sim.at(5_500), answers, on_time);
    sim.arbiter.relink(sim.now);
    sim.ready.clear();
    sim.now += ms(600_000);
    sim.arbiter.relink(sim.now);
    let back = sim.now;
    sim.run(back + ms(20), answers, on_time);
    let first = sim.went.iter().filter(|w| w.began >= back).count();
    assert_eq!(first, 2, "the first reading of each, slower points with it");
    sim.run(back + ms(30_500), answers, on_time);
    assert!(sim.went.iter().filter(|w| w.began >= back).count() <= 2 * 32);
    assert_eq!(sim.missed.values().sum::<u64>(), 0, "nothing is missed where there is no link");
}

/// More is asked for than the link can carry: each is late, none is asked twice in a row to make up for it.
#[test]
fn on_a_full_link_cycles_are_skipped_fairly() {
    let mut sim = Sim::new(Limits::default(), (0..4).map(|n| plan(&[100], n)));
    sim.run(sim.at(60_000), |_, _| (ms(50), Outcome::Ok), on_time);
    for unit in 0..4 {
        let read = sim.of(unit).count();
        assert!(read.abs_diff(300) <= 2, "unit {unit} was read {read} times of 1,200 / 4");
        let lost = sim.missed[&unit];
        assert!((295..=305).contains(&lost), "unit {unit} missed {lost} cycles of 600");
    }
}

/// Point 0 every 10 s, point 1 once.
fn once(phase: u64) -> Sim {
    let groups = vec![(Interval::Every(ms(10_000)), vec![0]), (Interval::OnConnect, vec![1])];
    Sim::new(Limits::default(), [Plan { groups, ..plan(&[], phase) }])
}

/// Busy, or booting: nobody else would ask for it again before the next connection.
#[test]
fn what_is_read_once_and_was_refused_is_asked_for_until_it_is_there() {
    let mut sim = once(0);
    let ready = sim.at(20_000);
    let busy = |_, now| (ms(10), if now < ready { Outcome::Point } else { Outcome::Ok });
    sim.run(sim.at(3_600_000), busy, on_time);
    let asked: Vec<&Went> = sim.went.iter().filter(|w| w.groups.contains(&1)).collect();
    assert!((4..=8).contains(&asked.len()), "{asked:?}");
    let last = asked.last().unwrap();
    assert!(last.outcome == Outcome::Ok && last.began < sim.at(60_000), "{last:?}");
    assert_eq!(sim.missed.values().sum::<u64>(), 0);
}

#[test]
fn what_is_always_refused_costs_little() {
    let mut sim = once(1);
    sim.run(sim.at(3_600_000), |_, _| (ms(10), Outcome::Point), on_time);
    let asked = sim.went.iter().filter(|w| w.groups.contains(&1)).count();
    assert!((50..=80).contains(&asked), "{asked} times in an hour");
    assert!(sim.went.iter().filter(|w| w.groups.contains(&0)).count().abs_diff(361) <= 1, "the others as before");
}

/// What is refused of others is no reason to ask again.
#[test]
fn a_refusal_of_others_asks_for_nothing_again() {
    let mut sim = once(2);
    let mut first = true;
    let answer = |_, _| (ms(10), if std::mem::take(&mut first) { Outcome::Ok } else { Outcome::Point });
    sim.run(sim.at(600_000), answer, on_time);
    assert_eq!(sim.went.iter().filter(|w| w.groups.contains(&1)).count(), 1);
}
