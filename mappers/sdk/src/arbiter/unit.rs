//! One unit: its schedule, its health, and where it stands on the link.
use super::{
    Outcome,
    group::{Group, after, in_step},
    slots::{AHEAD, MIN_HOLD},
};
use crate::{Exchange, Instant, Interval};
use std::{collections::VecDeque, sync::Arc, time::Duration};

pub(super) const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));
const NANOS_A_DAY: u64 = 86_400_000_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Detached,
    Attaching,
    Attached,
    Detaching,
}

/// What is configured of a unit: how it is polled, when it counts as dead, and where on the clock its cycles lie.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Intervals and the points read at them, ascending.
    pub groups: Vec<(Interval, Vec<u32>)>,
    /// Failures in a row.
    pub offline_after: u32,
    /// Spreads the cycles of many units over the interval; any number.
    pub phase: u64,
    /// The whole time-out of one exchange.
    pub timeout: Duration,
    /// What it has of a slot, where slots are scarce.
    pub hold: Hold,
}

/// What a unit has of a slot of its link ([`Limits::attached`](crate::Limits)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hold {
    /// It needs none, for it is only listened to: it is attached whatever others hold, and stays so when it is said to be down.
    None,
    /// It takes turns with the others.
    #[default]
    Turns,
    /// Once it has one it keeps it, as long as it answers.
    Kept,
}

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own; any of them may hold with any other")]
pub(super) struct Unit<R> {
    pub phase: Phase,
    /// Detached or attached since then.
    pub since: Instant,
    pub not_before: Instant,
    /// Where an answer does not say whose it is: until then a late one may come.
    pub quiet_until: Instant,
    pub timeout: Duration,
    pub fails: u32,
    pub offline_after: u32,
    pub in_flight: usize,
    /// Writes and calls that wait for it.
    pub orders: usize,
    groups: Vec<Group>,
    /// Cycles lie at this moment plus whole intervals.
    origin: Instant,
    pushed: Vec<bool>,
    /// Some of them need its slot.
    claims: bool,
    pub ready: VecDeque<(Instant, Arc<Exchange<R>>)>,
    /// To be detached.
    pub leaving: bool,
    /// The protocol said that it is gone.
    pub down: bool,
    /// Someone asked for a reading: it wants a slot.
    pub wanted: bool,
    fresh: bool,
    /// Cost of the probe so far.
    pub spent: Duration,
    /// Under which moment the arbiter has it in its order of due units.
    pub listed: Option<Instant>,
    pub vacant: bool,
    pub hold: Hold,
}

impl<R> Unit<R> {
    pub(super) fn new(plan: Plan, start: Instant, now: Instant) -> Self {
        let groups: Vec<Group> =
            plan.groups.into_iter().map(|(interval, points)| Group::new(interval, points, now)).collect();
        let fastest = groups.iter().filter_map(|group| group.every).min();
        let phase = Duration::from_nanos(plan.phase % NANOS_A_DAY);
        Self {
            phase: Phase::Detached,
            since: now,
            not_before: now,
            quiet_until: now,
            timeout: plan.timeout,
            fails: 0,
            offline_after: plan.offline_after.max(1),
            in_flight: 0,
            orders: 0,
            groups,
            origin: start + fastest.map_or(phase, |every| in_step(phase, every)),
            pushed: vec![],
            claims: false,
            ready: VecDeque::new(),
            leaving: false,
            down: false,
            wanted: false,
            fresh: true,
            spent: Duration::ZERO,
            listed: None,
            vacant: false,
            hold: plan.hold,
        }
    }
    pub(super) fn relink(&mut self, now: Instant) {
        (self.phase, self.since, self.not_before, self.in_flight) = (Phase::Detached, now, now, 0);
        (self.leaving, self.down, self.fresh, self.wanted) = (false, false, true, false);
        self.spent = Duration::ZERO;
        self.fails = self.fails.min(self.offline_after - 1); // perhaps it was the link
        self.clear();
    }
    pub(super) fn probing(&self) -> bool {
        self.fails >= self.offline_after
    }
    pub(super) fn polls(&self) -> bool {
        self.groups.iter().any(|g| g.polled > 0)
    }
    pub(super) fn pushes(&self) -> bool {
        self.claims
    }
    /// Nothing to decide about it until it is due or something happens to it.
    pub(super) fn rests(&self) -> bool {
        let settled = self.phase == Phase::Attached && !self.leaving && self.fails == 0;
        self.vacant || (settled && self.in_flight == 0 && self.orders == 0 && self.ready.is_empty())
    }

