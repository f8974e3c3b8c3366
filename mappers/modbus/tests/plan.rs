//! The read planner against rules written down without it.
#![allow(clippy::panic, clippy::unwrap_in_result, reason = "a test")]
mod oracle;

use oracle::{Span, Terms};
use pollux_crds::{ModbusAvoid, ModbusCost, ModbusDevice, ModbusLimits, ModbusParity, ModbusRtu, ModbusTable as Table};
use pollux_modbus::{
    learned::Learned,
    plan::{Planned, Range, plan},
    rules::{Cost, GAP, Rules},
};
use proptest::prelude::*;
use std::{collections::BTreeSet, time::Duration};

fn range(table: Table, start: u16, count: u16) -> Range {
    Range { table, start, count }
}
fn holding(start: u16, count: u16) -> Range {
    range(Table::Holding, start, count)
}
fn planned_by(rules: &Rules, blocks: &[Range]) -> Vec<(Range, Vec<usize>)> {
    let planned = plan(blocks.iter().copied().enumerate(), rules, &Learned::default());
    planned.into_iter().map(|Planned { range, points }| (range, points)).collect()
}
fn planned(blocks: &[Range]) -> Vec<(Range, Vec<usize>)> {
    planned_by(&Rules::default(), blocks)
}
fn ranges(rules: &Rules, blocks: &[Range]) -> Vec<Range> {
    planned_by(rules, blocks).into_iter().map(|(range, _)| range).collect()
}

#[test]
fn neighbours_are_read_together_whatever_their_order() {
    let points = [holding(4, 2), holding(0, 2), holding(2, 1), range(Table::Input, 0, 1), holding(2, 1)];
    let expected = [(range(Table::Input, 0, 1), vec![3]), (holding(0, 6), vec![1, 2, 4, 0])];
    assert_eq!(planned(&points), expected);
}

#[test]
fn a_small_gap_is_read_along_and_a_large_one_is_not() {
    let (near, far) = (holding(1 + GAP, 1), holding(2 + GAP, 1));
    assert_eq!(planned(&[holding(0, 1), near]), [(holding(0, 2 + GAP), vec![0, 1])]);
    assert_eq!(planned(&[holding(0, 1), far]).len(), 2);
    let coil = |at| range(Table::Coil, at, 1);
    assert_eq!(planned(&[coil(0), coil(1 + 16 * GAP)]).len(), 1);
    assert_eq!(planned(&[coil(0), coil(2 + 16 * GAP)]).len(), 2);
    let none = Rules { gap: 0, ..Rules::default() };
    assert_eq!(ranges(&none, &[holding(0, 1), holding(1, 1), holding(3, 1)]), [holding(0, 2), holding(3, 1)]);
}

#[test]
fn a_request_never_exceeds_the_standard_and_never_splits_a_value() {
    let points: Vec<Range> = (0..63).map(|n| holding(n * 2, 2)).collect(); // 126 registers
    assert_eq!(ranges(&Rules::default(), &points), [holding(0, 124), holding(124, 2)]);
    let coils: Vec<Range> = (0..2001).map(|at| range(Table::Discrete, at, 1)).collect();
    let sizes: Vec<u16> = planned(&coils).into_iter().map(|(range, _)| range.count).collect();
    assert_eq!(sizes, [2000, 1]);
    assert_eq!(planned(&[holding(65535, 1), holding(65530, 4)]), [(holding(65530, 6), vec![1, 0])]);
}

/// Three values 10 registers apart, of which only two fit into one request: the nearer two are read together.
#[test]
fn the_cheapest_way_is_taken_not_the_first() {
    let rules = Rules { registers: 12, ..Rules::default() };
    assert_eq!(ranges(&rules, &[holding(0, 1), holding(10, 1), holding(13, 1)]), [holding(0, 1), holding(10, 4)]);
}

#[test]
fn a_gap_is_read_along_only_where_that_costs_less_than_a_request() {
    let cost =
        |request, register| Cost { request: Duration::from_micros(request), register: Duration::from_micros(register) };
    let blocks = [holding(0, 1), holding(11, 1)];
    for (cost, requests) in [(cost(100, 9), 1), (cost(100, 10), 1), (cost(100, 11), 2)] {
        assert_eq!(ranges(&Rules { cost, ..Rules::default() }, &blocks).len(), requests, "{cost:?}");
    }
    let bits = [range(Table::Coil, 0, 1), range(Table::Coil, 161, 1)]; // ten times sixteen between them
    for (cost, requests) in [(cost(100, 10), 1), (cost(100, 11), 2)] {
        assert_eq!(ranges(&Rules { cost, ..Rules::default() }, &bits).len(), requests, "{cost:?}");
    }
}

