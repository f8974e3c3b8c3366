//! `/v1/events`: every change as it is published and each event of a device, by server-sent events. A listener first hears how each device stands, so that it needs no
//! other request; one that falls behind hears that again. One that comes back names the last event it saw, and is told what changed and what happened since: each
//! event of a device once, and how many there were that are kept no longer.
use super::Api;
use crate::{DeviceView, Happening, Missed, Word, snapshot::timestamp};
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
    /// How many events of devices it was told, or need not be.
    told: u64,
    /// What stands in the id of what it is sent next: versions of devices, and events of devices.
    seen: Seen,
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
    Gone {
        uid: String,
        namespace: String,
        name: String,
    },
    /// So many events of devices, up to that number, are kept no longer.
    Lagged {
        lost: u64,
        by: u64,
    },
}

/// What a listener has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Seen {
    version: u64,
    happenings: u64,
}

pub(super) fn stream(api: &Api, last_seen: Option<&str>, place: OwnedSemaphorePermit) -> Response {
    let (news, version) = (api.hub.news(), api.hub.watch()); // before the snapshot, so that nothing falls between
    let (queue, heard, end) = (VecDeque::new(), BTreeMap::new(), Instant::now() + LIFE);
    let releases = api.hub.releases();
    // One that comes for the first time hears what happens from now on.
    let seen = seen(last_seen, api.boot).unwrap_or_else(|| Seen { version: 0, happenings: api.hub.happenings() });
    let told = seen.happenings.min(api.hub.happenings());
    let mut listener =
        Listener { api: api.clone(), news, version, queue, told, seen, heard, releases, end, _place: place };
    listener.catch_up(false);
    listener.snapshot(seen.version);
    let events = stream::unfold(listener, |mut listener| async move {
        let event = listener.next().await?;
        Some((Ok::<_, Infallible>(event), listener))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
}

/// `boot-version-happenings`. Of another process it says that nothing of this one was heard; None: it is no id.
fn seen(id: Option<&str>, boot: u64) -> Option<Seen> {
    let mut parts = id?.split('-');
    let of = u64::from_str_radix(parts.next()?, 16).ok()?;
    let [version, happenings] = [parts.next()?.parse().ok()?, parts.next()?.parse().ok()?];
    let whole = parts.next().is_none();
    whole.then(|| if of == boot { Seen { version, happenings } } else { Seen::default() })
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
                    Ok(Word::Happened(happening)) => self.happened(happening),
                    Err(broadcast::error::RecvError::Lagged(_)) => {
                        self.news = self.news.resubscribe(); // what is older than the snapshot is of no use
                        self.catch_up(true);
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
    /// What happened that it was not told, as far as it is kept. `behind`: of devices it was not told how they were in between.
    fn catch_up(&mut self, behind: bool) {
        let Missed { kept, lost } = self.api.hub.since(self.told);
        self.told += lost;
        if behind || lost > 0 {
            self.queue.push_back(Item::Lagged { lost, by: self.told });
        }
        for happening in kept {
            self.happened(happening);
        }
    }
    fn happened(&mut self, happening: Arc<Happening>) {
        if happening.number > self.told {
            self.told = happening.number;
            self.queue.push_back(Item::Happened(happening));
        }
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
    /// With an id only where something is counted by it: what was heard before it was heard.
    fn event(&mut self, item: Item) -> Option<Event> {
        match item {
            Item::Device(view) => {
                self.seen.version = view.version;
                Event::default().event("device").id(self.id()).json_data(self.api.object(&view)).ok()
            }
            Item::Happened(happening) => {
                let Happening { number, namespace, name, uid, property, value, time_ms } = &*happening;
                self.seen.happenings = *number;
                let metadata = json!({"namespace": namespace, "name": name, "uid": uid});
                let time = timestamp(*time_ms);
                let data = json!({"metadata": metadata, "property": property, "value": value, "time": time});
                Event::default().event("event").id(self.id()).json_data(data).ok()
            }
            Item::Gone { uid, namespace, name } => {
                let metadata = json!({"namespace": namespace, "name": name, "uid": uid});
                Event::default().event("gone").json_data(json!({"metadata": metadata})).ok()
            }
            Item::Lagged { lost, by } => {
                self.seen.happenings = by;
                Event::default().event("lagged").id(self.id()).json_data(json!({"lost": lost})).ok()
            }
        }
    }
    fn id(&self) -> String {
        format!("{:x}-{}-{}", self.api.boot, self.seen.version, self.seen.happenings)
    }
}
