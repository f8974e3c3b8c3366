//! Entries that the API server did not take. Each is left out, or as it was, until it is another one or all are tried again.
use super::keys::{Id, MapperKey, id};
use pollux_crds::{SliceDevice, hash};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Entries that the API server did not take, by device.
#[derive(Debug, Default)]
pub struct Refused(Mutex<HashMap<Id, Entry>>);

#[derive(Debug)]
struct Entry {
    mapper: MapperKey,
    hash: String,
    why: String,
}

impl Refused {
    fn lock(&self) -> MutexGuard<'_, HashMap<Id, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// This entry was not taken.
    pub fn note(&self, mapper: &MapperKey, entry: &SliceDevice, why: String) {
        let noted = Entry { mapper: mapper.clone(), hash: content(entry), why };
        self.lock().insert(id(&entry.namespace, &entry.name), noted);
    }
    /// Why this very entry was not taken.
    pub fn why(&self, mapper: &MapperKey, entry: &SliceDevice) -> Option<String> {
        let all = self.lock();
        let noted = all.get(&id(&entry.namespace, &entry.name))?;
        (noted.mapper == *mapper && noted.hash == content(entry)).then(|| noted.why.clone())
    }
    /// The device is gone.
    pub fn forget(&self, device: &Id) {
        self.lock().remove(device);
    }
    /// Everything is tried once more.
    pub fn clear(&self) {
        self.lock().clear();
    }
}

/// What a person can change: all but what is copied in from status.
fn content(entry: &SliceDevice) -> String {
    hash(&SliceDevice { applied: BTreeMap::new(), ..entry.clone() })
}
