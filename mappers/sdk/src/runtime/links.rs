//! What the resources behind the links really are, as far as their protocols can tell: by that, two names of one resource meet.
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

/// Identities by resource.
pub(super) type Identities = BTreeMap<Arc<str>, Arc<str>>;

/// Identities by resource: written by the endpoints, read by the placement.
#[derive(Debug, Default)]
pub(super) struct Links {
    identities: Mutex<Identities>,
    changed: Notify,
}

impl Links {
    /// What an open link turned out to be. It is remembered when the link closes, or two names would take turns.
    pub(super) fn is(&self, resource: &Arc<str>, identity: &str) {
        let old = self.lock().insert(resource.clone(), identity.into());
        if old.as_deref() != Some(identity) {
            self.changed.notify_one();
        }
    }
    pub(super) fn all(&self) -> Identities {
        self.lock().clone()
    }
    /// This resource, and others that are known to be the same one.
    pub(super) fn of_one_identity(&self, resource: &Arc<str>) -> BTreeSet<Arc<str>> {
        let identities = self.lock();
        let same =
            identities.get(resource).map(|identity| identities.iter().filter(move |(_, other)| *other == identity));
        same.into_iter().flatten().map(|(name, _)| name.clone()).chain([resource.clone()]).collect()
    }
    /// Forgets what no device asks for any more.
    pub(super) fn keep(&self, resources: &BTreeSet<Arc<str>>) {
        self.lock().retain(|resource, _| resources.contains(resource));
    }
    /// Waits until one is known that was not, or is another.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
    fn lock(&self) -> MutexGuard<'_, Identities> {
        self.identities.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
