//! `forget`: a mapper forgets what it learned of its devices; one that runs is asked by its local API.
use super::{Exit, Out};
use crate::Store;
use axum::body::{Body, to_bytes};
use hyper::{Method, Request, StatusCode, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::Value as Json;
use std::{io::Write, net::SocketAddr, path::Path, time::Duration};
use tokio::{net::TcpStream, time::timeout};
use tokio_util::task::AbortOnDropHandle;

/// Longest time for one answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest answer: a thousand devices, with all that is known of them.
const MOST: usize = 256 * 1024 * 1024;

/// A device of the mapper.
#[derive(Debug, PartialEq, Eq)]
struct Known {
    namespace: String,
    name: String,
    lines: usize,
}

/// Asks the mapper that listens there.
pub(super) async fn run(api: SocketAddr, devices: &[String], out: &mut Out) -> Exit {
    match forget(api, devices, out).await {
        Ok(exit) => exit,
        Err(why) => {
            out.remark(&format!("{why}; --api says where the mapper listens"));
            Exit::Fault
        }
    }
}

/// All that stands in the state folder of a mapper that does not run.
pub(super) fn on_disk(folder: &Path, out: &mut Out) -> Exit {
    match Store::open(folder).and_then(|store| store.forget_learned()) {
        Ok(()) => Exit::Ok,
        Err(error) => {
            out.remark(&error.to_string());
            Exit::Fault
        }
    }
}

async fn forget(api: SocketAddr, devices: &[String], out: &mut Out) -> Result<Exit, String> {
    let (status, body) = ask(api, Method::GET, "/v1/devices").await?;
    let list: Json = serde_json::from_slice(&body).unwrap_or_default();
    let known = known(&list).ok_or_else(|| format!("{api} answers {status}, but not with a list of devices"))?;
    let mut exit = Exit::Ok;
    for name in devices.iter().filter(|name| !known.iter().any(|device| device.is(name))) {
        out.remark(&format!("no device {name} on this mapper"));
        exit = Exit::Usage;
    }
    let asked = |device: &&Known| {
        if devices.is_empty() { device.lines > 0 } else { devices.iter().any(|name| device.is(name)) }
    };
    for Known { namespace, name, lines } in known.iter().filter(asked) {
        let (status, body) = ask(api, Method::DELETE, &format!("/v1/devices/{namespace}/{name}/learned")).await?;
        if status == StatusCode::NO_CONTENT {
            writeln!(out, "{namespace}/{name}: {lines} learned, forgotten").ok(); // who reads has left
        } else {
            let problem: Json = serde_json::from_slice(&body).unwrap_or_default();
            let why = problem["detail"].as_str().unwrap_or_default();
            out.remark(&format!("{namespace}/{name}: {status} {why}"));
            exit = Exit::Fault;
        }
    }
    Ok(exit)
}

impl Known {
    fn is(&self, name: &str) -> bool {
        name.split_once('/')
            .map_or(name == self.name, |(namespace, name)| (namespace, name) == (&self.namespace, &self.name))
    }
}

fn known(list: &Json) -> Option<Vec<Known>> {
    let one = |item: &Json| {
        let text = |field: &str| Some(item["metadata"][field].as_str()?.to_owned());
        let lines = item["status"]["learned"].as_array().map_or(0, Vec::len);
        Some(Known { namespace: text("namespace")?, name: text("name")?, lines })
    };
    list["items"].as_array()?.iter().map(one).collect()
}

async fn ask(api: SocketAddr, method: Method, path: &str) -> Result<(StatusCode, Vec<u8>), String> {
    let answer = timeout(PATIENCE, exchange(api, method, path)).await;
    answer.map_err(|_| format!("{api} does not answer within {} s", PATIENCE.as_secs()))?
}

async fn exchange(api: SocketAddr, method: Method, path: &str) -> Result<(StatusCode, Vec<u8>), String> {
    let failed = |error: &dyn std::fmt::Display| format!("no mapper answers at {api}: {error}");
    let stream = TcpStream::connect(api).await.map_err(|error| failed(&error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
    let _pumps = AbortOnDropHandle::new(tokio::spawn(connection));
    let request = Request::builder().method(method).uri(path).header("host", api.to_string()).body(Body::empty());
    let answer = sender.send_request(request.map_err(|error| failed(&error))?).await.map_err(|error| failed(&error))?;
    let status = answer.status();
    let body = to_bytes(Body::new(answer.into_body()), MOST).await.map_err(|error| failed(&error))?;
    Ok((status, body.to_vec()))
}

#[cfg(test)]
#[path = "forget_tests.rs"]
mod tests;
