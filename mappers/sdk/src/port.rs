//! How values reach the engine: `Samples` from an exchange, `Port` from a push.
mod samples;
pub use samples::Samples;
pub(crate) use samples::{Other, Said};

use crate::{
    PointFault, Slot, Value,
    value::{Kind, split},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

/// How far a value can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quality {
    /// As the device means it.
    Good,
    /// The device itself has doubts.
    Uncertain,
    /// Not to be used.
    Bad,
}

/// A number: 24 bytes, nothing to drop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Number {
    pub bits: u64,
    pub time: i64,
    pub slot: Slot,
    pub kind: Kind,
    pub quality: Quality,
}

/// What one unit said without a break: up to so many of all numbers, and so many of the others.
#[derive(Debug)]
pub(crate) struct Part {
    pub unit: u32,
    pub epoch: u32,
    pub numbers: usize,
    pub others: usize,
}

/// The newest word of one attachment: bounded by the number of units and points, however often it is changed.
#[derive(Debug, Default)]
pub(crate) struct Cell {
    pub epoch: u32,
    pub said: Option<Result<(), String>>,
    pub pushes: BTreeSet<Slot>,
    pub polls: BTreeSet<Slot>,
    pub hears: BTreeSet<Slot>,
    pub over: Option<String>,
    pub alive: BTreeSet<Slot>,
}

#[derive(Debug, Default)]
pub(crate) struct Mail {
    pub numbers: Vec<Number>,
    pub others: Vec<Other>,
    /// Whose they are, in the order in which they came.
    pub parts: Vec<Part>,
    pub cells: BTreeMap<u32, Cell>,
    pub lost: u64,
}

impl Mail {
    fn len(&self) -> usize {
        self.numbers.len() + self.others.len()
    }
    /// The part that what comes now belongs to.
    fn part(&mut self, unit: u32, epoch: u32) -> Option<&mut Part> {
        if self.parts.last().is_none_or(|part| (part.unit, part.epoch) != (unit, epoch)) {
            self.parts.push(Part { unit, epoch, numbers: self.numbers.len(), others: 0 });
        }
        self.parts.last_mut()
    }
}

#[derive(Debug)]
pub(crate) struct Inbox {
    mail: Mutex<Mail>,
    wake: Notify,
    room: Notify,
    cap: usize,
}

impl Inbox {
    pub(crate) fn new(cap: usize) -> Arc<Self> {
        Arc::new(Self { mail: Mutex::default(), wake: Notify::new(), room: Notify::new(), cap })
    }
    pub(crate) async fn some(&self) {
        self.wake.notified().await;
    }
    fn lock(&self) -> MutexGuard<'_, Mail> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Swaps with an empty one, so that both keep their memory. False: there was nothing.
    pub(crate) fn take(&self, into: &mut Mail) -> bool {
        std::mem::swap(&mut *self.lock(), into);
        if into.len() > 0 {
            self.room.notify_waiters();
        }
        into.len() > 0 || !(into.parts.is_empty() && into.cells.is_empty() && into.lost == 0)
    }
}

/// One unit's way into the engine while it is attached, and on until it is attached again, changed or removed. `Send + Sync + Clone`, never blocks: usable from a library's
/// callback. Stamped with the attachment: what an outdated port says is dropped, so a slot can be given to another device.
#[derive(Debug, Clone)]
pub struct Port {
    pub(crate) unit: u32,
    pub(crate) epoch: u32,
    pub(crate) base: u32,
    pub(crate) slots: u32,
    pub(crate) inbox: Arc<Inbox>,
}

