//! The life of one link: what is started, and when.
use super::{Engine, Io, Order, command::What, devices::TIMEOUT};
use crate::{
    Call, Done, ErrorKind, Exchange, Fault, Instant, Job, Limits, Link, LinkCounters, PointFault, Port, Protocol,
    Samples,
    arbiter::Work,
    port::{Cell, Mail, Part},
};
use futures_util::{
    FutureExt as _,
    future::{Either, Ready, ready},
    stream::{FuturesUnordered, StreamExt},
};
use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::time::{sleep_until, timeout_at};

const GRACE: Duration = Duration::from_millis(500);
const SHORTEST: Duration = Duration::from_millis(20);
/// Last words to the other end.
pub(crate) const FAREWELL: Duration = Duration::from_secs(3);
/// What may be under way has to end when the engine stops.
pub(crate) const DRAIN: Duration = Duration::from_secs(5);

/// How a piece of work ended. None: the driver overran its time.
pub(super) struct Finished<P: Protocol> {
    pub work: Work<P::Request, Order>,
    pub started: Instant,
    pub sequence: u64,
    pub epoch: u32,
    pub samples: Samples,
    pub result: Option<Result<Done, Fault<P::Error>>>,
}

/// Why a link is given up.
pub(super) enum End {
    Stop,
    Rotated,
    Dead(PointFault),
}

/// To the other end, that nobody comes back to what it keeps of this link. It may be gone: then that is by its own time-outs.
pub(super) async fn farewell<P: Protocol>(link: &P::Link) {
    tokio::time::timeout(FAREWELL, link.close()).await.ok();
}

