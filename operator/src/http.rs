//! /metrics, /healthz and /readyz.
use crate::{
    metrics::Metrics,
    world::{World, watch::Lists},
};
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What the pages are made of.
#[derive(Debug, Clone)]
pub struct Pages {
    /// For the counts.
    pub world: Arc<World>,
    /// For the rest.
    pub metrics: Arc<Metrics>,
    /// Whether everything was listed.
    pub lists: Lists,
}

/// The pages.
pub fn router(pages: Pages) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .with_state(pages)
}

async fn metrics(State(pages): State<Pages>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], pages.metrics.text(&pages.world))
}

async fn readyz(State(pages): State<Pages>) -> (StatusCode, String) {
    let unready = pages.lists.missing();
    if unready.is_empty() {
        return (StatusCode::OK, "ok\n".into());
    }
    (StatusCode::SERVICE_UNAVAILABLE, format!("not listed yet: {}\n", unready.join(", ")))
}

/// Serves until `stop`.
pub async fn serve(listener: TcpListener, pages: Pages, stop: CancellationToken) -> std::io::Result<()> {
    axum::serve(listener, router(pages)).with_graceful_shutdown(stop.cancelled_owned()).await
}
