//! Due values to requests: as few as are legal, no value split, no group split, and what the device refused is not asked
//! for in that form again. Pure.
use crate::frame::{MAX_READ_BITS, MAX_READ_REGISTERS};
use pollux_crds::ModbusTable as Table;
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound::{Excluded, Included},
};

/// Registers that nobody asked for, read along to save a request: 32 bytes are cheaper than a round trip.
pub const REGISTER_GAP: u16 = 16;
/// The same for coils and discrete inputs.
pub const BIT_GAP: u16 = 128;
/// How often values that were refused alone, and later were answered, are merged again with others.
const PARDONS: u8 = 16;

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
    /// The most that one request may read from this table.
    pub fn cap(table: Table) -> u16 {
        match table {
            Table::Coil | Table::Discrete => MAX_READ_BITS,
            Table::Input | Table::Holding => MAX_READ_REGISTERS,
        }
    }
    fn gap(table: Table) -> u16 {
        match table {
            Table::Coil | Table::Discrete => BIT_GAP,
            Table::Input | Table::Holding => REGISTER_GAP,
        }
    }
}

/// What a device was seen to refuse. A value, or a read group, is a block: never split.
#[derive(Debug, Default)]
pub struct Learned {
    /// No request spans from below such an address to it or beyond: a refused request was halved here.
    halves: BTreeSet<(Table, u16)>,
    /// The same, because what lies below nobody asked for, and the device may not have it.
    gaps: BTreeSet<(Table, u16)>,
    /// Refused by itself: always read by itself.
    alone: BTreeSet<Range>,
    pardons: u8,
}

impl Learned {
    /// The device refused `asked`, read for `blocks`. True: [`plan`] now answers otherwise, so ask again; each answer of
    /// true takes away one form of asking, so it ends. False: there is nothing left to divide.
    pub fn refused(&mut self, asked: Range, blocks: &[Range]) -> bool {
        let blocks: BTreeSet<Range> = blocks.iter().copied().collect();
        let Some(largest) = blocks.iter().max_by_key(|block| block.count).copied() else { return false };
        if blocks.len() == 1 {
            return self.set_apart(largest);
        }
        let before = self.gaps.len();
        self.gaps.extend(starts_after_gaps(&blocks));
        if self.gaps.len() > before {
            return true;
        }
        let starts: BTreeSet<u16> = blocks.iter().map(|block| block.start).collect();
        match starts.iter().nth(starts.len() / 2).filter(|middle| **middle != asked.start) {
            Some(middle) => self.halves.insert((asked.table, *middle)),
            None => self.alone.insert(largest),
        };
        true
    }

    /// The culprit is found: the halves that led to it are of no more use, its neighbours are merged again.
    fn set_apart(&mut self, block: Range) -> bool {
        let found = self.alone.insert(block);
        let halves = self.halves.len();
        if found {
            self.halves.retain(|(table, _)| *table != block.table);
        }
        self.halves.len() < halves
    }

    /// The device answered. True: a value that it once refused is good again (it was busy, or has new firmware).
    pub fn answered(&mut self, asked: Range) -> bool {
        let again = !self.alone.is_empty() && self.pardons < PARDONS && self.alone.remove(&asked);
        self.pardons += u8::from(again);
        again
    }

    fn parted(&self, table: Table, after: u16, upto: u16) -> bool {
        let span = (Excluded((table, after)), Included((table, upto)));
        after < upto && (self.halves.range(span).next().is_some() || self.gaps.range(span).next().is_some())
    }

    /// Would reading from `from` to `to` along touch what the device refuses?
    fn forbidden(&self, table: Table, from: u32, to: u32) -> bool {
        self.alone.iter().any(|bad| bad.table == table && u32::from(bad.start) < to && bad.end() > from)
    }
}

fn starts_after_gaps(blocks: &BTreeSet<Range>) -> Vec<(Table, u16)> {
    let mut covered = blocks.first().map_or(0, |first| first.end());
    let mut starts = vec![];
    for block in blocks {
        if u32::from(block.start) > covered {
            starts.push((block.table, block.start));
        }
        covered = covered.max(block.end());
    }
    starts
}

/// One request, and the points (as given) that it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    pub range: Range,
    pub points: Vec<usize>,
}

/// `due`: points and their blocks, each within its table's cap. Values set apart come last.
pub fn plan(due: impl IntoIterator<Item = (usize, Range)>, learned: &Learned) -> Vec<Planned> {
    let mut blocks: BTreeMap<Range, Vec<usize>> = BTreeMap::new();
    for (point, block) in due {
        blocks.entry(block).or_default().push(point);
    }
    let (mut merged, mut apart): (Vec<Planned>, Vec<Planned>) = (vec![], vec![]);
    for (range, points) in blocks {
        if learned.alone.contains(&range) {
            apart.push(Planned { range, points });
            continue;
        }
        match merged.last_mut().and_then(|last| Some((joined(last.range, range, learned)?, last))) {
            Some((range, last)) => {
                last.range = range;
                last.points.extend(points);
            }
            None => merged.push(Planned { range, points }),
        }
    }
    merged.append(&mut apart);
    merged
}

/// Both in one request, where that is legal and wise. `next` does not start before `open`.
fn joined(open: Range, next: Range, learned: &Learned) -> Option<Range> {
    let table = open.table;
    if next.table != table {
        return None;
    }
    let end = open.end().max(next.end());
    let count = u16::try_from(end - u32::from(open.start)).ok().filter(|count| *count <= Range::cap(table))?;
    let gap = u32::from(next.start).saturating_sub(open.end());
    let refused = learned.parted(table, open.start, next.start)
        || (gap > 0 && learned.forbidden(table, open.end(), u32::from(next.start)));
    (gap <= u32::from(Range::gap(table)) && !refused).then_some(Range { table, start: open.start, count })
}