impl Port {
    /// This point will be pushed: do not poll it.
    pub fn pushes(&self, slot: Slot) {
        if self.owns(slot) {
            self.word(|cell| {
                cell.pushes.insert(slot);
                cell.polls.remove(&slot);
                cell.hears.remove(&slot);
            });
        }
    }
    /// This point is told of whether its unit has its slot or not (a radio hears also those that it is not connected to): it is not
    /// polled, and no slot is wanted for it.
    pub fn hears(&self, slot: Slot) {
        if self.owns(slot) {
            self.word(|cell| {
                cell.hears.insert(slot);
                cell.polls.remove(&slot);
                cell.pushes.remove(&slot);
            });
        }
    }
    /// This point will be pushed no longer, for its subscription was refused or lost: it is polled again, at once and then in
    /// its interval. The newer of this, [`pushes`](Self::pushes) and [`hears`](Self::hears) counts. An event is not polled: it is Bad
    /// until it is pushed again.
    pub fn polls(&self, slot: Slot) {
        if self.owns(slot) {
            self.word(|cell| {
                cell.polls.insert(slot);
                cell.pushes.remove(&slot);
                cell.hears.remove(&slot);
            });
        }
    }
    /// What was pushed of these points is so still: the source says that it is there and that they have not changed (a
    /// keep-alive). They are as fresh as if they had come again; no event is counted, and no waiting write is confirmed. Points
    /// that are Bad or were never heard stay what they are. Not more often than once a second.
    pub fn alive(&self, slots: impl IntoIterator<Item = Slot>) {
        let mut slots = slots.into_iter().filter(|slot| self.owns(*slot)).peekable();
        if slots.peek().is_some() {
            self.word(|cell| cell.alive.extend(slots));
        }
    }
    /// All values of one answer at once, in their order. Taken whole where [`room`](Self::room) would say that there is room, by
    /// which the bound is exceeded by one answer at most; else all are counted as lost, and how many these are is returned. `samples`
    /// is empty afterwards and keeps its memory.
    pub fn put_all(&self, samples: &mut Samples) -> usize {
        samples.keep(|slot| self.owns(slot));
        let mut mail = self.inbox.lock();
        let (before, count) = (mail.numbers.len(), samples.len());
        if count == 0 || mail.len() >= self.inbox.cap {
            mail.lost += count as u64;
            drop(mail);
            samples.clear();
            return count;
        }
        let wakes = mail.len() == 0;
        let others = samples.others.len();
        if let Some(part) = mail.part(self.unit, self.epoch) {
            part.numbers += samples.numbers.len();
            part.others += others;
        }
        mail.numbers.append(&mut samples.numbers);
        mail.others.extend(samples.others.drain(..).map(|other| Other { after: other.after + before, ..other }));
        if wakes {
            self.inbox.wake.notify_one();
        }
        0
    }
    /// A value; refused (false) and counted as lost when the engine is behind by its bound.
    pub fn put(&self, slot: Slot, value: impl Into<Value>) -> bool {
        self.put_at(slot, value, 0, Quality::Good)
    }
    /// `time`: Unix ms of the device; 0: stamped by the engine.
    pub fn put_at(&self, slot: Slot, value: impl Into<Value>, time: i64, quality: Quality) -> bool {
        match split(value.into()) {
            Ok((kind, bits)) => self.offer(slot, Ok(Number { bits, time, slot, kind, quality })),
            Err(value) => self.offer(slot, Err(Other { time, ..Other::new(slot, quality, Said::Value(value)) })),
        }
    }
    /// The device has no value for this point, and says why.
    pub fn fault(&self, slot: Slot, fault: PointFault) -> bool {
        self.offer(slot, Err(Other::new(slot, Quality::Bad, Said::Fault(fault))))
    }
    /// Nothing is wrong with a point of kind Event, and nothing happened: a fault that was told of it before is over, and what it said last
    /// stands. It says nothing of other points.
    pub fn quiet(&self, slot: Slot) -> bool {
        self.offer(slot, Err(Other::new(slot, Quality::Good, Said::Quiet)))
    }
    /// The device said it is there (availability topic, radio seen, session healed). Only the newest of `up` and `down`
    /// counts.
    pub fn up(&self) {
        self.word(|cell| cell.said = Some(Ok(())));
    }
    /// The device said or showed that it is gone, on a live link: not polled until `up`. On a link with radio slots it
    /// loses its slot and is probed.
    pub fn down(&self, reason: impl Into<String>) {
        let reason = reason.into();
        self.word(|cell| cell.said = Some(Err(reason)));
    }
    /// The device has ended its turn by itself, as it always does, and nothing is wrong with it: its slot is free for another, until something
    /// is due. Where something still waits to be read it is the same as [`down`](Self::down), with this reason.
    pub fn over(&self, reason: impl Into<String>) {
        let reason = reason.into();
        self.word(|cell| cell.over = Some(reason));
    }
    /// For a pump that can wait (TCP back-pressure): resolves when there is room.
    pub async fn room(&self) {
        loop {
            let room = self.inbox.room.notified();
            if self.inbox.lock().len() < self.inbox.cap {
                return;
            }
            room.await;
        }
    }
    /// What waits for the engine: samples, and units with news of themselves.
    #[must_use]
    pub fn backlog(&self) -> (usize, usize) {
        let mail = self.inbox.lock();
        (mail.len(), mail.cells.len())
    }

    fn owns(&self, slot: Slot) -> bool {
        slot.0.wrapping_sub(self.base) < self.slots
    }
    fn offer(&self, slot: Slot, sample: Result<Number, Other>) -> bool {
        if !self.owns(slot) {
            return false;
        }
        let mut mail = self.inbox.lock();
        if mail.len() >= self.inbox.cap {
            mail.lost += 1;
            return false;
        }
        let wakes = mail.len() == 0;
        let after = mail.numbers.len();
        if let Some(part) = mail.part(self.unit, self.epoch) {
            match &sample {
                Ok(_) => part.numbers += 1,
                Err(_) => part.others += 1,
            }
        }
        match sample {
            Ok(number) => mail.numbers.push(number),
            Err(other) => mail.others.push(Other { after, ..other }),
        }
        if wakes {
            self.inbox.wake.notify_one();
        }
        true
    }
    fn word(&self, change: impl FnOnce(&mut Cell)) {
        let mut mail = self.inbox.lock();
        let cell = mail.cells.entry(self.unit).or_default();
        if cell.epoch > self.epoch {
            return; // an outdated attachment does not overwrite the word of the newer one
        }
        if cell.epoch < self.epoch {
            *cell = Cell { epoch: self.epoch, ..Cell::default() };
        }
        change(cell);
        self.inbox.wake.notify_one();
    }
}
