//! The way of one desired value onto the wire, and what is said of it. Pure: from what is known to the next step.
mod equal;

use super::{
    Format,
    exponent::Scale,
    point::Point,
    record::{Entry, State},
};
use crate::{PointFault, Value};
use pollux_crds::{Access, EffectiveProperty, EffectiveVerify, Enforce, Value as Twin};
use std::time::Duration;

/// First wait after a write that failed; doubled each time.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// Longest wait.
const LAST_RETRY: Duration = Duration::from_mins(5);
/// After a write the engine reads back by itself; this long it is waited for before asking.
const OWN_READ_BACK: Duration = Duration::from_millis(500);
/// How long a reading that does not come holds up the properties after it.
const HOLDS_UP: Duration = Duration::from_secs(10);
/// First and longest wait before a reading is asked for again.
const ASK_AGAIN: (Duration, Duration) = (Duration::from_secs(2), Duration::from_mins(1));

/// A raw value to write, and what the device would then report.
type Goal = Result<(Value, Value), PointFault>;

/// One desired value.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) property: usize,
    pub(super) name: String,
    wiring: String,
    pub(super) value: Twin,
    /// Differs for each time that somebody set it.
    pub(super) edit: u64,
    /// Readings before this may be older than the edit.
    pub(super) edited_at: Duration,
    pub(super) since_ms: i64,
    pub(super) attempts: i64,
    pub(super) failures: u32,
    pub(super) error: Option<String>,
    /// What must be known before it can be compared or written.
    pub(super) waiting: Option<String>,
    pub(super) refused: bool,
    pub(super) retry_at: Duration,
    pub(super) ask_at: Duration,
    pub(super) asks: u32,
    /// When the twin itself asked for a reading last.
    asked: Duration,
    pub(super) phase: Phase,
    /// It shall be written even if the device has it: the annotation says so.
    pub(super) forced: bool,
    pub(super) verdict: Verdict,
    /// Its raw form, and what the device would then report, by the scale (its bits) that was in force.
    goal: Option<(u64, Goal)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// To be compared with the device.
    Open,
    /// Acknowledged; to be read back. Readings asked for before `from` prove nothing, one of `until` is the last.
    Verifying { from: Duration, until: Duration },
    /// Acknowledged, and no reading came in time: the next one judges.
    Unverified,
    /// Acknowledged, and read back as something else.
    NotSticking,
}

/// What is said of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    Confirmed,
    NoReading,
    UnknownWritten,
    Writing,
    Held,
    Drifted,
    BindingChanged,
    NotSticking,
    Refused,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Next {
    Rest,
    /// It is right; put that on record.
    Adopt,
    /// The property at this position is to be read: its own, or that of its exponent.
    Ask(usize),
    Wait(Duration),
    Write(Value),
}

/// All that a decision needs to know.
pub(super) struct Facts<'a> {
    pub(super) position: usize,
    pub(super) property: &'a EffectiveProperty,
    pub(super) protocol: &'a str,
    pub(super) point: &'a Point,
    /// What was asked for before is not decided upon.
    pub(super) epoch: Duration,
    /// Read since all is to be read first.
    pub(super) scale: Scale,
    /// Position of the property that holds its exponent.
    pub(super) exponent: Option<usize>,
    /// What holds its exponent.
    pub(super) holder: Option<&'a Point>,
    pub(super) entry: Option<&'a Entry>,
    pub(super) format: &'a dyn Format,
    /// The device answers.
    pub(super) up: bool,
    /// Mode and switches let writes through.
    pub(super) allowed: bool,
    /// Something that must go first is under way.
    pub(super) blocked: bool,
    pub(super) now: Duration,
}

/// What was decided, and whether those after it must wait.
pub(super) struct Decision {
    pub(super) verdict: Verdict,
    pub(super) next: Next,
    pub(super) blocks: bool,
    /// When it may block no longer.
    pub(super) look_again: Option<Duration>,
}
fn decide(verdict: Verdict, next: Next) -> Decision {
    Decision { verdict, next, blocks: false, look_again: None }
}

