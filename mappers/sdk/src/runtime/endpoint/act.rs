//! What a twin decides is done, and what came of it is told to the twin.
use super::{Attempts, Ended, Endpoint, ReadReply, Saved};
use crate::{
    Change, Command, ControlError, DeviceKey, ErrorKind, NotSent, PointFault, Protocol, Write, WriteReply, Wrote,
    twin::{Action, Now, Record},
};
use futures_util::FutureExt;
use std::time::Duration;
use tokio::sync::oneshot;

/// Rounds in which a twin may ask for something at one moment: it never needs more than two.
const ROUNDS: usize = 8;

impl<P: Protocol> Endpoint<P> {
    /// Lets the twin decide, does what it says, and publishes what is worth it.
    pub(super) fn settle(&mut self, key: DeviceKey) {
        self.decide(key);
        self.alarms.set(key, self.devices.get(&key).and_then(|driven| driven.twin.wake()));
    }
    fn decide(&mut self, key: DeviceKey) {
        for _ in 0..ROUNDS {
            let now = self.shared.clock.now();
            let Some(driven) = self.devices.get_mut(&key) else { return };
            let actions = driven.step(&self.shared.protocol, &self.shared.clock, now);
            if actions.is_empty() {
                break;
            }
            for action in actions {
                self.act(key, action, now);
            }
        }
        let now = self.shared.clock.now();
        let Some(driven) = self.devices.get_mut(&key).filter(|_| !self.stopping) else { return };
        if let Some(snapshot) = driven.twin.report(now) {
            self.shared.hub.publish(&driven.device, snapshot);
        }
    }
    fn act(&mut self, key: DeviceKey, action: Action, now: Now) {
        let Some(driven) = self.devices.get_mut(&key) else { return };
        match action {
            Action::Save { record } => {
                let uid = driven.device.uid.clone();
                self.save(key, &uid, record);
            }
            Action::Read { properties } => {
                let points: Vec<usize> = properties.iter().filter_map(|p| driven.points.point(*p)).collect();
                if !points.is_empty() {
                    self.read(key, points, None);
                }
            }
            Action::Write { ticket, values, record } => {
                driven.takes_off(ticket, values, now);
                let saved = self.saver.save(&driven.device.uid, record);
                self.waiting.push(saved.map(move |saved| Ended::OnRecord { key, ticket, saved }).boxed());
            }
        }
    }
    pub(super) fn save(&mut self, key: DeviceKey, uid: &str, record: Record) {
        self.saving(key, self.saver.keep(uid, record));
    }
    fn saving(&mut self, key: DeviceKey, mut attempts: Attempts) {
        let attempt = async move {
            match attempts.recv().await {
                Some(saved) => Ended::Saved { key, saved, again: attempts },
                None => Ended::Overtaken,
            }
        };
        self.waiting.push(attempt.boxed());
    }
    pub(super) fn read(&mut self, key: DeviceKey, points: Vec<usize>, answer: Option<ReadReply>) {
        let asked = self.shared.clock.now().mono;
        let (reply, result) = oneshot::channel();
        // Handed over now, for positions mean the layout of now; what does not fit is dropped, and says so.
        let busy = match self.engine.try_send(Box::new(Command::ReadNow { device: key, points, reply })) {
            Err(NotSent::Full(_)) => "the mapper is busy",
            _ => "shutting down",
        };
        let lost = move |_| Err(PointFault::new(ErrorKind::Unreachable, busy));
        let result = result.map(move |result| result.unwrap_or_else(lost));
        self.waiting.push(result.map(move |result| Ended::Read { key, asked, result, answer }).boxed());
    }

