//! What happened: each value counts, so that none may stand for those before it, as the newest state of a point does.
use super::{Change, Columns};
use crate::Slot;

/// Events that may wait for the status side, which takes them with the next news.
const WAITING: usize = 4096;
/// Room that is kept.
const KEPT: usize = 64;

impl Columns {
    /// Queued; without room for it only the newest state is told, and what was lost is counted.
    pub(super) fn happens(&mut self, slot: Slot, change: &Change) {
        if self.happened.len() < WAITING {
            self.happened.push_back(change.clone());
        } else {
            self.missed += 1;
            self.mark(slot);
        }
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
