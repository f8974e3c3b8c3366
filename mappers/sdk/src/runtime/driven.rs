//! One device that is driven: its twin, and where its values stand in the engine.
mod event;
pub(super) use event::Told;

use super::{Clock, kept::Kept, points::Points};
use crate::{
    Change, Connected, Knowledge, Known, Layout, PointFault, Precision, Protocol, Value, WriteReply, Wrote,
    port::Number,
    twin::{Action, Format, Moment, Now, Raw, Twin},
    value::join,
};
use pollux_crds::{EffectiveDevice, Writes};
use serde_json::Value as Json;
use std::{sync::Arc, time::Duration};

/// One device that is driven.
pub(super) struct Driven<P: Protocol> {
    pub(super) device: Arc<EffectiveDevice>,
    pub(super) points: Points,
    pub(super) layout: Layout<P>,
    /// As it came: it is made before it is known where it is driven.
    pub(super) twin: Box<Twin>,
    pub(super) writes: Writes,
    pub(super) flight: Option<Flight>,
    /// The moment of each point that the twin was last told of, as [`Fresh`](crate::Fresh) marks it.
    told: Box<[u32]>,
    /// [`Fresh::unchanged`](crate::Fresh) when it was last gone through.
    unchanged: u64,
    /// When the last write was decided upon, and when its answer came.
    window: Option<(Duration, Duration)>,
    /// When the configuration changed last, while it was driven.
    configured: Option<Duration>,
    /// At least so long after it was asked for, a reading may be told of.
    timeout: Duration,
    wiring: u64,
    /// What the disk has of what the driver learned.
    kept: Json,
    /// The configuration before.
    before: Option<Box<event::Before>>,
}

/// A write from its decision to its answer. Positions are those of the layout of that moment.
pub(super) struct Flight {
    pub(super) ticket: u64,
    pub(super) values: Vec<(usize, Value)>,
    /// Something else is in force by now: if it did not leave, that is no failure.
    pub(super) withdrawn: bool,
    device: Arc<EffectiveDevice>,
    writes: Writes,
    began: Duration,
    /// Names, and what was read before.
    before: Vec<(String, Option<Value>)>,
}

/// The driver's word about the format of a device's values, by position of the property.
pub(super) struct View<'a, P: Protocol> {
    protocol: &'a P,
    layout: &'a Layout<P>,
    points: &'a Points,
}
impl<P: Protocol> Format for View<'_, P> {
    fn encoded(&self, property: usize, raw: &Value) -> Result<Value, PointFault> {
        match self.points.point(property) {
            Some(point) => self.protocol.encoded(&self.layout.unit, point, raw),
            None => Ok(raw.clone()),
        }
    }
    fn precision(&self, property: usize) -> Precision {
        let point = self.points.point(property);
        point.map_or(Precision::Double, |point| self.protocol.precision(&self.layout.unit, point))
    }
}

/// A configuration as the engine took it.
pub(super) struct Settings<P: Protocol> {
    pub(super) device: Arc<EffectiveDevice>,
    pub(super) points: Points,
    pub(super) layout: Layout<P>,
    pub(super) timeout: Duration,
    pub(super) wiring: u64,
    /// What the driver knows of the device.
    pub(super) knowledge: Knowledge,
}

impl<P: Protocol> Driven<P> {
    pub(super) fn new(settings: Settings<P>, twin: Box<Twin>, writes: Writes, now: Now) -> Self {
        let Settings { device, points, layout, timeout, wiring, knowledge } = settings;
        let told = vec![0; layout.slots as usize].into();
        let (flight, window, configured) = (None, None, None);
        let kept = knowledge.kept.clone();
        let mut new = Self {
            device,
            points,
            layout,
            twin,
            writes,
            flight,
            told,
            unchanged: 0,
            window,
            configured,
            timeout,
            wiring,
            kept,
            before: None,
        };
        new.twin.configure(new.device.clone(), writes, now);
        new.hush(now);
        new.twin.known(&knowledge, now);
        new
    }
    /// Another configuration. What is under way is still answered, and still no word on what came after it.
    pub(super) fn renew(&mut self, settings: Settings<P>, writes: Writes, now: Now) {
        self.relaid(&settings, now);
        let Settings { device, points, layout, timeout, wiring, knowledge } = settings;
        if wiring != self.wiring {
            (self.wiring, self.kept) = (wiring, knowledge.kept.clone());
            self.twin.known(&knowledge, now);
        }
        if layout.generation != self.layout.generation {
            (self.told, self.unchanged) = (vec![0; layout.slots as usize].into(), 0);
        }
        (self.device, self.points, self.layout) = (device, points, layout);
        self.timeout = self.timeout.max(timeout); // what was sent before waits as long as it was told
        self.allow(writes, now);
    }
    /// Whether it may be written to.
    pub(super) fn allow(&mut self, writes: Writes, now: Now) {
        (self.writes, self.configured) = (writes, Some(now.mono));
        self.twin.configure(self.device.clone(), writes, now);
    }
    pub(super) fn step(&mut self, protocol: &P, clock: &Clock, now: Now) -> Vec<Action> {
        self.freshen(clock, now);
        let Self { twin, layout, points, .. } = self;
        twin.step(&View { protocol, layout, points }, now)
    }

