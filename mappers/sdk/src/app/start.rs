//! A mapper at work: the runtime with what it needs, whatever its configuration comes from.
use crate::{
    Control, Hub, NodeConfig, Protocol, Request, Secrets, Store, control,
    runtime::{self, Engines, Surroundings},
};
use std::sync::Arc;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// What the runtime shares with those who look at it; there before the runtime is, so that probes are answered from the start.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) hub: Arc<Hub>,
    pub(super) control: Control,
    pub(super) engines: Arc<Engines>,
    requests: mpsc::Receiver<Request>,
}

/// What differs between a cluster, files, and a command that runs once.
pub(super) struct Given {
    pub(super) config: watch::Receiver<Arc<NodeConfig>>,
    pub(super) store: Arc<Store>,
    pub(super) secrets: watch::Receiver<Secrets>,
    pub(super) node: String,
}

/// A mapper at work.
#[derive(Debug)]
pub(super) struct Mapper {
    pub(super) hub: Arc<Hub>,
    pub(super) control: Control,
    task: JoinHandle<()>,
}

impl Parts {
    pub(super) fn new() -> Self {
        let (control, requests) = control();
        Self { hub: Arc::new(Hub::default()), control, engines: Arc::new(Engines::default()), requests }
    }
    pub(super) fn start<P: Protocol>(self, protocol: Arc<P>, given: Given, stop: CancellationToken) -> Mapper {
        let Self { hub, control, engines, requests } = self;
        let Given { config, store, secrets, node } = given;
        let with = Surroundings { config, hub: hub.clone(), requests, store, secrets, engines, node };
        Mapper { hub, control, task: tokio::spawn(runtime::run(protocol, with, stop)) }
    }
}

impl Mapper {
    /// Resolves when nothing is under way on any wire and all records are on the disk.
    pub(super) async fn ended(self) {
        join("runtime", self.task).await;
    }
}

/// Waits for a part of the process; one that ended abnormally is told.
pub(super) async fn join(part: &str, task: JoinHandle<()>) {
    if let Err(error) = task.await {
        tracing::error!(%error, part, "ended abnormally");
    }
}
