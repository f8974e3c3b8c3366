//! The read planner against rules written down without it, and against devices that refuse.
#![allow(clippy::panic, clippy::unwrap_in_result, reason = "a test")]
mod oracle;

use pollux_crds::ModbusTable as Table;
use pollux_mapper::Instant;
use pollux_modbus::{
    learned::{LONGEST_REVIEW, Learned, REVIEW},
    plan::{BIT_GAP, Planned, REGISTER_GAP, Range, plan},
};
use proptest::prelude::*;
use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

fn range(table: Table, start: u16, count: u16) -> Range {
    Range { table, start, count }
}
fn holding(start: u16, count: u16) -> Range {
    range(Table::Holding, start, count)
}
fn planned(blocks: &[Range]) -> Vec<(Range, Vec<usize>)> {
    plan(blocks.iter().copied().enumerate(), &Learned::default()).into_iter().map(|p| (p.range, p.points)).collect()
}

#[test]
fn neighbours_are_read_together_whatever_their_order() {
    let points = [holding(4, 2), holding(0, 2), holding(2, 1), range(Table::Input, 0, 1), holding(2, 1)];
    let expected = [(range(Table::Input, 0, 1), vec![3]), (holding(0, 6), vec![1, 2, 4, 0])];
    assert_eq!(planned(&points), expected);
}

#[test]
fn a_small_gap_is_read_along_and_a_large_one_is_not() {
    let (near, far) = (holding(1 + REGISTER_GAP, 1), holding(2 + REGISTER_GAP, 1));
    assert_eq!(planned(&[holding(0, 1), near]), [(holding(0, 2 + REGISTER_GAP), vec![0, 1])]);
    assert_eq!(planned(&[holding(0, 1), far]).len(), 2);
    let coil = |at| range(Table::Coil, at, 1);
    assert_eq!(planned(&[coil(0), coil(1 + BIT_GAP)]).len(), 1);
    assert_eq!(planned(&[coil(0), coil(2 + BIT_GAP)]).len(), 2);
}

#[test]
fn a_request_never_exceeds_the_standard_and_never_splits_a_value() {
    let points: Vec<Range> = (0..63).map(|n| holding(n * 2, 2)).collect(); // 126 registers
    let ranges: Vec<Range> = planned(&points).into_iter().map(|(range, _)| range).collect();
    assert_eq!(ranges, [holding(0, 124), holding(124, 2)]);
    let coils: Vec<Range> = (0..2001).map(|at| range(Table::Discrete, at, 1)).collect();
    let sizes: Vec<u16> = planned(&coils).into_iter().map(|(range, _)| range.count).collect();
    assert_eq!(sizes, [2000, 1]);
    assert_eq!(planned(&[holding(65535, 1), holding(65530, 4)]), [(holding(65530, 6), vec![1, 0])]);
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
    let plan = |points: &[usize], learned: &Learned| plan(points.iter().map(|at| (*at, blocks[*at])), learned);
    let mut queue = VecDeque::from(plan(&(0..blocks.len()).collect::<Vec<_>>(), learned));
    while let Some(Planned { range, points }) = queue.pop_front() {
        sent += 1;
        assert!(sent < 100 * (blocks.len() + 1), "does not end");
        let asked: Vec<Range> = points.iter().map(|at| blocks[*at]).collect();
        let again = if device.answers(range) {
            good.extend(&points);
            learned.answered(range, now)
        } else {
            let again = learned.refused(range, &asked, now);
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

/// A PLC that boots or stands in STOP answers exception 4, or 2, to everything.
#[test]
fn a_device_that_refuses_everything_for_a_while_is_not_divided_for_ever() {
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
        for _ in 0..600 {
            now += Duration::from_secs(1);
            let (good, bad, sent) = cycle_at(now, &stopped, &blocks, &mut learned);
            assert_eq!((good.len(), bad.len()), (0, 100));
            assert!(sent <= 300, "{sent}");
        }
        for second in 0..30 {
            now += Duration::from_secs(1);
            let (good, bad, sent) = cycle_at(now, &well, &blocks, &mut learned);
            assert_eq!((good.len(), bad), (99, BTreeSet::from([3])), "no value is lost from the first moment on");
            assert!(second < 11 || sent == least, "{sent} requests after {second} s, {least} without the stop");
        }
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

fn tables() -> impl Strategy<Value = Table> {
    prop::sample::select(&[Table::Coil, Table::Discrete, Table::Input, Table::Holding][..])
}
fn gap(table: Table) -> u32 {
    if matches!(table, Table::Coil | Table::Discrete) { BIT_GAP.into() } else { REGISTER_GAP.into() }
}

proptest! {
    #[test]
    fn each_due_point_stands_in_one_legal_request_that_holds_all_of_it(
        points in prop::collection::vec((tables(), 0_u16..4000, 1_u16..=123), 0..120),
    ) {
        let blocks: Vec<Range> = points.into_iter().map(|(table, start, count)| range(table, start, count)).collect();
        let requests = planned(&blocks);
        let mut seen: Vec<usize> = requests.iter().flat_map(|(_, points)| points.clone()).collect();
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..blocks.len()).collect::<Vec<_>>());
        for (request, points) in requests {
            let bits = matches!(request.table, Table::Coil | Table::Discrete);
            let cap = if bits { 2000 } else { 125 };
            prop_assert!((1..=cap).contains(&request.count));
            for block in points.iter().map(|at| blocks[*at]) {
                prop_assert_eq!(block.table, request.table);
                prop_assert!(block.start >= request.start && block.end() <= request.end());
            }
        }
    }

    #[test]
    fn there_are_as_few_requests_as_all_ways_of_dividing_allow(
        points in prop::collection::vec((0_u16..200, 1_u16..=60), 0..7),
        table in tables(),
    ) {
        let blocks: Vec<Range> = points.iter().map(|(start, count)| range(table, *start, *count)).collect();
        let spans: Vec<(u32, u32)> = points.iter().map(|(start, count)| (u32::from(*start), u32::from(start + count))).collect();
        let cap = if matches!(table, Table::Coil | Table::Discrete) { 2000 } else { 125 };
        prop_assert_eq!(planned(&blocks).len(), oracle::fewest(&spans, cap, gap(table)));
    }

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
