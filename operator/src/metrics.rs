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

const PREFIX: &str = "pollux_operator";

/// What is to be known of one metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricDoc {
    /// As Prometheus shows it, ending included.
    pub name: &'static str,
    /// counter, gauge or histogram.
    pub kind: &'static str,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    /// One sentence, without its full stop.
    pub help: &'static str,
}
impl MetricDoc {
    const fn new(name: &'static str, kind: &'static str, labels: &'static [&'static str], help: &'static str) -> Self {
        Self { name, kind, labels, help }
    }
    /// Without what the registry adds.
    fn stem(&self) -> &'static str {
        let name = self.name.strip_prefix(PREFIX).and_then(|name| name.strip_prefix('_')).unwrap_or(self.name);
        name.strip_suffix("_total").unwrap_or(name)
    }
}

const RECONCILES: MetricDoc = MetricDoc::new(
    "pollux_operator_reconciles_total",
    "counter",
    &["kind", "result"],
    "Reconciles that ended, by kind (Device, Mapper, MapperClass, Channel) and result (ok, conflict, error, panic)",
);
const SECONDS: MetricDoc = MetricDoc::new(
    "pollux_operator_reconcile_seconds",
    "histogram",
    &["kind"],
    "How long reconciles took, by kind (Device, Mapper, MapperClass, Channel)",
);
const QUEUE: MetricDoc = MetricDoc::new("pollux_operator_queue_depth", "gauge", &[], "Keys that wait to be reconciled");
const LEADER: MetricDoc = MetricDoc::new("pollux_operator_leader", "gauge", &[], "1 while this replica leads");
const DEVICES: MetricDoc = MetricDoc::new(
    "pollux_operator_devices",
    "gauge",
    &["condition", "status"],
    "Devices by condition (Accepted, Scheduled, Ready) and its status (True, False, Unknown)",
);
const SLICE_WRITES: MetricDoc =
    MetricDoc::new("pollux_operator_slice_writes_total", "counter", &[], "DeviceSlices written");
const TOMBSTONES: MetricDoc = MetricDoc::new(
    "pollux_operator_tombstones",
    "gauge",
    &[],
    "Devices taken away that mappers have not let go of yet",
);
const MISSING_POLICIES: MetricDoc = MetricDoc::new(
    "pollux_operator_missing_policies",
    "gauge",
    &[],
    "Admission policies or bindings that are missing; no mapper is started while it is not 0",
);
const EVENTS_DROPPED: MetricDoc = MetricDoc::new(
    "pollux_operator_events_dropped_total",
    "counter",
    &[],
    "Events not told because too many happened at once",
);

/// Every metric of the operator, as documentation lists them.
pub const CATALOG: [MetricDoc; 9] =
    [RECONCILES, SECONDS, QUEUE, LEADER, DEVICES, SLICE_WRITES, TOMBSTONES, MISSING_POLICIES, EVENTS_DROPPED];

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
            registry: Registry::with_prefix(PREFIX),
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
        r.register(RECONCILES.stem(), RECONCILES.help, self.reconciles.clone());
        r.register(SECONDS.stem(), SECONDS.help, self.durations.clone());
        r.register(QUEUE.stem(), QUEUE.help, self.queue.clone());
        r.register(LEADER.stem(), LEADER.help, self.leader.clone());
        r.register(DEVICES.stem(), DEVICES.help, self.devices.clone());
        r.register(SLICE_WRITES.stem(), SLICE_WRITES.help, self.slice_writes.clone());
        r.register(TOMBSTONES.stem(), TOMBSTONES.help, self.tombstones.clone());
        r.register(MISSING_POLICIES.stem(), MISSING_POLICIES.help, self.missing_policies.clone());
        r.register(EVENTS_DROPPED.stem(), EVENTS_DROPPED.help, self.events_dropped.clone());
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    /// Of each metric in a scrape: its type, its help, and the labels of its samples.
    fn shown(text: &str) -> BTreeMap<String, (String, String, BTreeSet<String>)> {
        let mut shown: BTreeMap<String, (String, String, BTreeSet<String>)> = BTreeMap::new();
        let words = |line: &str| line.split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        let lines = || text.lines();
        for (name, kind) in lines().filter_map(|l| l.strip_prefix("# TYPE ")).map(words) {
            shown.entry(name).or_default().0 = kind;
        }
        for (name, help) in lines().filter_map(|l| l.strip_prefix("# HELP ")).map(words) {
            shown.entry(name).or_default().1 = help;
        }
        for sample in lines().filter(|l| !l.starts_with('#')) {
            let (name, labels) = sample.split_once('{').unwrap_or((sample.split_once(' ').unwrap().0, "} "));
            let metric =
                shown.iter_mut().filter(|(known, _)| name.starts_with(known.as_str())).max_by_key(|(k, _)| k.len());
            let labels = labels.split_once('}').unwrap().0.split(',').filter_map(|l| l.split_once('='));
            metric.unwrap().1.2.extend(labels.map(|(label, _)| label.to_owned()).filter(|label| label != "le"));
        }
        shown
    }

    #[test]
    fn a_scrape_has_what_the_catalog_says_and_nothing_else() {
        let metrics = Metrics::default();
        metrics.reconciles.get_or_create(&ByKind { kind: "Device", result: "ok" }).inc();
        metrics.durations.get_or_create(&Kind { kind: "Device" }).observe(0.1);
        let text = metrics.text(&World::default());
        assert!(text.ends_with("# EOF\n"), "{text}");
        let documented = CATALOG.map(|doc| {
            // OpenMetrics writes _total at the samples only.
            let family = if doc.kind == "counter" { doc.name.strip_suffix("_total").unwrap() } else { doc.name };
            assert!(text.contains(&format!("\n{}", doc.name)), "no sample of {}", doc.name);
            let labels = doc.labels.iter().map(|l| (*l).to_owned()).collect();
            (family.to_owned(), (doc.kind.to_owned(), format!("{}.", doc.help), labels))
        });
        assert_eq!(shown(&text), BTreeMap::from(documented));
    }
}
