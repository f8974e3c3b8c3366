//! The engines that run now, as metrics see them.
use crate::{DeviceKey, Stats};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The engines that run now, for metrics: by resource, with the names of their devices.
#[derive(Debug, Default)]
pub struct Engines(Mutex<BTreeMap<String, EngineStats>>);

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
        self.lock().clone()
    }
    pub(crate) fn add(&self, resource: &str, stats: Arc<Stats>) {
        self.lock().insert(resource.to_owned(), EngineStats { stats, devices: BTreeMap::new() });
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
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, EngineStats>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
