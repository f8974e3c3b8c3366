//! What is learned of devices that refuse: no value is lost because of a neighbour, and what it costs to find that out is little.
#![allow(clippy::panic, clippy::unwrap_in_result, reason = "a test")]

use pollux_crds::ModbusTable as Table;
use pollux_mapper::Instant;
use pollux_modbus::{
    LONGEST_REVIEW, REVIEW, Why,
    learned::{Learned, SETTLED},
    plan::{Planned, Range, plan},
    rules::Rules,
};
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

fn holding(start: u16, count: u16) -> Range {
    Range { table: Table::Holding, start, count }
}

/// A device: which registers it has, and how many it gives at once.
struct Device {
    missing: BTreeSet<u16>,
    most: u16,
}
impl Device {
    fn answers(&self, asked: Range) -> bool {
        asked.count <= self.most
            && !(u32::from(asked.start)..asked.end()).any(|at| self.missing.iter().any(|m| u32::from(*m) == at))
    }
}

type Cycle = (BTreeSet<usize>, BTreeSet<usize>, usize);

/// What an engine does: asks, follows what is learned. Points read, points refused for good, requests sent.
fn cycle(device: &Device, blocks: &[Range], learned: &mut Learned) -> Cycle {
    cycle_at(Instant::now(), device, blocks, learned)
}
fn cycle_at(now: Instant, device: &Device, blocks: &[Range], learned: &mut Learned) -> Cycle {
    let (mut good, mut bad, mut sent) = (BTreeSet::new(), BTreeSet::new(), 0);
    let plan = |points: &[usize], learned: &Learned| {
        plan(points.iter().map(|at| (*at, blocks[*at])), &Rules::default(), learned)
    };
    let mut queue = VecDeque::from(plan(&(0..blocks.len()).collect::<Vec<_>>(), learned));
    while let Some(Planned { range, points }) = queue.pop_front() {
        sent += 1;
        assert!(sent < 100 * (blocks.len() + 1), "does not end");
        let asked: Vec<Range> = points.iter().map(|at| blocks[*at]).collect();
        let again = if device.answers(range) {
            good.extend(&points);
            learned.answered(range, now)
        } else {
            let again =
                learned.refused(range, &asked, Why::Exception(if range.count > device.most { 3 } else { 2 }), now);
            if !again {
                bad.extend(&points);
            }
            again
        };
        if again {
            // What is planned anew goes before the unit's other requests.
            plan(&points, learned).into_iter().rev().for_each(|one| queue.push_front(one));
        }
    }
    (good, bad, sent)
}

#[test]
fn one_illegal_neighbour_costs_a_few_requests_once() {
    let blocks: Vec<Range> = (0..100).map(|at| holding(at, 1)).collect();
    let device = Device { missing: BTreeSet::from([37]), most: 125 };
    let mut learned = Learned::default();
    let (good, bad, sent) = cycle(&device, &blocks, &mut learned);
    assert_eq!((good.len(), bad), (99, BTreeSet::from([37])));
    assert!(sent <= 20, "{sent}");
    let (good, bad, sent) = cycle(&device, &blocks, &mut learned);
    assert_eq!((good.len(), bad.len(), sent), (99, 1, 3), "below it, above it, and itself");
}

#[test]
fn a_gap_that_the_device_does_not_have_is_learned_at_once() {
    let blocks = [holding(0, 6), holding(10, 8)];
    let device = Device { missing: (6..10).collect(), most: 125 };
    let mut learned = Learned::default();
    assert_eq!(cycle(&device, &blocks, &mut learned).2, 3, "together, then each");
    let (good, bad, sent) = cycle(&device, &blocks, &mut learned);
    assert_eq!((good.len(), bad.len(), sent), (2, 0, 2));
}

