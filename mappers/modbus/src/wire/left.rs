//! What may still come on a line when its connection is made anew: the port is another, the units are the same.
use super::losses::Losses;
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Lines that are remembered; of more than that nothing is.
const MOST: usize = 256;

static LEFT: Mutex<BTreeMap<String, Losses>> = Mutex::new(BTreeMap::new());

/// The connection to it is closed.
pub(super) fn keep(line: &str, losses: Losses) {
    let mut left = left();
    if !losses.is_empty() && (left.len() < MOST || left.contains_key(line)) {
        left.insert(line.to_owned(), losses);
    }
}

/// It is opened.
pub(super) fn take(line: &str) -> Losses {
    left().remove(line).unwrap_or_default()
}

fn left() -> MutexGuard<'static, BTreeMap<String, Losses>> {
    LEFT.lock().unwrap_or_else(PoisonError::into_inner)
}
