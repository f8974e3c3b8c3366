//! The status reporter: from the hub to `Device.status`, newest state only, under this mapper's share of the fleet's budget.
//! `pacer` decides, `server` writes. It reads the hub and holds up nobody: while the API server is away it waits, and what was
//! overtaken in the meantime is never sent.
mod backoff;
mod bucket;
mod events;
mod pacer;
mod server;
#[cfg(test)]
pub(crate) mod testing;

use crate::{DeviceView, Hub, Instant, NodeConfig};
pub(crate) use backoff::backoff;
use futures_util::{StreamExt, stream, stream::FuturesUnordered};
use kube::{Client, Resource};
use pacer::{Pacer, Step};
use pollux_crds::{Device, DeviceStatus};
use serde_json::{Value as Json, json};
pub use server::FIELD_MANAGER;
pub(crate) use server::{Refusal, apply_status, explain};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The hub is looked at no more often: a plant full of fast values must not keep the reporter busy with comparing.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Longest time between the end of the process and the last status write.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(2);
/// Last words under way at once.
const LAST_IN_FLIGHT: usize = 4;

/// What the reporter needs.
#[derive(Clone)]
pub struct Reporting {
    /// A client with the mapper's own token: status may be written by nobody else on this node.
    pub client: Client,
    /// Newest state of each device.
    pub hub: Arc<Hub>,
    /// How much may be written.
    pub config: watch::Receiver<Arc<NodeConfig>>,
    /// What metrics show.
    pub stats: Arc<ReportStats>,
    /// Name of the node, for Kubernetes Events.
    pub node: String,
}
impl std::fmt::Debug for Reporting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reporting").field("node", &self.node).finish_non_exhaustive()
    }
}

/// What the reporter counts.
#[derive(Debug, Default)]
pub struct ReportStats(Mutex<Counts>);
#[derive(Debug, Default, Clone)]
struct Counts {
    results: BTreeMap<&'static str, u64>,
    waiting: usize,
    oldest: Option<Instant>,
}

impl ReportStats {
    /// Status writes so far, by result: `ok`, `busy`, `unreachable`, `forbidden`, `not_found`, `invalid`.
    pub fn writes(&self) -> BTreeMap<&'static str, u64> {
        self.lock().results.clone()
    }
    /// Devices whose newest state is not on the API server yet.
    pub fn waiting(&self) -> usize {
        self.lock().waiting
    }
    /// How long the oldest of them waits.
    pub fn oldest(&self) -> Duration {
        self.lock().oldest.map_or(Duration::ZERO, |since| since.elapsed())
    }
    fn count(&self, result: &Result<(), Refusal>) {
        let result = result.as_ref().map_or_else(Refusal::result, |()| "ok");
        *self.lock().results.entry(result).or_default() += 1;
    }
    fn set_waiting(&self, (waiting, oldest): (usize, Option<Instant>)) {
        let mut counts = self.lock();
        (counts.waiting, counts.oldest) = (waiting, oldest);
    }
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reports until `stop` is cancelled, then sends what is not sent yet, for two seconds at most. Cancel it after the runtime
/// has ended, so that the last words are the last.
pub async fn run(with: Reporting, stop: CancellationToken) {
    let events = events::Teller::new(with.client.clone(), with.node.clone());
    let telling = stop.child_token();
    tokio::join!(report(&with, stop), events.run(with.hub.clone(), telling));
}

async fn report(with: &Reporting, stop: CancellationToken) {
    let Reporting { client, hub, stats, .. } = with;
    let (mut config, mut version) = (with.config.clone(), hub.watch());
    let mut pacer = Pacer::new(config.borrow_and_update().writes_per_second, Instant::now());
    let mut flights = FuturesUnordered::new();
    let mut look = Some(Instant::now());
    loop {
        let now = Instant::now();
        if look.is_some_and(|at| at <= now) {
            version.borrow_and_update();
            pacer.observe(&hub.devices(), now);
            look = None;
        }
        let wake = loop {
            match pacer.next(now) {
                Step::Send(view) => flights.push(send(client, view)),
                Step::Wait(until) => break until,
            }
        };
        stats.set_waiting(pacer.waiting());
        tokio::select! {
            () = stop.cancelled() => break,
            Ok(()) = version.changed(), if look.is_none() => look = Some(now + LOOK_EVERY),
            () = until(look) => {}
            Ok(()) = config.changed() => pacer.set_rate(config.borrow_and_update().writes_per_second, now),
            Some((view, result)) = flights.next() => landed(&mut pacer, stats, &view, &result),
            () = until(wake) => {}
        }
    }
    let last = async {
        while let Some((view, result)) = flights.next().await {
            landed(&mut pacer, stats, &view, &result);
        }
        pacer.observe(&hub.devices(), Instant::now());
        let mut words =
            stream::iter(pacer.last_words()).map(|view| send(client, view)).buffer_unordered(LAST_IN_FLIGHT);
        while let Some((view, result)) = words.next().await {
            landed(&mut pacer, stats, &view, &result);
        }
    };
    if tokio::time::timeout(LAST_WORDS, last).await.is_err() {
        tracing::warn!("the API server did not take the last state of all devices in time");
    }
}

/// Never, if there is nothing to wait for.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn send(client: &Client, view: Arc<DeviceView>) -> (Arc<DeviceView>, Result<(), Refusal>) {
    let url = Device::url_path(&(), Some(&view.device.namespace));
    let result = apply_status(client, &url, &view.device.name, &body(&view)).await;
    (view, result)
}

fn landed(pacer: &mut Pacer, stats: &ReportStats, view: &DeviceView, result: &Result<(), Refusal>) {
    stats.count(result);
    let news = pacer.done(&view.device.uid, result.as_ref().copied(), Instant::now(), fastrand::f64());
    let device = view.device.key();
    match (news, result) {
        (Some(text), Ok(())) => tracing::info!(device, "{text}"),
        (Some(text), Err(_)) => tracing::warn!(device, error = text, "status not written"),
        (None, Err(error)) => tracing::debug!(device, %error, "status not written"),
        (None, Ok(())) => {}
    }
}

/// The mapper's whole part of the status: what is not in it is dropped from the object, so nothing of an older state stays. The
/// operator's conditions are left out whatever stands in the view: claimed once, they could never be taken away again. `status.uid` is
/// what an admission policy compares with the object's; `metadata.uid` would be no precondition here (tried).
fn body(view: &DeviceView) -> Json {
    let device = &view.device;
    let mut status = DeviceStatus { uid: Some(device.uid.clone()), ..view.status() };
    status
        .conditions
        .retain(|c| [pollux_crds::CONNECTED, pollux_crds::HEALTHY, pollux_crds::IN_SYNC].contains(&&*c.type_));
    json!({
        "apiVersion": Device::api_version(&()),
        "kind": Device::kind(&()),
        "metadata": {"namespace": device.namespace, "name": device.name},
        "status": status,
    })
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
