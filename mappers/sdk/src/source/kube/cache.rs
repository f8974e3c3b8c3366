//! What is in force, on disk, by which a mapper starts without the API server: all entries in one file, and each revision in its
//! own, written once. An edit that is not in force does not get here, so what is there can be driven.
use super::{
    Said,
    assemble::{Own, Revisions, Set},
};
use crate::Store;
use pollux_crds::DeviceModelRevisionSpec;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::{task::JoinHandle, time::timeout};

const SLICES: &str = "slices";
/// So long the disk may hold up an edit.
const PATIENCE: Duration = Duration::from_secs(2);

fn revision_file(name: &str) -> String {
    format!("revision.{name}")
}

/// What stands in the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    class: String,
    node: String,
    set: Set,
}

/// All work is done on threads of its own: a slow disk must not stop the watches.
#[derive(Debug)]
pub(super) struct Cache {
    store: Arc<Store>,
    own: Own,
    /// What the disk has, and the revisions that are there for all we know.
    saved: Option<Set>,
    kept: BTreeSet<String>,
    writing: Option<Writing>,
    said: Said,
}
#[derive(Debug)]
struct Writing {
    set: Set,
    revisions: BTreeSet<String>,
    task: JoinHandle<Result<(), String>>,
}

impl Cache {
    pub(super) fn new(own: Own, store: Arc<Store>) -> Self {
        Self { store, own, saved: None, kept: BTreeSet::new(), writing: None, said: Said::default() }
    }
    /// What was saved last, if it is still whole and ours.
    pub(super) async fn load(&mut self) -> Option<(Set, Revisions)> {
        let (store, own) = (self.store.clone(), self.own.clone());
        let loaded = blocking(move || {
            let File { class, node, set } = serde_json::from_slice(&store.load(SLICES).found()?)
                .inspect_err(|error| tracing::warn!(%error, "the slices on disk are not used"))
                .ok()?;
            if (&class, &node) != (&own.class, &own.node) {
                tracing::warn!(class, node, "the slices on disk are not ours");
                return None;
            }
            let revisions = read(&store, set.revisions());
            Some((set, revisions))
        });
        let (set, revisions) = loaded.await.flatten()?;
        self.kept.extend(revisions.keys().cloned());
        self.saved = Some(set.clone());
        Some((set, revisions))
    }
    /// Revisions that were kept though nothing named them for a while.
    pub(super) async fn revisions(&self, names: Vec<String>) -> Revisions {
        let store = self.store.clone();
        blocking(move || read(&store, names.iter().map(String::as_str))).await.unwrap_or_default()
    }
    /// Whether this is on the disk now. If not, that is to be tried again; a restart would go back in time.
    pub(super) async fn save(&mut self, set: &Set, revisions: &Revisions) -> bool {
        if !self.written().await {
            return false;
        }
        if self.saved.as_ref() == Some(set) {
            return true;
        }
        let needed = set.revisions();
        let needed: BTreeMap<_, _> = revisions.iter().filter(|(name, _)| needed.contains(name.as_str())).collect();
        let new = needed.iter().filter(|(name, _)| !self.kept.contains(**name));
        let new: Vec<_> = new.map(|(name, revision)| ((*name).clone(), (*revision).clone())).collect();
        let old: Vec<_> = self.kept.iter().filter(|name| !needed.contains_key(name)).cloned().collect();
        let revisions = needed.into_keys().cloned().collect();
        let Own { class, node } = self.own.clone();
        let (store, file) = (self.store.clone(), File { class, node, set: set.clone() });
        let work = move || write(&store, &file, &new, &old).map_err(|error| error.to_string());
        let task = tokio::task::spawn_blocking(work);
        self.writing = Some(Writing { set: set.clone(), revisions, task });
        self.written().await && self.saved.as_ref() == Some(set)
    }
    /// Whether what was begun has come to its end.
    async fn written(&mut self) -> bool {
        let Some(writing) = &mut self.writing else { return true };
        let Ok(done) = timeout(PATIENCE, &mut writing.task).await else {
            self.said.warn("slices not saved yet", &"the disk takes its time");
            return false;
        };
        match (done.unwrap_or_else(|error| Err(error.to_string())), self.writing.take()) {
            (Ok(()), Some(Writing { set, revisions, .. })) => {
                (self.saved, self.kept) = (Some(set), revisions);
                self.said.over("slices are saved again");
            }
            (Err(error), _) => {
                self.said.warn("slices not saved, trying again: a restart now would go back in time", &error);
            }
            (Ok(()), None) => {}
        }
        true
    }
}

fn read<'a>(store: &Store, names: impl IntoIterator<Item = &'a str>) -> Revisions {
    let one = |name: &str| -> Option<Arc<DeviceModelRevisionSpec>> {
        let bytes = store.load(&revision_file(name)).found()?;
        serde_json::from_slice(&bytes).ok().map(Arc::new)
    };
    names.into_iter().filter_map(|name| Some((name.to_owned(), one(name)?))).collect()
}

/// Revisions first, so that what is on disk never names one that is not there; then what is not named any more goes.
fn write(
    store: &Store,
    file: &File,
    new: &[(String, Arc<DeviceModelRevisionSpec>)],
    old: &[String],
) -> Result<(), crate::StoreError> {
    for (name, revision) in new {
        store.save(&revision_file(name), &serde_json::to_vec(&**revision)?)?;
    }
    store.save(SLICES, &serde_json::to_vec(file)?)?;
    old.iter().try_for_each(|name| store.remove(&revision_file(name)))
}

/// None: the runtime is ending.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}
