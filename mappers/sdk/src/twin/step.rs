//! What is to be done now.
use super::{
    Action, Entry, Flight, Format, Grade, Link, Now, State, Twin, Wanted,
    meaning::Meaning,
    point::{Point, nanos},
    role::Role,
    write::{Facts, Next},
};
use crate::{Value, convert::same};
use pollux_crds::{Mode, Source};
use std::{mem, time::Duration};

impl Twin {
    /// What is to be done now. Call after inputs and at [`Twin::wake`].
    pub fn step(&mut self, format: &dyn Format, now: Now) -> Vec<Action> {
        self.find_stale(now);
        self.convert_outdated(format, now);
        self.compute(now);
        let verified = self.verifying();
        let (mut write, mut reads) = self.decide(format, now);
        if verified && !self.verifying() && write.is_none() {
            let (then, more) = self.decide(format, now); // what stood before it in the model waited for it
            write = then;
            reads.extend(more);
        }
        let mut actions = vec![];
        if let Some((position, raw)) = write
            && let Some(action) = self.send(position, raw)
        {
            actions.push(action);
        }
        if !reads.is_empty() {
            actions.push(Action::Read { properties: reads });
        }
        if mem::take(&mut self.unsaved) {
            actions.push(Action::Save { record: self.record.clone() });
        }
        self.say(now);
        self.rewake();
        actions
    }

    /// Goes through what is desired in the model's order. One write at a time, and none past one that must go first.
    fn decide(&mut self, format: &dyn Format, now: Now) -> (Option<(usize, Value)>, Vec<usize>) {
        let up = self.link == Link::Up && !self.off();
        let allowed = self.held().is_none();
        let (mut write, mut reads, mut wake) = (None, vec![], None::<Duration>);
        let mut blocked = self.flight.is_some() || self.verifying();
        let mut wanted = mem::take(&mut self.wanted);
        for item in &mut wanted {
            let position = item.property;
            let (Some(property), Some(point)) = (self.device.properties.get(position), self.points.get(position))
            else {
                continue;
            };
            let flies = self.flight.as_ref().is_some_and(|f| f.edit == item.edit && f.name == property.name);
            let before = (item.verdict, item.attempts, item.error.clone(), item.waiting.clone());
            if flies {
                item.verdict = item.under_way();
            } else {
                let entry = self.record.values.get(&property.name).filter(|entry| same(&entry.value, &item.value));
                let exponent = self.exponents.of(position);
                let facts = Facts {
                    position,
                    property,
                    protocol: self.device.protocol,
                    point,
                    epoch: self.epoch,
                    scale: self.decidable_scale(position, up),
                    exponent,
                    holder: exponent.and_then(|at| self.points.get(at)),
                    entry,
                    format,
                    up,
                    allowed,
                    blocked,
                    now: now.mono,
                };
                let decision = item.decide(&facts);
                item.verdict = decision.verdict;
                blocked |= decision.blocks;
                match decision.next {
                    Next::Rest => {}
                    Next::Adopt => {
                        self.record
                            .values
                            .insert(property.name.clone(), Entry::acknowledged(&item.value, &property.wiring));
                        (self.unsaved, self.touched) = (true, true);
                    }
                    Next::Ask(read) => {
                        reads.retain(|other| *other != read); // several may have one exponent
                        reads.push(read);
                        wake = Some(earlier(wake, item.ask_at));
                    }
                    Next::Wait(until) => wake = Some(earlier(wake, until)),
                    Next::Write(raw) => write = Some((position, raw)),
                }
                wake = decision.look_again.map(|at| earlier(wake, at)).or(wake);
            }
            self.touched |= before != (item.verdict, item.attempts, item.error.clone(), item.waiting.clone());
        }
        self.wanted = wanted;
        self.write_check = wake;
        (write, reads)
    }
    fn verifying(&self) -> bool {
        self.wanted.iter().any(Wanted::verifying)
    }
    fn send(&mut self, position: usize, raw: Value) -> Option<Action> {
        let property = self.device.properties.get(position)?;
        let wanted = self.wanted.iter_mut().find(|w| w.property == position)?;
        wanted.sending();
        self.tickets += 1;
        let ticket = self.tickets;
        let (name, wiring) = (property.name.clone(), property.wiring.clone());
        let prior = self.record.values.get(&name).cloned();
        // What was acknowledged and is only enforced again stays so: should this write get lost, nothing is new.
        if !prior.as_ref().is_some_and(|p| p.state == State::Acknowledged && p.wiring == wiring) {
            let entry = Entry { value: wanted.value.clone(), wiring: wiring.clone(), state: State::Sending };
            self.record.values.insert(name.clone(), entry);
        }
        self.flight = Some(Flight { ticket, name, edit: wanted.edit, wiring, prior });
        (self.unsaved, self.touched) = (false, true);
        Some(Action::Write { ticket, values: vec![(position, raw)], record: self.record.clone() })
    }

