//! When what was learned is put to the test: a device gets new firmware, a refusal was a mood.
use pollux_mapper::Instant;
use std::time::Duration;

/// What was learned is put to the test again after this time, and after twice the time whenever it proves true.
pub const REVIEW: Duration = Duration::from_mins(10);
/// The longest such time.
pub const LONGEST_REVIEW: Duration = Duration::from_hours(24);
/// Between two tests for the sake of a value that was refused and is answered; longer where values come and go.
const PAUSE: Duration = Duration::from_secs(10);

/// When what was learned is put to the test.
#[derive(Debug, Default)]
pub(crate) struct Review {
    due: Option<Instant>,
    wait: Duration,
    last: Option<Instant>,
    pause: Duration,
}

impl Review {
    /// Something was learned; soon after the last test it is the same once more, later it is something else.
    pub(crate) fn arm(&mut self, now: Instant) {
        let same = self.last.is_some_and(|last| now < last + REVIEW);
        match self.due {
            Some(due) if same || due <= now + REVIEW => {}
            None if same => self.wait_for((self.wait * 2).clamp(REVIEW, LONGEST_REVIEW), now),
            _ => self.wait_for(REVIEW, now),
        }
    }
    /// The time between the last test and the next.
    pub(crate) fn wait(&self) -> Duration {
        self.wait
    }
    pub(crate) fn wait_for(&mut self, wait: Duration, now: Instant) {
        (self.wait, self.due) = (wait, Some(now + wait));
    }
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        let due = self.due.is_some_and(|due| due <= now);
        if due {
            (self.due, self.last) = (None, Some(now));
        }
        due
    }
    /// Not at once again: a value that comes and goes would have its neighbours searched each time.
    pub(crate) fn is_early(&mut self, now: Instant) -> bool {
        let since = self.last.map(|last| now - last);
        if since.is_some_and(|since| since < self.pause) {
            return false;
        }
        let soon = since.is_some_and(|since| since < self.pause * 4);
        self.pause = if soon { (self.pause * 2).min(LONGEST_REVIEW) } else { PAUSE };
        (self.due, self.last) = (None, Some(now));
        true
    }
}