/// What answers beside it ends the alarm each time, and must not begin the search anew with it.
#[test]
fn a_long_stretch_that_is_missing_is_learned_beside_what_answers() {
    for missing in [32, 40, 100_u16] {
        let (there, beside) = (missing..missing + 10, missing + 200..missing + 210);
        let blocks: Vec<Range> = (0..there.end).chain(beside).map(|at| holding(at, 1)).collect();
        let device = Device { missing: (0..missing).collect(), most: 125 };
        let (mut learned, mut last) = (Learned::default(), Cycle::default());
        for _ in 0..6 {
            last = cycle(&device, &blocks, &mut learned);
        }
        assert_eq!((last.0.len(), last.1.len()), (20, missing.into()), "{missing}: no good neighbour is lost");
        assert!(last.2 <= usize::from(missing) + 3, "{missing}: {} requests: it is searched once", last.2);
    }
}

#[test]
fn what_was_learned_is_put_to_the_test_again_less_and_less_often() {
    let blocks: Vec<Range> = (0..8).map(|at| holding(at, 1)).collect();
    let mut device = Device { missing: BTreeSet::from([3]), most: 125 };
    let (mut learned, mut now, mut waits) = (Learned::default(), Instant::now(), vec![]);
    let mut last = now;
    while waits.len() < 10 {
        let (good, bad, sent) = cycle_at(now, &device, &blocks, &mut learned);
        assert_eq!((good.len(), bad), (7, BTreeSet::from([3])), "no value is lost by the test");
        if sent > 3 {
            waits.push(now - last);
            last = now;
        }
        now += REVIEW / 2;
    }
    let doubled = (0..9).map(|n| (REVIEW * 2_u32.pow(n)).min(LONGEST_REVIEW));
    assert_eq!(waits, std::iter::once(Duration::ZERO).chain(doubled).collect::<Vec<_>>());
    device.missing.clear();
    cycle_at(now + LONGEST_REVIEW, &device, &blocks, &mut learned);
    let (good, bad, sent) = cycle_at(now + LONGEST_REVIEW, &device, &blocks, &mut learned);
    assert_eq!((good.len(), bad.len(), sent), (8, 0, 1));
}

/// A PLC that boots or stands in STOP answers exception 4, or 2, to everything. Nothing is learned of that.
#[test]
fn a_device_that_refuses_everything_for_a_while_is_asked_as_before() {
    let blocks: Vec<Range> = (0..100_u16).map(|n| holding(n / 10 * 20 + n % 10, 1)).collect();
    let well = Device { missing: BTreeSet::from([3]), most: 125 };
    let stopped = Device { missing: BTreeSet::new(), most: 0 };
    for known_before in [false, true] {
        let (mut learned, mut now) = (Learned::default(), Instant::now());
        let mut fresh = Learned::default();
        cycle(&well, &blocks, &mut fresh);
        let least = cycle(&well, &blocks, &mut fresh).2;
        if known_before {
            cycle_at(now, &well, &blocks, &mut learned);
        }
        for second in 0..600 {
            now += Duration::from_secs(1);
            let (good, bad, sent) = cycle_at(now, &stopped, &blocks, &mut learned);
            assert_eq!((good.len(), bad.len()), (0, 100));
            assert!(sent <= if second == 0 { 120 } else { least + 1 }, "{sent} requests in second {second}");
        }
        for second in 0..30 {
            now += Duration::from_secs(1);
            let (good, bad, sent) = cycle_at(now, &well, &blocks, &mut learned);
            assert_eq!((good.len(), bad), (99, BTreeSet::from([3])), "no value is lost from the first moment on");
            assert!(second < 11 || sent == least, "{sent} requests after {second} s, {least} without the stop");
        }
        learned.answered(holding(0, 1), now);
        assert_eq!(learned.knowledge().learned, ["holding 3: refused (exception 2), read alone"]);
    }
}

/// Most of a map is not there: that is no STOP, and what is there is found.
#[test]
fn what_is_there_is_found_behind_a_long_stretch_that_is_not() {
    let blocks: Vec<Range> = (0..120).map(|at| holding(at, 1)).collect();
    for missing in [(0..100).collect::<BTreeSet<u16>>(), (1..119).collect(), (20..120).collect()] {
        let device = Device { missing, most: 125 };
        let (mut learned, mut found) = (Learned::default(), None);
        for round in 0..400 {
            let (good, ..) = cycle(&device, &blocks, &mut learned);
            if good.len() == blocks.len() - device.missing.len() {
                found.get_or_insert(round);
            }
        }
        let (good, bad, _) = cycle(&device, &blocks, &mut learned);
        assert_eq!((good.len(), bad.len()), (blocks.len() - device.missing.len(), device.missing.len()));
        assert!(found.is_some_and(|round| round < 250), "{found:?}");
    }
}

