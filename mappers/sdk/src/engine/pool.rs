//! Memory of exchanges that ended, for the next ones: of all engines, for only what is under way needs it.
use crate::Samples;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So many are kept, which is more than are under way at once most of the time; what is not kept is asked of the allocator.
const MOST: usize = 32;

static ALL: Mutex<Vec<Samples>> = Mutex::new(vec![]);

/// An engine's way to it.
pub(super) struct Pool(&'static Mutex<Vec<Samples>>);

impl Default for Pool {
    fn default() -> Self {
        Self(&ALL)
    }
}

impl Pool {
    pub(super) fn take(&self) -> Samples {
        self.lock().pop().unwrap_or_default()
    }
    /// Empty ones.
    pub(super) fn push(&self, samples: Samples) {
        let mut all = self.lock();
        if all.len() < MOST {
            all.push(samples);
        }
    }
    fn lock(&self) -> MutexGuard<'_, Vec<Samples>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
