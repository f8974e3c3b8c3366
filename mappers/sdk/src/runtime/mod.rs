//! The runtime: from what a mapper shall do to engines and twins, one engine per endpoint, and their state into the hub.
//! Only here do configuration, engine, twin, disk and hub meet; each of them knows none of the others.
mod channels;
mod clock;
mod compile;
mod driven;
mod endpoint;
mod engines;
mod kept;
mod links;
mod placement;
mod points;
mod saver;
#[cfg(test)]
mod tests;

use crate::{Cx, Hub, NodeConfig, Protocol, Request, Secrets, Store};
use channels::Channels;
use clock::Clock;
pub(crate) use compile::{Compiled, Specs, compile, judge};
pub(crate) use endpoint::LAST_RECORDS;
pub use engines::{EngineStats, Engines};
use links::Links;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// What every part of the runtime shares.
struct Shared<P: Protocol> {
    protocol: Arc<P>,
    hub: Arc<Hub>,
    store: Arc<Store>,
    secrets: watch::Receiver<Secrets>,
    /// What a driver may know whose links read no secret.
    bare: Arc<Cx>,
    clock: Clock,
    channels: Channels,
    links: Links,
    engines: Arc<Engines>,
    stop: CancellationToken,
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
    /// Contents of Secrets, for drivers.
    pub secrets: watch::Receiver<Secrets>,
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
/// records are on disk (five seconds for the wire, three for the disk). Nothing is written because of a start, a stop or a lost device.
pub(crate) async fn run<P: Protocol>(protocol: Arc<P>, with: Surroundings, stop: CancellationToken) {
    let Surroundings { config, hub, requests, store, secrets, engines, node } = with;
    let channels = Channels::new(node, hub.clone());
    let (clock, links) = (Clock::new(), Links::default());
    let bare = Arc::new(secrets.borrow().cx(Some(&[]), store.drivers()));
    let shared = Arc::new(Shared { protocol, hub, store, secrets, bare, clock, channels, links, engines, stop });
    placement::Placement::new(shared).run(config, requests).await;
}
