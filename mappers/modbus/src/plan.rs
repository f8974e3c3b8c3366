//! Due values to requests that together cost least, no value split, no group split, nothing read along that must not be, and
//! what the device refused not asked for in that form again. Pure, and exact: where the spans of two requests overlap, the
//! values of one can go to the other for nothing, so the best way is among those that cut the values in their order, and
//! dynamic programming goes through all of these. A minimum over a sliding window makes it linear.
use crate::{learned::Learned, rules::Rules};
use pollux_crds::ModbusTable as Table;
use std::collections::VecDeque;

/// Consecutive registers or bits of one table. `start + count` is at most 65536.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Range {
    pub table: Table,
    pub start: u16,
    pub count: u16,
}

impl Range {
    /// One past the last.
    pub fn end(self) -> u32 {
        u32::from(self.start) + u32::from(self.count)
    }
    /// Coils and discrete inputs.
    pub fn has_bits(self) -> bool {
        self.table.has_bits()
    }
    /// Whether both have an address in common.
    pub fn meets(self, other: Self) -> bool {
        self.table == other.table && u32::from(self.start) < other.end() && u32::from(other.start) < self.end()
    }
    /// Whether all of the other stands in it.
    pub fn holds(self, other: Self) -> bool {
        self.table == other.table && self.start <= other.start && self.end() >= other.end()
    }
    /// From the start of the first to the end of the last; none of an empty list, or of one too long for a request.
    pub fn over(blocks: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut blocks = blocks.into_iter();
        let first = blocks.next()?;
        let (start, end) = blocks.fold((first.start, first.end()), |(s, e), b| (s.min(b.start), e.max(b.end())));
        let count = u16::try_from(end - u32::from(start)).ok()?;
        Some(Self { table: first.table, start, count })
    }
}

/// One request, and the points (as given) that it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    pub range: Range,
    pub points: Vec<usize>,
}

/// `due`: points and their blocks, each within its table's cap. What is tried by itself comes first, what is always read by
/// itself last.
pub fn plan(due: impl IntoIterator<Item = (usize, Range)>, rules: &Rules, learned: &Learned) -> Vec<Planned> {
    let mut due: Vec<(Range, usize)> = due.into_iter().map(|(point, block)| (block, point)).collect();
    due.sort_unstable();
    let mut probes = take(&mut due, |block| learned.is_probed(block));
    let mut apart = take(&mut due, |block| learned.is_apart(block) || rules.is_alone(block));
    let forbidden = Forbidden::new(rules, learned);
    let mut out = by_themselves(&mut probes);
    for run in runs(&due, rules, learned, &forbidden) {
        let Some(table) = run.first().map(|head| head.table) else { continue };
        let cap = rules.cap(table).min(learned.cap(table));
        out.extend(requests(&run, cap, rules).into_iter().map(|(range, from, to)| Planned {
            range,
            points: due.get(from..to).unwrap_or_default().iter().map(|(_, point)| *point).collect(),
        }));
    }
    out.append(&mut by_themselves(&mut apart));
    out
}

fn take(due: &mut Vec<(Range, usize)>, which: impl Fn(Range) -> bool) -> Vec<(Range, usize)> {
    due.extract_if(.., |(block, _)| which(*block)).collect()
}

/// One request for each block.
fn by_themselves(blocks: &mut Vec<(Range, usize)>) -> Vec<Planned> {
    let mut out: Vec<Planned> = vec![];
    for (range, point) in blocks.drain(..) {
        match out.last_mut().filter(|last| last.range == range) {
            Some(last) => last.points.push(point),
            None => out.push(Planned { range, points: vec![point] }),
        }
    }
    out
}

/// A block that stands in no other, with all that stand in it: those up to the next head's `from`. In a run both starts and
/// ends ascend.
#[derive(Debug, Clone, Copy)]
struct Head {
    table: Table,
    start: u16,
    end: u32,
    from: usize,
    to: usize,
}

