//! What is done when a connection broke: step by step, each decided by what became of the one before. Pure; the steps stand in `heal`.
//!
//! A new channel first. The session lives on at the server, so it is activated there, and what was missed is fetched. A session that the
//! server does not know any more is created anew: a server that ran on has the subscriptions still, and gives them to it; one that began
//! anew has other ids and types perhaps, so all that was found there is forgotten.
use crate::error::{Code, Error};
use pollux_mapper::{DriverError, ErrorKind};
use std::time::Duration;
use tokio::time::Instant;

/// First pause after a failure; it doubles.
const FIRST: Duration = Duration::from_millis(50);
/// Longest pause: a server that is back is noticed in this time.
const LONGEST: Duration = Duration::from_millis(500);

/// What became of a step.
#[derive(Debug, Clone)]
pub(super) enum Event {
    /// The endpoint was found, perhaps another than before.
    Found,
    /// No endpoint, by what the server says of them.
    NotFound(Error),
    /// No channel, or it broke again, or no session.
    Failed(Error),
    /// There is a channel.
    Opened,
    /// The session goes on.
    Activated,
    /// The server does not let it.
    Refused(Code),
    /// There is another session. `same`: at a server that ran on meanwhile.
    Created { same: bool },
    /// Subscriptions that the server still has are ours again.
    Carried,
    /// What was missed is fetched.
    Caught,
    /// Subscriptions that were gone are there again.
    Renewed,
    /// All is forgotten.
    Forgotten,
}

/// What is done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A new channel, after a pause.
    Dial(Duration),
    /// The endpoints are asked for anew, after a pause: the server's certificate may be another by now.
    Search(Duration),
    /// ActivateSession on the new channel (Part 4, 5.7.3).
    Activate,
    /// CreateSession.
    Create,
    /// TransferSubscriptions (5.14.7).
    Carry,
    /// Republish (5.14.6), until there is no more.
    Catch,
    /// Subscriptions that are gone are made anew.
    Renew,
    /// Ids, types and subscriptions are of no use any more.
    Forget,
    /// It is mended. `kept`: the items go on.
    Done { kept: bool },
    /// It took too long, or cannot be mended.
    GiveUp,
}

/// One mending.
#[derive(Debug)]
pub(super) struct Recovery {
    until: Instant,
    /// The server may know the session still.
    alive: bool,
    failures: u32,
}

impl Recovery {
    /// `alive`: nothing says that the server forgot the session.
    pub(super) fn new(now: Instant, within: Duration, alive: bool) -> Self {
        Self { until: now + within, alive, failures: 0 }
    }
    /// How long a step may take that would have until then: hardly longer than the whole.
    pub(super) fn until(&self, then: Instant) -> Instant {
        then.min(self.until + LONGEST)
    }
    /// When it is over, whatever the server still does.
    pub(super) fn end(&self) -> Instant {
        self.until
    }
    /// At first.
    pub(super) fn first(&self, now: Instant) -> Step {
        if now >= self.until { Step::GiveUp } else { Step::Dial(Duration::ZERO) }
    }
    /// `jitter`: 0 to 1, so that many who lost the same server do not come all at once.
    pub(super) fn next(&mut self, event: &Event, now: Instant, jitter: f64) -> Step {
        match event {
            Event::NotFound(Error::Security(_) | Error::Config(_)) => Step::GiveUp,
            Event::NotFound(error) | Event::Failed(error) => self.failed(error, now, jitter),
            Event::Found => Step::Dial(Duration::ZERO),
            Event::Opened if self.alive => Step::Activate,
            Event::Opened => Step::Create,
            Event::Refused(_) => {
                self.alive = false;
                Step::Create
            }
            Event::Created { same } => {
                self.alive = true;
                if *same { Step::Carry } else { Step::Forget }
            }
            Event::Activated | Event::Carried => Step::Catch,
            Event::Caught => Step::Renew,
            Event::Renewed => Step::Done { kept: true },
            Event::Forgotten => Step::Done { kept: false },
        }
    }
    fn failed(&mut self, error: &Error, now: Instant, jitter: f64) -> Step {
        self.failures += 1;
        let pause = pause(self.failures, jitter);
        // Once may be a server that is just starting; twice is an answer.
        let denied = error.kind() == ErrorKind::Denied && self.failures > 1;
        if denied || now + pause >= self.until {
            return Step::GiveUp;
        }
        if self.failures.is_multiple_of(2) { Step::Search(pause) } else { Step::Dial(pause) }
    }
}

