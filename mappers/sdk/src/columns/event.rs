//! What happened: each value counts, so that none may stand for those before it, as the newest state of a point does. How an event stands
//! beside that (what stood there before anybody listened, a fault that ended, the newest of those that were too many) is told after them.
use super::{Change, Columns, DIRTY, EVENT, FAULTED, Now, QUIET, Row, STOOD, UNTOLD, WORDED};
use crate::{DeviceKey, Quality, Slot, port::Other, value::Kind};

/// Events that may wait for the status side, which takes them with the next news.
const WAITING: usize = 4096;
/// Room that is kept.
const KEPT: usize = 64;

/// How points of kind Event stand, where that is nothing that happened.
#[derive(Debug, Default, PartialEq)]
pub struct Standing {
    /// The newest value of each, or its fault.
    pub stood: Vec<Change>,
    /// Nothing is wrong with these any more, and nothing happened.
    pub quiet: Vec<Quiet>,
}

impl Standing {
    /// There is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stood.is_empty() && self.quiet.is_empty()
    }
}

/// A point of kind Event with which nothing is wrong any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quiet {
    /// Whose point it is.
    pub device: DeviceKey,
    /// Its position in the device's points.
    pub point: u32,
    /// Of the device's layout.
    pub generation: u16,
}

impl Columns {
    pub(crate) fn set_event(&mut self, slot: Slot, event: bool) {
        if let Some(row) = self.rows.get_mut(slot.0 as usize) {
            row.flags = if event { row.flags | EVENT } else { row.flags & !EVENT };
        }
    }
    /// Queued; without room for it only the newest state is told, and what was lost is counted.
    pub(super) fn happens(&mut self, slot: Slot, change: &Change) {
        if self.happened.len() < WAITING {
            return self.happened.push_back(change.clone());
        }
        let happened = change.value.is_ok() && change.quality != Quality::Bad;
        self.missed += u64::from(happened);
        self.unsettle(slot, if happened { UNTOLD } else { 0 });
    }
    /// It stood there before anybody listened: of an event it is the last, and does not happen now.
    pub(super) fn stood(&mut self, one: Other, now: Now, out: &mut Vec<Change>) {
        let slot = one.slot;
        self.flag(slot, |flags| flags | STOOD);
        self.ingest_other(one, now, out);
        self.flag(slot, |flags| flags & !STOOD);
    }
    /// What was wrong with an event is over; what it said last stands.
    pub(crate) fn quiet(&mut self, slot: Slot) {
        let Some(row) = self.rows.get_mut(slot.0 as usize).filter(|row| row.flags & EVENT != 0) else { return };
        let spoke = row.kind != Kind::None;
        if row.flags & FAULTED == 0 && !(spoke && row.quality == Quality::Bad) {
            return;
        }
        row.quality = if row.flags & WORDED == 0 { Quality::Good } else { Quality::Uncertain };
        row.flags = row.flags & !FAULTED | QUIET;
        self.faults.remove(&slot);
        self.unsettle(slot, 0);
    }
    fn flag(&mut self, slot: Slot, change: impl FnOnce(u8) -> u8) {
        if let Some(row) = self.rows.get_mut(slot.0 as usize) {
            row.flags = change(row.flags);
        }
    }
    /// How it stands is to be told.
    pub(super) fn unsettle(&mut self, slot: Slot, with: u8) {
        let Some(row) = self.rows.get_mut(slot.0 as usize) else { return };
        row.flags |= with;
        if row.flags & DIRTY == 0 {
            row.flags |= DIRTY;
            self.unsettled.push(slot);
        }
    }
    /// How events stand, at most so many: when all that happened before was taken, for the newest counts.
    pub(crate) fn take_standing(&mut self, most: usize) -> Standing {
        let mut standing = Standing::default();
        if self.has_happened() || self.unsettled.is_empty() {
            return standing;
        }
        let count = most.min(self.unsettled.len());
        let slots: Vec<Slot> = self.unsettled.drain(..count).collect();
        for slot in slots {
            let Some(row) = self.rows.get_mut(slot.0 as usize) else { continue };
            let before = *row;
            row.flags &= !(DIRTY | UNTOLD);
            let good = if before.flags & WORDED == 0 { Quality::Good } else { Quality::Uncertain };
            let spoke = Row { quality: if before.flags & FAULTED == 0 { before.quality } else { good }, ..before };
            let value = if before.flags & UNTOLD == 0 { None } else { self.value(slot) };
            standing.stood.extend(value.and_then(|value| self.change(slot, spoke, Ok(value))));
            if let Some(fault) = self.faults.get(&slot) {
                standing.stood.extend(self.change(slot, before, Err(fault.clone())));
            } else if before.flags & QUIET != 0
                && let Some(Some(block)) = self.blocks.get(before.block as usize)
            {
                let (device, generation) = (block.device, block.generation);
                standing.quiet.push(Quiet { device, point: slot.0.wrapping_sub(block.base), generation });
            }
        }
        self.unsettled.shrink_to(KEPT);
        standing
    }
    /// Whether something happened that was not taken.
    pub(crate) fn has_happened(&self) -> bool {
        !self.happened.is_empty()
    }
    /// What happened since it was last taken, at most so much.
    pub(crate) fn take_happened(&mut self, most: usize) -> Vec<Change> {
        let taken = self.happened.drain(..most.min(self.happened.len())).collect();
        if self.happened.is_empty() {
            self.happened.shrink_to(KEPT);
        }
        taken
    }
    /// How many were lost since this was last asked.
    pub(crate) fn take_missed(&mut self) -> u64 {
        std::mem::take(&mut self.missed)
    }
}