/// Blocks of which any neighbours may be read together, as far as length goes.
fn runs(due: &[(Range, usize)], rules: &Rules, learned: &Learned, forbidden: &Forbidden) -> Vec<Vec<Head>> {
    let mut runs: Vec<Vec<Head>> = vec![];
    for (at, (block, _)) in due.iter().enumerate() {
        let (start, end) = (block.start, block.end());
        let new = Head { table: block.table, start, end, from: at, to: at + 1 };
        let Some((run, open)) = runs.last_mut().and_then(|run| run.last().copied().map(|open| (run, open))) else {
            runs.push(vec![new]);
            continue;
        };
        let parted = open.table != new.table || learned.parted(new.table, open.start, start);
        let gap = u32::from(start).saturating_sub(open.end);
        let barred = gap > rules.gap(new.table) || (gap > 0 && forbidden.meets(new.table, open.end, open.end + gap));
        if parted || barred {
            runs.push(vec![new]);
        } else if end <= open.end || start == open.start {
            run.pop();
            run.push(Head { end: open.end.max(end), to: new.to, ..open });
        } else {
            run.push(new);
        }
    }
    runs
}

/// The cheapest way through one run: each request, and the blocks (first, one past the last) that it reads. Of equal ones the
/// one with fewer requests, and then the one that fills the first of them.
fn requests(run: &[Head], cap: u16, rules: &Rules) -> Vec<(Range, usize, usize)> {
    let Some(table) = run.first().map(|head| head.table) else { return vec![] };
    let (request, address) = prices(table, rules);
    let mut came_from = Vec::with_capacity(run.len());
    // Where a request may begin that ends at the head looked at, and what the way to there costs, less its start: ascending.
    let mut window: VecDeque<(usize, Way)> = VecDeque::new();
    let mut way = Way { cost: 0, requests: 0 };
    for (at, head) in run.iter().enumerate() {
        let begun = Way { cost: way.cost - address * i64::from(head.start), ..way };
        while window.back().is_some_and(|(_, other)| *other >= begun) {
            window.pop_back();
        }
        window.push_back((at, begun));
        let too_long =
            |from: usize| run.get(from).is_none_or(|first| head.end - u32::from(first.start) > u32::from(cap));
        while window.front().is_some_and(|(from, _)| *from < at && too_long(*from)) {
            window.pop_front();
        }
        let (from, best) = window.front().copied().unwrap_or((at, begun));
        way = Way { cost: best.cost + request + address * i64::from(head.end), requests: best.requests + 1 };
        came_from.push(from);
    }
    backwards(run, &came_from)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Way {
    cost: i64,
    requests: usize,
}

fn backwards(run: &[Head], came_from: &[usize]) -> Vec<(Range, usize, usize)> {
    let (mut out, mut end) = (vec![], run.len());
    while let Some(at) = end.checked_sub(1) {
        let from = came_from.get(at).copied().unwrap_or(at).min(at);
        if let (Some(first), Some(last)) = (run.get(from), run.get(at)) {
            let count = u16::try_from(last.end - u32::from(first.start)).unwrap_or(u16::MAX);
            out.push((Range { table: first.table, start: first.start, count }, first.from, last.to));
        }
        end = from;
    }
    out.reverse();
    out
}

/// Of a request, and of one register or bit, in sixteenths of a nanosecond.
fn prices(table: Table, rules: &Rules) -> (i64, i64) {
    let nanos = |time: std::time::Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX).min(1 << 40);
    let register = nanos(rules.cost.register);
    (nanos(rules.cost.request) * 16, if table.has_bits() { register } else { register * 16 })
}

/// Addresses that are never read along, in order and apart from each other.
struct Forbidden(Vec<(Table, u32, u32)>);

impl Forbidden {
    fn new(rules: &Rules, learned: &Learned) -> Self {
        let ranges = rules.avoid.iter().chain(&rules.alone).copied().chain(learned.apart());
        let mut all: Vec<_> = ranges.map(|range| (range.table, u32::from(range.start), range.end())).collect();
        all.sort_unstable();
        let mut out: Vec<(Table, u32, u32)> = vec![];
        for (table, start, end) in all {
            match out.last_mut().filter(|last| last.0 == table && start <= last.2) {
                Some(last) => last.2 = last.2.max(end),
                None => out.push((table, start, end)),
            }
        }
        Self(out)
    }
    /// Whether any of these addresses is among them.
    fn meets(&self, table: Table, from: u32, to: u32) -> bool {
        let at = self.0.partition_point(|(other, _, end)| (*other, *end) <= (table, from));
        self.0.get(at).is_some_and(|(other, start, _)| *other == table && *start < to)
    }
}
