//! Points of one unit that are read together, and when.
use super::unit::BACKOFF;
use crate::{Instant, Interval};
use std::time::Duration;

/// What a YAML may ask for, and nothing that overflows a clock or spins.
const INTERVAL: (Duration, Duration) = (Duration::from_millis(1), Duration::from_hours(366 * 24));

/// Steps into which an interval is cut, and the longest: there cycles begin, of a unit's fastest points, and on all links with that interval.
const STEPS: u32 = 50;
const STEP: Duration = Duration::from_millis(20);

/// Points read together. `every`: None, once after each attach. `next`: None, not until then.
#[derive(Debug)]
pub(super) struct Group {
    pub every: Option<Duration>,
    pub points: Box<[u32]>,
    pub polled: usize,
    pub next: Option<Instant>,
    /// It stands in `ready`, to be read by then.
    pub waiting: Option<Instant>,
    /// How often in a row it was refused, if it is read once only.
    pub refused: u32,
}

impl Group {
    pub(super) fn new(interval: Interval, points: Vec<u32>, now: Instant) -> Self {
        let every = match interval {
            Interval::Every(every) => Some(every.clamp(INTERVAL.0, INTERVAL.1)),
            Interval::OnConnect => None,
        };
        Self { every, polled: points.len(), points: points.into(), next: Some(now), waiting: None, refused: 0 }
    }
    /// What is read once and was refused, because the device is busy or not ready yet, is asked for again, for nobody else will:
    /// the longer it refuses, the less often.
    pub(super) fn ask_again(&mut self, points: &[usize], now: Instant) {
        let hit = || self.points.iter().any(|point| points.contains(&(*point as usize)));
        if self.every.is_none() && self.next.is_none() && hit() {
            self.next = Some(now + (BACKOFF.0 * 2u32.saturating_pow(self.refused.min(16))).min(BACKOFF.1));
            self.refused = self.refused.saturating_add(1);
        }
    }
    /// Cycles that went by between the one that is due and now.
    pub(super) fn passed(&self, next: Instant, now: Instant) -> u64 {
        let every = self.every.map_or(0, |every| every.as_nanos());
        let passed = now.saturating_duration_since(next).as_nanos().checked_div(every).unwrap_or(0);
        u64::try_from(passed).unwrap_or(u64::MAX)
    }
    /// It is to be read by the deadline that it gets: half way, so that no cycle of its own passes while faster ones fill the
    /// link.
    pub(super) fn await_by(&mut self, next: Instant) -> Instant {
        let end = next + self.every.map_or(BACKOFF.0, |every| every / 2);
        self.waiting = Some(end);
        end
    }
    /// How much before its time it may be read beside others, the fastest of which has this interval. No more than a tenth of
    /// its own: the reading after it comes that much later.
    pub(super) fn early(&self, fastest: Duration) -> Duration {
        match self.every {
            None => fastest / 2,
            Some(every) => (fastest / 2).min(every / 10),
        }
    }
}

/// A phase as it is taken: less by what its cycles lie behind a step of that interval. To wake up costs more than to ask, for the
/// caches are cold then; what begins at one moment is asked, and mostly answered, in one waking-up, on whatever links.
pub(super) fn in_step(phase: Duration, every: Duration) -> Duration {
    let step = (every / STEPS).min(STEP).as_nanos().max(1);
    let behind = phase.as_nanos() % every.as_nanos().max(1) % step;
    phase.saturating_sub(Duration::from_nanos(u64::try_from(behind).unwrap_or(0)))
}

/// The first moment after `now` that lies whole intervals from `origin`.
pub(super) fn after(now: Instant, origin: Instant, every: Duration) -> Instant {
    let step = every.as_nanos().max(1);
    let into = match now.checked_duration_since(origin) {
        Some(past) => past.as_nanos() % step,
        None => step - 1 - (origin.duration_since(now).as_nanos() - 1) % step,
    };
    now + Duration::from_nanos(u64::try_from(step - into).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycles_begin_in_step_and_are_still_spread_over_the_interval() {
        for (every, steps) in [(1, 50_usize), (100, 50), (333, 50), (1000, 50), (1010, 51), (5000, 250), (60_000, 3000)]
        {
            let every = Duration::from_millis(every);
            let step = (every / 50).min(STEP);
            let mut hit = std::collections::BTreeSet::new();
            for n in 0..100_000u64 {
                let phase = Duration::from_nanos(n.wrapping_mul(0x9E37_79B9_7F4A_7C15) % 86_400_000_000_000);
                let taken = in_step(phase, every);
                assert!(taken <= phase && phase < taken + step, "{phase:?} each {every:?}: {taken:?}");
                let into = taken.as_nanos() % every.as_nanos();
                assert_eq!(into % step.as_nanos(), 0, "{phase:?} each {every:?}: {into}");
                hit.insert(into / step.as_nanos());
            }
            assert_eq!(hit.len(), steps, "each {every:?}");
        }
    }
    #[test]
    fn cycles_keep_their_phase_and_are_never_more_than_an_interval_away() {
        let start = Instant::now() + Duration::from_secs(100);
        let every = Duration::from_millis(700);
        for (now, next) in [(0, 700), (1, 700), (699, 700), (700, 1400), (1399, 1400)] {
            let at = start + Duration::from_millis(now);
            assert_eq!(after(at, start, every), start + Duration::from_millis(next), "from {now}");
        }
        for early in [1, 699, 700, 701, 1400, 5000] {
            let at = start - Duration::from_millis(early);
            let next = after(at, start, every);
            assert!(next > at && next <= at + every, "{early} before");
            assert_eq!((start + every * 100 - next).as_nanos() % every.as_nanos(), 0, "{early} before");
        }
    }
}
