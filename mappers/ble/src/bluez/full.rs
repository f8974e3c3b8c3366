//! How many connections the adapter was seen to carry when it refused one more. Others of the host may have had some of them, so that is
//! believed for a while only.
use pollux_mapper::Instant;
use std::{sync::Mutex, sync::PoisonError, time::Duration};

/// So long it is believed.
const FULL: Duration = Duration::from_mins(10);

/// What was seen, and when.
#[derive(Debug, Default)]
pub(super) struct Full(Mutex<Option<(usize, Instant)>>);

impl Full {
    /// It refused one more than so many.
    pub(super) fn refused(&self, held: usize) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((held.max(1), Instant::now()));
    }
    pub(super) fn most(&self) -> Option<usize> {
        let seen = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.filter(|(_, at)| at.elapsed() < FULL).map(|(most, _)| most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_was_refused_is_believed_for_a_while_and_never_that_it_carries_none() {
        let full = Full::default();
        assert_eq!(full.most(), None);
        full.refused(0);
        assert_eq!(full.most(), Some(1));
        full.refused(3);
        tokio::time::sleep(Duration::from_secs(599)).await;
        assert_eq!(full.most(), Some(3));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(full.most(), None, "it is tried again");
    }
}
