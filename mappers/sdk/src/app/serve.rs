//! The local API, metrics and probes on one port.
use super::start::Parts;
use crate::{
    api::{self, Api, Specs},
    metrics::{Metrics, MetricsSource},
};
use std::{net::SocketAddr, sync::Arc};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// Bound before anything else runs, so that a port in use is told at once. With the address it got: port 0 is any that is free.
pub(super) async fn bind(listen: SocketAddr) -> Result<(TcpListener, SocketAddr), String> {
    let bound = TcpListener::bind(listen).await.and_then(|listener| {
        let at = listener.local_addr()?;
        Ok((listener, at))
    });
    bound.map_err(|error| format!("--listen {listen}: {error}"))
}

/// Serves until `stop`. `more`: what has numbers beside the devices and engines.
pub(super) fn start(
    listener: TcpListener,
    parts: &Parts,
    specs: Specs,
    more: Vec<Arc<dyn MetricsSource>>,
    ready: watch::Receiver<bool>,
    stop: CancellationToken,
) -> JoinHandle<()> {
    let mut sources: Vec<Arc<dyn MetricsSource>> = vec![parts.hub.clone(), parts.engines.clone()];
    sources.extend(more);
    let api = Api::new(parts.hub.clone(), specs, parts.control.clone(), Metrics::new(sources), ready);
    tokio::spawn(api::serve(listener, api, stop))
}
