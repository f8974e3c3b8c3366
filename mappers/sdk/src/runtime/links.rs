//! What the resources behind the links really are, as far as their protocols can tell: by that, two names of one resource meet.
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

/// What each resource is.
pub(super) type Identities = BTreeMap<Arc<str>, Arc<str>>;

/// Written by the endpoints, read by the placement.
#[derive(Debug, Default)]
pub(super) struct Links {
    identities: Mutex<Identities>,
    changed: Notify,
}

impl Links {
    /// What an open link turned out to be. It is remembered when the link closes, or two names would take turns. One that nobody else
    /// is changes nothing for anybody: many links open at a start, and each look at them is at all devices.
    pub(super) fn is(&self, resource: &Arc<str>, identity: &str) {
        let mut all = self.lock();
        let old = all.insert(resource.clone(), identity.into());
        let meets = || all.iter().any(|(name, other)| name != resource && **other == *identity);
        if old.as_deref() != Some(identity) && (old.is_some() || meets()) {
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
    /// Waits until two of them meet, or one is another than it was.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
    fn lock(&self) -> MutexGuard<'_, Identities> {
        self.identities.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn told_are_those_that_meet_and_those_that_change() {
        let links = Links::default();
        let told = |name: &str, identity| {
            links.is(&name.into(), identity);
            links.changed().now_or_never().is_some()
        };
        assert!(!told("a", "serial 1"), "nobody else is that");
        assert!(!told("b", "serial 2"));
        assert!(told("c", "serial 1"), "a is that too");
        assert!(!told("c", "serial 1"), "as it was");
        assert!(told("c", "serial 3"), "what met before does so no more");
    }
}
