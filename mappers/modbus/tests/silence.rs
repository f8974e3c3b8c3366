//! Reads that are never answered though the device lives, and devices that are away: only the first are divided.
#![allow(clippy::panic, clippy::unwrap_in_result, reason = "a test")]

use pollux_crds::ModbusTable as Table;
use pollux_mapper::Instant;
use pollux_modbus::{
    learned::{Learned, SETTLED},
    plan::{Range, plan},
    rules::Rules,
};
use std::collections::BTreeSet;

fn holding(start: u16, count: u16) -> Range {
    Range { table: Table::Holding, start, count }
}

/// One cycle with a device that is silent where `answers` says no. Values that were read, and how many reads were silent.
fn cycle(answers: impl Fn(Range) -> bool, blocks: &[Range], learned: &mut Learned, now: Instant) -> (usize, usize) {
    let (mut read, mut silent) = (BTreeSet::new(), 0);
    for one in plan(blocks.iter().copied().enumerate(), &Rules::default(), learned) {
        let asked: Vec<Range> = one.points.iter().map(|at| blocks[*at]).collect();
        if answers(one.range) {
            learned.answered(one.range, now);
            read.extend(one.points);
        } else {
            learned.silent(one.range, &asked);
            silent += 1;
        }
    }
    (read.len(), silent)
}

fn settled(
    answers: impl Fn(Range) -> bool,
    blocks: &[Range],
    learned: &mut Learned,
    cycles: usize,
) -> (usize, usize, usize) {
    let (mut wasted, mut last, now) = (0, (0, 0), Instant::now());
    for _ in 0..cycles {
        last = cycle(&answers, blocks, learned, now);
        wasted += last.1;
    }
    cycle(&answers, blocks, learned, now + SETTLED);
    (last.0, last.1, wasted)
}

#[test]
fn a_device_that_is_silent_to_long_reads_is_asked_for_less() {
    let blocks: Vec<Range> = (0..100).map(|at| holding(at, 1)).chain([holding(500, 1)]).collect();
    for blocks in [&blocks[..], &blocks[..100]] {
        let mut learned = Learned::default();
        let (read, silent, wasted) = settled(|asked| asked.count <= 64, blocks, &mut learned, 30);
        assert_eq!((read, silent), (blocks.len(), 0));
        assert!(wasted <= 10, "{wasted} reads were silent");
        assert_eq!(learned.knowledge().learned, ["at most 50 registers in one request"]);
    }
}

#[test]
fn a_value_to_which_a_device_is_silent_does_not_take_its_neighbours_along() {
    let blocks: Vec<Range> = (0..32).map(|at| holding(at, 1)).collect();
    let mut learned = Learned::default();
    let (read, silent, wasted) = settled(|asked| !asked.holds(holding(13, 1)), &blocks, &mut learned, 60);
    assert_eq!((read, silent), (31, 1));
    assert!(wasted <= 60 + 25, "{wasted}");
    assert_eq!(learned.knowledge().learned, ["holding 13: not answered, read alone"]);
}

#[test]
fn a_device_that_is_away_is_not_divided() {
    let blocks: Vec<Range> = (0..100).map(|at| holding(at, 1)).chain((500..510).map(|at| holding(at, 1))).collect();
    let (mut learned, now) = (Learned::default(), Instant::now());
    for _ in 0..5 {
        for up in [false, false, false, true, true] {
            cycle(|_| up, &blocks, &mut learned, now);
        }
        assert_eq!(plan(blocks.iter().copied().enumerate(), &Rules::default(), &learned).len(), 2);
    }
    for _ in 0..20 {
        let (_, silent) = cycle(|_| false, &blocks, &mut learned, now);
        assert!(silent <= 3, "{silent}: both, and one value by itself");
    }
    for _ in 0..2 {
        cycle(|_| true, &blocks, &mut learned, now + SETTLED);
    }
    assert_eq!(plan(blocks.iter().copied().enumerate(), &Rules::default(), &learned).len(), 2, "as before");
    assert_eq!(learned.knowledge().learned, Vec::<String>::new());
}

/// Every third answer is lost, now of this read, now of that.
#[test]
fn a_line_that_loses_answers_teaches_nothing() {
    let blocks: Vec<Range> =
        [0, 200, 400, 600].into_iter().flat_map(|at| (at..at + 50).map(|at| holding(at, 1))).collect();
    let (mut learned, mut n, now) = (Learned::default(), 0_u32, Instant::now());
    for _ in 0..300 {
        let plan = plan(blocks.iter().copied().enumerate(), &Rules::default(), &learned);
        assert_eq!(plan.len(), 4, "after {n} reads");
        for one in plan {
            n += 1;
            let asked: Vec<Range> = one.points.iter().map(|at| blocks[*at]).collect();
            if n % 3 == 0 {
                learned.silent(one.range, &asked);
            } else {
                learned.answered(one.range, now);
            }
        }
    }
}