    // ---- schedule
    pub(super) fn unschedule(&mut self, point: u32) {
        self.claims = true;
        self.overhear(point);
    }
    pub(super) fn overhear(&mut self, point: u32) {
        let Some(group) = self.groups.iter_mut().find(|g| g.points.binary_search(&point).is_ok()) else { return };
        let at = point as usize;
        if self.pushed.len() <= at {
            self.pushed.resize(at + 1, false);
        }
        if let Some(pushed) = self.pushed.get_mut(at)
            && !std::mem::replace(pushed, true)
        {
            group.polled -= 1;
        }
    }
    /// No cycle was missed while it was pushed.
    pub(super) fn reschedule(&mut self, point: u32, now: Instant) {
        let Some(pushed) = self.pushed.get_mut(point as usize).filter(|pushed| **pushed) else { return };
        *pushed = false;
        if let Some(group) = self.groups.iter_mut().find(|g| g.points.binary_search(&point).is_ok()) {
            group.polled += 1;
            group.next = Some(now);
        }
    }
    pub(super) fn group(&self, group: u32) -> impl Iterator<Item = usize> {
        let points = self.groups.get(group as usize).map_or(&[][..], |g| &g.points);
        points.iter().map(|p| *p as usize).filter(|p| !self.pushed.get(*p).copied().unwrap_or(false))
    }
    /// The numbers of the groups to be read now, into `into`, ascending; their earliest deadline, if there are any; and how
    /// many cycles were missed: because a group that was to be read by now still waits, or because nobody looked. A group is
    /// not queued twice, and what was missed is not made up for.
    pub(super) fn due(&mut self, now: Instant, into: &mut Vec<u32>) -> (Option<Instant>, u64) {
        let (origin, mut deadline, mut missed) = (self.origin, None::<Instant>, 0);
        let mut fastest = None::<Duration>;
        for (number, group) in (0..).zip(&mut self.groups) {
            let Some(next) = group.next.filter(|next| *next <= now && group.polled > 0) else { continue };
            missed += group.passed(next, now);
            group.next = group.every.map(|every| after(now, origin, every));
            if group.refused > 0 && group.waiting.is_some() {
                group.next = Some(now + BACKOFF.0); // the rest of it is still to be read
                continue;
            }
            if let Some(end) = group.waiting {
                missed += u64::from(end <= now);
                continue;
            }
            fastest = fastest.into_iter().chain(group.every).min();
            into.push(number);
            deadline = deadline.into_iter().chain([group.await_by(next)]).min();
        }
        if let Some(fastest) = fastest {
            deadline = deadline.into_iter().chain(self.ride_along(now, fastest, into)).min();
        }
        (deadline, missed)
    }
    /// Groups that are almost due are read in the same requests, a little early, and not again when they would have been due.
    /// Their earliest deadline.
    fn ride_along(&mut self, now: Instant, fastest: Duration, into: &mut Vec<u32>) -> Option<Instant> {
        let (origin, mut deadline) = (self.origin, None::<Instant>);
        for (number, group) in (0..).zip(&mut self.groups) {
            let waits = group.waiting.is_some() || group.polled == 0;
            let Some(next) = group.next.filter(|next| !waits && *next <= now + group.early(fastest)) else { continue };
            group.next = group.every.map(|every| after(next, origin, every));
            into.push(number);
            deadline = deadline.into_iter().chain([group.await_by(next)]).min();
        }
        into.sort_unstable();
        deadline
    }
    pub(super) fn pop(&mut self) -> Option<Arc<Exchange<R>>> {
        let (_, exchange) = self.ready.pop_front()?;
        if self.ready.is_empty() {
            self.clear();
        }
        Some(exchange)
    }
    /// Nothing is to be read any more.
    pub(super) fn clear(&mut self) {
        self.ready.clear();
        self.groups.iter_mut().for_each(|g| g.waiting = None);
    }
    fn next_due(&self) -> Option<Instant> {
        self.groups.iter().filter(|g| g.polled > 0).filter_map(|g| g.next).min()
    }
    pub(super) fn next_poll(&self) -> Option<Instant> {
        let polled = self.phase == Phase::Attached && !self.down && !self.leaving && !self.vacant;
        if polled { self.next_due() } else { None }
    }
    fn poll_all(&mut self, now: Instant) {
        self.groups.iter_mut().for_each(|g| g.next = Some(now));
    }

