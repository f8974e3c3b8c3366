//! Metrics of the operator, in the Prometheus text format.
use crate::{
    conditions::Truth,
    world::{World, devices::COUNTED},
};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use std::collections::HashMap;

/// Labels of a reconcile.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByKind {
    /// Device, Mapper, `MapperClass`, Channel.
    pub kind: &'static str,
    /// ok, conflict, error, panic.
    pub result: &'static str,
}
/// Labels of a duration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Kind {
    /// Device, Mapper, `MapperClass`, Channel.
    pub kind: &'static str,
}
/// Labels of a count of devices.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByCondition {
    /// Accepted, Scheduled, Ready.
    pub condition: &'static str,
    /// True, False, Unknown.
    pub status: &'static str,
}

/// All metrics.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Reconciles that ended.
    pub reconciles: Family<ByKind, Counter>,
    /// How long reconciles took.
    pub durations: Family<Kind, Histogram, fn() -> Histogram>,
    /// Keys that wait.
    pub queue: Gauge,
    /// 1 while this replica leads.
    pub leader: Gauge,
    /// Devices by condition.
    pub devices: Family<ByCondition, Gauge>,
    /// Slices written.
    pub slice_writes: Counter,
    /// Entries that mappers have not let go of yet.
    pub tombstones: Gauge,
    /// Admission policies or bindings that are missing.
    pub missing_policies: Gauge,
    /// Events that were not told.
    pub events_dropped: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new([0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0]);
        let mut metrics = Self {
            registry: Registry::with_prefix("pollux_operator"),
            reconciles: Family::default(),
            durations: Family::new_with_constructor(histogram),
            queue: Gauge::default(),
            leader: Gauge::default(),
            devices: Family::default(),
            slice_writes: Counter::default(),
            tombstones: Gauge::default(),
            missing_policies: Gauge::default(),
            events_dropped: Counter::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let r = &mut self.registry;
        r.register("reconciles", "Reconciles that ended, by kind and result", self.reconciles.clone());
        r.register("reconcile_seconds", "How long reconciles took, by kind", self.durations.clone());
        r.register("queue_depth", "Keys that wait to be reconciled", self.queue.clone());
        r.register("leader", "1 while this replica leads", self.leader.clone());
        r.register("devices", "Devices by condition and its status", self.devices.clone());
        r.register("slice_writes", "DeviceSlices written", self.slice_writes.clone());
        r.register("tombstones", "Devices taken away that mappers have not let go of yet", self.tombstones.clone());
        let help = "Admission policies or bindings that are missing; no mapper is started while it is not 0";
        r.register("missing_policies", help, self.missing_policies.clone());
        r.register("events_dropped", "Events not told because too many happened at once", self.events_dropped.clone());
    }

    /// Everything, as text. What is counted from memory is counted now.
    pub fn text(&self, world: &World) -> String {
        let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.queue.set(number(world.queue.len()));
        self.missing_policies.set(number(world.missing_policies().len()));
        let tombstones = world
            .index()
            .slices()
            .flat_map(|(_, c)| c.values())
            .flat_map(|s| &s.entries)
            .filter(|e| e.tombstone)
            .count();
        self.tombstones.set(number(tombstones));
        self.count_devices(world);
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a String cannot fail");
        text
    }

    fn count_devices(&self, world: &World) {
        let mut all: HashMap<(&str, &str), i64> = HashMap::new();
        for states in world.devices.collect(|_, device| Some(device.states)) {
            for (condition, state) in COUNTED.into_iter().zip(states) {
                *all.entry((condition, state.as_str())).or_default() += 1;
            }
        }
        for condition in COUNTED {
            for status in [Truth::True, Truth::False, Truth::Unknown].map(Truth::as_str) {
                let count = all.get(&(condition, status)).copied().unwrap_or(0);
                self.devices.get_or_create(&ByCondition { condition, status }).set(count);
            }
        }
    }
}