    fn convert_outdated(&mut self, format: &dyn Format, now: Now) {
        while mem::take(&mut self.outdated) {
            // What scales others comes first, or brings them here once more; none scales one that scales.
            (0..self.points.len()).for_each(|position| self.convert_one(position, format, now));
        }
    }
    fn convert_one(&mut self, position: usize, format: &dyn Format, now: Now) {
        let (scale, precision) = (self.scale(position), format.precision(position));
        let (Some(point), Some(property)) = (self.points.get_mut(position), self.device.properties.get(position))
        else {
            return;
        };
        if !point.outdated {
            return;
        }
        let role = point.role;
        if point.convert(&Meaning { property, scale, precision }, now) {
            self.reporter.at_once = true;
            self.moved(position, role);
        }
        self.grade(position, now.mono);
    }
    /// What hangs on a value that is another one.
    pub(super) fn moved(&mut self, position: usize, role: Role) {
        self.formulas.iter_mut().filter(|f| f.reads(position)).for_each(|f| f.due = true);
        if role == Role::Exponent {
            self.rescale(position);
        }
    }
    fn find_stale(&mut self, now: Now) {
        if self.stale_check.is_none_or(|at| now.mono < at) {
            return;
        }
        // Mostly all was read again in the meantime.
        let oldest = self.points.iter().filter_map(Point::read_at).min();
        self.stale_check = oldest.zip(self.soonest_stale).map(|(at, after)| at + after).filter(|at| *at > now.mono);
        if self.stale_check.is_none() {
            (0..self.points.len()).for_each(|position| self.grade(position, now.mono));
        }
    }
    /// Values that are made of others.
    fn compute(&mut self, now: Now) {
        for formula in self.formulas.iter_mut().filter(|f| f.due) {
            let (value, grade, reason) = formula.evaluate(&self.device, &self.points);
            let position = formula.position;
            let (Some(point), Some(property)) = (self.points.get_mut(position), self.device.properties.get(position))
            else {
                continue;
            };
            if let Some(value) = value
                && point.computed(value.clone(), now)
            {
                self.reporter.changed((position, property), &value);
            }
            point.because(reason);
            self.touched |= point.graded(grade);
        }
    }
    /// How good the value of one property is now.
    pub(super) fn grade(&mut self, position: usize, now: Duration) {
        let (Some(point), Some(property)) = (self.points.get_mut(position), self.device.properties.get(position))
        else {
            return;
        };
        if !matches!(property.source, Source::Binding(_)) {
            return;
        }
        let up = matches!(self.link, Link::Up);
        let grade = match &self.link {
            _ if self.device.mode == Mode::Off => Grade::Off,
            Link::Up => point.assess(property, now),
            Link::Unknown if !point.is_heard() => Grade::NotRead,
            Link::Unknown | Link::Down { .. } | Link::Refused { .. } => Grade::NotConnected,
        };
        if up
            && grade != Grade::Stale
            && let Some(stale) = point.stale_at(property).filter(|at| *at > nanos(now))
            && self.stale_check.is_none_or(|at| nanos(at) > stale)
        {
            self.stale_check = Some(Duration::from_nanos(stale));
        }
        if point.graded(grade) {
            self.touched = true;
            self.formulas.iter_mut().filter(|f| f.reads(position)).for_each(|f| f.due = true);
            if point.role == Role::Exponent {
                self.rescale(position);
            }
        }
    }
    pub(super) fn grade_all(&mut self, now: Now) {
        (0..self.points.len()).for_each(|position| self.grade(position, now.mono));
        self.compute(now);
    }
    /// Says anew what the conditions are, if anything that they depend on changed.
    pub(super) fn say(&mut self, now: Now) {
        let held = self.conditions.held_until().is_some_and(|at| now.mono >= at);
        let first = self.reporter.is_new() && now.mono >= self.first_by;
        if mem::take(&mut self.touched) || held || first {
            self.say_connected(now);
            self.say_healthy(now);
            self.say_in_sync(now);
            self.reporter.at_once = true;
        }
    }
}

fn earlier(a: Option<Duration>, b: Duration) -> Duration {
    a.map_or(b, |a| a.min(b))
}
