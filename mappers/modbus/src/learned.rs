//! What a device was seen to refuse, so that it is not asked in that form again. A refused read is halved until it is known
//! what is to blame: a value, addresses between two values, or the length. None is lost because of a neighbour. Nothing is
//! believed for ever: what was learned is put to the test after a while, and at once when a value that was refused by itself is
//! answered (a device that boots, or stands in STOP, refuses everything). Pure: the time is given.
use crate::{
    kept::{Cut, Facts, Why},
    plan::Range,
    review::Review,
    silence::Silence,
    stop::Stop,
};
use pollux_crds::ModbusTable as Table;
use pollux_mapper::{Instant, Knowledge};
use serde_json::Value as Json;
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound::{Excluded, Included},
    time::Duration,
};

/// What was learned is told when so long nothing was added to it: a search is one piece of news, not many, and a test that finds
/// what was known is none.
pub const SETTLED: Duration = Duration::from_secs(10);
/// A device that refuses to be read across so many gaps of a table does not have what nobody asked for: the next time all gaps of
/// a refused request are taken for holes at once.
const STRICT: usize = 2;

/// What a device was seen to refuse. A value, or a read group, is a block: never split.
#[derive(Debug, Default)]
pub struct Learned {
    facts: Facts,
    /// Refused requests that are halved, by where the second half begins: nothing is read across that.
    divisions: BTreeMap<(Table, u16), Division>,
    /// Longest reads that were answered.
    longest: Longest,
    silence: Silence,
    stop: Stop,
    review: Review,
    /// Differs whenever a plan, or what is told, may differ.
    generation: u64,
    /// What is told: the facts as they were when they had settled.
    told: Facts,
    settles: Option<Instant>,
}

/// A request that was refused.
#[derive(Debug)]
struct Division {
    asked: Range,
    why: Why,
    below: (Range, bool),
    above: (Range, bool),
}

#[derive(Debug, Default)]
struct Longest {
    registers: u16,
    bits: u16,
}
impl Longest {
    fn of(&mut self, asked: Range) -> &mut u16 {
        if asked.has_bits() { &mut self.bits } else { &mut self.registers }
    }
}

impl Learned {
    /// The device refused `asked`, read for `blocks`. True: a plan made now is another one, so ask again; each answer of true
    /// takes away one form of asking, so it ends. False: there is nothing left to divide.
    pub fn refused(&mut self, asked: Range, blocks: &[Range], why: Why, now: Instant) -> bool {
        self.settle(now);
        self.silence.said(asked);
        let blocks: BTreeSet<Range> = blocks.iter().copied().collect();
        let Some(largest) = blocks.iter().max_by_key(|block| block.count).copied() else { return false };
        if self.stop.is_on() {
            self.generation += u64::from(self.stop.refused(asked, &blocks));
            return false;
        }
        if blocks.len() == 1 {
            self.set_apart(largest, why, now);
            return false;
        }
        if self.is_outdated(asked, &blocks) {
            return true; // planned before what is known by now
        }
        self.review.arm(now);
        if self.facts.cuts_of(asked.table) >= STRICT && !why.is_of_length() && self.cut_all_gaps(&blocks, why) {
            self.changed(now);
            return true;
        }
        let starts: BTreeSet<u16> = blocks.iter().map(|block| block.start).collect();
        let middle = starts.iter().nth(starts.len() / 2).copied().filter(|middle| *middle != asked.start);
        if let Some(middle) = middle {
            self.halve(asked, &blocks, middle, why);
        } else {
            self.stop.remember(&self.facts);
            self.facts.apart.insert(largest, why); // all begin where the request does
            self.changed(now);
        }
        true
    }

    /// Whether a plan made now would not ask so.
    fn is_outdated(&self, asked: Range, blocks: &BTreeSet<Range>) -> bool {
        let last = blocks.last().map_or(asked.start, |last| last.start);
        let longest = blocks.iter().map(|block| block.count).max().unwrap_or_default(); // never split
        asked.count > self.cap(asked.table).max(longest)
            || self.parted(asked.table, asked.start, last)
            || blocks.iter().any(|block| self.is_apart(*block))
    }

    fn halve(&mut self, asked: Range, blocks: &BTreeSet<Range>, middle: u16, why: Why) {
        let half = |above: bool| Range::over(blocks.iter().copied().filter(|block| (block.start >= middle) == above));
        if let (Some(below), Some(above)) = (half(false), half(true)) {
            let division = Division { asked, why, below: (below, false), above: (above, false) };
            self.divisions.insert((asked.table, middle), division);
        }
    }

    /// True: there was one that was no hole before.
    fn cut_all_gaps(&mut self, blocks: &BTreeSet<Range>, why: Why) -> bool {
        self.stop.remember(&self.facts);
        let before = self.facts.cuts.len();
        let mut covered = blocks.first().map_or(0, |first| first.end());
        for block in blocks {
            if u32::from(block.start) > covered {
                let cut = Cut { below: covered, why, sure: false };
                self.facts.cuts.entry((block.table, block.start)).or_insert(cut);
            }
            covered = covered.max(block.end());
        }
        self.facts.cuts.len() > before
    }

