//! For tests of drivers and of what stands on the engine: a protocol by script, one that pushes, and the conformance suite
//! that every driver passes.
mod bench;
pub mod conformance;
pub mod memory;
mod paper;
pub mod scripted;

pub use conformance::{Harness, Peer};
pub use paper::Paper;

use crate::Instant;
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As a wire does: the answer takes `cost`; false: there was none by `until`, and all of it was waited for.
async fn answers(cost: Option<Duration>, until: Instant) -> bool {
    let answer = cost.map(|cost| Instant::now() + cost).filter(|answer| *answer <= until);
    tokio::time::sleep_until(answer.unwrap_or(until)).await;
    answer.is_some()
}