    // ---- place on the link
    pub(super) fn takes_writes(&self, per_unit: usize, now: Instant) -> bool {
        let there = self.phase == Phase::Attached && !self.leaving && !self.down && now >= self.quiet_until;
        there && !self.probing() && self.in_flight < per_unit
    }
    /// A late answer to what it was asked would pass for the answer to something else.
    pub(super) fn quiet(&mut self, now: Instant) {
        self.quiet_until = self.quiet_until.max(now + self.timeout);
    }
    /// Points that are polled, by interval.
    pub(super) fn polled(&self) -> impl Iterator<Item = (Duration, Vec<usize>)> {
        let groups = (0..).zip(&self.groups).filter(|(_, group)| group.polled > 0);
        groups.filter_map(|(number, group)| Some((group.every?, self.group(number).collect())))
    }
    /// Since when it has wanted to be attached. Where slots are scarce only a unit with something to do wants one.
    pub(super) fn waiting_since(&self, now: Instant, scarce: bool) -> Option<Instant> {
        if self.vacant {
            return None;
        }
        if !scarce
            || self.hold == Hold::Kept
            || self.fresh
            || self.wanted
            || self.fails > 0
            || self.pushes()
            || self.orders > 0
        {
            return Some(self.since);
        }
        self.next_due().filter(|due| *due <= now).map(|due| due.max(self.since))
    }
    /// How long it could have had a slot, and there was none. One that is taken for dead is kept waiting for other reasons.
    pub(super) fn waited(&self, now: Instant, probe_after: Instant) -> Duration {
        let since = self.waiting_since(now, true).unwrap_or(now).max(self.not_before);
        now.saturating_duration_since(if self.probing() { since.max(probe_after) } else { since })
    }
    fn is_busy(&self, now: Instant) -> bool {
        !self.ready.is_empty() || self.orders > 0 || self.next_due().is_some_and(|due| due <= now)
    }
    /// Nothing of it is to be read or written by then.
    pub(super) fn is_idle(&self, by: Instant) -> bool {
        !self.is_busy(by) && !self.pushes()
    }
    /// Its slot could be another's.
    pub(super) fn may_leave(&self) -> bool {
        self.hold == Hold::Turns && self.phase == Phase::Attached && !self.leaving && self.in_flight == 0
    }
    pub(super) fn may_detach(&self) -> bool {
        self.leaving && self.phase == Phase::Attached && self.in_flight == 0
    }
    pub(super) fn leave(&mut self) {
        self.leaving = true;
        self.clear();
    }
    pub(super) fn begin_attach(&mut self) {
        (self.phase, self.down, self.claims) = (Phase::Attaching, false, false);
        self.pushed.clear(); // what was pushed may no longer be
        self.groups.iter_mut().for_each(|g| g.polled = g.points.len());
    }
    pub(super) fn detached(&mut self, now: Instant) {
        if !self.ready.is_empty() {
            self.poll_all(now); // rotated out with work left: due as soon as it is back
        }
        self.clear();
        (self.phase, self.since, self.leaving) = (Phase::Detached, now, false);
    }

