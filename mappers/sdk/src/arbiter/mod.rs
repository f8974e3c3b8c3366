//! Who is next on one link. Pure: no clock, no IO; `R` is whatever an exchange needs, `W` what is to be written or called.
//! Units at rest stand only in the order of due times, so that a thousand quiet ones cost nothing.
mod group;
mod slots;
mod unit;
mod work;

use crate::{
    Exchange, Instant, Limits,
    few::{self, Few},
};
use std::{collections::VecDeque, sync::Arc, time::Duration};
pub use unit::{Hold, Plan};
use unit::{Phase, Unit};
pub use work::{Outcome, Work};

const PROBE_SHARE: u32 = 19; // a probe that cost c is followed by 19 c without probes: at most 5 % of the link's time
const WRITE_STREAK: u32 = 8; // so that a flood of writes cannot starve reads

/// Decides who is next on one link.
#[derive(Debug)]
pub struct Arbiter<R, W> {
    start: Instant,
    units: Vec<Unit<R>>,
    /// Units about which there is something to decide.
    active: Few<usize, ()>,
    /// Attached units by when they are due.
    due: Few<(Instant, usize), ()>,
    writes: VecDeque<(usize, W)>,
    in_flight: usize,
    streak: u32,
    probing: bool,
    probe_after: Instant,
    lanes: u32,
    slots: Option<usize>,
    nameless: bool,
}

