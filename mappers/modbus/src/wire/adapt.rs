//! How long a device's answers take, and so how long one is worth waiting for: mean plus four sigma. Pure.
use std::time::Duration;

/// Never waited for less.
const FLOOR: Duration = Duration::from_millis(250);
/// Answers until the figures mean something.
const ENOUGH: u32 = 16;
/// Weight of the newest answer.
const WEIGHT: f64 = 1.0 / 16.0;

#[derive(Debug, Default)]
pub(super) struct Adapted {
    seen: u32,
    mean: f64,
    variance: f64,
    /// The last one was silent: it may have become slow.
    doubted: bool,
}

impl Adapted {
    pub(super) fn answered(&mut self, after: Duration) {
        let off = after.as_secs_f64() - self.mean;
        let weight = WEIGHT.max(1.0 / f64::from(self.seen.saturating_add(1)));
        self.mean += weight * off;
        self.variance = (1.0 - weight) * (self.variance + weight * off * off);
        self.seen = self.seen.saturating_add(1);
        self.doubted = false;
    }

    pub(super) fn silent(&mut self) {
        self.doubted = true;
    }

    /// At most the configured one.
    pub(super) fn timeout(&self, configured: Duration) -> Duration {
        if self.doubted || self.seen < ENOUGH {
            return configured;
        }
        let worth = Duration::try_from_secs_f64(self.mean + 4.0 * self.variance.sqrt()).unwrap_or(configured);
        worth.max(FLOOR).min(configured)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn it_follows_what_was_measured_down_to_a_floor() {
        let mut adapted = Adapted::default();
        let ms = Duration::from_millis;
        for _ in 0..15 {
            adapted.answered(ms(2));
            assert_eq!(adapted.timeout(SECOND), SECOND, "not enough is known");
        }
        adapted.answered(ms(2));
        assert_eq!(adapted.timeout(SECOND), FLOOR);
        assert_eq!(adapted.timeout(ms(100)), ms(100), "never more than configured");
        adapted.silent();
        assert_eq!(adapted.timeout(SECOND), SECOND, "it may have become slow");
        (0..200).for_each(|n| adapted.answered(if n % 2 == 0 { ms(300) } else { ms(500) }));
        let slow = adapted.timeout(10 * SECOND);
        assert!(slow > ms(700) && slow < ms(900), "mean 400, sigma 100: {slow:?}");
    }
}