    /// The culprit is found: what led to it is of no more use, its neighbours are merged again.
    fn set_apart(&mut self, block: Range, why: Why, now: Instant) {
        if self.facts.apart.contains_key(&block) {
            return;
        }
        self.stop.remember(&self.facts);
        self.facts.apart.insert(block, why);
        self.review.arm(now);
        self.divisions.retain(|(table, _), _| *table != block.table);
        self.facts.cuts.retain(|(table, _), cut| *table != block.table || cut.sure);
        if let Some(before) = self.stop.refused_alone() {
            self.facts = before;
            self.divisions.clear();
        }
        self.changed(now);
    }

    /// The device answered. True: what was learned is put to the test, so ask again.
    pub fn answered(&mut self, asked: Range, now: Instant) -> bool {
        self.settle(now);
        let longest = self.longest.of(asked);
        *longest = (*longest).max(asked.count);
        self.generation += u64::from(self.stop.answered(asked));
        let (suspects, unprobed) = self.silence.answered(asked, !self.divisions.is_empty());
        for (range, blocks) in &suspects {
            self.refused(*range, blocks, Why::Silence, now);
        }
        if unprobed || !suspects.is_empty() {
            self.generation += 1;
        }
        self.conclude(asked, now);
        let good_again = self.facts.apart.contains_key(&asked);
        let test = self.review.is_due(now) || (good_again && self.review.is_early(now));
        if test {
            self.facts = Facts::default();
            self.divisions.clear();
            self.changed(now);
        }
        test
    }

    /// Where both halves of a refused request are answered, what lies between them is to blame, or the length.
    fn conclude(&mut self, asked: Range, now: Instant) {
        for division in self.divisions.values_mut() {
            division.below.1 |= asked.holds(division.below.0);
            division.above.1 |= asked.holds(division.above.0);
        }
        let found = self.divisions.extract_if(.., |_, division| division.below.1 && division.above.1).next();
        let Some(((table, at), Division { asked, why, below, .. })) = found else { return };
        let longest = *self.longest.of(asked);
        let gap = u32::from(at) > below.0.end();
        if asked.count > longest && (!gap || why.is_of_length()) {
            *self.facts.cap_of(table) = Some(longest);
        } else {
            self.facts.cuts.insert((table, at), Cut { below: below.0.end(), why, sure: true });
        }
        self.divisions.retain(|(other, _), _| *other != table);
        self.changed(now);
    }

    /// There was no answer to `asked`, read for `blocks`; from the device itself, not for want of a way to it.
    pub fn silent(&mut self, asked: Range, blocks: &[Range]) {
        if self.silence.silent(asked, blocks) {
            self.generation += 1;
        }
    }

    fn changed(&mut self, now: Instant) {
        self.generation += 1;
        self.settles = Some(now + SETTLED);
    }
    /// What has settled by now is told from here on.
    pub(crate) fn settle(&mut self, now: Instant) {
        if self.settles.is_some_and(|at| at <= now) {
            self.settles = None;
            self.generation += 1;
            self.told = self.facts.clone();
        }
    }

    /// Differs whenever a plan, or [`Learned::knowledge`], may differ.
    pub fn generation(&self) -> u64 {
        self.generation
    }
    /// For the mapper's disk, and for people.
    pub fn knowledge(&self) -> Knowledge {
        Knowledge { kept: self.told.kept(self.review.wait()), learned: self.told.lines(), ..Knowledge::default() }
    }
    /// What an earlier life of the unit knew; Null: nothing.
    pub fn recall(&mut self, kept: &Json, now: Instant) {
        let (facts, wait) = Facts::recalled(kept);
        let generation = self.generation + 1;
        *self = Self { told: facts.clone(), facts, generation, ..Self::default() };
        if !self.facts.is_empty() {
            self.review.wait_for(wait, now);
        }
    }

    /// Read by itself, because it is refused.
    pub(crate) fn is_apart(&self, block: Range) -> bool {
        self.facts.apart.contains_key(&block)
    }
    pub(crate) fn apart(&self) -> impl Iterator<Item = Range> + '_ {
        self.facts.apart.keys().copied()
    }
    /// Read by itself this time, to see whether the device answers anything.
    pub(crate) fn is_probed(&self, block: Range) -> bool {
        self.silence.probe() == Some(block) || self.stop.probe() == Some(block)
    }
    /// The most that one request may read from this table.
    pub(crate) fn cap(&self, table: Table) -> u16 {
        self.facts.cap(table).unwrap_or(u16::MAX)
    }
    /// Whether no request may begin at `after`, or below, and reach `upto` or beyond.
    pub(crate) fn parted(&self, table: Table, after: u16, upto: u16) -> bool {
        let span = (Excluded((table, after)), Included((table, upto)));
        after < upto && (self.divisions.range(span).next().is_some() || self.facts.cuts.range(span).next().is_some())
    }
}
