//! The slices on disk, by which a mapper starts without the API server: the last consistent set in one file, and each
//! revision in its own, written once.
use super::assemble::{Own, Revisions, Set, assemble};
use crate::Store;
use pollux_crds::{DeviceModelRevisionSpec, DeviceSliceSpec};
use std::{collections::BTreeSet, sync::Arc};

const SLICES: &str = "slices";

fn revision_file(name: &str) -> String {
    format!("revision.{name}")
}

/// All methods go to a thread of their own: a slow disk must not stop the watches.
#[derive(Debug)]
pub(super) struct Cache {
    store: Arc<Store>,
    /// Revisions that are on the disk for all we know.
    kept: BTreeSet<String>,
}

impl Cache {
    pub(super) fn new(store: Arc<Store>) -> Self {
        Self { store, kept: BTreeSet::new() }
    }
    /// What was saved last, if it is still whole and ours.
    pub(super) async fn load(&mut self, own: &Own) -> Option<(Set, Revisions)> {
        let (store, own) = (self.store.clone(), own.clone());
        let loaded = blocking(move || {
            let chunks: Vec<DeviceSliceSpec> = serde_json::from_slice(&store.load(SLICES).found()?).ok()?;
            let set = assemble(&own, |n| chunks.get(n))
                .inspect_err(|error| tracing::warn!(%error, "the slices on disk are not used"))
                .ok()?;
            let revisions = read(&store, set.revisions());
            Some((set, revisions))
        });
        let (set, revisions) = loaded.await.flatten()?;
        self.kept.extend(revisions.keys().cloned());
        Some((set, revisions))
    }
    /// Revisions that were kept though nothing named them for a while.
    pub(super) async fn revisions(&self, names: Vec<String>) -> Revisions {
        let store = self.store.clone();
        blocking(move || read(&store, names.iter().map(String::as_str))).await.unwrap_or_default()
    }
    /// Revisions first, so that slices on disk never name one that is not there; then what is not named any more goes.
    pub(super) async fn save(&mut self, set: Set, revisions: &Revisions) {
        let new: Vec<_> = revisions
            .iter()
            .filter(|(name, _)| !self.kept.contains(*name))
            .map(|(n, r)| (n.clone(), r.clone()))
            .collect();
        let old: Vec<_> = self.kept.iter().filter(|name| !revisions.contains_key(*name)).cloned().collect();
        let store = self.store.clone();
        let saved = blocking(move || write(&store, &set, &new, &old).map_err(|error| error.to_string())).await;
        match saved {
            Some(Ok(())) => self.kept = revisions.keys().cloned().collect(),
            Some(Err(error)) => {
                tracing::error!(error, "slices not saved: a restart without the API server would go back in time");
            }
            None => {}
        }
    }
}

fn read<'a>(store: &Store, names: impl IntoIterator<Item = &'a str>) -> Revisions {
    let one = |name: &str| -> Option<Arc<DeviceModelRevisionSpec>> {
        let bytes = store.load(&revision_file(name)).found()?;
        serde_json::from_slice(&bytes).ok().map(Arc::new)
    };
    names.into_iter().filter_map(|name| Some((name.to_owned(), one(name)?))).collect()
}

fn write(
    store: &Store,
    set: &Set,
    new: &[(String, Arc<DeviceModelRevisionSpec>)],
    old: &[String],
) -> Result<(), crate::StoreError> {
    for (name, revision) in new {
        store.save(&revision_file(name), &serde_json::to_vec(&**revision)?)?;
    }
    store.save(SLICES, &serde_json::to_vec(&set.chunks)?)?;
    old.iter().try_for_each(|name| store.remove(&revision_file(name)))
}

/// None: the runtime is ending.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}