#[test]
fn one_area_costs_another_one_nothing() {
    for missing in [[3].into_iter().chain(1000..1010).collect::<BTreeSet<u16>>(), BTreeSet::from([0, 1, 1003])] {
        let blocks: Vec<Range> = (0..8).chain(1000..1010).map(|at| holding(at, 1)).collect();
        let (mut learned, mut now) = (Learned::default(), Instant::now());
        let device = Device { missing, most: 125 };
        for _ in 0..1000 {
            let (good, bad, _) = cycle_at(now, &device, &blocks, &mut learned);
            assert_eq!((good.len(), bad.len()), (18 - device.missing.len(), device.missing.len()));
            now += Duration::from_secs(10);
        }
    }
}

#[test]
fn a_value_that_comes_and_goes_has_its_neighbours_searched_less_and_less_often() {
    let blocks: Vec<Range> = (0..100).map(|at| holding(at, 1)).collect();
    let (mut learned, mut now, mut searches) = (Learned::default(), Instant::now(), 0);
    for second in 0..3600 {
        let missing = if second % 2 == 0 { BTreeSet::from([37]) } else { BTreeSet::new() };
        let (good, _, sent) = cycle_at(now, &Device { missing, most: 125 }, &blocks, &mut learned);
        assert!(good.len() >= 99);
        searches += usize::from(sent > 4);
        now += Duration::from_secs(1);
    }
    assert!(searches < 30, "{searches}");
}

fn told(learned: &mut Learned, now: Instant) -> (Vec<String>, Json) {
    learned.answered(holding(0, 1), now + SETTLED);
    let known = learned.knowledge();
    (known.learned, known.kept)
}

#[test]
fn a_hole_is_found_among_gaps_and_the_others_are_still_read_along() {
    let blocks: Vec<Range> = (0..8).map(|n| holding(n * 10, 2)).collect();
    let device = Device { missing: BTreeSet::from([35]), most: 125 };
    let (mut learned, now) = (Learned::default(), Instant::now());
    let (good, _, sent) = cycle_at(now, &device, &blocks, &mut learned);
    assert_eq!(good.len(), 8);
    assert!(sent <= 8, "{sent}");
    assert_eq!(cycle_at(now, &device, &blocks, &mut learned).2, 2, "below it, above it");
    assert_eq!(told(&mut learned, now).0, ["holding 32 to 39: refused (exception 2), not read along"]);
}

#[test]
fn a_device_with_no_gap_at_all_is_not_searched_gap_by_gap() {
    let blocks: Vec<Range> = (0..10).map(|n| holding(n * 10, 2)).collect();
    let device = Device { missing: (0..100).filter(|at| at % 10 > 1).collect(), most: 125 };
    let (mut learned, mut refused) = (Learned::default(), 0);
    for _ in 0..5 {
        let (good, _, sent) = cycle(&device, &blocks, &mut learned);
        assert_eq!(good.len(), 10);
        refused += sent.saturating_sub(10);
    }
    assert!(refused <= 20, "{refused} more than one each");
    assert_eq!(cycle(&device, &blocks, &mut learned).2, 10);
}

/// A value longer than what the device was seen to give, with another inside it: neither is asked for again and again.
#[test]
fn a_long_value_with_another_in_it_is_no_endless_search() {
    let blocks: Vec<Range> = (200..300).map(|at| holding(at, 1)).chain([holding(0, 100), holding(10, 1)]).collect();
    let device = Device { missing: BTreeSet::new(), most: 64 };
    let mut learned = Learned::default();
    for _ in 0..3 {
        let (good, bad, sent) = cycle(&device, &blocks, &mut learned);
        assert_eq!((good.len(), bad), (101, BTreeSet::from([100])));
        assert!(sent < 12, "{sent}");
    }
}

