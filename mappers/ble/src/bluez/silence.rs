//! Whether anything is heard at all. BlueZ may say that it scans while nobody does: where more is in the air than bluetoothd keeps up with,
//! what the kernel says of itself is lost too. Only the silence tells then. Pure.
use pollux_mapper::Instant;
use std::time::Duration;

/// Whoever is in the air is reported every ten seconds.
const FIRST: Duration = Duration::from_secs(30);
/// A quiet air is no fault, and scanning is not begun anew for it more often than so.
const MOST: Duration = Duration::from_mins(5);
/// So soon after somebody was heard nobody else needs to be.
const JUST: Duration = Duration::from_secs(1);

/// Since when nothing was heard, though it was scanned.
#[derive(Debug, Default)]
pub(super) struct Silence {
    heard: Option<Instant>,
    /// It is long by then.
    due: Option<Instant>,
    /// So often scanning was begun anew since somebody was heard.
    times: u32,
}

impl Silence {
    /// Somebody was heard. True: and that scanning was begun anew has helped, or somebody has come.
    pub(super) fn heard(&mut self, now: Instant) -> bool {
        (self.heard, self.due) = (Some(now), Some(now + FIRST));
        std::mem::take(&mut self.times) > 0
    }
    /// Whether it is worth a look who was heard.
    pub(super) fn asks(&self, now: Instant) -> bool {
        self.heard.is_none_or(|heard| now.saturating_duration_since(heard) >= JUST)
    }
    /// It is scanned from now on.
    pub(super) fn begins(&mut self, now: Instant) {
        let due = now + FIRST;
        self.due = Some(self.due.map_or(due, |before| before.max(due)));
    }
    pub(super) fn is_long(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| now >= due)
    }
    /// Scanning is begun anew; how often that was done now. `random`: from 0 to 1.
    pub(super) fn broken(&mut self, now: Instant, random: f64) -> u32 {
        self.times = self.times.saturating_add(1);
        let wait = FIRST.saturating_mul(2_u32.saturating_pow(self.times)).min(MOST);
        self.due = Some(now + wait.mul_f64(0.8 + 0.4 * random));
        self.times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When scanning is begun anew, in seconds, up to then.
    fn anew(silence: &mut Silence, from: Instant, seconds: u64, random: f64) -> Vec<u64> {
        let mut times = vec![];
        for second in 0..seconds {
            let now = from + Duration::from_secs(second);
            if silence.is_long(now) {
                silence.broken(now, random);
                silence.begins(now);
                times.push(second);
            }
        }
        times
    }

    #[test]
    fn a_long_silence_is_broken_again_and_again_ever_less_often() {
        let (mut silence, from) = (Silence::default(), Instant::now());
        assert!(!silence.is_long(from + MOST), "nobody scans");
        silence.begins(from);
        assert_eq!(anew(&mut silence, from, 1_000, 0.5), [30, 90, 210, 450, 750]);
        let (mut early, mut late) = (Silence::default(), Silence::default());
        early.begins(from);
        late.begins(from);
        let (early, late) = (anew(&mut early, from, 1_000, 0.0), anew(&mut late, from, 1_000, 1.0));
        assert_eq!((early[1], late[1]), (78, 102), "not all adapters of a plant at once");
    }
    #[test]
    fn who_is_heard_ends_it_and_the_next_one_counts_from_the_beginning() {
        let (mut silence, from) = (Silence::default(), Instant::now());
        let at = |second| from + Duration::from_secs(second);
        silence.begins(from);
        assert!(silence.asks(at(0)));
        assert!(!silence.heard(at(20)));
        assert!(!silence.asks(at(20)) && silence.asks(at(21)));
        assert!(!silence.is_long(at(49)) && silence.is_long(at(50)));
        assert_eq!(silence.broken(at(50), 0.5), 1);
        assert!(silence.heard(at(60)), "it has helped");
        assert!(!silence.heard(at(61)));
        assert!(silence.is_long(at(91)));
        assert_eq!(silence.broken(at(91), 0.5), 1);
    }
    #[test]
    fn while_it_is_not_scanned_it_does_not_grow() {
        let (mut silence, from) = (Silence::default(), Instant::now());
        let at = |second| from + Duration::from_secs(second);
        silence.heard(at(0));
        silence.begins(at(100)); // after a connection was made
        assert!(!silence.is_long(at(129)) && silence.is_long(at(130)));
        // Nor is a wait cut short by it.
        silence.broken(at(130), 0.5);
        silence.begins(at(130));
        assert!(!silence.is_long(at(189)) && silence.is_long(at(190)));
    }
}
