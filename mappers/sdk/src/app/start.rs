//! A mapper at work: the runtime with what it needs, whatever its configuration comes from.
use crate::{
    Control, Cx, Hub, NodeConfig, Protocol, Store, control,
    runtime::{self, Engines, Surroundings},
};
use std::sync::Arc;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// A mapper at work.
#[derive(Debug)]
pub(super) struct Mapper {
    pub(super) hub: Arc<Hub>,
    pub(super) control: Control,
    pub(super) engines: Arc<Engines>,
    task: JoinHandle<()>,
}

/// What differs between a cluster, files, and a command that runs once.
pub(super) struct Given {
    pub(super) config: watch::Receiver<Arc<NodeConfig>>,
    pub(super) store: Arc<Store>,
    pub(super) cx: Cx,
    pub(super) node: String,
}

impl Mapper {
    pub(super) fn start<P: Protocol>(protocol: Arc<P>, given: Given, stop: CancellationToken) -> Self {
        let (control, requests) = control();
        let (hub, engines) = (Arc::new(Hub::default()), Arc::new(Engines::default()));
        let Given { config, store, cx, node } = given;
        let (with_hub, with_engines) = (hub.clone(), engines.clone());
        let with = Surroundings { config, hub: with_hub, requests, store, cx: Arc::new(cx), engines: with_engines, node };
        let task = tokio::spawn(runtime::run(protocol, with, stop));
        Self { hub, control, engines, task }
    }
    /// Resolves when nothing is under way on any wire and all records are on the disk.
    pub(super) async fn ended(self) {
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the runtime ended abnormally");
        }
    }
}
