//! One device as its engine has it.
use super::{Counters, DeviceKey, Fresh, Layout, plans::Plans};
use crate::{
    Change, ErrorKind, Instant, Knowledge, Protocol, Slot,
    arbiter::Plan,
    load::{Demand, Pace},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::sync::oneshot;

/// One device.
pub(super) struct Held<P: Protocol> {
    pub key: DeviceKey,
    /// For messages.
    pub name: Box<str>,
    pub unit: Arc<P::Unit>,
    pub wiring: u64,
    pub base: Slot,
    pub slots: u32,
    pub generation: u16,
    pub prepared: u32,
    pub fresh: Fresh,
    /// By point; an event is not read.
    pub readable: Box<[bool]>,
    /// Points of kind Event, and whether the driver says that it pushes or hears them.
    pub events: BTreeMap<u32, bool>,
    /// Points that are read together, whoever asks for one.
    pub read_groups: Vec<Vec<usize>>,
    pub timeout: Duration,
    pub epoch: u32,
    pub health: Health,
    pub replans: u32,
    /// Of its own answers since the process started, slowly forgotten; None: it never answered.
    pub slowest: Option<Duration>,
    pub plans: Plans<P::Request>,
    /// [`Protocol::generation`] when the driver was last asked what it knows.
    pub version: u64,
    /// What it knew then.
    pub known: Knowledge,
    pub known_untold: bool,
    /// What its polled points ask of the link; None: to be looked at anew.
    pub demand: Option<Demand>,
    pub pace: Pace,
    /// Points written, and since which piece of work: the first reading after it is told even if nothing changed.
    pub watched: Vec<(u32, u64)>,
    pub confirmed: BTreeMap<u32, Change>,
    /// By point, the newest piece of work that read it, while others are under way.
    pub read: Vec<u64>,
    pub counters: Arc<Counters>,
    pub next: Option<Next<P>>,
    /// Who waits for its removal.
    pub mourners: Vec<oneshot::Sender<()>>,
}

/// What the status side is told of a device.
#[derive(Default)]
pub(super) struct Health {
    pub up: Option<bool>,
    pub kind: Option<ErrorKind>,
    pub reason: String,
    /// When the reason was put so.
    pub since: Option<Instant>,
    pub untold: bool,
}

/// What happens when it is detached.
pub(super) enum Next<P: Protocol> {
    /// Another configuration takes over.
    Successor(Box<Successor<P>>),
    /// It is gone.
    Nothing,
}

/// Prepared, and waiting until its predecessor is detached.
pub(super) struct Successor<P: Protocol> {
    pub held: Held<P>,
    pub plan: Plan,
}

impl<P: Protocol> Held<P> {
    pub(super) fn layout(&self) -> Layout<P> {
        let Self { base, slots, generation, prepared, .. } = *self;
        Layout { unit: self.unit.clone(), base, slots, generation, prepared, fresh: self.fresh.clone() }
    }
    /// What was planned holds no longer.
    pub(super) fn plan_anew(&mut self) {
        self.plans.clear();
        self.demand = None;
    }
    pub(super) fn slot(&self, point: usize) -> Option<Slot> {
        let offset = u32::try_from(point).ok().filter(|p| *p < self.slots)?;
        Some(Slot(self.base.0 + offset))
    }
    pub(super) fn owns(&self, slot: Slot) -> bool {
        slot.0.wrapping_sub(self.base.0) < self.slots
    }
    pub(super) fn can_read(&self, point: usize) -> bool {
        self.readable.get(point).copied().unwrap_or(false)
    }
    /// These points, as far as they can be read, and what has to be read with them; ascending.
    pub(super) fn together(&self, points: impl Iterator<Item = usize>) -> Vec<usize> {
        let mut out: Vec<usize> = points.filter(|p| self.can_read(*p)).collect();
        for group in &self.read_groups {
            if group.iter().any(|p| out.contains(p)) {
                out.extend(group);
            }
        }
        out.sort_unstable();
        out.dedup();
        out
    }
    /// A reading of this point is waited for, begun before the piece of work with this number.
    pub(super) fn confirm(&mut self, point: u32, sequence: u64, reading: Option<Change>) -> bool {
        let Some(at) = self.watched.iter().position(|(p, since)| *p == point && *since < sequence) else {
            return false;
        };
        self.watched.swap_remove(at);
        self.confirmed.extend(reading.map(|r| (point, r)));
        true
    }
    /// This piece of work has read these points, and others are under way.
    pub(super) fn was_read(&mut self, points: &[usize], sequence: u64) {
        self.read.resize(self.slots as usize, 0);
        for point in points {
            if let Some(newest) = self.read.get_mut(*point) {
                *newest = sequence.max(*newest);
            }
        }
    }
    /// What was asked for later has been answered already: this is no news.
    pub(super) fn is_overtaken(&self, slot: Slot, sequence: u64) -> bool {
        self.read.get(slot.0.wrapping_sub(self.base.0) as usize).is_some_and(|newest| *newest > sequence)
    }
    pub(super) fn watch(&mut self, point: usize, sequence: u64) {
        let Some(point) = u32::try_from(point).ok().filter(|_| self.can_read(point)) else { return };
        match self.watched.iter_mut().find(|(p, _)| *p == point) {
            Some(watch) => watch.1 = sequence,
            None => self.watched.push((point, sequence)),
        }
    }
}
