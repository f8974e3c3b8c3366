//! The local API, metrics and probes on one port.
use super::start::Parts;
use crate::{
    api::{self, Api},
    metrics::{Metrics, MetricsSource},
};
use std::{net::SocketAddr, sync::Arc};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// Bound before anything else runs, so that a port in use is told at once.
pub(super) async fn bind(listen: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(listen).await.map_err(|error| format!("--listen {listen}: {error}"))
}

/// Serves until `stop`. `more`: what has numbers beside the devices and engines.
pub(super) fn start(
    listener: TcpListener,
    parts: &Parts,
    more: Vec<Arc<dyn MetricsSource>>,
    ready: watch::Receiver<bool>,
    stop: CancellationToken,
) -> JoinHandle<()> {
    let mut sources: Vec<Arc<dyn MetricsSource>> = vec![parts.hub.clone(), parts.engines.clone()];
    sources.extend(more);
    let api = Api::new(parts.hub.clone(), parts.control.clone(), Metrics::new(sources), ready);
    tokio::spawn(api::serve(listener, api, stop))
}
