//! Whether anything is received at all.
use pollux_mapper::Instant;
use std::{collections::BTreeSet, time::Duration};

/// So many requests in a row, to units that did answer on this connection, without a byte in so long: a gateway that hangs,
/// or a way there that has forgotten us. TCP itself never finds the first.
const DEAF: (u32, Duration) = (3, Duration::from_secs(30));
/// The same where nobody ever answered: all units may be switched off, and a new connection does not wake them.
const NEVER_HEARD: Duration = Duration::from_mins(15);

#[derive(Debug)]
pub(super) struct Hearing {
    /// When the last bytes came, and how many requests had no answer since.
    heard: Instant,
    unheard: u32,
    /// Units that have answered. One that never did says nothing of the connection when it is silent.
    alive: BTreeSet<u8>,
}

impl Hearing {
    pub(super) fn new(now: Instant) -> Self {
        Self { heard: now, unheard: 0, alive: BTreeSet::new() }
    }

    pub(super) fn bytes(&mut self, now: Instant) {
        (self.heard, self.unheard) = (now, 0);
    }

    pub(super) fn answered(&mut self, unit: Option<u8>) {
        self.alive.extend(unit);
    }

    /// This unit was silent.
    pub(super) fn is_deaf(&mut self, unit: u8) -> bool {
        let long = if self.alive.is_empty() { NEVER_HEARD } else { DEAF.1 };
        self.unheard += u32::from(self.alive.is_empty() || self.alive.contains(&unit));
        self.unheard >= DEAF.0 && self.heard.elapsed() >= long
    }
}
