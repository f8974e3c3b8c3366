//! What the source counts.
use crate::Instant;
use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// What the source counts.
#[derive(Debug, Default)]
pub struct SourceStats {
    watch_restarts: AtomicU64,
    tokens: AtomicU64,
    refused: AtomicU64,
    missing: AtomicU64,
    times: Mutex<Times>,
}
#[derive(Debug, Default, Clone, Copy)]
struct Times {
    contact: Option<Instant>,
    config: Option<Instant>,
}

impl SourceStats {
    /// Watches of slices that ended, in order or not.
    pub fn watch_restarts(&self) -> u64 {
        self.watch_restarts.load(Relaxed)
    }
    /// Reader's tokens obtained.
    pub fn tokens(&self) -> u64 {
        self.tokens.load(Relaxed)
    }
    /// Entries of the slices that cannot be driven, now.
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }
    /// Revisions that the slices name and nobody has given us yet.
    pub fn missing_revisions(&self) -> u64 {
        self.missing.load(Relaxed)
    }
    /// Since the API server last told us about a slice; None: not since the start.
    pub fn since_contact(&self) -> Option<Duration> {
        self.times().contact.map(|at| at.elapsed())
    }
    /// Since the configuration last changed; None: there is none yet.
    pub fn since_config(&self) -> Option<Duration> {
        self.times().config.map(|at| at.elapsed())
    }
    pub(super) fn restart(&self) {
        self.watch_restarts.fetch_add(1, Relaxed);
    }
    pub(super) fn token(&self) {
        self.tokens.fetch_add(1, Relaxed);
    }
    pub(super) fn contact(&self) {
        self.times().contact = Some(Instant::now());
    }
    pub(super) fn configured(&self, refused: usize, missing: usize) {
        self.refused.store(refused as u64, Relaxed);
        self.missing.store(missing as u64, Relaxed);
        self.times().config = Some(Instant::now());
    }
    fn times(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
