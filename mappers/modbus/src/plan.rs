//! Due values to requests: as few as are legal, no value split, no group split, and what the device refused is not asked
//! for in that form again. Pure.
use crate::{
    frame::{MAX_READ_BITS, MAX_READ_REGISTERS},
    learned::Learned,
};
use pollux_crds::ModbusTable as Table;
use std::collections::BTreeMap;

/// Registers that nobody asked for, read along to save a request: 32 bytes are cheaper than a round trip.
pub const REGISTER_GAP: u16 = 16;
/// The same for coils and discrete inputs.
pub const BIT_GAP: u16 = 128;

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
        if learned.is_apart(range) {
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