/// Doubles with each failure, up to the longest; a quarter more or less.
fn pause(failures: u32, jitter: f64) -> Duration {
    let doubled = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(LONGEST);
    doubled.mul_f64(0.75 + 0.5 * jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use opcua::types::StatusCode;
    use proptest::prelude::*;

    fn closed() -> Error {
        Error::Closed("cut".to_owned())
    }
    fn unknown() -> Event {
        Event::Refused(StatusCode::BadSessionIdInvalid.into())
    }
    /// Steps that follow each other, pauses aside.
    fn steps(alive: bool, events: &[Event]) -> Vec<Step> {
        let now = Instant::now();
        let mut recovery = Recovery::new(now, Duration::from_secs(30), alive);
        let plain = |step| match step {
            Step::Dial(_) => Step::Dial(Duration::ZERO),
            Step::Search(_) => Step::Search(Duration::ZERO),
            other => other,
        };
        let first = recovery.first(now);
        std::iter::once(first).chain(events.iter().map(|event| recovery.next(event, now, 0.5))).map(plain).collect()
    }

    const DIAL: Step = Step::Dial(Duration::ZERO);
    const SEARCH: Step = Step::Search(Duration::ZERO);
    fn failed() -> Event {
        Event::Failed(closed())
    }
    fn created(same: bool) -> Event {
        Event::Created { same }
    }

    #[test]
    fn each_way_back() {
        use Event::{Activated, Carried, Caught, Forgotten, Found, Opened, Renewed};
        use Step::{Activate, Carry, Catch, Create, Done, Forget, Renew};
        let cut = [Opened, Activated, Caught, Renewed];
        assert_eq!(steps(true, &cut), [DIAL, Activate, Catch, Renew, Done { kept: true }]);
        let restarted = [failed(), failed(), Found, Opened, unknown(), created(false), Forgotten];
        let back = [DIAL, DIAL, SEARCH, DIAL, Activate, Create, Forget, Done { kept: false }];
        assert_eq!(steps(true, &restarted), back);
        let timed_out = [Opened, unknown(), created(true), Carried, Caught, Renewed];
        assert_eq!(steps(true, &timed_out), [DIAL, Activate, Create, Carry, Catch, Renew, Done { kept: true }]);
        // It is known to be gone; and with the new session it breaks again.
        let again = [Opened, created(true), failed(), Opened];
        assert_eq!(steps(false, &again), [DIAL, Create, Carry, DIAL, Activate]);
    }
    #[test]
    fn what_no_time_mends_is_given_up() {
        let another = [failed(), failed(), Event::NotFound(Error::Security("another certificate".into()))];
        assert_eq!(steps(true, &another), [DIAL, DIAL, SEARCH, Step::GiveUp]);
        let code = StatusCode::BadUserAccessDenied.into();
        let denied = Event::Failed(Error::Refused { service: "ActivateSession", code });
        assert_eq!(steps(false, &[denied.clone(), denied]), [DIAL, DIAL, Step::GiveUp]);
    }
    #[test]
    fn mending_that_is_not_wanted_is_not_tried() {
        let now = Instant::now();
        assert_eq!(Recovery::new(now, Duration::ZERO, true).first(now), Step::GiveUp);
    }
    proptest! {
        /// However often it fails, and however long each try takes: it ends in its time, and no pause is longer than what is promised.
        #[test]
        fn it_ends_in_its_time(within in 0_u64..60_000, tries in prop::collection::vec((0_u64..5000, 0.0_f64..1.0), 0..200)) {
            let start = Instant::now();
            let (mut now, within) = (start, Duration::from_millis(within));
            let mut recovery = Recovery::new(start, within, true);
            let mut step = recovery.first(now);
            for (took, jitter) in tries {
                let pause = match step {
                    Step::Dial(pause) | Step::Search(pause) => pause,
                    Step::GiveUp => break,
                    other => return Err(TestCaseError::fail(format!("{other:?}"))),
                };
                prop_assert!(pause <= LONGEST.mul_f64(1.25));
                now += pause;
                prop_assert!(now < start + within);
                now += Duration::from_millis(took);
                step = recovery.next(&Event::Failed(closed()), now, jitter);
            }
        }
    }
}