impl Wanted {
    pub(super) fn new(position: usize, property: &EffectiveProperty, value: Twin, edit: u64, now: super::Now) -> Self {
        Self {
            property: position,
            name: property.name.clone(),
            wiring: property.wiring.clone(),
            value,
            edit,
            edited_at: now.mono,
            since_ms: now.unix_ms,
            attempts: 0,
            failures: 0,
            error: None,
            waiting: None,
            refused: false,
            retry_at: Duration::ZERO,
            ask_at: now.mono,
            asks: 0,
            asked: Duration::ZERO,
            phase: Phase::Open,
            forced: false,
            verdict: Verdict::NoReading,
            goal: None,
        }
    }
    /// The configuration changed: what was worked out of it is worked out anew.
    pub(super) fn reconsider(&mut self, position: usize, property: &EffectiveProperty) {
        self.property = position;
        if self.wiring != property.wiring || !self.verifying() {
            self.goal = None;
        }
        if self.wiring != property.wiring {
            self.wiring.clone_from(&property.wiring);
            (self.phase, self.error, self.refused) = (Phase::Open, None, false);
            (self.failures, self.retry_at) = (0, Duration::ZERO);
        }
    }
    /// All is to be read before anything is decided.
    pub(super) fn read_first(&mut self, at: Duration) {
        (self.ask_at, self.asks) = (at, 0);
    }
    pub(super) fn decide(&mut self, facts: &Facts<'_>) -> Decision {
        self.waiting = None;
        let acknowledged = facts.entry.filter(|e| e.state == State::Acknowledged && !self.forced);
        let bound = acknowledged.is_some_and(|e| e.wiring == facts.property.wiring);
        if facts.property.access == Access::WriteOnly {
            return match (facts.entry.filter(|_| !self.forced), bound) {
                (None, _) => self.due(facts),
                (Some(_), true) => decide(Verdict::Confirmed, Next::Rest),
                (Some(e), false) if e.state == State::Sending => decide(Verdict::UnknownWritten, Next::Rest),
                (Some(_), false) => decide(Verdict::BindingChanged, Next::Rest),
            };
        }
        let once = facts.property.enforce == Enforce::OnChange;
        if bound && once && facts.property.verify == EffectiveVerify::Acknowledgement {
            return decide(Verdict::Confirmed, Next::Rest);
        }
        let Some(asked_at) = facts.point.decidable(facts.up, facts.epoch) else {
            return self.unread(facts, facts.point);
        };
        if let Err(why) = &facts.scale
            && self.written_as().is_none()
        {
            return self.waits(facts, why);
        }
        let equal = match self.equal(facts) {
            Ok(equal) => equal,
            Err(fault) => {
                (self.refused, self.error) = (true, Some(fault.text.into_owned()));
                return decide(Verdict::Refused, Next::Rest);
            }
        };
        if let Phase::Verifying { from, until } = self.phase {
            return self.verify(facts, equal, asked_at, (from, until));
        }
        if equal && !self.forced {
            return self.found_equal(facts, asked_at, bound);
        }
        if self.phase == Phase::Unverified {
            self.does_not_stick(facts);
        }
        match (acknowledged.is_some(), bound) {
            (true, true) if once && self.phase == Phase::NotSticking => decide(Verdict::NotSticking, Next::Rest),
            (true, true) if once => decide(Verdict::Drifted, Next::Rest),
            (true, false) => decide(Verdict::BindingChanged, Next::Rest),
            _ => self.due(facts),
        }
    }