    /// The twin wants to write these properties.
    pub(super) fn takes_off(&mut self, ticket: u64, values: Vec<(usize, Value)>, now: Now) {
        let name = |p: usize| self.device.properties.get(p).map(|p| p.name.clone()).unwrap_or_default();
        let before = values.iter().map(|(p, _)| (name(*p), self.twin.raw(*p))).collect();
        let values = values.into_iter().filter_map(|(p, v)| Some((self.points.point(p)?, v))).collect();
        let (device, writes, began) = (self.device.clone(), self.writes, now.mono);
        self.flight = Some(Flight { ticket, values, withdrawn: false, device, writes, began, before });
    }
    /// The write that was decided upon, if nothing changed since: a byte for a device that is configured otherwise by now, or
    /// must not be written to any more, does not leave.
    pub(super) fn cleared(&self) -> Option<&Flight> {
        let same = |f: &&Flight| Arc::ptr_eq(&f.device, &self.device) && f.writes == self.writes;
        self.flight.as_ref().filter(same)
    }
    pub(super) fn save_failed(&mut self, ticket: u64, why: &str, now: Now) {
        self.landed(ticket, now);
        self.twin.save_failed(ticket, why, now);
    }
    /// The answer to a write.
    pub(super) fn wrote(&mut self, ticket: u64, reply: &WriteReply, now: Now) {
        if let Some(flight) = self.landed(ticket, now) {
            audit(&flight, reply);
            if flight.withdrawn && reply.values.iter().all(|value| *value == Wrote::NotSent) {
                return self.twin.withdrawn(ticket, now);
            }
        }
        self.twin.wrote(ticket, reply, now);
    }
    fn landed(&mut self, ticket: u64, now: Now) -> Option<Flight> {
        let flight = self.flight.take_if(|flight| flight.ticket == ticket)?;
        self.window = Some((flight.began, now.mono));
        Some(flight)
    }

