//! What the end of an exchange means: for its points, its unit, its caller.
use super::{Engine, Order, command::What, session::Finished};
use crate::{
    Done, ErrorKind, Fault, Instant, PointFault, Protocol, Samples, Slot,
    arbiter::{Outcome, Work},
};
use std::time::Duration;

const REPLANS: u32 = 64; // in a row: a driver that never stops asking is not followed for ever

/// The words of a fault, and how far it reaches.
struct Verdict {
    outcome: Outcome,
    fault: Option<PointFault>,
    replan: bool,
}

impl<P: Protocol> Engine<P> {
    /// Some: the link is dead.
    pub(super) fn finish(&mut self, f: Finished<P>) -> Option<PointFault> {
        let (now, Finished { mut work, started, sequence, epoch, mut samples, result }) = (Instant::now(), f);
        let verdict = match judge(result) {
            Ok(verdict) => verdict,
            Err(why) => {
                self.count(&work, Err(why.kind));
                if let Work::Write { write, .. } = &mut work {
                    write.because(why.clone());
                }
                return Some(why);
            }
        };
        let device = work.unit();
        let write = matches!(work, Work::Write { .. });
        let current = self.held(device).is_some_and(|held| held.next.is_none() && (held.epoch == epoch || write));
        if current {
            self.settle(&work, &verdict, &mut samples, (started, sequence), now);
            let attached = matches!(work, Work::Attach { .. }) && verdict.outcome != Outcome::Device;
            self.look_at_known(device, attached || verdict.replan);
        } else {
            self.arbiter.abandon(&work, verdict.outcome, now);
            self.succeed(device);
        }
        samples.clear();
        self.pool.push(samples);
        answer(work, verdict);
        self.pass_on();
        None
    }
    fn settle(
        &mut self,
        work: &Work<P::Request, Order>,
        verdict: &Verdict,
        samples: &mut Samples,
        (started, sequence): (Instant, u64),
        now: Instant,
    ) {
        let device = work.unit();
        if let (Work::Read { exchange, .. }, Outcome::Ok) = (work, verdict.outcome) {
            self.timed(device, now - started);
            if !verdict.replan {
                self.paced(device, exchange, now - started);
            }
        }
        self.count(
            work,
            verdict.fault.as_ref().map_or(Ok(verdict), |f| match verdict.outcome {
                Outcome::Device => Err(f.kind),
                Outcome::Ok | Outcome::Point => Ok(verdict),
            }),
        );
        self.ingest(work, verdict.fault.as_ref(), samples, sequence);
        let turned = self.arbiter.done(work, verdict.outcome, started, now);
        self.after(work, verdict, turned);
        self.again(work, verdict, now);
        match work {
            Work::Read { exchange, .. } if verdict.outcome != Outcome::Device && !verdict.replan => {
                self.confirm(device, &exchange.points, sequence);
                self.was_read(device, &exchange.points, sequence);
            }
            Work::Attach { .. } if verdict.outcome != Outcome::Device => {
                self.miss_events(device);
                self.plan_asks(device);
            }
            Work::Detach { .. } => self.postpone_asks(device),
            Work::Attach { .. } | Work::Read { .. } | Work::Write { .. } => {}
        }
    }
    fn count(&self, work: &Work<P::Request, Order>, result: Result<&Verdict, ErrorKind>) {
        let Some(counters) = self.tally(work.unit()) else { return };
        for counters in counters {
            match result {
                Ok(_) if matches!(work, Work::Detach { .. }) => {}
                Ok(verdict) => {
                    counters.answered.add(1);
                    counters.refused.add(u64::from(verdict.outcome == Outcome::Point));
                }
                Err(kind) => counters.fail(kind),
            }
        }
    }
    fn timed(&mut self, device: usize, took: Duration) {
        let Some(held) = self.held_mut(device) else { return };
        held.slowest = Some(held.slowest.map_or(took, |s| took.max(s.mul_f64(1.0 - 1.0 / 64.0)))); // forgets slowly
    }
    fn ingest(
        &mut self,
        work: &Work<P::Request, Order>,
        fault: Option<&PointFault>,
        samples: &mut Samples,
        sequence: u64,
    ) {
        let now = self.columns.now();
        let alone = self.arbiter.in_flight(work.unit()) <= 1;
        let Some(held) = self.devices.get_mut(work.unit()).and_then(Option::as_mut) else { return };
        if let (Work::Read { exchange, .. }, false) = (work, alone) {
            held.was_read(&exchange.points, sequence);
        }
        // A driver's slip must not reach its neighbours.
        let overtaken = |slot: Slot| held.is_overtaken(slot, sequence);
        let events = &held.events; // what a reading finds of them did not happen
        let event = |slot: Slot| events.contains_key(&slot.0.wrapping_sub(held.base.0));
        let plain = held.read.is_empty() && events.is_empty(); // most devices
        let own = |slot: Slot| held.owns(slot) && (plain || !overtaken(slot) && !event(slot));
        if let (Work::Read { exchange, .. }, Some(fault)) = (work, fault) {
            for slot in exchange.points.iter().filter_map(|p| held.slot(*p)).filter(|slot| own(*slot)) {
                self.columns.fault(slot, fault.clone(), 0, now, &mut self.changes);
            }
        }
        let numbers = samples.numbers.drain(..).filter(|n| own(n.slot));
        self.columns.ingest_all(numbers, now, &mut self.changes);
        for s in samples.others.drain(..).filter(|s| own(s.slot)) {
            self.columns.ingest_other(s, now, &mut self.changes);
        }
        if alone {
            held.read.clear();
        }
    }
    fn after(&mut self, work: &Work<P::Request, Order>, verdict: &Verdict, turned: bool) {
        let device = work.unit();
        let heard = verdict.outcome != Outcome::Device
            && match work {
                Work::Detach { .. } => false,
                Work::Attach { .. } => !self.arbiter.polls(device), // it may have sent nothing
                Work::Read { .. } | Work::Write { .. } => true,
            };
        let silent = PointFault::new(ErrorKind::Timeout, "");
        let fault = verdict.fault.as_ref().unwrap_or(&silent);
        if verdict.outcome == Outcome::Device || heard {
            self.judge(device, heard, fault);
        }
        if verdict.outcome == Outcome::Device {
            self.refuse_asks(|d| d == device, fault);
        }
        if turned && self.arbiter.probing(device) {
            for order in self.arbiter.withdraw(|u, _| u == device) {
                order.not_sent(PointFault::new(fault.kind, format!("device down: {}", fault.text)));
            }
        }
    }
    /// Reads to be sent before anything else of this unit: what is planned anew, and what was written.
    fn again(&mut self, work: &Work<P::Request, Order>, verdict: &Verdict, now: Instant) {
        let (device, sequence) = (work.unit(), self.sequence);
        let Some(held) = self.held_mut(device) else { return };
        let points: Vec<usize> = match work {
            Work::Read { exchange, .. } if verdict.replan => {
                held.plan_anew();
                held.replans += 1;
                if held.replans > REPLANS {
                    return;
                }
                exchange.points.clone()
            }
            Work::Write { write: Order { what: What::Write { values, written }, .. }, .. } if written.touched() => {
                for (point, _) in values {
                    held.watch(*point, sequence);
                }
                if verdict.outcome == Outcome::Device {
                    return;
                }
                held.together(values.iter().map(|(point, _)| *point))
            }
            _ => {
                held.replans = 0;
                return;
            }
        };
        let exchanges = self.plan(device, &points);
        self.arbiter.queue_first(device, now, exchanges.into_iter());
    }
    /// Readings after a write are told, changed or not.
    fn confirm(&mut self, device: usize, points: &[usize], sequence: u64) {
        let columns = &self.columns;
        let Some(held) = self.devices.get_mut(device).and_then(Option::as_mut) else { return };
        if held.watched.is_empty() {
            return;
        }
        for point in points {
            let (Some(slot), Ok(point)) = (held.slot(*point), u32::try_from(*point)) else { continue };
            if held.confirm(point, sequence, columns.reading(slot)) {
                self.untold.insert(device);
            }
        }
    }
}

/// Err: the link is dead.
fn judge<E: crate::DriverError>(result: Option<Result<Done, Fault<E>>>) -> Result<Verdict, PointFault> {
    let (outcome, fault, replan) = match result {
        None => return Err(PointFault::new(ErrorKind::Timeout, "the driver overran its time: link dropped")),
        Some(Err(fault @ Fault::Link(_))) => return Err(fault.to_point()),
        Some(Err(fault @ Fault::Device(_))) => (Outcome::Device, Some(fault.to_point()), false),
        Some(Err(Fault::Point(fault))) => (Outcome::Point, Some(fault), false),
        Some(Ok(done)) => (Outcome::Ok, None, done == Done::Replan),
    };
    Ok(Verdict { outcome, fault, replan })
}

/// What was written answers when it is dropped here.
fn answer<R>(mut work: Work<R, Order>, verdict: Verdict) {
    let (Work::Write { write, .. }, Some(fault)) = (&mut work, verdict.fault) else { return };
    if let (What::Write { written, .. }, Outcome::Point) = (&mut write.what, verdict.outcome) {
        written.refuse_pending(&fault);
    }
    write.because(fault);
}
