//! Readings that someone waits for.
use super::{DeviceKey, Engine};
use crate::{Change, ErrorKind, Instant, PointFault, Protocol};
use std::{sync::Arc, time::Duration};
use tokio::sync::oneshot;

const PATIENCE: Duration = Duration::from_secs(10);
const MOST: usize = 1024; // at once on one link

/// One request for readings.
pub(super) struct Ask {
    device: usize,
    points: Vec<usize>,
    /// What is not yet read; None: not yet planned, for the unit is not attached.
    open: Option<Vec<usize>>,
    /// Only work begun after this counts.
    since: u64,
    expires: Instant,
    reply: oneshot::Sender<Result<Vec<Change>, PointFault>>,
}

impl<P: Protocol> Engine<P> {
    pub(super) fn ask(
        &mut self,
        key: DeviceKey,
        points: &[usize],
        reply: oneshot::Sender<Result<Vec<Change>, PointFault>>,
        closed: Option<&PointFault>,
    ) {
        match self.may_ask(key, points, closed) {
            Ok((device, points)) => {
                let (since, expires) = (self.sequence, Instant::now() + PATIENCE);
                self.asks.push(Ask { device, points, open: None, since, expires, reply });
                self.plan_asks(device);
            }
            Err(why) => {
                reply.send(Err(why)).ok(); // who asked may have left
            }
        }
    }
    fn may_ask(
        &self,
        key: DeviceKey,
        points: &[usize],
        closed: Option<&PointFault>,
    ) -> Result<(usize, Vec<usize>), PointFault> {
        if let Some(why) = closed {
            return Err(why.clone());
        }
        let config = |text| PointFault::new(ErrorKind::Config, text);
        let device = self.find(key).ok_or_else(|| config("no such device"))?;
        let held = self.held(device).filter(|h| h.next.is_none()).ok_or_else(|| config("the device is changing"))?;
        if points.iter().any(|p| !held.can_read(*p)) {
            return Err(config("no such point, or it cannot be read"));
        }
        if self.arbiter.said_down(device) || self.arbiter.probing(device) {
            return Err(PointFault::new(ErrorKind::Unreachable, "device down"));
        }
        if self.asks.len() >= MOST {
            return Err(PointFault::new(ErrorKind::Other, "too many readings are asked for on this link"));
        }
        let all = 0..held.slots as usize;
        Ok((device, if points.is_empty() { held.together(all) } else { held.together(points.iter().copied()) }))
    }
    /// Sends what is asked of a device, as soon as it is attached.
    pub(super) fn plan_asks(&mut self, device: usize) {
        if !self.asks.iter().any(|a| a.device == device && a.open.is_none()) {
            return;
        }
        if !self.arbiter.is_attached(device) {
            return self.arbiter.want(device);
        }
        let Some(unit) = self.held(device).map(|held| held.unit.clone()) else { return };
        let mut all = vec![];
        for ask in self.asks.iter_mut().filter(|a| a.device == device && a.open.is_none()) {
            let exchanges = self.protocol.plan(&unit, &ask.points);
            ask.open = Some(exchanges.iter().flat_map(|e| e.points.iter().copied()).collect());
            all.extend(exchanges.into_iter().map(Arc::new));
        }
        self.arbiter.queue_first(device, Instant::now(), all.into_iter());
        self.answer_asks(device);
    }
    /// These points were read by work of this number.
    pub(super) fn was_read(&mut self, device: usize, points: &[usize], sequence: u64) {
        let waiting = self.asks.iter_mut().filter(|a| a.device == device && a.since < sequence);
        for open in waiting.filter_map(|a| a.open.as_mut()) {
            open.retain(|p| !points.contains(p));
        }
        self.answer_asks(device);
    }
    fn answer_asks(&mut self, device: usize) {
        let answered = |a: &mut Ask| a.device == device && a.open.as_ref().is_some_and(Vec::is_empty);
        let done: Vec<Ask> = self.asks.extract_if(.., answered).collect();
        for Ask { points, reply, .. } in done {
            let Some(held) = self.held(device) else { continue };
            let slots = points.iter().filter_map(|p| held.slot(*p));
            let readings = slots.filter_map(|slot| self.columns.reading(slot)).collect();
            reply.send(Ok(readings)).ok(); // who asked may have left
        }
    }
    /// Its turn on the radio is over: what is asked of it waits for the next.
    pub(super) fn postpone_asks(&mut self, device: usize) {
        self.asks.iter_mut().filter(|a| a.device == device).for_each(|a| a.open = None);
        self.plan_asks(device);
    }
    pub(super) fn refuse_asks(&mut self, which: impl Fn(usize) -> bool, why: &PointFault) {
        for ask in self.asks.extract_if(.., |a| which(a.device)) {
            ask.reply.send(Err(why.clone())).ok(); // who asked may have left
        }
    }
    pub(super) fn expire_asks(&mut self, now: Instant) -> Option<Instant> {
        for ask in self.asks.extract_if(.., |a| a.expires <= now) {
            let why = PointFault::new(ErrorKind::Timeout, "its turn did not come in 10 s");
            ask.reply.send(Err(why)).ok(); // who asked may have left
        }
        self.asks.first().map(|a| a.expires)
    }
}
