//! Points of kind Event. They are not read: what a reading finds again and again did not happen again. So the driver must push them, and where
//! it does not, the point says so.
use super::Engine;
use crate::{ErrorKind, PointFault, Protocol, Slot};
use std::borrow::Cow;

const NOT_PUSHED: PointFault = PointFault {
    kind: ErrorKind::Config,
    text: Cow::Borrowed("the driver does not push it, and an Event is not polled; what is polled is of kind State"),
};

impl<P: Protocol> Engine<P> {
    /// Whether it is pushed, or heard, from now on.
    pub(super) fn event_comes(&mut self, device: usize, slot: Slot, comes: bool) {
        let Some(held) = self.held_mut(device) else { return };
        let point = slot.0.wrapping_sub(held.base.0);
        let Some(known) = held.events.get_mut(&point) else { return };
        *known = comes;
        if comes && self.columns.fault_of(slot) == Some(&NOT_PUSHED) {
            self.columns.quiet(slot);
        } else if !comes {
            self.not_pushed(slot);
        }
    }
    /// It is attached, and has said what it pushes.
    pub(super) fn miss_events(&mut self, device: usize) {
        let Some(held) = self.held(device) else { return };
        let missing = held.events.iter().filter(|(_, comes)| !**comes).map(|(point, _)| *point);
        let slots: Vec<Slot> = missing.filter_map(|point| held.slot(point as usize)).collect();
        for slot in slots {
            self.not_pushed(slot);
        }
    }
    fn not_pushed(&mut self, slot: Slot) {
        let now = self.columns.now();
        self.columns.fault(slot, NOT_PUSHED, 0, now, &mut self.changes);
    }
}