/// A request that waited while its culprit was found teaches nothing more.
#[test]
fn a_request_that_was_planned_before_teaches_nothing() {
    let blocks: Vec<Range> = (0..100).map(|at| holding(at, 1)).collect();
    let device = Device { missing: BTreeSet::from([0]), most: 125 };
    let mut learned = Learned::default();
    cycle(&device, &blocks, &mut learned);
    assert!(learned.refused(holding(0, 100), &blocks, Why::Exception(2), Instant::now()), "asked again");
    assert_eq!(cycle(&device, &blocks, &mut learned).2, 2);
}

#[test]
fn the_length_that_a_device_gives_is_learned() {
    let blocks: Vec<Range> = (0..200).map(|at| holding(at, 1)).collect();
    let device = Device { missing: BTreeSet::new(), most: 70 };
    let (mut learned, now) = (Learned::default(), Instant::now());
    let (good, _, sent) = cycle_at(now, &device, &blocks, &mut learned);
    assert_eq!(good.len(), 200);
    assert!(sent <= 6, "{sent}");
    let (_, _, sent) = cycle_at(now, &device, &blocks, &mut learned);
    assert!((3..=4).contains(&sent), "{sent}");
    let (lines, kept) = told(&mut learned, now);
    assert_eq!(lines, ["at most 63 registers in one request"]);
    assert_eq!(kept["registers"], 63);
}

/// Exception 3 says that it is the length, whatever lies between the values.
#[test]
fn the_length_is_learned_across_gaps_too() {
    let blocks: Vec<Range> = (0..30).map(|n| holding(n * 10, 2)).collect();
    let device = Device { missing: BTreeSet::new(), most: 64 };
    let (mut learned, now) = (Learned::default(), Instant::now());
    for _ in 0..4 {
        assert_eq!(cycle_at(now, &device, &blocks, &mut learned).0.len(), 30);
    }
    assert_eq!(told(&mut learned, now).0, ["at most 62 registers in one request"]);
}

/// Two areas of one device that no read may cross, though all addresses are there.
#[test]
fn a_border_is_no_length() {
    let blocks: Vec<Range> = (0..100).map(|at| holding(at, 1)).collect();
    let mut learned = Learned::default();
    let now = Instant::now();
    for _ in 0..2 {
        let plan = |due: &[usize], learned: &Learned| {
            plan(due.iter().map(|at| (*at, blocks[*at])), &Rules::default(), learned)
        };
        let mut queue = VecDeque::from(plan(&(0..100).collect::<Vec<_>>(), &learned));
        while let Some(Planned { range, points }) = queue.pop_front() {
            let crosses = range.start < 40 && range.end() > 40;
            let asked: Vec<Range> = points.iter().map(|at| blocks[*at]).collect();
            if crosses && learned.refused(range, &asked, Why::Exception(2), now) {
                plan(&points, &learned).into_iter().rev().for_each(|one| queue.push_front(one));
            } else {
                learned.answered(range, now);
            }
        }
    }
    assert_eq!(told(&mut learned, now).0, ["holding 40: refused (exception 2) together with what is below it"]);
}

#[test]
fn what_was_learned_survives_as_it_was_told() {
    let blocks: Vec<Range> = (0..100).map(|at| holding(at, 1)).chain([holding(110, 2)]).collect();
    let device = Device { missing: [37, 38, 105].into(), most: 125 };
    let (mut learned, now) = (Learned::default(), Instant::now());
    for _ in 0..4 {
        cycle_at(now, &device, &blocks, &mut learned);
    }
    assert_eq!(learned.knowledge().kept, Json::Null, "not yet: the search is one piece of news");
    let (lines, kept) = told(&mut learned, now);
    let expected = [
        "holding 37 to 38: refused (exception 2), read alone",
        "holding 100 to 109: refused (exception 2), not read along",
    ];
    assert_eq!(lines, expected);
    let (mut heir, before) = (Learned::default(), cycle_at(now, &device, &blocks, &mut learned).2);
    heir.recall(&kept, now);
    assert_eq!((heir.knowledge().learned, heir.knowledge().kept), (lines, kept), "from the first moment on");
    assert_eq!(cycle_at(now, &device, &blocks, &mut heir).2, before, "nothing is searched again");
    let generation = heir.generation();
    heir.recall(&Json::Null, now);
    assert_ne!(heir.generation(), generation);
    assert_eq!((heir.knowledge().learned, heir.knowledge().kept), (vec![], Json::Null));
    assert!(cycle_at(now, &device, &blocks, &mut heir).2 > before, "forgotten: searched again");
}

