//! A token bucket: so much per second, and a few seconds' worth at once.
use crate::Instant;
use std::time::Duration;

/// Seconds' worth that may be spent at once.
const BURST: f64 = 5.0;
/// However small a mapper's share is, a person who sets a value sees it pending, and then reported, at once.
const LEAST_BURST: f64 = 5.0;
/// What an absurd share is taken for.
const RATES: (f64, f64) = (0.001, 1000.0);

#[derive(Debug)]
pub(crate) struct Bucket {
    rate: f64,
    tokens: f64,
    at: Instant,
}

impl Bucket {
    pub(crate) fn new(rate: f64, now: Instant) -> Self {
        let rate = sane(rate);
        Self { rate, tokens: capacity(rate), at: now }
    }
    pub(crate) fn set_rate(&mut self, rate: f64, now: Instant) {
        self.fill(now);
        self.rate = sane(rate);
        self.tokens = self.tokens.min(capacity(self.rate));
    }
    /// Takes `cost` once there is one token; a dear one is paid off afterwards. Else: when to ask again.
    pub(crate) fn take(&mut self, cost: f64, now: Instant) -> Result<(), Instant> {
        self.fill(now);
        if self.tokens >= 1.0 {
            self.tokens -= cost;
            return Ok(());
        }
        // A millisecond more, so that rounding cannot make the caller ask again and again at one instant.
        Err(now + Duration::from_secs_f64((1.0 - self.tokens) / self.rate) + Duration::from_millis(1))
    }
    fn fill(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = (self.tokens + seconds * self.rate).min(capacity(self.rate));
        self.at = self.at.max(now);
    }
}

fn capacity(rate: f64) -> f64 {
    (rate * BURST).max(LEAST_BURST)
}
fn sane(rate: f64) -> f64 {
    if rate.is_nan() { RATES.0 } else { rate.clamp(RATES.0, RATES.1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes as often as it can in `seconds`.
    fn taken(rate: f64, cost: f64, seconds: u64) -> usize {
        let start = Instant::now();
        let (mut bucket, mut now, mut count) = (Bucket::new(rate, start), start, 0);
        while now <= start + Duration::from_secs(seconds) {
            match bucket.take(cost, now) {
                Ok(()) => count += 1,
                Err(later) => now = later,
            }
        }
        count
    }

    #[test]
    fn over_time_no_more_than_the_burst_and_the_rate() {
        assert_eq!(taken(2.0, 1.0, 0), 10);
        assert!((209..=210).contains(&taken(2.0, 1.0, 100)));
        assert_eq!(taken(0.01, 1.0, 0), 5);
        let dear = taken(2.0, 10.0, 100);
        assert!((20..=22).contains(&dear), "{dear}");
    }
    #[test]
    fn an_absurd_share_neither_stops_nor_floods() {
        for rate in [0.0, -1.0, f64::NAN] {
            let count = taken(rate, 1.0, 10_000);
            assert!((14..=15).contains(&count), "{rate}: {count}");
        }
        assert_eq!(taken(f64::INFINITY, 1.0, 0), 5000);
    }
}
