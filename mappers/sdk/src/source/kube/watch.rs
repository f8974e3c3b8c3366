//! One chunk, or the Secret, followed by name: LIST (which yields the version to watch from, where a GET yields that of the object's last change,
//! long forgotten by the server), then WATCH for a few minutes, then LIST again, so that a watch that died silently cannot
//! hide an edit for longer.
use super::{Said, SourceStats, token::Reader};
use crate::{
    Instant,
    report::{backoff, explain},
};
use futures_util::{TryStreamExt, pin_mut};
use kube::{
    Api, Resource,
    api::{ListParams, WatchEvent, WatchParams},
    core::NamespaceResourceScope,
};
use pollux_crds::{DeviceSlice, DeviceSliceSpec, DeviceSliceStatus, MAPPERS_NAMESPACE};
use serde::de::DeserializeOwned;
use std::{collections::BTreeMap, fmt::Debug, sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{sleep, timeout, timeout_at},
};

const REQUEST: Duration = Duration::from_secs(15);
/// Bookmarks come every minute: one that is quiet for longer is dead.
const SILENCE: Duration = Duration::from_secs(90);
/// Seconds that one watch lives; the server ends it, so that a dead one is replaced at the latest then.
const LIFE: std::ops::Range<u32> = 240..300;
/// A watch that ended sooner counts as failed, or a server that ends each at once would be asked without pause.
const SHORT: Duration = Duration::from_secs(5);
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// A chunk as the API server has it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    pub(super) spec: DeviceSliceSpec,
    pub(super) status: DeviceSliceStatus,
}
/// Chunks by number; what is not there is not in it.
pub(super) type Map = BTreeMap<usize, Arc<Seen>>;

/// What the watches saw last.
#[derive(Debug)]
pub(super) struct Chunks(watch::Sender<Map>);
impl Default for Chunks {
    fn default() -> Self {
        Self(watch::Sender::new(Map::new()))
    }
}
impl Chunks {
    pub(super) fn subscribe(&self) -> watch::Receiver<Map> {
        self.0.subscribe()
    }
    pub(super) fn set(&self, chunk: usize, seen: Option<Seen>) {
        self.0.send_if_modified(|map| match seen {
            Some(seen) if map.get(&chunk).is_some_and(|old| **old == seen) => false,
            Some(seen) => {
                map.insert(chunk, Arc::new(seen));
                true
            }
            None => map.remove(&chunk).is_some(),
        });
    }
}

/// An object that can be followed.
pub(super) trait Named:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + DeserializeOwned + Clone + Debug
{
}
impl<K> Named for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + DeserializeOwned + Clone + Debug
{
}

/// Why an object cannot be followed now.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("no answer within {} s", REQUEST.as_secs())]
    Late,
    #[error("the watch was silent for {} s", SILENCE.as_secs())]
    Silent,
    #[error("may not be read (yet): {0}")]
    Forbidden(String),
    #[error("the token is not known (any more): {0}")]
    Unauthorized(String),
    #[error("{}", explain(.0))]
    Other(kube::Error),
}
impl From<kube::Error> for Trouble {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) if status.code == 401 => Self::Unauthorized(status.message),
            kube::Error::Api(status) if status.code == 403 => Self::Forbidden(status.message),
            other => Self::Other(other),
        }
    }
}

/// Follows one chunk, for ever.
pub(super) async fn follow(reader: &Reader, chunks: &Chunks, chunk: usize, name: &str, stats: &SourceStats) {
    let saw = |seen: Option<DeviceSlice>| {
        stats.contact();
        chunks.set(chunk, seen.map(|s| Seen { spec: s.spec, status: s.status.unwrap_or_default() }));
    };
    follow_named(reader, "slice", name, Some(stats), saw).await;
}
/// Follows one object by name, for ever.
pub(super) async fn follow_named<K: Named>(
    reader: &Reader,
    kind: &str,
    name: &str,
    stats: Option<&SourceStats>,
    mut saw: impl FnMut(Option<K>),
) {
    let (mut failures, mut said) = (0, Said::default());
    let what = format!("{kind} {name} cannot be read, trying again");
    loop {
        let api = Api::namespaced(reader.client().await, MAPPERS_NAMESPACE);
        let began = Instant::now();
        let mut saw = |seen: Option<K>| {
            match &seen {
                Some(_) => said.over(&format!("{kind} {name} is read")),
                None => said.warn(&what, &"it is not there (yet)"),
            }
            saw(seen);
        };
        let ended = once(&api, name, &mut saw).await;
        stats.into_iter().for_each(SourceStats::restart);
        match ended {
            Ok(()) if began.elapsed() >= SHORT => failures = 0,
            Ok(()) => failures += 1,
            Err(trouble) => {
                failures = if began.elapsed() > SILENCE { 1 } else { failures + 1 };
                if matches!(trouble, Trouble::Unauthorized(_)) {
                    reader.refused();
                }
                said.warn(&what, &trouble);
            }
        }
        sleep(backoff(failures, RETRY.0, RETRY.1, fastrand::f64())).await;
    }
}

/// One LIST and the WATCH after it, to its end.
async fn once<K: Named>(api: &Api<K>, name: &str, saw: &mut impl FnMut(Option<K>)) -> Result<(), Trouble> {
    let by_name = format!("metadata.name={name}");
    let params = ListParams::default().fields(&by_name);
    let list = timeout(REQUEST, api.list(&params)).await.map_err(|_| Trouble::Late)??;
    let version = list.metadata.resource_version.unwrap_or_default();
    saw(list.items.into_iter().find(|object| object.meta().name.as_deref() == Some(name)));

    let life = fastrand::u32(LIFE);
    let params = WatchParams::default().fields(&by_name).timeout(life);
    // Its answer begins with the first event or bookmark: there may be none for a while.
    let end = Instant::now() + Duration::from_secs(life.into()) + REQUEST;
    let stream = timeout(SILENCE, api.watch(&params, &version)).await.map_err(|_| Trouble::Silent)??;
    pin_mut!(stream);
    loop {
        let silent = Instant::now() + SILENCE;
        let event = match timeout_at(silent.min(end), stream.try_next()).await {
            Ok(event) => event?,
            Err(_) if silent < end => return Err(Trouble::Silent),
            Err(_) => return Ok(()),
        };
        match event {
            None => return Ok(()),
            Some(WatchEvent::Added(object) | WatchEvent::Modified(object)) => saw(Some(object)),
            Some(WatchEvent::Deleted(_)) => saw(None),
            Some(WatchEvent::Bookmark(_)) => {}
            // 410 above all: the version is too old. The next LIST mends it.
            Some(WatchEvent::Error(status)) => return Err(kube::Error::Api(status).into()),
        }
    }
}
