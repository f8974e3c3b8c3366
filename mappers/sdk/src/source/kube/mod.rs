//! Configuration from the slices of a cluster. `token` obtains the right to read them, `watch` follows each by name,
//! `assemble` takes only what is consistent (pure), `compile` makes of it what the runtime drives, `cache` keeps it on disk, and
//! `status` says what was taken. Without the API server the mapper goes on with what the disk knows.
mod access;
mod assemble;
mod cache;
mod compile;
mod stats;
mod status;
mod token;
mod watch;

use crate::{Hub, NodeConfig, Store};
pub use access::Access;
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
}

/// What [`start`] gives.
#[derive(Debug)]
pub struct KubeSource {
    /// The newest configuration. Before `ready` it is empty and says nothing about any device.
    pub config: channel::Receiver<Arc<NodeConfig>>,
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
    let stats = Arc::<SourceStats>::default();
    let task = {
        let stats = stats.clone();
        tokio::spawn(async move {
            let run = run(options, compile::Outlet { config, ready }, stats);
            tokio::select! {
                () = stop.cancelled() => {}
                () = run => {}
            }
        })
    };
    KubeSource { config: config_seen, ready: ready_seen, stats, task }
}

async fn run(options: Options, out: compile::Outlet, stats: Arc<SourceStats>) {
    let Options { class, node, access, store, hub } = options;
    let own = assemble::Own { class, node };
    let mut compiler = compile::Compiler::new(own.clone(), cache::Cache::new(store), out, stats.clone());
    compiler.read_disk().await;
    let Some(access) = access else {
        tracing::info!("no API server: going on with what the disk knows");
        return std::future::pending().await;
    };
    let reader = Arc::new(token::Reader::default());
    let chunks = Arc::new(watch::Chunks::default());
    tokio::join!(
        token::keep(&access, &own, &reader, &stats),
        status::speak(&access, &own, &hub, chunks.subscribe()),
        compiler.follow(&reader, &chunks),
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
