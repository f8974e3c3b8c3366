//! How fresh values are.
use crate::Instant;
use std::{
    sync::{
        Arc, OnceLock,
        atomic::{
            AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    time::Duration,
};

/// In a mark: of a value that is another one, which is not handed over yet. Of an event it is never there.
const UNTOLD: u64 = 1 << 63;

/// When each point of a device was last heard with a value, changed or not: what staleness is judged by. Shared with the
/// engine, readable at any time without a lock.
#[derive(Debug, Clone)]
pub struct Fresh {
    start: Instant,
    pub(super) heard: Arc<[AtomicU64]>, // ms since `start`, plus one; 0: never; with UNTOLD
    quiet: Arc<Quiet>,
}

/// What is heard of a device without a value.
#[derive(Debug, Default)]
struct Quiet {
    /// How often one was heard without being told of: its value was what it was.
    unchanged: AtomicU64,
    /// When the source last said of each point that it is so still, as in `heard`. Made when it first does.
    still: OnceLock<Box<[AtomicU64]>>,
}

impl Fresh {
    pub(super) fn new(start: Instant, points: usize) -> Self {
        Self { start, heard: (0..points).map(|_| AtomicU64::new(0)).collect(), quiet: Arc::default() }
    }
    /// None: never since the device was configured so.
    #[must_use]
    pub fn last(&self, point: usize) -> Option<Instant> {
        self.moment(self.heard.get(point)?)
    }
    /// When its source last said of a point that it is so still, without reading it. None: never since the device was configured so.
    #[must_use]
    pub fn still(&self, point: usize) -> Option<Instant> {
        self.moment(self.quiet.still.get()?.get(point)?)
    }
    fn moment(&self, mark: &AtomicU64) -> Option<Instant> {
        let ms = (mark.load(Relaxed) & !UNTOLD).checked_sub(1)?;
        self.start.checked_add(Duration::from_millis(ms))
    }
    /// Some points were said to be so still.
    pub(crate) fn has_still(&self) -> bool {
        self.quiet.still.get().is_some()
    }
    /// Another one each time it is heard: the lower half of the clock, which is as good as all of it to see that.
    #[inline]
    pub(crate) fn mark_of(&self, point: usize) -> u32 {
        let ms = self.heard.get(point).map_or(0, |heard| heard.load(Relaxed));
        u32::try_from(ms & u64::from(u32::MAX)).unwrap_or_default()
    }
    /// Another one when there are marks of points whose change nobody was told of.
    pub(crate) fn unchanged(&self) -> u64 {
        self.quiet.unchanged.load(Acquire)
    }
    /// It was heard with another value, which is not handed over yet.
    #[inline]
    pub(crate) fn is_untold(&self, point: usize) -> bool {
        self.heard.get(point).is_some_and(|heard| heard.load(Relaxed) & UNTOLD != 0)
    }
    #[inline]
    pub(super) fn mark(&self, point: u32, tick: u64, untold: bool) {
        if let Some(heard) = self.heard.get(point as usize) {
            heard.store(if untold { tick | UNTOLD } else { tick }, Relaxed);
        }
    }
    /// What was heard of it last is being told.
    #[inline]
    pub(super) fn told(&self, point: u32) {
        if let Some(heard) = self.heard.get(point as usize) {
            heard.store(heard.load(Relaxed) & !UNTOLD, Relaxed); // one writer
        }
    }
    pub(super) fn mark_still(&self, point: u32, tick: u64) {
        let still = self.quiet.still.get_or_init(|| self.heard.iter().map(|_| AtomicU64::new(0)).collect());
        if let Some(still) = still.get(point as usize) {
            still.store(tick, Relaxed);
        }
    }
    /// Points were marked that nobody is told of.
    pub(super) fn tell_unchanged(&self) {
        let Quiet { unchanged, .. } = &*self.quiet;
        unchanged.store(unchanged.load(Relaxed).wrapping_add(1), Release); // one writer
    }
}
