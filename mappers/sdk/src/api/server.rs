//! Connections: so many at once, so long for a request's head, and an end in order.
use super::{Api, routes::router};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use std::{sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::sync::CancellationToken;

/// Connections at once; the next ones wait in the system's queue.
pub(super) const CONNECTIONS: usize = 64;
/// Longest time for a request's head, and for silence between requests.
const HEAD: Duration = Duration::from_secs(30);
const HEAD_BYTES: usize = 16 * 1024;
/// Longest time for answers under way at the end.
const DRAIN: Duration = Duration::from_secs(2);
/// After an accept that failed (no more descriptors), so that it does not become a busy loop.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop` is cancelled; answers under way then get two seconds.
pub async fn serve(listener: TcpListener, api: Api, stop: CancellationToken) {
    let router = router(api);
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let open = GracefulShutdown::new();
    let accept = async {
        // The semaphore is never closed.
        while let Ok(permit) = room.clone().acquire_owned().await {
            match listener.accept().await {
                Ok((stream, _)) => connection(stream, router.clone(), permit, &open),
                Err(error) => {
                    tracing::warn!(%error, "connection not accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = accept => {}
    }
    if tokio::time::timeout(DRAIN, open.shutdown()).await.is_err() {
        tracing::debug!("connections of the local API were cut");
    }
}

fn connection(stream: TcpStream, router: Router, permit: OwnedSemaphorePermit, open: &GracefulShutdown) {
    stream.set_nodelay(true).ok(); // without it answers are only a little later
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_BYTES);
    let serving = open.watch(http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)));
    tokio::spawn(async move {
        if let Err(error) = serving.await {
            tracing::debug!(%error, "connection of the local API ended");
        }
        drop(permit);
    });
}