    pub(super) fn is_slotless(&self) -> bool {
        self.hold == Hold::None
    }

    // ---- health
    pub(super) fn attach_ended(&mut self, outcome: Outcome, cost: Duration, now: Instant) {
        self.spent += cost;
        if outcome == Outcome::Device {
            self.failed(now);
            return self.detached(now);
        }
        (self.phase, self.since, self.wanted) = (Phase::Attached, now, false);
        self.groups.iter_mut().for_each(|g| g.refused = 0);
        if std::mem::take(&mut self.fresh) || self.fails > 0 {
            self.poll_all(now);
        } else {
            self.groups.iter_mut().filter(|g| g.every.is_none()).for_each(|g| g.next = Some(now));
        }
        if !self.polls() {
            self.answered(); // else alive only once it has answered an exchange: attach may send nothing
        }
    }
    pub(super) fn exchange_ended(&mut self, outcome: Outcome, cost: Duration, now: Instant) {
        self.spent += cost;
        if outcome != Outcome::Device {
            return self.answered();
        }
        if self.down {
            return; // known; a session that heals is not a device that died
        }
        self.clear();
        // what is read once must be asked again, for nobody else will
        self.groups.iter_mut().filter(|g| g.every.is_none() && g.next.is_none()).for_each(|g| {
            g.next = Some(now + BACKOFF.0);
        });
        self.failed(now);
        if self.probing() {
            self.leaving = true;
        }
    }
    /// It answered: no.
    pub(super) fn refused(&mut self, points: &[usize], now: Instant) {
        self.groups.iter_mut().for_each(|g| g.ask_again(points, now));
    }
    fn answered(&mut self) {
        (self.fails, self.spent) = (0, Duration::ZERO);
    }
    /// How long one that is taken for dead is left alone.
    pub(super) fn backoff(&self) -> Duration {
        let doubled = 2u32.saturating_pow(self.fails.saturating_sub(self.offline_after).min(16));
        (BACKOFF.0 * doubled).min(BACKOFF.1)
    }
    fn failed(&mut self, now: Instant) {
        self.fails = self.fails.saturating_add(1);
        self.not_before = if self.probing() { now + self.backoff() } else { now };
        if !self.probing() {
            self.spent = Duration::ZERO;
        }
    }
    pub(super) fn said_up(&mut self, now: Instant) {
        (self.down, self.fails, self.not_before) = (false, 0, now);
        self.poll_all(now);
    }
    pub(super) fn said_down(&mut self, radio: bool, now: Instant) {
        self.down = true;
        self.clear();
        if !radio {
            return; // it stays attached: the same subscription will say `up`
        }
        (self.fails, self.not_before) = (self.fails.max(self.offline_after), now + BACKOFF.0);
        self.leaving |= self.phase == Phase::Attached;
    }
    /// When something about it has to be decided, beside its polling. `scarce`: it may need a slot.
    pub(super) fn wakes(&self, probe_after: Instant, scarce: bool) -> [Option<Instant>; 5] {
        let due = if scarce { self.next_due() } else { None };
        let ahead = due.filter(|_| self.phase == Phase::Detached).and_then(|due| due.checked_sub(AHEAD));
        let retry =
            (self.fails > 0).then(|| if self.probing() { self.not_before.max(probe_after) } else { self.not_before });
        let held = (scarce && self.phase == Phase::Attached).then(|| self.since + MIN_HOLD);
        [due, ahead, retry, held, Some(self.quiet_until)]
    }
}
