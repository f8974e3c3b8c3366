//! Which encrypted advertisements are new, and when that is kept: a state folder lies on flash, and each advertisement has a counter.
use pollux_ble_codec::advert::bthome::{Replay, Verdict};
use pollux_mapper::Instant;
use std::time::Duration;

/// Between two times that it is kept where nothing happens. What was heard since may be believed once more after a restart, which is a value
/// of a few minutes ago.
const KEEP: Duration = Duration::from_mins(10);
/// With each event it is kept: so many in a row, and one more each time that this has passed.
const EVENTS: u32 = 32;
const REFILL: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub(crate) struct Counter {
    replay: Replay,
    kept: Option<Instant>,
    /// Of the events with which it may be kept by now, those with which it was, at that time.
    spent: Option<(u32, Instant)>,
}

impl Counter {
    pub(crate) fn new(counter: Option<u32>) -> Self {
        Self { replay: Replay::new(counter), ..Self::default() }
    }
    pub(crate) fn last(&self) -> Option<u32> {
        self.replay.last()
    }
    /// None: it was heard before. Some: whether it is to be kept.
    pub(crate) fn is_new(&mut self, counter: u32, now: Instant) -> Option<bool> {
        let new = self.replay.check(counter) == Verdict::New;
        new.then(|| {
            let keep = self.kept.is_none_or(|at| now.saturating_duration_since(at) >= KEEP);
            if keep {
                self.kept = Some(now);
            }
            keep
        })
    }
    /// Something happened. Whether it is to be kept.
    pub(crate) fn happens(&mut self, now: Instant) -> bool {
        let (spent, since) = self.spent.unwrap_or((0, now));
        let passed = now.saturating_duration_since(since).as_secs() / REFILL.as_secs();
        let back = u32::try_from(passed).unwrap_or(u32::MAX);
        let since = if back >= spent { now } else { since + REFILL * back };
        let spent = spent.saturating_sub(back);
        let keep = spent < EVENTS;
        self.spent = Some((spent + u32::from(keep), since));
        if keep {
            self.kept = Some(now);
        }
        keep
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_kept_now_and_then_and_with_each_event_as_long_as_these_are_few() {
        let (mut counter, start) = (Counter::new(Some(5)), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!((counter.is_new(5, at(0)), counter.is_new(4, at(0))), (None, None));
        assert_eq!((counter.is_new(6, at(0)), counter.is_new(7, at(599))), (Some(true), Some(false)));
        assert_eq!((counter.is_new(8, at(600)), counter.last()), (Some(true), Some(8)));
        let kept = |counter: &mut Counter, second| (0..100).filter(|_| counter.happens(at(second))).count();
        assert_eq!(kept(&mut counter, 1000), 32);
        assert_eq!([1029, 1030, 1059, 1060, 1120].map(|second| kept(&mut counter, second)), [0, 1, 0, 1, 2]);
        assert_eq!(kept(&mut counter, 100_000), 32);
        assert_eq!(counter.is_new(9, at(100_500)), Some(false), "that was kept with the last event");
    }
}
