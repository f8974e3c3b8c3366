//! The devices of an endpoint: added, changed and removed while it runs.
use super::{
    DeviceKey, DeviceSpec, Engine, Layout, PointSpec,
    command::Tally,
    held::{Health, Held, Next, Successor},
    plans::Plans,
};
use crate::{
    ConfigError, ErrorKind, Instant, Interval, Point, PointFault, Protocol, Slot, arbiter::Plan, few, load::Pace,
};
use std::{
    collections::{BTreeMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::Arc,
    time::Duration,
};
use tokio::sync::oneshot;

pub(super) const TIMEOUT: (Duration, Duration) = (Duration::from_millis(1), Duration::from_hours(1));

impl<P: Protocol> Engine<P> {
    pub(super) fn held(&self, device: usize) -> Option<&Held<P>> {
        self.devices.get(device)?.as_deref()
    }
    pub(super) fn held_mut(&mut self, device: usize) -> Option<&mut Held<P>> {
        self.devices.get_mut(device)?.as_deref_mut()
    }
    pub(super) fn find(&self, key: DeviceKey) -> Option<usize> {
        self.by_key.get(&key).copied()
    }
    pub(super) fn tally(&self, device: usize) -> Option<Tally> {
        self.held(device).map(|held| [held.counters.clone(), self.stats.total.clone()])
    }

    /// Adds a device, or gives it its newest configuration. Refused as a whole: the last valid one stays.
    pub fn add(&mut self, spec: &DeviceSpec<P>) -> Result<Layout<P>, Vec<ConfigError>> {
        let layout = self.take(spec);
        self.kept.remove(&spec.key); // for this one only
        layout
    }
    fn take(&mut self, spec: &DeviceSpec<P>) -> Result<Layout<P>, Vec<ConfigError>> {
        let endpoint = self.protocol.endpoint(&spec.config).map_err(|error| vec![error])?;
        if endpoint != self.endpoint {
            return Err(vec![ConfigError::device(format!("belongs to {endpoint}, not to {}", self.endpoint))]);
        }
        let Some(device) = self.find(spec.key) else { return self.insert(spec) };
        if let Some(held) = self.held_mut(device)
            && held.wiring == spec.wiring
            && held.next.is_none()
            && held.slots as usize == spec.points.len()
        {
            return Ok(self.retune(device, spec));
        }
        self.rewire(device, spec)
    }
    fn insert(&mut self, spec: &DeviceSpec<P>) -> Result<Layout<P>, Vec<ConfigError>> {
        let Successor { held, plan } = self.prepare(spec)?;
        let layout = held.layout();
        let device = self.arbiter.add(plan, Instant::now());
        while self.devices.len() <= device {
            few::push(&mut self.devices, None);
        }
        if let Some(place) = self.devices.get_mut(device) {
            *place = Some(Box::new(held));
        }
        self.by_key.insert(spec.key, device);
        Ok(layout)
    }
    /// Same wiring: the unit stays, its attachment, what it learned, what is under way.
    fn retune(&mut self, device: usize, spec: &DeviceSpec<P>) -> Layout<P> {
        let held = self.devices[device].as_mut().expect("found by its key");
        held.timeout = spec.timeout.clamp(TIMEOUT.0, TIMEOUT.1);
        let layout = held.layout();
        for (point, slot) in spec.points.iter().zip(layout.base.0..) {
            self.columns.set_event(Slot(slot), point.event);
        }
        self.arbiter.retune(device, spec.offline_after, spec.timeout.clamp(TIMEOUT.0, TIMEOUT.1));
        self.judge(device, false, &PointFault::new(ErrorKind::Timeout, "offlineAfter was changed"));
        layout
    }
    /// Other wiring: a successor waits until the old unit is detached.
    fn rewire(&mut self, device: usize, spec: &DeviceSpec<P>) -> Result<Layout<P>, Vec<ConfigError>> {
        let mut successor = self.prepare(spec)?;
        let prepared = match self.held(device) {
            Some(Held { next: Some(Next::Successor(waiting)), .. }) => waiting.held.prepared,
            Some(held) => held.prepared,
            None => 0,
        };
        successor.held.prepared = prepared + 1;
        let layout = successor.held.layout();
        self.supplant(device, Next::Successor(Box::new(successor)), "the device was configured anew");
        Ok(layout)
    }
    /// Takes a device away; the reply comes when it is detached.
    pub(super) fn remove(&mut self, key: DeviceKey, reply: oneshot::Sender<()>) {
        let Some(device) = self.find(key) else {
            reply.send(()).ok(); // who asked may have left
            return;
        };
        if let Some(held) = self.held_mut(device) {
            held.mourners.push(reply);
        }
        self.supplant(device, Next::Nothing, "the device was removed");
    }
    fn supplant(&mut self, device: usize, next: Next<P>, why: &'static str) {
        self.drain(); // what happened by now, happened
        let why = PointFault::new(ErrorKind::Config, why);
        for order in self.arbiter.withdraw(|u, _| u == device) {
            order.not_sent(why.clone());
        }
        self.refuse_asks(|d| d == device, &why);
        let epoch = self.next_epoch();
        let Some(held) = self.held_mut(device) else { return };
        held.epoch = epoch; // from here on nobody listens to the old one
        if let Some(Next::Successor(unused)) = held.next.replace(next) {
            self.columns.remove(unused.held.key, unused.held.generation);
        }
        self.arbiter.leave(device);
        self.succeed(device);
    }
    /// What comes after takes over once the old unit is detached; its rows go back.
    pub(super) fn succeed(&mut self, device: usize) {
        if self.held(device).is_none() || !self.arbiter.is_out(device) {
            return;
        }
        let epoch = self.next_epoch();
        let Some(held) = self.held_mut(device) else { return };
        let Some(next) = held.next.take() else { return };
        let (key, generation) = (held.key, held.generation);
        for mourner in held.mourners.drain(..) {
            mourner.send(()).ok(); // who asked may have left
        }
        match next {
            Next::Successor(successor) => {
                let Successor { held: new, plan } = *successor;
                let old = std::mem::replace(held, new);
                (held.epoch, held.health) = (epoch, old.health);
                self.arbiter.replace(device, plan, Instant::now());
            }
            Next::Nothing => {
                self.devices[device] = None;
                self.by_key.remove(&key);
                self.untold.remove(&device);
                self.stats.forget(key);
                self.arbiter.remove(device);
            }
        }
        self.columns.remove(key, generation);
        self.stats.rows.set(self.columns.len() as u64);
    }
    pub(super) fn next_epoch(&mut self) -> u32 {
        self.epochs = self.epochs.wrapping_add(1);
        self.epochs
    }

    fn prepare(&mut self, spec: &DeviceSpec<P>) -> Result<Successor<P>, Vec<ConfigError>> {
        let rows = self.columns.add(spec.key, spec.points.iter().map(|p| p.event));
        let too_many = || vec![ConfigError::device("too many points on one endpoint")];
        let (base, generation, fresh) = rows.ok_or_else(too_many)?;
        let slots = u32::try_from(spec.points.len()).map_err(|_| too_many())?;
        let (intervals, read_groups) = intervals(&spec.points);
        let points = as_driver_sees(&spec.points, base, &intervals);
        let unit = match self.protocol.prepare(&spec.config, &points) {
            Ok(unit) => Arc::new(unit),
            Err(errors) => {
                self.columns.remove(spec.key, generation);
                return Err(errors);
            }
        };
        if let Some(kept) = self.kept.remove(&spec.key) {
            self.protocol.recall(&unit, &kept);
        }
        self.stats.rows.set(self.columns.len() as u64);
        let known = self.protocol.knowledge(&unit); // told with the layout
        let plan = Plan {
            groups: groups(&spec.points, intervals),
            offline_after: spec.offline_after,
            phase: phase(&spec.name),
            timeout: spec.timeout.clamp(TIMEOUT.0, TIMEOUT.1),
            hold: self.protocol.hold(&unit),
        };
        let held = Held {
            key: spec.key,
            name: spec.name.as_str().into(),
            unit,
            wiring: spec.wiring,
            base,
            slots,
            generation,
            prepared: 1,
            fresh,
            readable: spec.points.iter().map(|p| p.readable && !p.event).collect(),
            events: (0..).zip(spec.points.iter()).filter(|(_, p)| p.event).map(|(point, _)| (point, false)).collect(),
            read_groups,
            timeout: spec.timeout.clamp(TIMEOUT.0, TIMEOUT.1),
            epoch: 0,
            health: Health::default(),
            replans: 0,
            slowest: None,
            plans: Plans::default(),
            version: 0,
            known,
            known_untold: false,
            demand: None,
            pace: Pace::default(),
            watched: vec![],
            confirmed: BTreeMap::new(),
            read: vec![],
            counters: self.stats.device(spec.key),
            next: None,
            mourners: vec![],
        };
        Ok(Successor { held, plan })
    }
}

pub(crate) fn as_driver_sees<'a, A>(
    points: &'a [PointSpec<A>],
    base: Slot,
    intervals: &[Interval],
) -> Vec<Point<'a, A>> {
    let point = |((p, slot), interval): ((&'a PointSpec<A>, u32), &Interval)| Point {
        slot: Slot(slot),
        name: &p.name,
        address: &p.address,
        readable: p.readable,
        writable: p.writable,
        event: p.event,
        interval: *interval,
        read_group: p.read_group.as_deref(),
    };
    points.iter().zip(base.0..).zip(intervals).map(point).collect()
}