#[test]
fn what_does_not_fit_is_not_recalled() {
    let (mut learned, now) = (Learned::default(), Instant::now());
    let apart =
        |address: u32, count: u32| json!({"table": "holding", "address": address, "count": count, "why": "silence"});
    for kept in [
        json!(7),
        json!({"version": 2, "registers": 5}),
        json!({"version": 1, "registers": 70_000}),
        json!({"version": 1, "registers": 0}),
        json!({"version": 1, "apart": [apart(65_535, 2)]}),
        json!({"version": 1, "apart": [apart(0, 0)]}),
        json!({"version": 1, "review": "soon"}),
    ] {
        learned.recall(&kept, now);
        assert_eq!(learned.knowledge().learned, Vec::<String>::new(), "{kept}");
    }
    learned.recall(&json!({"version": 1, "apart": [apart(65_535, 1)], "review": u64::MAX}), now);
    assert_eq!(learned.knowledge().learned, ["holding 65535: not answered, read alone"]);
}

/// A test of what was learned that finds the same is no news, or it would be a write of status each time.
#[test]
fn a_test_that_proves_true_is_no_news() {
    let blocks: Vec<Range> = (0..20).map(|at| holding(at, 1)).collect();
    let device = Device { missing: BTreeSet::from([3]), most: 125 };
    let (mut learned, mut now) = (Learned::default(), Instant::now());
    cycle_at(now, &device, &blocks, &mut learned);
    now += SETTLED;
    cycle_at(now, &device, &blocks, &mut learned);
    let told = learned.knowledge();
    assert_eq!(told.learned, ["holding 3: refused (exception 2), read alone"]);
    for _ in 0..100 {
        now += Duration::from_secs(20);
        cycle_at(now, &device, &blocks, &mut learned);
        assert_eq!(learned.knowledge().learned, told.learned);
    }
}

#[test]
fn there_are_never_more_lines_than_status_takes() {
    let apart: Vec<Json> =
        (0..100).map(|n| json!({"table": "input", "address": n * 2, "count": 1, "why": {"exception": 2}})).collect();
    let mut learned = Learned::default();
    learned.recall(&json!({"version": 1, "apart": apart}), Instant::now());
    let lines = learned.knowledge().learned;
    assert_eq!(
        (lines.len(), lines[0].as_str(), lines[59].as_str()),
        (60, "input 0: refused (exception 2), read alone", "and 41 more")
    );
}

proptest! {
    /// Whatever a device refuses: all that it gives by itself is read, the rest is told, and the second time at most as
    /// many requests are refused as there are values that are.
    #[test]
    fn nothing_is_lost_because_of_a_neighbour(
        points in prop::collection::vec((prop::sample::select(vec![0_u16, 500, 900]), 0_u16..120, 1_u16..=4), 1..30),
        holes in prop::collection::vec((prop::sample::select(vec![0_u16, 500, 900]), 0_u16..125, 1_u16..20), 0..6),
        most in 4_u16..=125,
    ) {
        let blocks: Vec<Range> = points.iter().map(|(area, start, count)| holding(area + start, *count)).collect();
        let missing = holes.iter().flat_map(|(area, start, count)| area + start..area + start + count).collect();
        let device = Device { missing, most };
        let legal: BTreeSet<usize> = (0..blocks.len()).filter(|at| device.answers(blocks[*at])).collect();
        let mut learned = Learned::default();
        let (good, bad, _) = cycle(&device, &blocks, &mut learned);
        prop_assert_eq!(&good, &legal);
        prop_assert_eq!(bad.len(), blocks.len() - legal.len());
        for _ in 0..40 { cycle(&device, &blocks, &mut learned); }
        let (good, bad, sent) = cycle(&device, &blocks, &mut learned);
        prop_assert_eq!(&good, &legal);
        let different: BTreeSet<Range> = blocks.iter().copied().collect();
        prop_assert!(sent <= different.len(), "{} requests for {} values, {} bad", sent, different.len(), bad.len());
    }
}
