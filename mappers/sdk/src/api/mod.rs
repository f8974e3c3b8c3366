//! The local API of a mapper (design §7): its devices as the API server has or would have them, what changes, "read now", health
//! and metrics. Bounded in everything a caller could ask too much of.
mod events;
mod object;
mod openapi;
mod patient;
mod problem;
mod routes;
mod server;

use crate::{Control, DeviceView, Hub, metrics::Metrics};
pub use object::Specs;
pub use openapi::document;
pub use server::serve;
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};

/// Listeners of `/v1/events` at once.
const LISTENERS: usize = 16;

/// What the API shows.
#[derive(Debug, Clone)]
pub struct Api {
    hub: Arc<Hub>,
    specs: Specs,
    control: Control,
    metrics: Arc<Metrics>,
    ready: watch::Receiver<bool>,
    listeners: Arc<Semaphore>,
    /// Tells this process from the one before it: versions of the hub begin anew with each.
    boot: u64,
}

impl Api {
    /// `ready` is true once there is a configuration.
    pub fn new(hub: Arc<Hub>, specs: Specs, control: Control, metrics: Metrics, ready: watch::Receiver<bool>) -> Self {
        let listeners = Arc::new(Semaphore::new(LISTENERS));
        Self { hub, specs, control, metrics: Arc::new(metrics), ready, listeners, boot: fastrand::u64(..) }
    }
    fn object(&self, view: &DeviceView) -> serde_json::Value {
        self.specs.device(view)
    }
}

#[cfg(test)]
#[path = "api_tests.rs"]
mod tests;