#[test]
fn what_is_avoided_or_stands_alone_is_never_read_along() {
    let mut rules = Rules { avoid: vec![holding(5, 2)], ..Rules::default() };
    assert_eq!(ranges(&rules, &[holding(0, 2), holding(8, 1)]), [holding(0, 2), holding(8, 1)]);
    assert_eq!(ranges(&rules, &[holding(0, 2), holding(4, 1)]), [holding(0, 5)]);
    assert_eq!(
        ranges(&rules, &[holding(4, 1), holding(5, 1), holding(7, 1)]),
        [holding(4, 1), holding(7, 1), holding(5, 1)]
    );
    rules = Rules { alone: [holding(5, 1)].into(), ..Rules::default() };
    let blocks = [holding(4, 1), holding(5, 1), holding(5, 1), holding(5, 2), holding(7, 1)];
    let expected = [(holding(4, 4), vec![0, 3, 4]), (holding(5, 1), vec![1, 2])];
    assert_eq!(
        planned_by(&rules, &blocks),
        expected,
        "values of the same range share, another one at its address does not"
    );
}

#[test]
fn limits_gap_avoid_offset_and_cost_are_the_devices() {
    let avoid = |first, last| ModbusAvoid { table: Table::Holding, first, last };
    let limits = ModbusLimits { registers: Some(40), bits: Some(100), gap: Some(3), ..ModbusLimits::default() };
    let device = ModbusDevice {
        limits: Some(limits),
        cost: Some(ModbusCost { request_micros: 7, register_micros: 3 }),
        avoid: vec![avoid(0, 1), avoid(10, 12), avoid(0, 65_535)],
        address_offset: Some(-1),
        ..ModbusDevice::default()
    };
    let rules = Rules::of(&device);
    assert_eq!((rules.registers, rules.bits, rules.gap), (40, 100, 3));
    assert_eq!(rules.avoid[..2], [holding(0, 1), holding(9, 3)]);
    assert_eq!(rules.avoid[2..].iter().map(|range| u32::from(range.count)).sum::<u32>(), 65_535);
    assert_eq!(rules.cost.of_request(holding(0, 4)), Duration::from_micros(19));
    assert_eq!(rules.cost.of_request(range(Table::Coil, 0, 16)), Duration::from_micros(10));
}

/// By hand: 8 characters asked, 5 answered beside the data, two silences of 3.5 (or of 1.75 ms), 5 ms of the device.
#[test]
fn a_serial_line_costs_what_its_characters_take() {
    let line = |rate, parity, stop_bits| {
        let rtu = ModbusRtu { path: "/dev/ttyS0".into(), baud_rate: Some(rate), parity, stop_bits, rs485: None };
        Cost::of(&ModbusDevice { rtu: Some(rtu), ..ModbusDevice::default() })
    };
    let micros = |cost: Cost| (cost.request.as_micros(), cost.register.as_micros());
    assert_eq!(micros(line(9600, None, None)), (27_916, 2_291)); // 20 x 11 bits, 2 x 11 bits
    assert_eq!(micros(line(9600, Some(ModbusParity::None), None)), (25_833, 2_083)); // 10 bits
    assert_eq!(micros(line(115_200, None, Some(2))), (9_854, 208)); // 13 x 12 bits and 3.5 ms
    assert_eq!(Cost::of(&ModbusDevice::default()).of_request(holding(0, 10)), Duration::from_micros(1020));
}

#[test]
fn ten_thousand_values_are_each_read_once() {
    let blocks: Vec<Range> = (0..10_000_u16).map(|n| holding(n * 3, 2)).collect();
    let planned = planned(&blocks);
    let mut seen: Vec<usize> = planned.iter().flat_map(|(_, points)| points.clone()).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..10_000).collect::<Vec<_>>());
    assert_eq!(
        planned.len(),
        10_000_usize.div_ceil(42),
        "42 values of 3 addresses, without the last gap, are 125 registers"
    );
}

fn tables() -> impl Strategy<Value = Table> {
    prop::sample::select(&[Table::Coil, Table::Discrete, Table::Input, Table::Holding][..])
}
fn is_of_bits(table: Table) -> bool {
    matches!(table, Table::Coil | Table::Discrete)
}
fn span(range: Range) -> Span {
    (range.start.into(), range.end())
}