    /// What arrives within a time-out of the answer to a write may have been asked for before it, so it is no word on that
    /// write; only what the engine confirms is, and what was asked for later. The same holds of another configuration.
    pub(super) fn asked_at(&self, arrived: Duration) -> Duration {
        let asked = match self.window {
            Some((began, ended)) if arrived < ended + self.timeout => arrived.min(began),
            _ => arrived,
        };
        asked.min(self.before_configured(arrived))
    }
    /// What the engine confirms was asked for after the answer to the last write.
    pub(super) fn confirmed_at(&self, arrived: Duration) -> Duration {
        match (self.window, self.configured) {
            (Some((_, ended)), Some(configured)) if ended >= configured => arrived,
            _ => self.before_configured(arrived),
        }
    }
    fn before_configured(&self, arrived: Duration) -> Duration {
        match self.configured {
            Some(at) if arrived < at + self.timeout => arrived.min(at.saturating_sub(Duration::from_nanos(1))),
            _ => arrived,
        }
    }
    /// Numbers that changed, by position of their points.
    pub(super) fn numbers(&mut self, generation: u16, numbers: &[Number], protocol: &P, now: Now) {
        if generation != self.layout.generation {
            return;
        }
        let asked_at = self.asked_at(now.mono);
        let moment = Moment::new(asked_at, now);
        let Self { twin, layout, points, told, .. } = self;
        let mut settled = twin.is_settled();
        for n in numbers {
            let point = n.slot.0 as usize;
            let Some(property) = points.property(point) else { continue };
            if let Some(told) = told.get_mut(point) {
                *told = layout.fresh.mark_of(point);
            }
            if !twin.number(property, n, &moment, &mut settled)
                && let Some(value) = join(n.kind, n.bits)
            {
                let raw = Raw { value, quality: n.quality, reason: None, device_time_ms: n.time };
                twin.sample(property, Ok(raw), asked_at, &View { protocol, layout, points }, now);
            }
        }
        twin.look_for_stale(now);
    }
    pub(super) fn changed(&mut self, change: Change, asked_at: Duration, protocol: &P, now: Now) {
        let point = change.point as usize;
        let Some(property) = self.points.property(point).filter(|_| change.generation == self.layout.generation) else {
            return;
        };
        if let Some(told) = self.told.get_mut(point) {
            *told = self.layout.fresh.mark_of(point);
        }
        self.sample(property, change, asked_at, protocol, now);
    }
    fn sample(&mut self, property: usize, change: Change, asked_at: Duration, protocol: &P, now: Now) {
        let Change { quality, reason, time, value, .. } = change;
        let raw = value.map(|value| Raw { value, quality, reason, device_time_ms: time });
        let Self { twin, layout, points, .. } = self;
        twin.sample(property, raw, asked_at, &View { protocol, layout, points }, now);
    }
    pub(super) fn connected(&mut self, word: &Connected, now: Now) {
        let fault = || (word.kind.unwrap_or(crate::ErrorKind::Other), word.reason.clone());
        let word = if word.up { Ok(()) } else { Err(fault()) };
        self.twin.connected(word, now);
    }
    /// What the driver knows now. Some: something else is to be kept of it than before.
    pub(super) fn known(&mut self, known: &Known, now: Now) -> Option<Kept> {
        if known.wiring != self.wiring {
            return None; // of the unit before
        }
        self.twin.known(&known.knowledge, now);
        let kept = known.knowledge.kept.clone();
        let news = kept != self.kept;
        self.kept.clone_from(&kept);
        news.then_some(Kept { wiring: self.wiring, kept })
    }
    /// What was learned of it is forgotten.
    pub(super) fn forget(&mut self, now: Now) {
        self.kept = Json::Null;
        self.twin.known(&Knowledge::default(), now);
    }
    pub(super) fn is_wired(&self, wiring: u64) -> bool {
        self.wiring == wiring
    }
    /// Tells the twin which points were read again, unchanged, since it was last told. One that moved, and is not handed over yet, must
    /// not pass for what it was before.
    fn freshen(&mut self, clock: &Clock, now: Now) {
        let unchanged = self.layout.fresh.unchanged();
        if std::mem::replace(&mut self.unchanged, unchanged) == unchanged {
            return; // each mark since then came with a change
        }
        let mut told = std::mem::take(&mut self.told);
        for (point, told) in told.iter_mut().enumerate() {
            let mark = self.layout.fresh.mark_of(point);
            if *told == mark || self.layout.fresh.is_untold(point) {
                continue;
            }
            *told = mark;
            if let (Some(fresh), Some(property)) = (self.layout.fresh.last(point), self.points.property(point)) {
                let asked_at = self.asked_at(clock.mono(fresh));
                self.twin.confirmed(property, asked_at, now);
            }
        }
        self.told = told;
        if self.layout.fresh.has_still() {
            for point in 0..self.layout.slots as usize {
                if let (Some(at), Some(property)) = (self.layout.fresh.still(point), self.points.property(point)) {
                    self.twin.still(property, clock.mono(at), now);
                }
            }
        }
    }
}

/// Every write on the wire leaves one record (design §3.8): device, property, old and new value as the device has them.
fn audit(flight: &Flight, reply: &WriteReply) {
    let (device, generation) = (flight.device.key(), flight.device.generation);
    for (((property, old), (_, new)), result) in flight.before.iter().zip(&flight.values).zip(&reply.values) {
        let why = reply.why.as_ref().map_or("", |why| &why.text);
        let (result, why) = match result {
            Wrote::Done => ("done", ""),
            Wrote::Refused(fault) => ("refused", &*fault.text),
            Wrote::NotSent => ("not sent", why),
            Wrote::Unknown => ("unknown", why),
        };
        let old = old.as_ref().map(tracing::field::display);
        tracing::info!(target: "pollux::audit", %device, property, old, %new, result, why, generation, "write");
    }
}