impl<R, W> Arbiter<R, W> {
    /// No unit, nothing under way.
    pub fn new(now: Instant) -> Self {
        let (units, active, due, writes) = Default::default();
        let (in_flight, streak, probing, lanes) = (0, 0, false, 1);
        let (probe_after, slots, nameless) = (now, None, false);
        Self { start: now, units, active, due, writes, in_flight, streak, probing, probe_after, lanes, slots, nameless }
    }
    /// Cycles of units that are added from here on are counted from that moment. Links with one moment are asked in step, and their
    /// process wakes up once for all that is due at a time.
    pub fn count_from(&mut self, moment: Instant) {
        self.start = moment;
    }
    /// A new unit; its number is reused when it was removed.
    pub fn add(&mut self, plan: Plan, now: Instant) -> usize {
        let new = Unit::new(plan, self.start, now);
        let unit = self.units.iter().position(|u| u.vacant).unwrap_or(self.units.len());
        match self.units.get_mut(unit) {
            Some(place) => *place = new,
            None => few::push(&mut self.units, new),
        }
        self.touch(unit);
        unit
    }
    /// The unit's successor takes its place. Only when the old one [`is_out`](Self::is_out).
    pub fn replace(&mut self, unit: usize, plan: Plan, now: Instant) {
        let old = &self.units[unit];
        let (orders, listed, quiet) = (old.orders, old.listed, old.quiet_until); // what waits to be written stays in the queue
        self.units[unit] = Unit::new(plan, self.start, now);
        (self.units[unit].orders, self.units[unit].listed) = (orders, listed);
        self.units[unit].quiet_until = quiet; // a late answer is late whoever listens
        self.touch(unit);
    }
    /// The unit is gone. Only when it [`is_out`](Self::is_out), and nothing is to be written to it.
    pub fn remove(&mut self, unit: usize) {
        let u = &mut self.units[unit];
        u.clear();
        (u.vacant, u.leaving, u.fails) = (true, false, 0);
        self.touch(unit);
    }
    /// The link is gone, and all that was in flight with it. Units are to be attached again; one taken for dead has one
    /// free attempt.
    pub fn relink(&mut self, now: Instant) {
        (self.in_flight, self.probing, self.probe_after) = (0, false, now);
        for unit in 0..self.units.len() {
            if self.nameless && self.units[unit].in_flight > 0 {
                self.units[unit].quiet(now); // the port is another, the line is the same
            }
            self.units[unit].relink(now);
            self.touch(unit);
        }
    }
    /// After how many failures in a row it is taken for dead, and the whole time-out of one exchange.
    pub fn retune(&mut self, unit: usize, failures: u32, timeout: Duration) {
        (self.units[unit].offline_after, self.units[unit].timeout) = (failures.max(1), timeout);
        self.touch(unit);
    }
    /// `offlineAfter` failures in a row: not Connected, and asked only within the share of probes.
    pub fn probing(&self, unit: usize) -> bool {
        self.units[unit].probing()
    }
    /// The protocol said that it is gone.
    pub fn said_down(&self, unit: usize) -> bool {
        self.units[unit].down
    }
    /// It has points that are polled.
    pub fn polls(&self, unit: usize) -> bool {
        self.units[unit].polls()
    }
    /// Failures in a row.
    pub fn fails(&self, unit: usize) -> u32 {
        self.units[unit].fails
    }
    /// Failed probes so far.
    pub fn probes(&self, unit: usize) -> u32 {
        self.fails(unit).saturating_sub(self.units[unit].offline_after)
    }
    /// Points that are pushed leave the schedule.
    pub fn unschedule(&mut self, unit: usize, point: u32) {
        self.units[unit].unschedule(point);
        self.touch(unit);
    }
    /// The same of points that come without a slot: none is wanted for them.
    pub fn overhear(&mut self, unit: usize, point: u32) {
        self.units[unit].overhear(point);
        self.touch(unit);
    }
    /// A point that was pushed is polled again: at once, and then in its interval.
    pub fn reschedule(&mut self, unit: usize, point: u32, now: Instant) {
        self.units[unit].reschedule(point, now);
        self.touch(unit);
    }
    /// The points of one of its groups that are polled.
    pub fn group(&self, unit: usize, group: u32) -> impl Iterator<Item = usize> {
        self.units[unit].group(group)
    }
    /// What is polled of it: intervals, ascending, and points.
    pub fn polled(&self, unit: usize) -> impl Iterator<Item = (Duration, Vec<usize>)> {
        self.units[unit].polled()
    }
    /// How long it is left alone between probes, while it is taken for dead.
    pub fn backoff(&self, unit: usize) -> Duration {
        self.units[unit].backoff()
    }
    /// Exchanges that may be under way at once.
    pub fn lanes(&self) -> u32 {
        self.lanes
    }
    /// It is attached, and stays so.
    pub fn is_attached(&self, unit: usize) -> bool {
        self.units[unit].phase == Phase::Attached && !self.units[unit].leaving
    }
    /// Pieces of work of a unit that are under way.
    pub fn in_flight(&self, unit: usize) -> usize {
        self.units[unit].in_flight
    }
    /// Someone waits for a reading of it: it wants a slot.
    pub fn want(&mut self, unit: usize) {
        self.units[unit].wanted = true;
        self.touch(unit);
    }

    /// A unit with groups due (their numbers into `groups`), the earliest deadline if any is to be read, and how many cycles
    /// were missed, and are skipped.
    pub fn due(&mut self, now: Instant, groups: &mut Vec<u32>) -> Option<(usize, Option<Instant>, u64)> {
        groups.clear();
        let (_, unit) = *self.due.keys().next().filter(|(at, _)| *at <= now)?;
        let (deadline, missed) = self.units[unit].due(now, groups);
        self.touch(unit);
        Some((unit, deadline, missed))
    }
    /// Exchanges that are to be sent by the deadline.
    pub fn queue(&mut self, unit: usize, deadline: Instant, exchanges: impl Iterator<Item = Arc<Exchange<R>>>) {
        self.units[unit].ready.extend(exchanges.map(|e| (deadline, e)));
        self.touch(unit);
    }
    /// Exchanges that are to be sent before anything else of this unit.
    pub fn queue_first(
        &mut self,
        unit: usize,
        now: Instant,
        exchanges: impl DoubleEndedIterator<Item = Arc<Exchange<R>>>,
    ) {
        for exchange in exchanges.rev() {
            self.units[unit].ready.push_front((now, exchange));
        }
        self.touch(unit);
    }
    /// Something to be written or called.
    pub fn write(&mut self, unit: usize, write: W) {
        self.units[unit].orders += 1;
        self.writes.push_back((unit, write));
        self.touch(unit);
    }
    /// How much waits to be written.
    pub fn waiting(&self) -> usize {
        self.writes.len()
    }
    /// What has waited longest to be written.
    pub fn oldest(&self) -> Option<&W> {
        self.writes.front().map(|(_, write)| write)
    }
    /// Takes back what was not yet sent (superseded, cancelled, unit dead). One in flight is never taken back.
    pub fn withdraw(&mut self, mut which: impl FnMut(usize, &W) -> bool) -> Vec<W> {
        let mut out = vec![];
        for (unit, write) in std::mem::take(&mut self.writes) {
            if which(unit, &write) {
                self.units[unit].orders -= 1;
                self.touch(unit);
                out.push(write);
            } else {
                self.writes.push_back((unit, write));
            }
        }
        out
    }

