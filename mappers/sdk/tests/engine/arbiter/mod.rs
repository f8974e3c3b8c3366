//! The arbiter by itself: virtual time, no runtime, no engine.
mod cycles;
mod laws;
mod nameless;
mod slots;

use pollux_mapper::*;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

pub fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}
/// Points 0, 1, 2 … at these intervals, in milliseconds.
pub fn plan(intervals: &[u64], phase: u64) -> Plan {
    let group = |(point, every): (u32, &u64)| (Interval::Every(ms(*every)), vec![point]);
    Plan {
        groups: (0..).zip(intervals).map(group).collect(),
        offline_after: 3,
        phase,
        timeout: ms(1_000),
        ..Plan::default()
    }
}

/// One exchange as it went.
#[derive(Debug, Clone, PartialEq)]
pub struct Went {
    pub unit: usize,
    pub began: Instant,
    pub ended: Instant,
    pub groups: Vec<u32>,
    pub outcome: Outcome,
    pub probe: bool,
}

/// A link with one request at a time and a clock of its own. To be attached costs nothing.
pub struct Sim {
    pub arbiter: Arbiter<Vec<u32>, u32>,
    pub start: Instant,
    pub now: Instant,
    pub limits: Limits,
    pub went: Vec<Went>,
    /// When each write was begun.
    pub written: Vec<(Instant, usize, u32)>,
    /// When each was attached, and how long it had waited for a slot.
    pub attached: Vec<(Instant, usize, Option<Duration>)>,
    /// What it costs to be detached.
    pub detaching: Duration,
    /// These cannot be attached, which takes half a second to find out.
    pub absent: BTreeSet<usize>,
    pub missed: BTreeMap<usize, u64>,
    /// By unit, the deadlines of what waits.
    pub ready: BTreeMap<usize, VecDeque<Instant>>,
    due: Vec<u32>,
}

impl Sim {
    pub fn new(limits: Limits, plans: impl IntoIterator<Item = Plan>) -> Self {
        let start = Instant::now();
        let mut arbiter = Arbiter::new(start);
        for plan in plans {
            arbiter.add(plan, start);
        }
        let (went, written, attached, absent, missed, ready, due) = Default::default();
        let detaching = Duration::ZERO;
        Self { arbiter, start, now: start, limits, went, written, attached, detaching, absent, missed, ready, due }
    }
    pub fn at(&self, n: u64) -> Instant {
        self.start + ms(n)
    }
    fn schedule(&mut self) {
        while let Some((unit, deadline, missed)) = self.arbiter.due(self.now, &mut self.due) {
            *self.missed.entry(unit).or_default() += missed;
            let Some(deadline) = deadline else { continue };
            let exchange = Arc::new(Exchange {
                points: self.due.iter().map(|group| *group as usize).collect(),
                request: self.due.clone(),
            });
            self.arbiter.queue(unit, deadline, [exchange].into_iter());
            self.ready.entry(unit).or_default().push_back(deadline);
        }
    }
    /// Until then. `answer`: what a request to a unit takes, and how it ends. `late`: how much later than asked for it looks at
    /// the clock.
    pub fn run(
        &mut self,
        until: Instant,
        mut answer: impl FnMut(usize, Instant) -> (Duration, Outcome),
        mut late: impl FnMut() -> Duration,
    ) {
        while self.now < until {
            self.schedule();
            let Some(work) = self.arbiter.next(self.now, self.limits) else {
                let wake = self.arbiter.wake(self.now).map_or(until, |wake| wake + late());
                assert!(wake > self.now, "it spins");
                self.now = wake.min(until);
                continue;
            };
            self.carry_out(&work, &mut answer);
        }
    }
    fn carry_out(
        &mut self,
        work: &Work<Vec<u32>, u32>,
        answer: &mut impl FnMut(usize, Instant) -> (Duration, Outcome),
    ) {
        let (began, unit) = (self.now, work.unit());
        let (cost, outcome) = match work {
            Work::Attach { unit, .. } if self.absent.contains(unit) => (ms(500), Outcome::Device),
            Work::Attach { .. } => (Duration::ZERO, Outcome::Ok),
            Work::Detach { .. } => (self.detaching, Outcome::Ok),
            Work::Read { .. } | Work::Write { .. } => answer(unit, began),
        };
        self.now += cost;
        match work {
            Work::Read { exchange, probe, .. } => {
                self.first_in_time(unit);
                let (groups, ended, probe) = (exchange.request.clone(), self.now, *probe);
                self.went.push(Went { unit, began, ended, groups, outcome, probe });
            }
            Work::Write { write, .. } => self.written.push((began, unit, *write)),
            Work::Attach { waited, .. } => self.attached.push((began, unit, *waited)),
            Work::Detach { .. } => {}
        }
        if outcome == Outcome::Device {
            self.ready.remove(&unit);
        }
        self.arbiter.done(work, outcome, began, self.now);
    }
    /// Earliest deadline first, among those that may be asked at all.
    fn first_in_time(&mut self, unit: usize) {
        let chosen = self.ready.get_mut(&unit).and_then(VecDeque::pop_front).expect("it was queued");
        let others = self.ready.iter().filter(|(other, _)| self.arbiter.fails(**other) == 0 && **other != unit);
        for (other, deadlines) in others {
            let waits = deadlines.front().filter(|_| self.arbiter.is_attached(*other));
            assert!(waits.is_none_or(|deadline| chosen <= *deadline), "unit {other} was to be asked before {unit}");
        }
    }
    pub fn of(&self, unit: usize) -> impl Iterator<Item = &Went> {
        self.went.iter().filter(move |went| went.unit == unit)
    }
}

pub fn on_time() -> Duration {
    Duration::ZERO
}
pub fn answers(_: usize, _: Instant) -> (Duration, Outcome) {
    (ms(10), Outcome::Ok)
}

/// Ten dead units, each probe costs a second.
#[test]
fn probes_take_at_most_five_per_cent_of_a_bus() {
    let mut sim = Sim::new(Limits::default(), (0..10).map(|_| plan(&[1_000], 0)));
    sim.run(sim.at(10_000_000), |_, _| (ms(1_000), Outcome::Device), on_time);
    let warm = sim.at(100_000);
    let spent: Duration = sim.went.iter().filter(|w| w.began > warm).map(|w| w.ended - w.began).sum();
    assert!(spent <= ms(501_000) && spent >= ms(400_000), "{spent:?} of 9,900 s");
}
