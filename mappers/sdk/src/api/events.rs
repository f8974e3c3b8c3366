//! `/v1/events`: every change as it is published and each event of a device, by server-sent events. A listener first hears how each device stands, so that it needs no
//! other request; one that falls behind is told so, and hears it again. One that comes back names the last event it saw.
use super::Api;
use crate::{DeviceView, Happening, Word, snapshot::timestamp};
use axum::response::{
    IntoResponse, Response,
    sse::{Event, KeepAlive, Sse},
};
use futures_util::stream;
use serde_json::json;
use std::{
    collections::{BTreeMap, VecDeque},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, broadcast, watch},
    time::Instant,
};

const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Then the listener has to come back, which a browser does by itself: one that is gone without a word gives its place back.
const LIFE: Duration = Duration::from_hours(1);

/// What one listener has yet to hear.
struct Listener {
    api: Api,
    news: broadcast::Receiver<Word>,
    version: watch::Receiver<u64>,
    queue: VecDeque<Item>,
    /// Devices it has heard of, by uid, with the version heard last.
    heard: BTreeMap<String, (u64, String, String)>,
    /// How many devices had been let go of when it was last looked who is gone.
    releases: u64,
    end: Instant,
    _place: OwnedSemaphorePermit,
}
enum Item {
    Device(Arc<DeviceView>),
    Happened(Arc<Happening>),
    Gone { uid: String, namespace: String, name: String },
    Lagged(u64),
}

pub(super) fn stream(api: &Api, last_seen: Option<&str>, place: OwnedSemaphorePermit) -> Response {
    let (news, version) = (api.hub.news(), api.hub.watch()); // before the snapshot, so that nothing falls between
    let (queue, heard, end) = (VecDeque::new(), BTreeMap::new(), Instant::now() + LIFE);
    let releases = api.hub.releases();
    let mut listener = Listener { api: api.clone(), news, version, queue, heard, releases, end, _place: place };
    listener.snapshot(seen_version(last_seen, api.boot));
    let events = stream::unfold(listener, |mut listener| async move {
        let event = listener.next().await?;
        Some((Ok::<_, Infallible>(event), listener))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
}

/// `boot-version`; one of another process means nothing here.
fn seen_version(id: Option<&str>, boot: u64) -> u64 {
    let parse = |id: &str| {
        let (of, version) = id.split_once('-')?;
        (u64::from_str_radix(of, 16).ok()? == boot).then(|| version.parse().ok())?
    };
    id.and_then(parse).unwrap_or(0)
}

impl Listener {
    /// None: its time is over.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(item) = self.queue.pop_front() {
                if let Some(event) = self.event(item) {
                    return Some(event);
                }
                continue;
            }
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(self.end) => return None,
                news = self.news.recv() => match news {
                    Ok(Word::Device(view)) => self.take(view),
                    Ok(Word::Happened(happening)) => self.queue.push_back(Item::Happened(happening)),
                    Err(broadcast::error::RecvError::Lagged(lost)) => {
                        self.queue.push_back(Item::Lagged(lost));
                        self.news = self.news.resubscribe(); // what is older than the snapshot is of no use
                        self.snapshot(0);
                    }
                    Err(broadcast::error::RecvError::Closed) => return None,
                },
                Ok(()) = self.version.changed() => self.look_for_gone(),
            }
        }
    }
    /// All devices that changed after this version.
    fn snapshot(&mut self, after: u64) {
        let mut views: Vec<_> = self.api.hub.devices().into_values().collect();
        for view in &views {
            self.hear(view);
        }
        views.retain(|view| view.version > after);
        views.sort_by_key(|view| view.version);
        self.look_for_gone();
        self.queue.extend(views.into_iter().map(Item::Device));
    }
    /// News published while the snapshot was taken may stand in both.
    fn take(&mut self, view: Arc<DeviceView>) {
        if self.heard.get(&view.device.uid).is_none_or(|(version, ..)| *version < view.version) {
            self.hear(&view);
            self.queue.push_back(Item::Device(view));
        }
    }
    /// What it heard of and is driven no more. (The hub's list of those let go of is no witness: with files an entry stands there
    /// for a moment only.)
    fn look_for_gone(&mut self) {
        let releases = self.api.hub.releases();
        if std::mem::replace(&mut self.releases, releases) == releases {
            return;
        }
        let driven = self.api.hub.devices(); // one that came back is not gone
        for (uid, (_, namespace, name)) in self.heard.extract_if(.., |uid, _| !driven.contains_key(uid)) {
            self.queue.push_back(Item::Gone { uid, namespace, name });
        }
    }
    fn hear(&mut self, view: &DeviceView) {
        let (namespace, name) = (view.device.namespace.clone(), view.device.name.clone());
        self.heard.insert(view.device.uid.clone(), (view.version, namespace, name));
    }
    fn event(&self, item: Item) -> Option<Event> {
        match item {
            Item::Device(view) => {
                let id = format!("{:x}-{}", self.api.boot, view.version);
                Event::default().event("device").id(id).json_data(self.api.object(&view)).ok()
            }
            Item::Happened(happening) => {
                let Happening { device, property, value, time_ms } = &*happening;
                let metadata = json!({"namespace": device.namespace, "name": device.name, "uid": device.uid});
                let time = timestamp(*time_ms);
                let data = json!({"metadata": metadata, "property": property, "value": value, "time": time});
                Event::default().event("event").json_data(data).ok()
            }
            Item::Gone { uid, namespace, name } => {
                let metadata = json!({"namespace": namespace, "name": name, "uid": uid});
                Event::default().event("gone").json_data(json!({"metadata": metadata})).ok()
            }
            Item::Lagged(lost) => Event::default().event("lagged").json_data(json!({"lost": lost})).ok(),
        }
    }
}