    /// To be written, as soon as nothing stands in the way.
    fn due(&mut self, facts: &Facts<'_>) -> Decision {
        let verdict = self.under_way();
        if !facts.allowed {
            return decide(Verdict::Held, Next::Rest);
        }
        if !facts.up || facts.blocked {
            return decide(verdict, Next::Rest);
        }
        if facts.now < self.retry_at {
            return decide(verdict, Next::Wait(self.retry_at));
        }
        if let Err(why) = &facts.scale {
            return self.waits(facts, why);
        }
        match self.goal(facts) {
            Ok((raw, _)) => Decision { verdict, next: Next::Write(raw), blocks: true, look_again: None },
            Err(fault) => {
                (self.refused, self.error) = (true, Some(fault.text.into_owned()));
                decide(Verdict::Refused, Next::Rest)
            }
        }
    }
    /// Nothing is decided without its exponent either. It is asked for, for it may be one that is read once only.
    fn waits(&mut self, facts: &Facts<'_>, why: &str) -> Decision {
        let decision = self.unread(facts, facts.holder.unwrap_or(facts.point));
        self.waiting = Some(format!("waits for its exponent, {why}"));
        let next = match decision.next {
            Next::Ask(own) => Next::Ask(facts.exponent.unwrap_or(own)),
            next => next,
        };
        Decision { next, ..decision }
    }
    /// Nothing is decided without a reading; one that does not come holds up the others only for a while.
    fn unread(&mut self, facts: &Facts<'_>, point: &Point) -> Decision {
        if !facts.up {
            return decide(Verdict::NoReading, Next::Rest);
        }
        let since = match self.phase {
            Phase::Verifying { until, .. } => until,
            Phase::Open | Phase::Unverified | Phase::NotSticking => point.epoch(facts.epoch),
        };
        let waits = facts.now < since + HOLDS_UP;
        if !waits && matches!(self.phase, Phase::Verifying { .. }) {
            self.phase = Phase::Unverified;
        }
        let verdict = match self.phase {
            Phase::Verifying { .. } => Verdict::Writing,
            Phase::Open | Phase::Unverified | Phase::NotSticking => Verdict::NoReading,
        };
        let silent = !point.failed_since(facts.epoch) && point.decidable(facts.up, facts.epoch).is_none();
        let blocks = waits && silent;
        let look_again = waits.then_some(since + HOLDS_UP);
        Decision { verdict, next: self.ask(facts.now), blocks, look_again }
    }
    fn verify(
        &mut self,
        facts: &Facts<'_>,
        equal: bool,
        asked_at: Duration,
        (from, until): (Duration, Duration),
    ) -> Decision {
        let blocks = |next| Decision { verdict: Verdict::Writing, next, blocks: true, look_again: None };
        if asked_at < from {
            return blocks(self.ask(facts.now));
        }
        if equal {
            return self.found_equal(facts, asked_at, true);
        }
        if asked_at >= until {
            self.does_not_stick(facts);
            return self.decide(facts);
        }
        if self.asked <= asked_at {
            let pause = ((until.saturating_sub(from)) / 10).clamp(Duration::from_millis(200), Duration::from_secs(5));
            (self.ask_at, self.asks) = ((asked_at + pause).min(until), 0);
        }
        blocks(self.ask(facts.now))
    }
    fn does_not_stick(&mut self, facts: &Facts<'_>) {
        self.phase = Phase::NotSticking;
        self.error = Some(format!("the device has {} after the write", facts.point.shown_text(facts.property)));
    }
    fn found_equal(&mut self, facts: &Facts<'_>, asked_at: Duration, bound: bool) -> Decision {
        if asked_at < self.edited_at && !bound {
            let until = self.edited_at + HOLDS_UP;
            let (blocks, look_again) = (facts.now < until, (facts.now < until).then_some(until));
            return Decision { verdict: Verdict::Writing, next: self.ask(facts.now), blocks, look_again };
        }
        (self.phase, self.attempts, self.failures) = (Phase::Open, 0, 0);
        (self.refused, self.error, self.asks) = (false, None, 0);
        let adopt = !bound && facts.allowed;
        decide(Verdict::Confirmed, if adopt { Next::Adopt } else { Next::Rest })
    }
    fn ask(&mut self, now: Duration) -> Next {
        if now < self.ask_at {
            return Next::Wait(self.ask_at);
        }
        let (first, longest) = ASK_AGAIN;
        self.ask_at = now + first.saturating_mul(1 << self.asks.min(5)).min(longest);
        self.asks = self.asks.saturating_add(1);
        self.asked = now;
        Next::Ask(self.property)
    }

    pub(super) fn unverified(&self) -> bool {
        self.phase == Phase::Unverified
    }
    pub(super) fn verifying(&self) -> bool {
        matches!(self.phase, Phase::Verifying { .. })
    }
    /// A refusal is not forgotten while it is tried again.
    pub(super) fn under_way(&self) -> Verdict {
        if self.refused { Verdict::Refused } else { Verdict::Writing }
    }
    /// The first byte may leave from now on.
    pub(super) fn sending(&mut self) {
        self.attempts += 1;
    }
    /// It did not leave, and nobody is to blame.
    pub(super) fn taken_back(&mut self) {
        self.attempts -= 1;
    }
    pub(super) fn acknowledged(&mut self, verify: EffectiveVerify, seed: u64, now: Duration) {
        (self.error, self.refused, self.forced, self.asks) = (None, false, false, 0);
        self.failures = self.failures.saturating_add(1); // until it is read back
        self.retry_at = now + backoff(self.failures, seed);
        (self.phase, self.ask_at) = match verify {
            EffectiveVerify::Acknowledgement => (Phase::Open, now),
            EffectiveVerify::ReadBack { delay, within, .. } => {
                let (delay, within) = (delay.duration(), within.duration());
                let phase = Phase::Verifying { from: now + delay, until: now + within.max(delay) };
                (phase, now + if delay.is_zero() { OWN_READ_BACK } else { delay })
            }
        };
    }
    /// It was not done, or nobody knows: the device is read before it is tried again.
    pub(super) fn failed(&mut self, why: String, refused: bool, sent: bool, seed: u64, now: Duration) {
        (self.error, self.refused, self.phase) = (Some(why), refused, Phase::Open);
        self.forced &= refused || !sent; // it may be there: that is for the next reading to say
        self.attempts -= i64::from(!sent);
        self.failures = self.failures.saturating_add(1);
        self.retry_at = now + backoff(self.failures, seed);
        (self.ask_at, self.asks) = (now, 0);
    }
}

/// Up to a quarter less than the doubled wait, so that devices that failed together do not try again together.
pub(super) fn backoff(failures: u32, seed: u64) -> Duration {
    let doubled = FIRST_RETRY.saturating_mul(1 << failures.saturating_sub(1).min(12)).min(LAST_RETRY);
    let mixed = (seed ^ u64::from(failures)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56; // 0..=255
    let less = (doubled / 4).mul_f64(f64::from(u32::try_from(mixed).unwrap_or(0)) / 256.0);
    doubled.saturating_sub(less)
}
