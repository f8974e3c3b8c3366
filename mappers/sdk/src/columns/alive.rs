//! Values that did not change, and of which the source says so.
use super::{Columns, FAULTED};
use crate::{Quality, Slot, value::Kind};

impl Columns {
    /// These are so still: no news, and no reading of now that a write could be judged by. What is Bad or was never heard stays what it is.
    pub(crate) fn alive(&mut self, slots: impl Iterator<Item = Slot>) {
        let now = self.now();
        let mut block_of = u32::MAX;
        for slot in slots {
            let Some(row) = self.rows.get(slot.0 as usize) else { continue };
            let sound = row.kind != Kind::None && row.quality != Quality::Bad && row.flags & FAULTED == 0;
            let Some(Some(block)) = self.blocks.get(row.block as usize).filter(|_| sound) else { continue };
            block.fresh.mark_still(slot.0.wrapping_sub(block.base), now.tick);
            if block_of != row.block {
                block.fresh.tell_unchanged();
                block_of = row.block;
            }
        }
    }
}
