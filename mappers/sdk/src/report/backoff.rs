//! How long to wait after failures in a row.
use std::time::Duration;

/// `first` after the first failure, twice as long after each further one, `most` at most; `random` (0 to 1) takes up to half
/// of it away, so that a fleet that lost its API server at one moment does not come back at one moment.
pub(crate) fn backoff(failures: u32, first: Duration, most: Duration, random: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(20);
    let full = first.saturating_mul(1 << doublings).min(most);
    full.mul_f64(0.5 + 0.5 * random.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_its_bound_and_jitter_only_shortens() {
        let (first, most) = (Duration::from_secs(1), Duration::from_secs(30));
        let at = |failures, random| backoff(failures, first, most, random).as_millis();
        assert_eq!([at(0, 1.0), at(1, 1.0), at(2, 1.0), at(5, 1.0), at(6, 1.0)], [1000, 1000, 2000, 16000, 30000]);
        assert_eq!([at(u32::MAX, 1.0), at(u32::MAX, 0.0)], [30000, 15000]);
    }
}
