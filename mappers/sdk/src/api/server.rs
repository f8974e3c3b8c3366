//! Connections: so many at once, so long for a request's head, so long for a reader that takes nothing, and an end in order.
//! Probes are answered even where all places are taken: a container is not to be killed because somebody leaks connections.
use super::{Api, patient::Patient, routes};
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use std::{net::IpAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::sync::CancellationToken;

/// Connections at once.
pub(super) const CONNECTIONS: usize = 64;
/// Connections beyond those, each for one request: probes are answered, all else is refused. The next ones wait in the
/// system's queue.
const SPARE: usize = 16;
/// Longest time for a request's head, and for silence between requests.
const HEAD: Duration = Duration::from_secs(30);
const HEAD_BYTES: usize = 16 * 1024;
/// The same for a spare connection: a probe asks at once, and does not wait longer than two seconds.
const SPARE_HEAD: Duration = Duration::from_secs(1);
/// Longest time in which a caller takes nothing of what is sent to it.
const STALLED: Duration = Duration::from_secs(30);
/// Longest time for answers under way at the end.
const DRAIN: Duration = Duration::from_secs(2);
/// After an accept that failed (no more descriptors), so that it does not become a busy loop.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop` is cancelled; answers under way then get two seconds.
pub async fn serve(listener: TcpListener, api: Api, stop: CancellationToken) {
    let places = Places::new(api);
    let open = GracefulShutdown::new();
    let accept = async {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    stream.set_nodelay(true).ok(); // without it answers are only a little later
                    connection(stream, places.take().await.reached_from(peer.ip()), &open);
                }
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

/// Room for connections, and what is served in it.
pub(super) struct Places {
    whole: Router,
    probes: Router,
    room: Arc<Semaphore>,
    spare: Arc<Semaphore>,
}

/// Who asks is on this machine, or in this Pod.
#[derive(Debug, Clone, Copy)]
pub(super) struct Local;

/// One place for a connection.
pub(super) struct Place {
    router: Router,
    head: Duration,
    again: bool,
    permit: Option<OwnedSemaphorePermit>,
}

impl Places {
    pub(super) fn new(api: Api) -> Self {
        let (room, spare) = (Arc::new(Semaphore::new(CONNECTIONS)), Arc::new(Semaphore::new(SPARE)));
        Self { probes: routes::probes(api.clone()), whole: routes::router(api), room, spare }
    }
    pub(super) async fn take(&self) -> Place {
        if let Ok(permit) = self.room.clone().try_acquire_owned() {
            return Place { router: self.whole.clone(), head: HEAD, again: true, permit: Some(permit) };
        }
        let permit = self.spare.clone().acquire_owned().await.ok(); // the semaphore is never closed
        Place { router: self.probes.clone(), head: SPARE_HEAD, again: false, permit }
    }
}

impl Place {
    pub(super) fn reached_from(mut self, peer: IpAddr) -> Self {
        if peer.to_canonical().is_loopback() {
            self.router = self.router.layer(Extension(Local));
        }
        self
    }
}

pub(super) fn connection<S>(stream: S, place: Place, open: &GracefulShutdown)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Place { router, head, again, permit } = place;
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(head).max_buf_size(HEAD_BYTES).keep_alive(again);
    let stream = TokioIo::new(Patient::new(stream, STALLED));
    let serving = open.watch(http.serve_connection(stream, TowerToHyperService::new(router)));
    tokio::spawn(async move {
        if let Err(error) = serving.await {
            tracing::debug!(%error, "connection of the local API ended");
        }
        drop(permit);
    });
}
