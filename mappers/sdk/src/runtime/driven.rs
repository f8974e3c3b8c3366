//! One device that is driven: its twin, and where its values stand in the engine.
use super::{Clock, compile::Points};
use crate::{
    Change, Connected, Instant, Layout, PointFault, Precision, Protocol, Value,
    twin::{Format, Now, Raw, Twin},
};
use pollux_crds::EffectiveDevice;
use std::{sync::Arc, time::Duration};

/// One device that is driven.
pub(super) struct Driven<P: Protocol> {
    pub(super) device: Arc<EffectiveDevice>,
    pub(super) points: Points,
    pub(super) layout: Layout<P>,
    pub(super) twin: Twin,
    /// Up to when each point was known to be fresh when the twin was last told.
    told: Vec<Option<Instant>>,
    /// When the last write was handed to the engine, and its answer came.
    write: (Option<Duration>, Option<Duration>),
    timeout: Duration,
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

impl<P: Protocol> Driven<P> {
    pub(super) fn new(
        device: Arc<EffectiveDevice>, points: Points, layout: Layout<P>, twin: Twin, timeout: Duration,
    ) -> Self {
        let told = vec![None; layout.slots as usize];
        Self { device, points, layout, twin, told, write: (None, None), timeout }
    }
    /// The twin, and the driver's word that it needs.
    pub(super) fn with_format<'a>(&'a mut self, protocol: &'a P) -> (&'a mut Twin, View<'a, P>) {
        (&mut self.twin, View { protocol, layout: &self.layout, points: &self.points })
    }
    pub(super) fn write_began(&mut self, now: Now) {
        self.write = (Some(now.mono), None);
    }
    pub(super) fn write_ended(&mut self, now: Now) {
        self.write.1 = Some(now.mono);
    }
    /// A reading that may have been begun before the last write was answered is no word on that write: only what the engine
    /// confirms, or what was asked for later, is.
    pub(super) fn asked_at(&self, now: Now) -> Duration {
        match self.write {
            (Some(began), None) => began,
            (Some(began), Some(ended)) if now.mono < ended + self.timeout => began,
            _ => now.mono,
        }
    }
    pub(super) fn changed(&mut self, change: &Change, asked_at: Duration, protocol: &P, now: Now) {
        let point = change.point as usize;
        let Some(property) = self.points.property(point).filter(|_| change.generation == self.layout.generation) else {
            return;
        };
        if let (Some(told), Some(fresh)) = (self.told.get_mut(point), self.layout.fresh.last(point)) {
            *told = Some(fresh);
        }
        let raw = change.value.clone().map(|value| Raw { value, quality: change.quality, device_time_ms: change.time });
        let (twin, format) = self.with_format(protocol);
        twin.sample(property, raw, asked_at, &format, now);
    }
    pub(super) fn connected(&mut self, word: &Connected, now: Now) {
        let fault = || (word.kind.unwrap_or(crate::ErrorKind::Other), word.reason.clone());
        let word = if word.up { Ok(()) } else { Err(fault()) };
        self.twin.connected(word, now);
    }
    /// Tells the twin which points were read again, unchanged, since it was last told.
    pub(super) fn freshen(&mut self, clock: &Clock, now: Now) {
        let asked_at = self.asked_at(now);
        for (point, told) in self.told.iter_mut().enumerate() {
            let fresh = self.layout.fresh.last(point);
            if fresh <= *told {
                continue;
            }
            *told = fresh;
            if let (Some(fresh), Some(property)) = (fresh, self.points.property(point)) {
                self.twin.confirmed(property, clock.mono(fresh).min(asked_at), now);
            }
        }
    }
}
