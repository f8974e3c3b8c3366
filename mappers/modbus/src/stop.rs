//! A device that refuses everything, because it boots or stands in STOP: nothing can be learned of it. It is asked as before, and
//! one value by itself beside, until it answers anything. Pure.
use crate::{kept::Facts, plan::Range};
use std::collections::BTreeSet;

/// So many values in a row that are refused by themselves, with no answer to anything in between. Where it was an alarm for
/// nothing (a long stretch of a map that the device does not have), twice as many the next time.
const ALL: u32 = 32;

#[derive(Debug, Default)]
pub(crate) struct Stop {
    stopped: bool,
    refused: u32,
    doublings: u32,
    /// What was known when the last answer came, if something was learned since.
    before: Option<Facts>,
    /// What is asked by itself, and how many were before it.
    probe: Option<Range>,
    turn: usize,
    /// A read that was refused while everything was.
    merged: Option<Range>,
}

impl Stop {
    pub(crate) fn is_on(&self) -> bool {
        self.stopped
    }
    pub(crate) fn probe(&self) -> Option<Range> {
        self.probe
    }
    /// Something is about to be learned.
    pub(crate) fn remember(&mut self, facts: &Facts) {
        self.before.get_or_insert_with(|| facts.clone());
    }
    /// One more value is refused by itself. Some: everything is refused, and this is what was known before.
    pub(crate) fn refused_alone(&mut self) -> Option<Facts> {
        self.refused = self.refused.saturating_add(1);
        self.stopped = self.refused >= ALL.saturating_mul(1 << self.doublings.min(10));
        self.before.take_if(|_| self.stopped)
    }
    /// Refused while everything is. True: a plan made now is another one.
    pub(crate) fn refused(&mut self, asked: Range, blocks: &BTreeSet<Range>) -> bool {
        if self.probe == Some(asked) {
            self.probe = None;
            self.turn = self.turn.wrapping_add(1);
            return true;
        }
        if self.probe.is_some() || blocks.len() < 2 {
            return false;
        }
        self.merged = Some(asked);
        self.probe = blocks.iter().nth(self.turn % blocks.len()).copied();
        true
    }
    /// True: a plan made now is another one.
    pub(crate) fn answered(&mut self, asked: Range) -> bool {
        if self.stopped {
            self.doublings = self.doublings.saturating_add(1); // whatever it answers: it does not refuse everything
        }
        if self.merged.take_if(|merged| asked.holds(*merged)).is_some() {
            self.doublings = 0; // all of it is there: it was no alarm for nothing
        }
        (self.refused, self.before, self.probe) = (0, None, None);
        std::mem::take(&mut self.stopped)
    }
}
