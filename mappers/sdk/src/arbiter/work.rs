//! What is done on a link, and how it ends.
use crate::Exchange;
use std::{sync::Arc, time::Duration};

/// What is to be done next on the link.
#[derive(Debug)]
pub enum Work<R, W> {
    /// Attach a unit, perhaps to see whether it is back.
    Attach {
        /// Which.
        unit: usize,
        /// It is taken for dead.
        probe: bool,
        /// How long it waited for a slot, where slots are scarce.
        waited: Option<Duration>,
    },
    /// Detach a unit.
    Detach {
        /// Which.
        unit: usize,
    },
    /// One exchange.
    Read {
        /// Of which unit.
        unit: usize,
        /// What is read.
        exchange: Arc<Exchange<R>>,
        /// It is taken for dead.
        probe: bool,
    },
    /// Something to be written or called.
    Write {
        /// On which unit.
        unit: usize,
        /// What.
        write: W,
    },
}

impl<R, W> Work<R, W> {
    /// The unit that it is about.
    pub fn unit(&self) -> usize {
        match self {
            Self::Attach { unit, .. } | Self::Detach { unit } | Self::Read { unit, .. } | Self::Write { unit, .. } => {
                *unit
            }
        }
    }
    pub(super) fn probe(&self) -> bool {
        matches!(self, Self::Attach { probe: true, .. } | Self::Read { probe: true, .. })
    }
}

/// What the end of an exchange says about its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It answered.
    Ok,
    /// It answered: no.
    Point,
    /// It did not answer.
    Device,
}
