//! One clock for all twins: monotonic for waits, wall time for stamps.
use crate::{Instant, twin::Now};
use std::time::{Duration, SystemTime};

/// Counts from the start of the process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now() }
    }
    pub(crate) fn now(&self) -> Now {
        let unix = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        Now { mono: self.start.elapsed(), unix_ms: i64::try_from(unix.as_millis()).unwrap_or(i64::MAX) }
    }
    pub(crate) fn mono(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.start)
    }
    pub(crate) fn instant(&self, mono: Duration) -> Instant {
        self.start.checked_add(mono).unwrap_or_else(Instant::now)
    }
}