    pub(super) fn ended(&mut self, ended: Ended) {
        let now = self.shared.clock.now();
        match ended {
            Ended::Saved { key, saved, again } => self.saved(key, saved, again, now),
            Ended::Overtaken | Ended::Kept => {}
            Ended::OnRecord { key, ticket, saved: Ok(()) } => self.send(key, ticket, now),
            Ended::OnRecord { key, ticket, saved: Err(why) } => {
                if let Some(driven) = self.devices.get_mut(&key).or(self.leaving.get_mut(&key).map(|l| &mut l.driven)) {
                    driven.save_failed(ticket, &why, now);
                }
                self.landed(key);
            }
            Ended::Wrote { key, ticket, reply } => self.wrote(key, ticket, &reply, now),
            Ended::Silent(key) => self.silent(key),
            Ended::Read { key, asked, result, answer } => self.was_read(key, asked, result, answer, now),
        }
    }
    fn saved(&mut self, key: DeviceKey, saved: Saved, again: Attempts, now: Now) {
        if let Err(error) = &saved {
            tracing::error!(%error, "a record cannot be saved: what it acknowledges may be forgotten at the end");
            self.saving(key, again);
        }
        if let Some(driven) = self.devices.get_mut(&key).or(self.leaving.get_mut(&key).map(|l| &mut l.driven)) {
            driven.twin.saved(saved, now);
        }
        self.settle(key);
    }
    /// The record is on the disk. The write leaves if it is still what is wanted: between decision and disk the device may have
    /// been edited, taken away or switched, and the process told to stop.
    fn send(&mut self, key: DeviceKey, ticket: u64, now: Now) {
        let stopping = self.stopping || self.shared.stop.is_cancelled();
        let flight = self.devices.get(&key).and_then(|driven| driven.cleared()).filter(|f| f.ticket == ticket);
        let Some(flight) = flight.filter(|_| !stopping) else {
            if let Some(flight) = self.devices.get_mut(&key).and_then(|driven| driven.flight.as_mut()) {
                flight.withdrawn = true;
            }
            let why = if stopping { "shutting down" } else { "the device was configured anew meanwhile" };
            return self.wrote(key, ticket, &not_sent(why), now);
        };
        let (reply, answer) = oneshot::channel();
        let write = Write { device: key, values: flight.values.clone(), reply };
        // Handed over now, for positions mean the layout of now. What is dropped unanswered was not sent.
        let lost = match self.engine.try_send(Box::new(Command::Write(write))) {
            Err(NotSent::Full(_)) => "the mapper is busy",
            _ => "shutting down",
        };
        let answer = answer.map(move |reply| reply.unwrap_or_else(|_| not_sent(lost)));
        self.waiting.push(answer.map(move |reply| Ended::Wrote { key, ticket, reply }).boxed());
    }
    fn wrote(&mut self, key: DeviceKey, ticket: u64, reply: &WriteReply, now: Now) {
        if let Some(driven) = self.devices.get_mut(&key).or(self.leaving.get_mut(&key).map(|l| &mut l.driven)) {
            driven.wrote(ticket, reply, now);
        }
        self.landed(key);
    }
    fn landed(&mut self, key: DeviceKey) {
        self.settle(key);
        self.settle_leaving(key);
    }
    fn was_read(
        &mut self,
        key: DeviceKey,
        asked: Duration,
        result: Result<Vec<Change>, PointFault>,
        answer: Option<ReadReply>,
        now: Now,
    ) {
        let said = match (result, self.devices.get_mut(&key)) {
            (Err(fault), _) => Err(ControlError::NotConnected(fault.text.into())),
            (Ok(_), None) => Ok(()),
            (Ok(changes), Some(driven)) => {
                for change in changes {
                    driven.changed(change, asked, &self.shared.protocol, now);
                }
                Ok(())
            }
        };
        self.settle(key);
        let Some(answer) = answer else { return };
        if let Some(driven) = self.devices.get(&key).filter(|_| said.is_ok() && !self.stopping) {
            self.shared.hub.publish(&driven.device, driven.twin.snapshot()); // whoever asks wants what was read, dead-band or not
        }
        answer.send(said).ok(); // who asked may have left
    }
}

fn not_sent(why: &'static str) -> WriteReply {
    WriteReply { values: vec![Wrote::NotSent], why: Some(PointFault::new(ErrorKind::Other, why)) }
}
