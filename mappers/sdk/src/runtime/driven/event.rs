//! What happens at a device: told once, whatever was edited meanwhile, and how its events stand beside that.
use super::{Driven, Settings};
use crate::{Change, Happening, Protocol, Quality, Quiet, runtime::points::Points, twin::Now};
use pollux_crds::EffectiveDevice;
use std::sync::Arc;

/// The configuration before this one: what happened by it may still be under way.
pub(super) struct Before {
    generation: u16,
    points: Points,
    device: Arc<EffectiveDevice>,
}

/// What became of an event.
pub(in crate::runtime) enum Told {
    /// It is to be told.
    Yes(Happening),
    /// It is none: a fault, or a value that is no good one.
    None,
    /// It is of a property that is not there any more, or not as it was.
    Missed,
}

impl<P: Protocol> Driven<P> {
    /// Another configuration takes over. What its source says from now on counts: a fault of an event is of the source before.
    pub(super) fn relaid(&mut self, settings: &Settings<P>, now: Now) {
        if settings.layout.generation == self.layout.generation {
            return;
        }
        let (generation, points, device) = (self.layout.generation, self.points.clone(), self.device.clone());
        self.before = Some(Box::new(Before { generation, points, device }));
        self.hush(now);
    }
    /// Nobody knows yet of anything wrong with its events.
    pub(super) fn hush(&mut self, now: Now) {
        for property in 0..self.device.properties.len() {
            self.twin.quiet(property, now);
        }
    }
    /// A value of kind Event, or why there is none.
    pub(in crate::runtime) fn happened(&mut self, change: Change, protocol: &P, now: Now) -> Told {
        let good = change.value.is_ok() && change.quality != Quality::Bad;
        let position = if change.generation == self.layout.generation {
            let position = self.points.property(change.point as usize);
            self.changed(change, now.mono, protocol, now);
            position
        } else {
            // The property may stand as it stood: then it happened at it.
            let position = self.carried(&change).filter(|_| good);
            if let Some(position) = position {
                self.sample(position, change, now.mono, protocol, now);
            }
            position
        };
        let property = position.and_then(|at| self.device.properties.get(at));
        match (property, position.and_then(|at| self.twin.newest(at))) {
            (None, _) if good => Told::Missed,
            (Some(property), Some((value, time_ms))) if good => {
                Told::Yes(Happening::at(&self.device, &property.name, value, time_ms))
            }
            _ => Told::None,
        }
    }
    /// Where a point of the configuration before stands now.
    fn carried(&self, change: &Change) -> Option<usize> {
        let before = self.before.as_ref().filter(|before| before.generation == change.generation)?;
        let old = before.device.properties.get(before.points.property(change.point as usize)?)?;
        let (position, new) = self.device.property(&old.name)?;
        (new.is_event() && new.wiring == old.wiring && new.source == old.source).then_some(position)
    }
    /// It stands so, and did not happen now.
    pub(in crate::runtime) fn stood(&mut self, change: Change, protocol: &P, now: Now) {
        let position = self.points.property(change.point as usize);
        let Some(position) = position.filter(|_| change.generation == self.layout.generation) else { return };
        let since = change.value.is_ok().then_some(change.time);
        self.changed(change, now.mono, protocol, now);
        if let Some(since) = since {
            self.twin.happened_at(position, since, now);
        }
    }
    /// Nothing is wrong with it any more.
    pub(in crate::runtime) fn quiet(&mut self, quiet: Quiet, now: Now) {
        let position = self.points.property(quiet.point as usize);
        if let Some(position) = position.filter(|_| quiet.generation == self.layout.generation) {
            self.twin.quiet(position, now);
        }
    }
}
