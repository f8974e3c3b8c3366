//! What an engine counts, for metrics. Written by its task, read by anyone, no lock on the way of an exchange.
use super::DeviceKey;
use crate::{ErrorKind, Wrote, few::Few};
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// A number that others may read.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Its value now.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }
    pub(crate) fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }
}

/// What is counted for one device, and for an endpoint as a whole.
#[derive(Debug, Default)]
pub struct Counters {
    /// Exchanges, writes, calls and attaches that the device answered, with yes or no.
    pub answered: Counter,
    /// Of these, the ones that it answered with no.
    pub refused: Counter,
    /// Cycles skipped because the one before was not done.
    pub missed: Counter,
    /// Values that the device acknowledged.
    pub writes_done: Counter,
    /// Values that were certainly not taken.
    pub writes_refused: Counter,
    /// Values of which no byte left.
    pub writes_not_sent: Counter,
    /// Values that left and were not answered.
    pub writes_unknown: Counter,
    /// Times that it was given one of the link's slots, where it has such.
    pub turns: Counter,
    /// Microseconds that it waited for them.
    pub waited: Counter,
    failed: [Counter; ErrorKind::ALL.len()],
}

impl Counters {
    /// Exchanges that were not answered, by kind.
    pub fn failed(&self, kind: ErrorKind) -> u64 {
        self.failed.get(kind as usize).map_or(0, Counter::get)
    }
    pub(crate) fn fail(&self, kind: ErrorKind) {
        if let Some(counter) = self.failed.get(kind as usize) {
            counter.add(1);
        }
    }
    pub(crate) fn wrote(&self, result: &Wrote) {
        let counter = match result {
            Wrote::Done => &self.writes_done,
            Wrote::Refused(_) => &self.writes_refused,
            Wrote::NotSent => &self.writes_not_sent,
            Wrote::Unknown => &self.writes_unknown,
        };
        counter.add(1);
    }
}

/// What an engine counts.
#[derive(Debug, Default)]
pub struct Stats {
    /// All devices together, removed ones too.
    pub total: Arc<Counters>,
    /// Links opened.
    pub connects: Counter,
    /// Attempts to open one that failed.
    pub connect_failures: Counter,
    /// Links lost.
    pub links_lost: Counter,
    /// Pushed values taken in.
    pub pushes: Counter,
    /// Pushed values refused because the engine was behind.
    pub lost_pushes: Counter,
    /// Answers that came after their request was given up.
    pub late_answers: Counter,
    /// Connections that links mended themselves.
    pub healed: Counter,
    /// Samples that sources had and that never came.
    pub samples_lost: Counter,
    /// Writes and calls that wait for their turn, now.
    pub waiting_writes: Counter,
    /// Exchanges under way, now.
    pub in_flight: Counter,
    /// Slots that the link has, now; 0: it has no such thing.
    pub slots: Counter,
    /// Of these, in use.
    pub slots_used: Counter,
    /// Slots given to devices.
    pub turns: Counter,
    /// Microseconds that devices waited for them.
    pub waited: Counter,
    /// Microseconds with something under way.
    pub busy: Counter,
    /// Millionths of the link's time that its polled devices ask for, now.
    pub utilisation: Counter,
    /// Rows of points, in use or free, now.
    pub rows: Counter,
    /// The most plans kept for one device, now.
    pub plans: Counter,
    devices: Mutex<Few<DeviceKey, Arc<Counters>>>,
}

impl Stats {
    /// Each device that is there now.
    pub fn devices(&self) -> Vec<(DeviceKey, Arc<Counters>)> {
        self.lock().iter().map(|(key, counters)| (*key, counters.clone())).collect()
    }
    pub(crate) fn device(&self, key: DeviceKey) -> Arc<Counters> {
        let mut devices = self.lock();
        if let Some(counters) = devices.get(&key) {
            return counters.clone();
        }
        let counters = Arc::<Counters>::default();
        devices.insert(key, counters.clone());
        counters
    }
    pub(crate) fn forget(&self, key: DeviceKey) {
        self.lock().remove(&key);
    }
    fn lock(&self) -> MutexGuard<'_, Few<DeviceKey, Arc<Counters>>> {
        self.devices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