/// The rules of a device, and the same as the oracle takes them.
fn terms(rules: &Rules, table: Table) -> Terms {
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).expect("short");
    let bits = is_of_bits(table);
    let (request, register) = (nanos(rules.cost.request) * 16, nanos(rules.cost.register));
    Terms {
        cap: if bits { rules.bits } else { rules.registers }.into(),
        gap: u32::from(rules.gap) * if bits { 16 } else { 1 },
        price: (request, if bits { register } else { register * 16 }),
        avoid: rules.avoid.iter().filter(|avoid| avoid.table == table).copied().map(span).collect(),
        alone: rules.alone.iter().filter(|alone| alone.table == table).copied().map(span).collect(),
    }
}

fn rules() -> impl Strategy<Value = Rules> {
    let avoid = prop::collection::vec((tables(), 0_u16..200, 1_u16..8), 0..4);
    ((0_u64..2000, 0_u64..200), 1_u16..=125, 1_u16..=400, 0_u16..=124, avoid).prop_map(
        |(cost, registers, bits, gap, avoid)| Rules {
            cost: Cost { request: Duration::from_micros(cost.0), register: Duration::from_micros(cost.1) },
            registers,
            bits,
            gap,
            avoid: avoid.into_iter().map(|(table, start, count)| range(table, start, count)).collect(),
            alone: BTreeSet::new(),
        },
    )
}

/// Blocks that the device's own limits allow, and rules by which some are alone.
fn case(most: usize) -> impl Strategy<Value = (Rules, Table, Vec<Range>)> {
    let points = prop::collection::vec((0_u16..200, 1_u16..=60, prop::bool::weighted(0.15)), 0..most);
    (rules(), tables(), points).prop_map(|(mut rules, table, points)| {
        let cap = if is_of_bits(table) { rules.bits } else { rules.registers };
        let block = |(start, count, _): &(u16, u16, bool)| range(table, *start, (*count).min(cap));
        rules.alone = points.iter().filter(|point| point.2).map(block).collect();
        let blocks = points.iter().map(block).collect();
        (rules, table, blocks)
    })
}

proptest! {
    #[test]
    fn each_due_point_stands_in_one_legal_request_that_holds_all_of_it((rules, table, blocks) in case(80)) {
        let (requests, terms) = (planned_by(&rules, &blocks), terms(&rules, table));
        let mut seen: Vec<usize> = requests.iter().flat_map(|(_, points)| points.clone()).collect();
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..blocks.len()).collect::<Vec<_>>());
        let mut cost = 0;
        for (request, points) in &requests {
            let spans: Vec<Span> = points.iter().map(|at| span(blocks[*at])).collect();
            prop_assert!(terms.legal(&spans), "{:?} for {:?}", request, spans);
            prop_assert!(u32::from(request.count) <= terms.cap);
            prop_assert_eq!(span(*request), (spans.iter().map(|s| s.0).min().expect("some"), spans.iter().map(|s| s.1).max().expect("some")));
            cost += terms.cost(&spans);
        }
        let spans: Vec<Span> = blocks.iter().copied().map(span).collect();
        prop_assert!(cost <= terms.greedy(&spans));
    }

    #[test]
    fn no_way_to_divide_the_values_costs_less((rules, table, blocks) in case(10)) {
        let terms = terms(&rules, table);
        let mut different: Vec<Span> = blocks.iter().copied().map(span).collect();
        different.sort_unstable();
        different.dedup();
        let requests = ranges(&rules, &blocks);
        let cost: u64 = requests.iter().map(|request| terms.cost(&[span(*request)])).sum();
        prop_assert_eq!(cost, terms.cheapest(&different), "{:?}", requests);
    }

    #[test]
    fn tables_are_planned_each_for_itself(points in prop::collection::vec((tables(), 0_u16..4000, 1_u16..=123), 0..120), rules in rules()) {
        let rules = Rules { registers: 125, bits: 400, ..rules };
        let blocks: Vec<Range> = points.into_iter().map(|(table, start, count)| range(table, start, count)).collect();
        let all: BTreeSet<Range> = ranges(&rules, &blocks).into_iter().collect();
        let mut each = BTreeSet::new();
        for table in [Table::Coil, Table::Discrete, Table::Input, Table::Holding] {
            each.extend(ranges(&rules, &blocks.iter().copied().filter(|block| block.table == table).collect::<Vec<_>>()));
        }
        prop_assert_eq!(all, each);
    }
}