/// Points by interval; what is only written is in none, nor are events: they are not read.
pub(crate) fn groups<A>(points: &[PointSpec<A>], intervals: Vec<Interval>) -> Vec<(Interval, Vec<u32>)> {
    let mut groups: BTreeMap<Interval, Vec<u32>> = BTreeMap::new();
    for ((_, interval), i) in points.iter().zip(intervals).zip(0..).filter(|((p, _), _)| p.readable && !p.event) {
        groups.entry(interval).or_default().push(i);
    }
    groups.into_iter().collect()
}

/// The interval of each point, and the groups of points read together: all members at the shortest of theirs.
pub(crate) fn intervals<A>(points: &[PointSpec<A>]) -> (Vec<Interval>, Vec<Vec<usize>>) {
    let mut groups: BTreeMap<&str, (Interval, Vec<usize>)> = BTreeMap::new();
    for (i, point) in points.iter().enumerate().filter(|(_, p)| p.readable) {
        let Some(name) = &point.read_group else { continue };
        let group = groups.entry(name).or_insert((point.interval, vec![]));
        group.0 = group.0.min(point.interval);
        group.1.push(i);
    }
    let of = |p: &PointSpec<A>| p.read_group.as_deref().and_then(|name| groups.get(name)).map_or(p.interval, |g| g.0);
    let intervals = points.iter().map(of).collect();
    (intervals, groups.into_values().map(|g| g.1).collect())
}

fn phase(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new(); // with fixed keys: the same in every process
    name.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_a_read_group_share_the_shortest_interval() {
        let (second, minute) = (Interval::Every(Duration::from_secs(1)), Interval::Every(Duration::from_mins(1)));
        let point = |interval, readable, group: Option<&str>| PointSpec {
            name: String::new(),
            address: (),
            interval,
            readable,
            writable: false,
            event: false,
            read_group: group.map(str::to_owned),
        };
        let points = [
            point(minute, true, Some("clock")),
            point(minute, true, None),
            point(second, false, Some("clock")),
            point(Interval::OnConnect, true, Some("clock")),
        ];
        assert_eq!(intervals(&points), (vec![minute, minute, minute, minute], vec![vec![0, 3]]));
        let points = [point(Interval::OnConnect, true, Some("a")), point(second, true, Some("a"))];
        assert_eq!(intervals(&points), (vec![second, second], vec![vec![0, 1]]));
    }
}
