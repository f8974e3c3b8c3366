//! A new configuration: what it means for what is known, desired and under way.
use super::{Exponents, Formula, Now, Point, Twin, Wanted};
use crate::{convert::same, snapshot::Shown};
use pollux_crds::{EffectiveDevice, EffectiveProperty, Writes};
use std::{collections::HashMap, mem, sync::Arc, time::Duration};

impl Twin {
    /// The device's configuration changed. Where more than desired values did, it is read before anything is written.
    pub fn configure(&mut self, device: Arc<EffectiveDevice>, writes: Writes, now: Now) {
        let old = mem::replace(&mut self.device, device);
        self.ahead = self.ahead.filter(|acted| *acted > self.device.generation);
        self.outlived = self.outlived.take().filter(|text| self.device.rewrite.as_ref() == Some(text));
        let conduct = self.writes != writes || behaves_differently(&old, &self.device);
        self.writes = writes;
        if self.off() {
            self.interrupt(now.mono);
            self.link = super::Link::Unknown;
        }
        if matches!(self.link, super::Link::Refused { .. }) {
            self.link = super::Link::Unknown;
        }
        if old.properties != self.device.properties {
            self.carry_points(&old);
        }
        self.desire(now);
        self.cast();
        if conduct {
            self.points.iter_mut().for_each(|point| point.outdated = true); // the driver may know another format of them now
            self.outdated = true;
            self.read_first(now.mono, now.mono);
        }
        self.unsaved |= self.not_saved.is_some(); // nobody may have told this twin that it was saved since
        self.touched = true;
        self.grade_all(now);
        self.say(now);
        self.wake = Some(now.mono);
    }
    /// Readings of properties that stand where they stood are kept.
    fn carry_points(&mut self, old: &EffectiveDevice) {
        let points = old.properties.iter().zip(mem::take(&mut self.points)).enumerate();
        let mut known: HashMap<&str, (&EffectiveProperty, Point, Shown)> = points
            .map(|(at, (property, point))| (property.name.as_str(), (property, point, self.reporter.value(at))))
            .collect();
        let carry = |property: &EffectiveProperty| match known.remove(property.name.as_str()) {
            Some((old, mut point, reported)) if old.wiring == property.wiring && old.source == property.source => {
                if old != property {
                    point.keep(old); // what it was is not what the reading means from now on
                    point.outdated = true;
                }
                (point, reported)
            }
            _ => (Point::default(), Shown::default()),
        };
        let (points, reported): (Vec<_>, Vec<_>) = self.device.properties.iter().map(carry).unzip();
        self.points = points.into();
        self.reporter.values = reported.into();
        self.exponents = Exponents::all(&self.device);
        self.outdated = true;
        self.formulas = Formula::all(&self.device);
        self.reporter.soon = None;
    }
    /// Makes the list of what is wanted: what stays desired goes on where it was, what is new begins.
    pub(super) fn desire(&mut self, now: Now) {
        let mut rewrite = false;
        if self.ahead.is_none() {
            rewrite = self.outlived.is_none() && self.record.rewrite(&self.device);
            self.unsaved |= self.record.prune(&self.device) | self.record.acts_upon(&self.device) | rewrite;
        }
        let old = mem::take(&mut self.wanted);
        let device = self.device.clone();
        for (position, property) in device.properties.iter().enumerate() {
            let Some(value) = device.desired.get(&property.name) else { continue };
            let kept = old.iter().find(|w| w.name == property.name && same(&w.value, value)).filter(|_| !rewrite);
            let wanted = if let Some(kept) = kept {
                let mut kept = kept.clone();
                kept.reconsider(position, property);
                kept
            } else {
                self.edits += 1;
                let mut new = Wanted::new(position, property, value.clone(), self.edits, now);
                new.forced = rewrite;
                new
            };
            self.wanted.push(wanted);
        }
    }
    /// What was read until now is not decided upon; what is missing is asked for at `ask_at`.
    pub(super) fn read_first(&mut self, epoch: Duration, ask_at: Duration) {
        self.epoch = self.epoch.max(epoch);
        self.wanted.iter_mut().for_each(|wanted| wanted.read_first(ask_at));
    }
    pub(super) fn reporter_first(&self) -> Option<Duration> {
        let waits = self.reporter.is_new() && !self.off();
        waits.then_some(self.first_by)
    }
}

/// More than desired values changed: mode, model, protocol, wiring.
fn behaves_differently(old: &EffectiveDevice, new: &EffectiveDevice) -> bool {
    let EffectiveDevice { mode, protocol, config, properties, channel, .. } = new;
    old.mode != *mode
        || old.protocol != *protocol
        || old.config != *config
        || old.channel != *channel
        || old.properties != *properties
}
