//! What was found out about a device beside its values: who it says it is, and what its connection does not carry.
use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// For status: `identification` and lines of `learned`.
#[derive(Debug, Default)]
pub struct Told {
    identification: Mutex<BTreeMap<String, String>>,
    remarks: Mutex<BTreeMap<&'static str, String>>,
    changes: AtomicU64,
}

impl Told {
    /// Who it says it is (function 43/14), by the names of the standard: VendorName, ProductCode, …
    pub fn identification(&self) -> BTreeMap<String, String> {
        self.identification.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    pub fn identify(&self, objects: BTreeMap<String, String>) {
        *self.identification.lock().unwrap_or_else(PoisonError::into_inner) = objects;
        self.changes.fetch_add(1, Relaxed);
    }
    /// Lines about its connection, for people.
    pub fn remarks(&self) -> Vec<String> {
        self.remarks.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
    /// One line of each kind. True: it was not known before.
    pub fn remark(&self, kind: &'static str, line: &str) -> bool {
        let mut remarks = self.remarks.lock().unwrap_or_else(PoisonError::into_inner);
        let new = remarks.get(kind).is_none_or(|old| old != line);
        if new {
            remarks.insert(kind, line.to_owned());
            self.changes.fetch_add(1, Relaxed);
        }
        new
    }
    /// It holds no more.
    pub fn no_remark(&self, kind: &'static str) {
        let mut remarks = self.remarks.lock().unwrap_or_else(PoisonError::into_inner);
        if remarks.remove(kind).is_some() {
            self.changes.fetch_add(1, Relaxed);
        }
    }
    /// Differs whenever any of it differs.
    pub fn changes(&self) -> u64 {
        self.changes.load(Relaxed)
    }
}
