//! Why values are Uncertain, in the protocol's words. Few have one, so they stand beside the rows.
use super::{Columns, FAULT_TEXT, WORDED};
use crate::Slot;
use std::borrow::Cow;

impl Columns {
    /// What came has this word, or none. True: it had another.
    pub(super) fn doubted(&mut self, slot: Slot, why: Option<Cow<'static, str>>) -> bool {
        let Some(row) = self.rows.get_mut(slot.0 as usize) else { return false };
        match why {
            None if row.flags & WORDED == 0 => false,
            None => {
                row.flags &= !WORDED;
                self.words.remove(&slot).is_some()
            }
            Some(mut word) => {
                if word.len() > FAULT_TEXT {
                    let end = word.floor_char_boundary(FAULT_TEXT);
                    word.to_mut().truncate(end); // a device must not fill our memory
                }
                row.flags |= WORDED;
                self.words.insert(slot, word.clone()).is_none_or(|old| old != word)
            }
        }
    }
}
