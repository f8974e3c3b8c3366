//! Configuration from the slices of a cluster. `token` obtains the right to read them, `watch` follows each by name,
//! `assemble` takes only what is consistent (pure), `compile` makes of it what the runtime drives, `cache` keeps it on disk,
//! `secrets` reads what drivers need, and `status` says what was taken. Without the API server the mapper goes on with what the
//! disk knows.
mod access;
mod assemble;
mod cache;
mod compile;
mod secrets;
mod stats;
mod status;
mod token;
mod watch;

use crate::{Hub, NodeConfig, Protocol, Secrets, Store, runtime};
pub use access::Access;
use pollux_crds::EffectiveDevice;
pub use stats::SourceStats;
use std::sync::Arc;
use tokio::{sync::watch as channel, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// What the source needs.
#[derive(Debug, Clone)]
pub struct Options {
    /// MapperClass.
    pub class: String,
    /// Node that this process runs on.
    pub node: String,
    /// The way to the API server. None: what the disk knows is all there is.
    pub access: Option<Access>,
    /// The state folder.
    pub store: Arc<Store>,
    /// What is driven, for the word to the operator.
    pub hub: Arc<Hub>,
    /// Which configurations the driver takes.
    pub judge: Judge,
}

/// A driver's word on a device's configuration: what it refuses does not get into force, nor onto the disk.
#[derive(Clone)]
pub struct Judge(Arc<Word>);
type Word = dyn Fn(&EffectiveDevice) -> Result<(), String> + Send + Sync;
impl std::fmt::Debug for Judge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Judge")
    }
}
impl Judge {
    /// The word of a protocol.
    pub fn new<P: Protocol>(protocol: Arc<P>) -> Self {
        Self(Arc::new(move |device| runtime::judge(&*protocol, device)))
    }
    fn of(&self, device: &EffectiveDevice) -> Result<(), String> {
        (self.0)(device)
    }
}

/// What [`start`] gives.
#[derive(Debug)]
pub struct KubeSource {
    /// The newest configuration. Before `ready` it is empty and says nothing about any device.
    pub config: channel::Receiver<Arc<NodeConfig>>,
    /// Contents of the Secret that the operator fills for this mapper.
    pub secrets: channel::Receiver<Secrets>,
    /// True from the first configuration on, whether it came from the API server or from the disk.
    pub ready: channel::Receiver<bool>,
    /// What metrics show.
    pub stats: Arc<SourceStats>,
    /// Ends after the token is cancelled.
    pub task: JoinHandle<()>,
}

/// Follows the slices of this class and node until `stop` is cancelled. It never fails: what is missing is said in the log and
/// tried again, with what was known last in force.
pub fn start(options: Options, stop: CancellationToken) -> KubeSource {
    let (config, config_seen) = channel::channel(Arc::new(NodeConfig::default()));
    let (ready, ready_seen) = channel::channel(false);
    let (secrets, secrets_seen) = channel::channel(Secrets::default());
    let stats = Arc::<SourceStats>::default();
    let task = {
        let stats = stats.clone();
        tokio::spawn(async move {
            let run = run(options, compile::Outlet { config, ready }, secrets, stats);
            tokio::select! {
                () = stop.cancelled() => {}
                () = run => {}
            }
        })
    };
    KubeSource { config: config_seen, secrets: secrets_seen, ready: ready_seen, stats, task }
}

async fn run(options: Options, out: compile::Outlet, secrets: channel::Sender<Secrets>, stats: Arc<SourceStats>) {
    let Options { class, node, access, store, hub, judge } = options;
    let own = assemble::Own { class, node };
    let vault = secrets::Vault::open(&own, store.clone(), secrets).await;
    let mut compiler =
        compile::Compiler::new(own.clone(), cache::Cache::new(own.clone(), store), judge, out, stats.clone());
    compiler.read_disk().await;
    let Some(access) = access else {
        tracing::info!("no API server: going on with what the disk knows");
        compiler.go_by_disk();
        return std::future::pending().await;
    };
    let reader = Arc::new(token::Reader::default());
    let chunks = Arc::new(watch::Chunks::default());
    let known = vault.known();
    tokio::join!(
        token::keep(&access, &own, &reader, &stats),
        status::speak(&access, &own, &hub, chunks.subscribe()),
        compiler.follow(&reader, &chunks, known),
        vault.follow(&reader),
    );
}

/// A trouble that lasts is one line in the log, not one per attempt.
#[derive(Debug, Default)]
struct Said(Option<String>);

impl Said {
    fn warn(&mut self, what: &str, error: &impl ToString) {
        let error = error.to_string();
        if self.0.as_ref() == Some(&error) {
            tracing::debug!(error, "{what}");
            return;
        }
        tracing::warn!(error, "{what}");
        self.0 = Some(error);
    }
    fn over(&mut self, what: &str) {
        if self.0.take().is_some() {
            tracing::info!("{what}");
        }
    }
}

#[cfg(test)]
#[path = "kube_tests.rs"]
mod tests;
