//! What is heard of events. A fault of one would stand until something happens, which may be weeks away: so it ends with the next word that
//! is heard well, whether anything happened or not.
use crate::{press::Heard, unit::Unit};
use pollux_ble_codec::advert;
use pollux_mapper::{Instant, PointFault, Value};

/// How an event stands beside what happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Health {
    /// Nothing was heard on this link; a fault of the one before may stand.
    #[default]
    Unknown,
    Sound,
    /// What would tell it could not be taken apart: whatever can be mends it.
    Spoilt,
    /// It was told, and is no value: only a newer word mends it.
    Faulty,
}

impl Unit {
    /// All events of a format, of which one was heard well. `again`: for another time.
    pub(super) fn heal(&self, format: advert::Format, again: bool) {
        for (at, item) in self.items.iter().enumerate() {
            if item.event && item.format() == Some(format) {
                self.heals(at, again);
            }
        }
    }
    pub(super) fn heals(&self, at: usize, again: bool) {
        let Some(item) = self.items.get(at).filter(|item| item.readable) else { return };
        let mut air = self.air();
        let port = air.port.clone();
        let Some(health) = air.health.get_mut(at) else { return };
        let heals = match health {
            Health::Sound => false,
            Health::Faulty => !again,
            Health::Unknown | Health::Spoilt => true,
        };
        if heals && port.is_some_and(|port| port.quiet(item.slot)) {
            *health = Health::Sound;
        }
    }
    pub(super) fn spoils(&self, at: usize) {
        if let Some(health) = self.air().health.get_mut(at) {
            *health = Health::Spoilt;
        }
    }
    /// What is advertised of an event. That there is none is no fault.
    pub(super) fn happens(&self, at: usize, decoded: Result<Option<Value>, PointFault>, heard: Heard) {
        match decoded {
            Ok(None) => self.air().presses.ended(at),
            Ok(Some(value)) => {
                let new = self.air().presses.is_new(at, &value, heard, Instant::now());
                if new {
                    self.tell(at, Ok(value));
                }
            }
            Err(_) if heard == Heard::Before => {}
            Err(fault) => self.tell(at, Err(fault)),
        }
    }
}
