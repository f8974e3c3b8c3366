//! The engines that run now, as metrics see them.
use crate::{DeviceKey, Stats, few::Few};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The engines that run now, for metrics: by resource, with the names of their devices.
#[derive(Debug, Default)]
pub struct Engines(Mutex<BTreeMap<Arc<str>, Running>>);

/// One engine, in as little room as can be.
#[derive(Debug)]
struct Running {
    stats: Arc<Stats>,
    devices: Few<DeviceKey, String>,
}

/// What one engine counts.
#[derive(Debug, Clone, Default)]
pub struct EngineStats {
    /// Its counters.
    pub stats: Arc<Stats>,
    /// `namespace/name` of its devices.
    pub devices: BTreeMap<DeviceKey, String>,
}

impl Engines {
    /// All engines, by the resource that they have open.
    pub fn all(&self) -> BTreeMap<String, EngineStats> {
        let of = |running: &Running| EngineStats {
            stats: running.stats.clone(),
            devices: running.devices.iter().map(|(key, name)| (*key, name.clone())).collect(),
        };
        self.lock().iter().map(|(resource, running)| (resource.to_string(), of(running))).collect()
    }
    pub(crate) fn add(&self, resource: Arc<str>, stats: Arc<Stats>) {
        self.lock().insert(resource, Running { stats, devices: Few::default() });
    }
    pub(super) fn came(&self, resource: &str, key: DeviceKey, name: String) {
        if let Some(engine) = self.lock().get_mut(resource) {
            engine.devices.insert(key, name);
        }
    }
    pub(super) fn left(&self, resource: &str, key: DeviceKey) {
        if let Some(engine) = self.lock().get_mut(resource) {
            engine.devices.remove(&key);
        }
    }
    pub(crate) fn remove(&self, resource: &str) {
        self.lock().remove(resource);
    }
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Running>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