impl<P: Protocol> Engine<P> {
    /// All futures borrow `link` and are dropped before it; what they carried answers then.
    pub(super) async fn session(&mut self, link: &P::Link, io: &mut Io<P>) -> End {
        self.arbiter.relink(Instant::now());
        (0..self.devices.len()).for_each(|device| self.succeed(device));
        self.meter_starts();
        let mut pump = pin!(link.run());
        let (mut flying, inbox) = (FuturesUnordered::new(), self.inbox.clone());
        // Registered once, and not in every round.
        let mut room = pin!(self.status.emptied());
        let (mut mail, mut stopped) = (pin!(inbox.some()), pin!(io.stop.cancelled()));
        let mut alarm = pin!(sleep_until(Instant::now()));
        let (mut closing, mut told) = (None::<(End, Instant)>, (0, LinkCounters::default()));
        loop {
            if closing.is_none() && io.stop.is_cancelled() {
                closing = Some(self.shut(End::Stop)); // looked at before anything is started
            }
            let mut wake = closing.as_ref().map(|(_, until)| *until);
            if closing.is_none() {
                let limits = link.limits();
                let looked = loop {
                    let now = Instant::now();
                    let Some(work) = self.next(limits, now) else { break now };
                    flying.push(begun(Box::pin(self.start(link, work, limits.bus)))); // the set keeps room for one more
                };
                wake = self.wake(looked);
            } else if flying.is_empty() || wake.is_some_and(|until| until <= Instant::now()) {
                break;
            }
            self.busy(!flying.is_empty());
            self.link_counts(link, &mut told);
            self.stands(flying.len());
            let wake = wake.into_iter().chain(self.tell_soon()).min();
            if let Some(until) = wake
                && alarm.deadline() != until
            {
                alarm.as_mut().reset(until);
            }
            tokio::select! { // not biased: a flood on one branch must not starve the others
                error = &mut pump => return dead(closing, Fault::Link(error).to_point()),
                Some(finished) = flying.next(), if !flying.is_empty() => {
                    self.drain(); // what `attach` said counts before its end does
                    if let Some(fault) = self.finish(finished) { return dead(closing, fault) }
                    self.measure();
                },
                () = &mut mail => {
                    mail.set(inbox.some());
                    self.drain();
                },
                () = &mut room => room.set(self.status.emptied()),
                () = &mut stopped, if closing.is_none() => closing = Some(self.shut(End::Stop)),
                command = io.commands.recv(), if closing.is_none() => match command {
                    None => closing = Some(self.shut(End::Stop)),
                    Some(command) => if self.command(*command, &mut io.cx, None) { closing = Some(self.shut(End::Rotated)) },
                },
                () = &mut alarm, if wake.is_some() => {}
            }
        }
        self.busy(false);
        closing.map_or(End::Stop, |(end, _)| end)
    }
    /// Nothing new starts, what is under way ends.
    fn shut(&mut self, end: End) -> (End, Instant) {
        if matches!(end, End::Stop) {
            self.close(&PointFault::new(ErrorKind::Other, "shutting down"));
        }
        (end, Instant::now() + DRAIN)
    }
    /// When there is something to do that was not yet to be done at `looked`, the last look. By a later clock what has come due since would
    /// be neither done nor waited for.
    fn wake(&mut self, looked: Instant) -> Option<Instant> {
        let expiry = self.expire(looked);
        self.arbiter.wake(looked).into_iter().chain(expiry).min()
    }
    fn next(&mut self, limits: Limits, now: Instant) -> Option<Work<P::Request, Order>> {
        self.expire(now);
        self.schedule(now);
        self.arbiter.next(now, limits)
    }
    fn schedule(&mut self, now: Instant) {
        let mut due = std::mem::take(&mut self.due);
        while let Some((unit, deadline, missed)) = self.arbiter.due(now, &mut due) {
            let (arbiter, protocol) = (&self.arbiter, &self.protocol);
            let Some(held) = self.devices.get_mut(unit).and_then(Option::as_mut) else { continue };
            held.counters.missed.add(missed);
            self.stats.total.missed.add(missed);
            let Some(deadline) = deadline else { continue };
            let plan = held.plans.get(&due, || {
                let mut points: Vec<usize> = due.iter().flat_map(|g| arbiter.group(unit, *g)).collect();
                points.sort_unstable();
                protocol.plan(&held.unit, &points)
            });
            self.arbiter.queue(unit, deadline, plan.iter().cloned());
        }
        self.due = due;
    }
    /// On a bus all wait for one that is silent. A suspect whose own answers were timed gets 4 x its slowest; one never
    /// heard gets its whole time-out, or a slow device could never come up. Every fourth probe gets it too: a device may
    /// have become slow.
    fn patience(&self, work: &Work<P::Request, Order>, bus: bool) -> Duration {
        let unit = work.unit();
        let Some(held) = self.held(unit) else { return SHORTEST };
        let full_probe = self.arbiter.probing(unit) && self.arbiter.probes(unit) % 4 == 3;
        let suspect = matches!(work, Work::Read { .. }) && self.arbiter.fails(unit) > 0 && !full_probe;
        let whole = self.protocol.patience(&held.unit, job(work), held.timeout).clamp(held.timeout, TIMEOUT.1);
        if let Job::Call(Call { timeout: Some(granted), .. }) = job(work) {
            return (*granted).clamp(SHORTEST, TIMEOUT.1);
        }
        match held.slowest {
            Some(slowest) if bus && suspect => whole.min((slowest * 4).max(SHORTEST)),
            _ => whole,
        }
    }
    fn start<'l>(
        &mut self,
        link: &'l P::Link,
        mut work: Work<P::Request, Order>,
        bus: bool,
    ) -> impl Future<Output = Finished<P>> + Send + use<'l, P> {
        let (started, patience, attach) =
            (Instant::now(), self.patience(&work, bus), matches!(work, Work::Attach { .. }));
        let epoch = if attach { self.next_epoch() } else { 0 };
        self.sequence += 1;
        let (sequence, inbox) = (self.sequence, self.inbox.clone());
        let mut samples = self.pool.take();
        let unit = u32::try_from(work.unit()).unwrap_or(u32::MAX); // never more units than rows
        let held = self.devices[work.unit()].as_mut().expect("a unit of the arbiter is a device");
        if attach {
            held.epoch = epoch;
            held.plan_anew();
            held.events.values_mut().for_each(|comes| *comes = false);
        }
        if let Work::Attach { waited: Some(waited), .. } = &work {
            let waited = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
            for (turns, wait) in
                [(&self.stats.turns, &self.stats.waited), (&held.counters.turns, &held.counters.waited)]
            {
                turns.add(1);
                wait.add(waited);
            }
        }
        let (epoch, until) = (held.epoch, started + patience);
        let port = Port { unit, epoch, base: held.base.0, slots: held.slots, inbox };
        let unit = held.unit.clone();
        async move {
            let exchange = async {
                match &mut work {
                    Work::Attach { .. } => link.attach(&unit, port, until).await.map(|()| Done::Ok),
                    Work::Detach { .. } => {
                        link.detach(&unit, until).await;
                        Ok(Done::Ok)
                    }
                    Work::Read { exchange, .. } => link.read(&unit, exchange, until, &mut samples).await,
                    Work::Write { write, .. } => write.carry_out::<P>(link, &unit, until).await.map(|()| Done::Ok),
                }
            };
            let result = timeout_at(until + GRACE, exchange).await.ok();
            Finished { work, started, sequence, epoch, samples, result }
        }
    }
    /// What is under way and what waits, for metrics.
    fn stands(&self, flying: usize) {
        let (slots, used) = self.arbiter.slots().unwrap_or_default();
        let stats = &self.stats;
        let now = [(&stats.in_flight, flying), (&stats.waiting_writes, self.arbiter.waiting())];
        for (counter, value) in now.into_iter().chain([(&stats.slots, slots), (&stats.slots_used, used)]) {
            counter.set(value as u64);
        }
    }
    /// What the link counted since it was asked last.
    fn link_counts(&self, link: &P::Link, (late, told): &mut (u64, LinkCounters)) {
        let so_far = link.late_answers();
        self.stats.late_answers.add(so_far.saturating_sub(std::mem::replace(late, so_far)));
        let counted = link.counters();
        self.stats.healed.add(counted.healed.saturating_sub(told.healed));
        self.stats.samples_lost.add(counted.samples_lost.saturating_sub(told.samples_lost));
        *told = counted;
    }
    /// Takes what was pushed.
    pub(super) fn drain(&mut self) {
        let mut mail = std::mem::take(&mut self.mail);
        if self.inbox.take(&mut mail) {
            self.take_in(&mut mail);
        }
        self.mail = mail;
    }
    fn take_in(&mut self, mail: &mut Mail) {
        self.stats.lost_pushes.add(std::mem::take(&mut mail.lost));
        let now = self.columns.now();
        let (mut from, mut others, mut learned) = (0, mail.others.drain(..), vec![]);
        for Part { unit, epoch, numbers: end, others: count } in mail.parts.drain(..) {
            let numbers = mail.numbers.get(from..end).unwrap_or_default();
            let mut first = from;
            from = end;
            let mut others = others.by_ref().take(count);
            let device = unit as usize;
            let Some(held) = self.devices.get_mut(device).and_then(Option::as_mut).filter(|held| held.epoch == epoch)
            else {
                others.for_each(drop); // what an outdated port said
                continue;
            };
            self.stats.pushes.add((numbers.len() + count) as u64);
            let watched = !held.watched.is_empty();
            let mut confirmed = false;
            let mut rest = numbers;
            loop {
                let other = others.next();
                let end = other.as_ref().map_or(end, |other| other.after);
                let (before, after) = rest.split_at_checked(end.saturating_sub(first)).unwrap_or((rest, &[]));
                (rest, first) = (after, end.max(first));
                if watched {
                    // Each by itself: what was there for a moment only counts too.
                    for number in before {
                        self.columns.ingest(*number, now, &mut self.changes);
                        let point = number.slot.0.wrapping_sub(held.base.0);
                        confirmed |= held.confirm(point, u64::MAX, self.columns.reading(number.slot));
                    }
                } else {
                    self.columns.ingest_all(before.iter().copied(), now, &mut self.changes);
                }
                let Some(other) = other else { break };
                let slot = other.slot;
                self.columns.ingest_other(other, now, &mut self.changes);
                if watched {
                    confirmed |= held.confirm(slot.0.wrapping_sub(held.base.0), u64::MAX, self.columns.reading(slot));
                }
            }
            if confirmed {
                self.untold.insert(device);
            }
            if self.protocol.generation(&held.unit) != held.version {
                learned.push(device); // by what was pushed
            }
        }
        drop(others);
        mail.numbers.clear();
        for (unit, cell) in std::mem::take(&mut mail.cells) {
            self.heed(unit as usize, cell);
        }
        for device in learned {
            self.look_at_known(device, false);
        }
        self.pass_on();
    }
    /// The newest word of an attachment.
    fn heed(&mut self, device: usize, cell: Cell) {
        let Some(held) = self.held_mut(device).filter(|d| d.epoch == cell.epoch) else { return };
        if !(cell.pushes.is_empty() && cell.polls.is_empty() && cell.hears.is_empty()) {
            held.plan_anew();
        }
        let base = held.base.0;
        for slot in cell.pushes {
            self.arbiter.unschedule(device, slot.0.wrapping_sub(base));
            self.event_comes(device, slot, true);
        }
        for slot in cell.hears {
            self.arbiter.overhear(device, slot.0.wrapping_sub(base));
            self.event_comes(device, slot, true);
        }
        for slot in cell.polls {
            self.arbiter.reschedule(device, slot.0.wrapping_sub(base), Instant::now());
            self.event_comes(device, slot, false);
        }
        self.columns.alive(cell.alive.into_iter());
        match cell.said {
            None => {}
            Some(Ok(())) => {
                self.arbiter.said(device, true, Instant::now());
                self.judge(device, true, &PointFault::new(ErrorKind::Unreachable, ""));
            }
            Some(Err(reason)) => self.gone(device, &PointFault::new(ErrorKind::Unreachable, reason)),
        }
        if let Some(reason) = cell.over.filter(|_| !self.arbiter.over(device)) {
            self.gone(device, &PointFault::new(ErrorKind::Unreachable, reason));
        }
    }
    fn gone(&mut self, device: usize, why: &PointFault) {
        self.arbiter.said(device, false, Instant::now());
        self.health(device, Some(why));
        self.refuse_asks(|d| d == device, why);
        for order in self.arbiter.withdraw(|u, _| u == device) {
            order.not_sent(why.clone());
        }
    }
    /// Exchanges for these points, whatever their intervals.
    pub(super) fn plan(&self, device: usize, points: &[usize]) -> Vec<Arc<Exchange<P::Request>>> {
        let Some(held) = self.held(device).filter(|_| !points.is_empty()) else { return vec![] };
        self.protocol.plan(&held.unit, points).into_iter().map(Arc::new).collect()
    }
}

/// Its request leaves now, and not when the answers that are already here have been taken in. Nobody is woken by this look: the set
/// looks at what is new to it anyway.
fn begun<F: Future + Unpin>(mut work: F) -> Either<F, Box<Ready<F::Output>>> {
    match work.poll_unpin(&mut Context::from_waker(Waker::noop())) {
        Poll::Pending => Either::Left(work),
        Poll::Ready(end) => Either::Right(Box::new(ready(end))), // seldom, and large: each that is under way would have its room
    }
}

/// What a driver is asked about.
fn job<R>(work: &Work<R, Order>) -> Job<'_, R> {
    match work {
        Work::Attach { .. } => Job::Attach,
        Work::Detach { .. } => Job::Detach,
        Work::Read { exchange, .. } => Job::Read(exchange),
        Work::Write { write: Order { what: What::Write { values, .. }, .. }, .. } => Job::Write(values),
        Work::Write { write: Order { what: What::Call { call, .. }, .. }, .. } => Job::Call(call),
    }
}

/// A link that dies while it is given up has been given up.
fn dead(closing: Option<(End, Instant)>, fault: PointFault) -> End {
    closing.map_or(End::Dead(fault), |(end, _)| end)
}
