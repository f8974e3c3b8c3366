//! What a device was seen to refuse, so that it is not asked in that form again. A refused read is divided until it is known
//! which of its values are to blame; where none of them is answered the device refuses just now, whatever the form, and
//! nothing is learned of it. Nothing is believed for ever. Pure: the time is given.
use crate::plan::Range;
use pollux_crds::ModbusTable as Table;
use pollux_mapper::Instant;
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound::{Excluded, Included},
    time::Duration,
};

/// What was learned is put to the test again after this time, and after twice the time whenever it proves true.
pub const REVIEW: Duration = Duration::from_mins(10);
/// The longest such time.
pub const LONGEST_REVIEW: Duration = Duration::from_hours(24);
/// Refusals that are taken as they are after a search in vain: 2, 4, 8, … up to 2 to the power after this.
const REST: u32 = 8;

/// What a device was seen to refuse. A value, or a read group, is a block: never split.
#[derive(Debug, Default)]
pub struct Learned {
    /// No request spans from below such an address to it or beyond: a refused request was halved here.
    halves: BTreeSet<(Table, u16)>,
    /// The same, because what lies below nobody asked for, and the device may not have it.
    gaps: BTreeSet<(Table, u16)>,
    /// Refused by itself: always read by itself.
    alone: BTreeSet<Range>,
    searches: BTreeMap<Table, Search>,
    review: Review,
}

impl Learned {
    /// The device refused `asked`, read for `blocks`. True: a plan made now is another one, so ask again; each answer of true
    /// takes away one form of asking, so it ends. False: there is nothing left to divide.
    pub fn refused(&mut self, asked: Range, blocks: &[Range], now: Instant) -> bool {
        let blocks: BTreeSet<Range> = blocks.iter().copied().collect();
        let Some(largest) = blocks.iter().max_by_key(|block| block.count).copied() else { return false };
        let search = self.searches.entry(asked.table).or_default();
        if search.rests() {
            return false;
        }
        if blocks.len() == 1 {
            return self.set_apart(largest, now);
        }
        search.begin(&blocks);
        self.review.arm(now);
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

    /// The culprit is found: the halves that led to it are of no more use, its neighbours are merged again. It is no culprit
    /// where all others were refused too.
    fn set_apart(&mut self, block: Range, now: Instant) -> bool {
        let halves = self.halves.len();
        if self.alone.insert(block) {
            self.review.arm(now);
            self.halves.retain(|(table, _)| *table != block.table);
        }
        let vain = self.searches.entry(block.table).or_default().refused(block);
        if vain {
            self.forget(|table| table == block.table);
        }
        vain || self.halves.len() < halves
    }

    /// The device answered. True: what was learned is put to the test again, so ask again.
    pub fn answered(&mut self, asked: Range, now: Instant) -> bool {
        if let Some(search) = self.searches.get_mut(&asked.table) {
            search.answered(asked);
        }
        let due = self.review.is_due(now);
        if due {
            self.forget(|_| true);
        }
        due
    }

    fn forget(&mut self, which: impl Fn(Table) -> bool) {
        self.halves.retain(|(table, _)| !which(*table));
        self.gaps.retain(|(table, _)| !which(*table));
        self.alone.retain(|block| !which(block.table));
    }

    pub(crate) fn is_apart(&self, block: Range) -> bool {
        self.alone.contains(&block)
    }

    pub(crate) fn parted(&self, table: Table, after: u16, upto: u16) -> bool {
        let span = (Excluded((table, after)), Included((table, upto)));
        after < upto && (self.halves.range(span).next().is_some() || self.gaps.range(span).next().is_some())
    }

    /// Would reading from `from` to `to` along touch what the device refuses?
    pub(crate) fn forbidden(&self, table: Table, from: u32, to: u32) -> bool {
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

/// Who of refused reads of one table is to blame: under way until each of their values was answered, or refused by itself.
#[derive(Debug, Default)]
struct Search {
    open: BTreeSet<Range>,
    /// All that was searched, to know its answer when it comes.
    all: BTreeSet<Range>,
    answered: bool,
    /// Searches in a row in which nothing was answered.
    vain: u32,
    /// Refusals that are taken as they are before the next search.
    rest: u32,
}

impl Search {
    /// A device that refuses everything (it boots, it stands in STOP) is not searched in every cycle.
    fn rests(&mut self) -> bool {
        let rests = self.open.is_empty() && self.rest > 0;
        self.rest -= u32::from(rests);
        rests
    }
    fn begin(&mut self, blocks: &BTreeSet<Range>) {
        if self.open.is_empty() {
            self.answered = false;
            self.all.clear();
        }
        self.open.extend(blocks);
        self.all.extend(blocks);
    }
    /// True: the search has ended, and in vain.
    fn refused(&mut self, block: Range) -> bool {
        let vain = self.open.remove(&block) && self.open.is_empty() && !self.answered;
        if vain {
            self.rest = 2 << self.vain.min(REST);
            self.vain += 1;
        }
        vain
    }
    fn answered(&mut self, asked: Range) {
        let within = |block: &Range| block.start >= asked.start && block.end() <= asked.end();
        if self.all.iter().any(within) {
            (self.answered, self.vain, self.rest) = (true, 0, 0);
            self.open.retain(|block| !within(block));
        }
    }
}

/// When what was learned is put to the test: a device gets new firmware, a refusal was a mood.
#[derive(Debug, Default)]
struct Review {
    due: Option<Instant>,
    wait: Duration,
    last: Option<Instant>,
}

impl Review {
    /// Something was learned; soon after the last review it is the same once more.
    fn arm(&mut self, now: Instant) {
        if self.due.is_none() {
            let true_still = self.last.is_some_and(|last| now < last + self.wait);
            self.wait = if true_still { (self.wait * 2).min(LONGEST_REVIEW) } else { REVIEW };
            self.due = Some(now + self.wait);
        }
    }
    fn is_due(&mut self, now: Instant) -> bool {
        let due = self.due.take_if(|due| *due <= now).is_some();
        if due {
            self.last = Some(now);
        }
        due
    }
}
