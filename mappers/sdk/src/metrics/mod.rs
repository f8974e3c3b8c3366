//! What `/metrics` shows. Each metric is stated once, in `catalog`, which documentation is generated from; sources hand over
//! numbers when somebody asks, so nothing is counted twice and nothing is kept for devices that are gone.
pub mod catalog;
mod engine;
mod hub;
mod process;
mod reporting;

pub use catalog::{MetricDoc, MetricKind, catalog};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, NoLabelSet, prometheus_text},
    metrics::MetricType,
    registry::Registry,
};
use std::{collections::BTreeMap, fmt, sync::Arc};

/// Content-Type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Whoever has numbers to show.
pub trait MetricsSource: fmt::Debug + Send + Sync + 'static {
    /// Adds what it has now.
    fn collect(&self, sheet: &mut Sheet);
}

/// The numbers of one scrape.
#[derive(Debug, Default)]
pub struct Sheet(BTreeMap<&'static str, Family>);
#[derive(Debug)]
struct Family {
    doc: &'static MetricDoc,
    /// By labels: of a device made anew both uids may be there for a moment, and a series shown twice is one that
    /// Prometheus drops.
    rows: BTreeMap<Vec<(&'static str, String)>, f64>,
}

impl Sheet {
    /// One number. `labels` are the values of the metric's labels, in the order of its documentation. Of two numbers with
    /// the same labels the later is shown.
    pub fn add(&mut self, doc: &'static MetricDoc, labels: &[&str], value: f64) {
        debug_assert_eq!(doc.labels.len(), labels.len(), "{}", doc.name);
        let labels = doc.labels.iter().copied().zip(labels.iter().map(|value| (*value).to_owned())).collect();
        self.0.entry(doc.name).or_insert_with(|| Family { doc, rows: BTreeMap::new() }).rows.insert(labels, value);
    }
    /// One counter.
    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53, and a counter's rate is what is looked at")]
    pub fn count(&mut self, doc: &'static MetricDoc, labels: &[&str], value: u64) {
        self.add(doc, labels, value as f64);
    }
}

/// All sources of a process.
#[derive(Debug)]
pub struct Metrics(Registry);

impl Metrics {
    /// Of these sources; the process itself is always among them.
    pub fn new(sources: Vec<Arc<dyn MetricsSource>>) -> Self {
        process::start();
        let mut registry = Registry::default();
        registry.register_collector(Box::new(All(sources)));
        Self(registry)
    }
    /// In the text format of Prometheus.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        prometheus_text::encode(&mut text, &self.0)?;
        Ok(text)
    }
}

#[derive(Debug)]
struct All(Vec<Arc<dyn MetricsSource>>);

impl Collector for All {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut sheet = Sheet::default();
        process::collect(&mut sheet);
        self.0.iter().for_each(|source| source.collect(&mut sheet));
        sheet.0.values().try_for_each(|family| family.encode(&mut encoder))
    }
}

impl Family {
    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (name, type_) = match self.doc.kind {
            // The encoder adds the ending itself.
            MetricKind::Counter => (self.doc.name.trim_end_matches("_total"), MetricType::Counter),
            MetricKind::Gauge => (self.doc.name, MetricType::Gauge),
        };
        let mut metric = encoder.encode_descriptor(name, self.doc.help, None, type_)?;
        for (labels, value) in &self.rows {
            let mut row = metric.encode_family(labels)?;
            match self.doc.kind {
                MetricKind::Counter => row.encode_counter::<NoLabelSet, _, f64>(value, None)?,
                MetricKind::Gauge => row.encode_gauge(value)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
