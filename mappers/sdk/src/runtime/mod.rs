//! The runtime: from what a mapper shall do to engines and twins, one engine per endpoint, and their state into the hub.
//! Only here do configuration, engine, twin, disk and hub meet; each of them knows none of the others.
mod channels;
mod clock;
mod compile;
mod driven;
mod endpoint;
mod placement;
mod saver;
#[cfg(test)]
mod tests;

use crate::{Cx, Hub, NodeConfig, Protocol, Request, Stats, Store};
use channels::Channels;
use clock::Clock;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// What every part of the runtime shares.
struct Shared<P: Protocol> {
    protocol: Arc<P>,
    hub: Arc<Hub>,
    store: Arc<Store>,
    cx: Arc<Cx>,
    clock: Clock,
    channels: Channels,
    engines: Arc<Engines>,
    stop: CancellationToken,
}

/// The engines that run now, for metrics: by resource, with the names of their devices.
#[derive(Debug, Default)]
pub struct Engines(Mutex<BTreeMap<String, EngineStats>>);

/// What one engine counts.
#[derive(Debug, Clone, Default)]
pub struct EngineStats {
    /// Its counters.
    pub stats: Arc<Stats>,
    /// `namespace/name` of its devices.
    pub devices: BTreeMap<crate::DeviceKey, String>,
}

impl Engines {
    /// All engines, by the resource that they have open.
    pub fn all(&self) -> BTreeMap<String, EngineStats> {
        self.lock().clone()
    }
    pub(crate) fn add(&self, resource: &str, stats: Arc<Stats>) {
        self.lock().insert(resource.to_owned(), EngineStats { stats, devices: BTreeMap::new() });
    }
    pub(crate) fn name(&self, resource: &str, devices: BTreeMap<crate::DeviceKey, String>) {
        if let Some(engine) = self.lock().get_mut(resource) {
            engine.devices = devices;
        }
    }
    pub(crate) fn remove(&self, resource: &str) {
        self.lock().remove(resource);
    }
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, EngineStats>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the runtime needs of its surroundings.
pub(crate) struct Surroundings {
    /// What it shall do.
    pub config: watch::Receiver<Arc<NodeConfig>>,
    /// Where its state goes.
    pub hub: Arc<Hub>,
    /// What it is asked.
    pub requests: mpsc::Receiver<Request>,
    /// The state folder.
    pub store: Arc<Store>,
    /// Secrets and state folder, for drivers.
    pub cx: Arc<Cx>,
    /// Counters of the engines.
    pub engines: Arc<Engines>,
    /// Name of the node, for the state of Channels.
    pub node: String,
}

impl std::fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings").field("node", &self.node).finish_non_exhaustive()
    }
}

/// Drives devices until `stop` is cancelled; then nothing new is sent, what is under way ends by its time-out, and all
/// records are on disk (five seconds at most). Nothing is written because of a start, a stop or a lost device.
pub(crate) async fn run<P: Protocol>(protocol: Arc<P>, with: Surroundings, stop: CancellationToken) {
    let Surroundings { config, hub, requests, store, cx, engines, node } = with;
    let channels = Channels::new(node, hub.clone());
    let shared = Arc::new(Shared { protocol, hub, store, cx, clock: Clock::new(), channels, engines, stop });
    placement::Placement::new(shared).run(config, requests).await;
}
