//! What each address answers.
use super::{Api, events, openapi, problem::Problem, server::Local};
use crate::{ControlError, DeviceView, metrics};
use axum::{
    Extension, Json, Router,
    body::{Body, to_bytes},
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderMap, StatusCode, header, uri::Authority},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use kube::Resource;
use pollux_crds::{Device, Values};
use serde_json::json;
use std::{net::IpAddr, sync::Arc, time::Duration};

/// Most bytes of a command's arguments, and how long they may take to come.
const BODY: usize = 64 * 1024;
const BODY_TIME: Duration = Duration::from_secs(5);
/// Longest that a caller waits for a device to be read.
const READ: Duration = Duration::from_secs(20);

type Result<T> = std::result::Result<T, Problem>;
type CommandAt = std::result::Result<Path<(String, String, String)>, PathRejection>;
type At = std::result::Result<Path<(String, String)>, PathRejection>;

/// Only a command takes a body, and a small one; no other is ever read into memory.
pub(super) fn router(api: Api) -> Router {
    Router::new()
        .route("/v1/devices", get(list))
        .route("/v1/devices/{namespace}/{name}", get(one))
        .route("/v1/devices/{namespace}/{name}/read", post(read))
        .route("/v1/devices/{namespace}/{name}/learned", delete(forget))
        .route("/v1/devices/{namespace}/{name}/commands/{command}", post(call))
        .route("/v1/events", get(listen))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(scrape))
        .route("/openapi.json", get(|| async { Json(openapi::document()) }))
        .fallback(nowhere)
        .method_not_allowed_fallback(not_that_way)
        .with_state(api)
}

/// What is answered where all places are taken.
pub(super) fn probes(api: Api) -> Router {
    Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz)).fallback(full).with_state(api)
}

async fn full() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many connections, try again later")
}

async fn list(State(api): State<Api>) -> Response {
    let items: Vec<_> = api.hub.devices().values().map(|view| api.object(view)).collect();
    let kind = format!("{}List", Device::kind(&()));
    Json(json!({"apiVersion": Device::api_version(&()), "kind": kind, "items": items})).into_response()
}

async fn one(State(api): State<Api>, at: At) -> Result<Response> {
    Ok(Json(api.object(&*find(&api, at)?)).into_response())
}

async fn read(State(api): State<Api>, at: At) -> Result<Response> {
    let view = find(&api, at)?;
    let device = &view.device;
    match tokio::time::timeout(READ, api.control.read(&device.uid)).await {
        Ok(Ok(())) => {
            let view = api.hub.device(&device.namespace, &device.name);
            let view = view.ok_or_else(|| Problem::no_device(&device.namespace, &device.name))?;
            Ok(Json(api.object(&view)).into_response())
        }
        Ok(Err(error)) => Err(refusal(&view, &error)),
        Err(_) => {
            let text = format!("device did not answer within {} s", READ.as_secs());
            Err(Problem::new(StatusCode::GATEWAY_TIMEOUT, text))
        }
    }
}

fn refusal(view: &DeviceView, error: &ControlError) -> Problem {
    let status = match error {
        ControlError::NoSuchDevice => return Problem::no_device(&view.device.namespace, &view.device.name),
        ControlError::NoSuchCommand(_) => StatusCode::NOT_FOUND,
        ControlError::Invalid(_) => StatusCode::BAD_REQUEST,
        ControlError::Refused(_) => StatusCode::CONFLICT,
        ControlError::NotConnected(_) | ControlError::Failed(_) | ControlError::Unknown(_) => StatusCode::BAD_GATEWAY,
        ControlError::Busy => StatusCode::SERVICE_UNAVAILABLE,
    };
    Problem::new(status, error.to_string())
}

/// Nothing is written to the device, but it is searched again: for who is on this machine, or in this Pod.
async fn forget(State(api): State<Api>, local: Option<Extension<Local>>, at: At) -> Result<StatusCode> {
    let view = find(&api, at)?;
    if local.is_none() {
        let text = "only from the mapper's own machine or Pod, such as by the command forget";
        return Err(Problem::new(StatusCode::FORBIDDEN, text));
    }
    match api.control.forget(&view.device.uid).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(refusal(&view, &error)),
    }
}

/// A command of the model: for who is on this machine, or in this Pod, as it acts on the device.
async fn call(
    State(api): State<Api>,
    local: Option<Extension<Local>>,
    at: CommandAt,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let Path((namespace, name, command)) =
        at.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.body_text()))?;
    let view = api.hub.device(&namespace, &name).ok_or_else(|| Problem::no_device(&namespace, &name))?;
    if local.is_none() {
        let text = "only from the mapper's own machine or Pod";
        return Err(Problem::new(StatusCode::FORBIDDEN, text));
    }
    not_a_page(&headers)?;
    let arguments = arguments(body).await?;
    match api.control.call(&view.device.uid, &command, arguments).await {
        Ok(result) => Ok(Json(json!({"result": result})).into_response()),
        Err(error) => Err(refusal(&view, &error)),
    }
}

/// A browser on this machine is no reason to do what some page asks for: it says where the page is from, asks first before it sends
/// JSON elsewhere, and a name that leads here by its owner's DNS is no name of ours.
fn not_a_page(headers: &HeaderMap) -> Result<()> {
    let said = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let host = said(header::HOST).and_then(|host| host.parse::<Authority>().ok());
    let ours = host.is_some_and(|host| {
        let name = host.host().trim_start_matches('[').trim_end_matches(']');
        name == "localhost" || name.parse::<IpAddr>().is_ok()
    });
    let from_here = headers.get("sec-fetch-site").is_none_or(|site| site == "none");
    if !ours || !from_here || headers.contains_key(header::ORIGIN) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "not from a web page, and only by address or as localhost"));
    }
    let json = said(header::CONTENT_TYPE)
        .is_some_and(|type_| type_.split(';').next().is_some_and(|t| t.trim() == "application/json"));
    if !json {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-type must be application/json"));
    }
    Ok(())
}

/// By name.
async fn arguments(body: Body) -> Result<Values> {
    let read = tokio::time::timeout(BODY_TIME, to_bytes(body, BODY)).await;
    let late = |_| Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time");
    let large = |_| Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body must have at most {BODY} bytes"));
    let bytes = read.map_err(late)?.map_err(large)?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, format!("the body must be a JSON object of arguments by name: {error}"))
    })
}

async fn listen(State(api): State<Api>, headers: HeaderMap) -> Result<Response> {
    let permit = api.listeners.clone().try_acquire_owned();
    let permit =
        permit.map_err(|_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many listeners, try again later"))?;
    let seen = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    Ok(events::stream(&api, seen, permit))
}

async fn healthz() -> &'static str {
    "ok\n"
}

async fn readyz(State(api): State<Api>) -> Result<&'static str> {
    if *api.ready.borrow() {
        return Ok("ok\n");
    }
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "no configuration yet"))
}

async fn scrape(State(api): State<Api>) -> Result<Response> {
    let text = api.metrics.encode();
    let text = text.map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "metrics cannot be written"))?;
    Ok(([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response())
}

async fn nowhere(request: Request) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("nothing at {}; see /openapi.json", request.uri().path()))
}

async fn not_that_way(request: Request) -> Problem {
    let text = format!("{} is not allowed here; see /openapi.json", request.method());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, text)
}

fn find(api: &Api, at: At) -> Result<Arc<DeviceView>> {
    let Path((namespace, name)) = at.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.body_text()))?;
    api.hub.device(&namespace, &name).ok_or_else(|| Problem::no_device(&namespace, &name))
}
