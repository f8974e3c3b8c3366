//! Commands: taken, refused, or put in the queue.
use super::{
    Command, DeviceKey, Engine, Order, Write,
    command::{Answer, What},
};
use crate::{Cx, ErrorKind, Instant, PointFault, Protocol, Written};
use std::{sync::Arc, time::Duration};

/// What a write or a call waits for its turn, and then is not sent.
const QUEUED: Duration = Duration::from_secs(10);
/// Writes and calls that wait at once on one link.
const WAITING: usize = 4096;

impl<P: Protocol> Engine<P> {
    /// True: the link has to be dialled anew.
    pub(super) fn command(&mut self, command: Command<P>, cx: &mut Arc<Cx>, closed: Option<&PointFault>) -> bool {
        match command {
            Command::Apply { spec, reply } => {
                let answer = self.add(&spec);
                reply.send(answer).ok(); // who asked may have left
                self.flush();
            }
            Command::Remove { device, reply } => {
                self.remove(device, reply);
                self.flush();
            }
            Command::Write(write) => self.take_write(write, closed),
            Command::Withdraw { device, reply } => {
                self.withdraw(device);
                reply.send(()).ok(); // who asked may have left
            }
            Command::Call { device, call, reply } => {
                let what = What::Call { call, answer: Answer::new(reply) };
                self.accept(self.find(device), what, closed);
            }
            Command::ReadNow { device, points, reply } => self.ask(device, &points, reply, closed),
            Command::Recall { device, kept } => drop(self.kept.insert(device, kept)),
            Command::Forget { device } => self.forget(device),
            Command::Context(new) => {
                let rotated = new.rotation != cx.rotation;
                *cx = new;
                return rotated;
            }
        }
        false
    }
    fn take_write(&mut self, Write { device, values, reply }: Write, closed: Option<&PointFault>) {
        let device = self.find(device);
        let tally = device.and_then(|d| self.tally(d));
        let mut written = Written::answering(values.len(), reply, tally.into_iter().flatten());
        let slots = device.and_then(|d| self.held(d)).map_or(0, |held| held.slots as usize);
        let mut known = true;
        for (i, _) in values.iter().enumerate().filter(|(_, (point, _))| *point >= slots) {
            written.refused(i, PointFault::new(ErrorKind::Config, "no such point"));
            known = false;
        }
        let group = PointFault::new(ErrorKind::Config, "another value of its group was refused");
        let closed = if known { closed } else { Some(&group) };
        self.accept(device, What::Write { values, written }, closed);
    }
    fn accept(&mut self, device: Option<usize>, what: What, closed: Option<&PointFault>) {
        let now = Instant::now();
        let order = Order { expires: now + QUEUED, what };
        let config = |text| PointFault::new(ErrorKind::Config, text);
        if let Some(why) = closed {
            return order.not_sent(why.clone());
        }
        let Some(device) = device else { return order.not_sent(config("no such device")) };
        if self.held(device).is_none_or(|held| matches!(held.next, Some(super::held::Next::Nothing))) {
            return order.not_sent(config("the device was removed"));
        }
        if self.arbiter.probing(device) || self.arbiter.said_down(device) {
            return order.not_sent(PointFault::new(ErrorKind::Unreachable, "device down"));
        }
        if let What::Write { values, .. } = &order.what {
            for old in self.arbiter.withdraw(|d, old| d == device && old.superseded_by(values)) {
                old.not_sent(PointFault::new(ErrorKind::Other, "superseded by a later write"));
            }
        }
        if self.arbiter.waiting() >= WAITING {
            return order.not_sent(PointFault::new(ErrorKind::Other, "too many writes wait on this link"));
        }
        self.arbiter.write(device, order);
    }
    /// What waits to be written is not what is wanted any more.
    fn withdraw(&mut self, key: DeviceKey) {
        let Some(device) = self.find(key) else { return };
        for order in self.arbiter.withdraw(|d, _| d == device) {
            order.not_sent(PointFault::new(ErrorKind::Config, "the device was configured anew meanwhile"));
        }
    }
    /// What has waited too long is answered. Returns when to look again.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Instant> {
        if self.arbiter.oldest().is_some_and(|order| order.expires <= now) {
            for order in self.arbiter.withdraw(|_, order| order.expires <= now) {
                order.not_sent(PointFault::new(ErrorKind::Timeout, "its turn did not come in 10 s"));
            }
        }
        let asks = self.expire_asks(now);
        [self.arbiter.oldest().map(|order| order.expires), asks].into_iter().flatten().min()
    }
    /// Nothing more is sent.
    pub(super) fn close(&mut self, why: &PointFault) {
        for order in self.arbiter.withdraw(|_, _| true) {
            order.not_sent(why.clone());
        }
        self.refuse_asks(|_| true, why);
    }
}
