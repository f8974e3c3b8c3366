//! A server that makes subscriptions and refuses to publish: when its items are read in place of that, and for how long. Pure.
use crate::error::Code;
use opcua::types::SubStatusCode;
use std::time::Duration;
use tokio::time::Instant;

/// When it is tried again: at first, and at most.
const FIRST: Duration = Duration::from_mins(1);
const LAST: Duration = Duration::from_hours(1);

/// What became of Publish.
#[derive(Debug, Default)]
pub(super) struct Refusal {
    /// How often in a row a connection was of no use for it.
    count: u32,
    /// Why all is read.
    why: Option<Code>,
    /// Until then; None: as long as the server is this one.
    until: Option<Instant>,
    /// How long it was read the last time.
    pause: Option<Duration>,
}

/// It has no such service, or not for us. All else may be over in a while: a program that is loaded, a memory that is full.
pub(super) fn is_for_good(code: Code) -> bool {
    use SubStatusCode as S;
    matches!(
        SubStatusCode::from_value(code.0 & 0xFFFF_0000),
        Some(S::BadServiceUnsupported | S::BadNotImplemented | S::BadUserAccessDenied)
    )
}

impl Refusal {
    /// It publishes.
    pub(super) fn answered(&mut self) {
        *self = Self::default();
    }
    /// A connection was refused it. True: not the first in a row, so all is read from now on.
    pub(super) fn refused(&mut self, code: Code, now: Instant) -> bool {
        self.count = self.count.saturating_add(1);
        if self.count < 2 {
            return false;
        }
        let pause = self.pause.map_or(FIRST, |pause| (pause * 2).min(LAST));
        self.pause = Some(pause);
        (self.why, self.until) = (Some(code), (!is_for_good(code)).then(|| now + pause));
        true
    }
    /// It may be another server: it is asked, and a first refusal is enough.
    pub(super) fn another(&mut self) {
        (self.why, self.until, self.pause) = (None, None, None);
    }
    /// Why all is read, as long as it is.
    pub(super) fn stands(&self, now: Instant) -> Option<Code> {
        self.why.filter(|_| self.until.is_none_or(|until| now < until))
    }
    /// It is over.
    #[cfg(test)]
    pub(super) fn end(&mut self) {
        self.until = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opcua::types::StatusCode;

    #[test]
    fn what_may_be_over_is_tried_again_after_a_minute_and_ever_more_seldom() {
        let (code, now) = (StatusCode::BadOutOfMemory.into(), Instant::now());
        let mut refusal = Refusal::default();
        assert!(!refusal.refused(code, now), "it may be the connection's");
        for minutes in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert!(refusal.refused(code, now));
            let end = now + Duration::from_mins(minutes);
            assert_eq!(refusal.stands(end.checked_sub(Duration::from_secs(1)).unwrap()), Some(code));
            assert_eq!(refusal.stands(end), None);
        }
        refusal.answered();
        assert!(!refusal.refused(code, now));
    }
    #[test]
    fn what_it_does_not_have_is_not_asked_for_again() {
        let (code, now) = (StatusCode::BadServiceUnsupported.into(), Instant::now());
        let mut refusal = Refusal::default();
        refusal.refused(code, now);
        refusal.refused(code, now);
        assert_eq!(refusal.stands(now + Duration::from_hours(10_000)), Some(code));
        refusal.another();
        assert_eq!(refusal.stands(now), None);
        assert!(refusal.refused(code, now), "a server that only says so each time anew");
    }
}