    /// What is to be started now, if anything.
    pub fn next(&mut self, now: Instant, limits: Limits) -> Option<Work<R, W>> {
        self.lanes = u32::try_from(limits.in_flight).unwrap_or(u32::MAX).max(1);
        self.nameless = limits.nameless;
        self.set_slots(limits.attached.map(|slots| slots.max(1)));
        if self.in_flight >= self.lanes as usize {
            return None;
        }
        self.make_room(now);
        let work = self.choose(now, limits.per_unit.max(1))?;
        self.in_flight += 1;
        let unit = &mut self.units[work.unit()];
        unit.in_flight += 1;
        match &work {
            Work::Detach { .. } => unit.phase = Phase::Detaching,
            Work::Attach { .. } => unit.begin_attach(),
            Work::Write { .. } => unit.orders -= 1,
            Work::Read { .. } => {}
        }
        self.probing |= work.probe();
        self.touch(work.unit());
        Some(work)
    }
    /// Keeps a unit in the right orders after anything happened to it.
    fn touch(&mut self, unit: usize) {
        let u = &mut self.units[unit];
        if u.vacant || ((self.slots.is_none() || u.is_slotless()) && u.rests()) {
            self.active.remove(&unit);
        } else {
            self.active.insert(unit, ());
        }
        let next = u.next_poll();
        if next == u.listed {
            return;
        }
        if let Some(at) = std::mem::replace(&mut u.listed, next) {
            self.due.remove(&(at, unit));
        }
        if let Some(at) = next {
            self.due.insert((at, unit), ());
        }
    }
    fn actives(&self) -> impl Iterator<Item = (usize, &Unit<R>)> {
        self.active.keys().map(|unit| (*unit, &self.units[*unit]))
    }
    /// A unit that leaves goes first (others wait for its place), then writes, then attach or read by deadline.
    fn choose(&mut self, now: Instant, per_unit: usize) -> Option<Work<R, W>> {
        if let Some((unit, _)) = self.actives().find(|(_, u)| u.may_detach()) {
            return Some(Work::Detach { unit });
        }
        let may_write = self.streak < WRITE_STREAK;
        let can_write = self.writes.iter().position(|(u, _)| self.units[*u].takes_writes(per_unit, now));
        let slot_free = self.slot_free();
        let ready = self.actives().filter(|(_, u)| u.in_flight < per_unit && self.allowed(u, now));
        let next = ready.filter_map(|(i, u)| match u.phase {
            Phase::Detached if slot_free || u.is_slotless() => {
                let since = u.waiting_since(now, self.is_scarce(u))?;
                Some((u.orders == 0 || !may_write, since, i, true))
            }
            Phase::Attached if !u.leaving && !u.down => {
                u.ready.front().map(|(deadline, _)| (true, *deadline, i, false))
            }
            _ => None,
        });
        let next = next.min();
        if let Some(at) = can_write.filter(|_| may_write || next.is_none()) {
            self.streak += 1;
            let (unit, write) = self.writes.remove(at)?;
            return Some(Work::Write { unit, write });
        }
        let (plain, _, unit, attach) = next?;
        self.streak = if plain { 0 } else { self.streak + 1 }; // an attach for a write's sake counts as one
        let probe = self.units[unit].probing();
        if attach {
            let waited = self.is_scarce(&self.units[unit]).then(|| self.units[unit].waited(now, self.probe_after));
            return Some(Work::Attach { unit, probe, waited });
        }
        Some(Work::Read { unit, exchange: self.units[unit].pop()?, probe })
    }
    fn allowed(&self, unit: &Unit<R>, now: Instant) -> bool {
        let probe = || !unit.probing() || (!self.probing && now >= self.probe_after);
        now >= unit.quiet_until && (unit.fails == 0 || (now >= unit.not_before && probe()))
    }
    /// Returns true when the unit's health turned (probing or not).
    pub fn done(&mut self, work: &Work<R, W>, outcome: Outcome, started: Instant, now: Instant) -> bool {
        self.release(work);
        let unit = &mut self.units[work.unit()];
        let was = unit.probing();
        if self.nameless && outcome == Outcome::Device {
            unit.quiet(now);
        }
        match work {
            Work::Detach { .. } => unit.detached(now),
            Work::Attach { .. } => unit.attach_ended(outcome, now - started, now),
            Work::Read { .. } | Work::Write { .. } => unit.exchange_ended(outcome, now - started, now),
        }
        if let (Work::Read { exchange, .. }, Outcome::Point) = (work, outcome) {
            unit.refused(&exchange.points, now);
        }
        let probing = unit.probing();
        if outcome == Outcome::Device && probing {
            let cost = std::mem::take(&mut unit.spent);
            self.probe_after = self.probe_after.max(now + cost * PROBE_SHARE / self.lanes); // of all lanes' time
        }
        self.touch(work.unit());
        was != probing
    }
    /// The unit is to be replaced: what its exchange said does not count, only the lanes are freed.
    pub fn abandon(&mut self, work: &Work<R, W>, outcome: Outcome, now: Instant) {
        self.release(work);
        let unit = &mut self.units[work.unit()];
        if self.nameless && outcome == Outcome::Device {
            unit.quiet(now);
        }
        match work {
            // `leaving` stands: detached next
            Work::Attach { .. } if outcome != Outcome::Device => unit.phase = Phase::Attached,
            Work::Attach { .. } | Work::Detach { .. } => unit.detached(now),
            Work::Read { .. } | Work::Write { .. } => {}
        }
        self.touch(work.unit());
    }
    fn release(&mut self, work: &Work<R, W>) {
        self.in_flight -= 1;
        if work.probe() {
            self.probing = false;
        }
        self.units[work.unit()].in_flight -= 1;
    }
    /// Removed or changed: detached as soon as nothing of it is under way.
    pub fn leave(&mut self, unit: usize) {
        self.units[unit].leave();
        self.touch(unit);
    }
    /// Detached, and nothing of it under way.
    pub fn is_out(&self, unit: usize) -> bool {
        let u = &self.units[unit];
        u.phase == Phase::Detached && u.in_flight == 0
    }
    /// The device was said to be gone, or to be back.
    pub fn said(&mut self, unit: usize, up: bool, now: Instant) {
        if up {
            self.units[unit].said_up(now);
        } else {
            let radio = self.is_scarce(&self.units[unit]);
            self.units[unit].said_down(radio, now);
        }
        self.touch(unit);
    }
    /// When to ask again if nothing else happens.
    pub fn wake(&self, now: Instant) -> Option<Instant> {
        let scarce = self.slots.is_some();
        let decisions = self.actives().flat_map(|(_, u)| u.wakes(self.probe_after, scarce)).flatten();
        let due = self.due.keys().next().map(|(at, _)| *at);
        decisions.chain(due).filter(|t| *t > now).min()
    }
}
