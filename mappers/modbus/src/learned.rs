//! What a device was seen to refuse, so that it is not asked in that form again. A refused read is divided until it is known
//! which of its values are to blame, so that none is lost because of a neighbour. Nothing is believed for ever: what was
//! learned is put to the test after a while, and at once when a value that was refused by itself is answered (a device that
//! boots, or stands in STOP, refuses everything). Pure: the time is given.
use crate::plan::Range;
use pollux_crds::ModbusTable as Table;
use pollux_mapper::Instant;
use std::{
    collections::BTreeSet,
    ops::Bound::{Excluded, Included},
    time::Duration,
};

/// What was learned is put to the test again after this time, and after twice the time whenever it proves true.
pub const REVIEW: Duration = Duration::from_mins(10);
/// The longest such time.
pub const LONGEST_REVIEW: Duration = Duration::from_hours(24);
/// Between two tests for the sake of a value that was refused and is answered; longer where values come and go.
const PAUSE: Duration = Duration::from_secs(10);

/// What a device was seen to refuse. A value, or a read group, is a block: never split.
#[derive(Debug, Default)]
pub struct Learned {
    /// No request spans from below such an address to it or beyond: a refused request was halved here.
    halves: BTreeSet<(Table, u16)>,
    /// The same, because what lies below nobody asked for, and the device may not have it.
    gaps: BTreeSet<(Table, u16)>,
    /// Refused by itself: always read by itself.
    alone: BTreeSet<Range>,
    review: Review,
}

impl Learned {
    /// The device refused `asked`, read for `blocks`. True: a plan made now is another one, so ask again; each answer of true
    /// takes away one form of asking, so it ends. False: there is nothing left to divide.
    pub fn refused(&mut self, asked: Range, blocks: &[Range], now: Instant) -> bool {
        let blocks: BTreeSet<Range> = blocks.iter().copied().collect();
        let Some(largest) = blocks.iter().max_by_key(|block| block.count).copied() else { return false };
        if blocks.len() == 1 {
            return self.set_apart(largest, now);
        }
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

    /// The culprit is found: what led to it is of no more use, its neighbours are merged again.
    fn set_apart(&mut self, block: Range, now: Instant) -> bool {
        let before = self.halves.len() + self.gaps.len();
        if self.alone.insert(block) {
            self.review.arm(now);
            self.halves.retain(|(table, _)| *table != block.table);
            self.gaps.retain(|(table, _)| *table != block.table);
        }
        self.halves.len() + self.gaps.len() < before
    }

    /// The device answered. True: what was learned is put to the test, so ask again.
    pub fn answered(&mut self, asked: Range, now: Instant) -> bool {
        let good_again = self.alone.contains(&asked);
        let test = self.review.is_due(now) || (good_again && self.review.is_early(now));
        if test {
            self.halves.clear();
            self.gaps.clear();
            self.alone.clear();
        }
        test
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

/// When what was learned is put to the test: a device gets new firmware, a refusal was a mood.
#[derive(Debug, Default)]
struct Review {
    due: Option<Instant>,
    wait: Duration,
    last: Option<Instant>,
    pause: Duration,
}

impl Review {
    /// Something was learned; soon after the last test it is the same once more, later it is something else.
    fn arm(&mut self, now: Instant) {
        let same = self.last.is_some_and(|last| now < last + REVIEW);
        match self.due {
            Some(due) if same || due <= now + REVIEW => {}
            None if same => self.wait_for((self.wait * 2).clamp(REVIEW, LONGEST_REVIEW), now),
            _ => self.wait_for(REVIEW, now),
        }
    }
    fn wait_for(&mut self, wait: Duration, now: Instant) {
        (self.wait, self.due) = (wait, Some(now + wait));
    }
    fn is_due(&mut self, now: Instant) -> bool {
        let due = self.due.is_some_and(|due| due <= now);
        if due {
            (self.due, self.last) = (None, Some(now));
        }
        due
    }
    /// Not at once again: a value that comes and goes would have its neighbours searched each time.
    fn is_early(&mut self, now: Instant) -> bool {
        let since = self.last.map(|last| now - last);
        if since.is_some_and(|since| since < self.pause) {
            return false;
        }
        let soon = since.is_some_and(|since| since < self.pause * 4);
        self.pause = if soon { (self.pause * 2).min(LONGEST_REVIEW) } else { PAUSE };
        (self.due, self.last) = (None, Some(now));
        true
    }
}
