//! Devices that stand in the slices of one mapper and shall be another's: whether that one has looked at them. Until then they stay, so
//! that an edit which is refused where it leads leaves all as it was.
use super::keys::{Id, MapperKey};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Moves that are asked for, by device.
#[derive(Debug, Default)]
pub struct Moves(Mutex<HashMap<Id, Move>>);

#[derive(Debug)]
struct Move {
    to: MapperKey,
    /// Hash of the entry that was judged there.
    judged: Option<String>,
}

impl Moves {
    fn lock(&self) -> MutexGuard<'_, HashMap<Id, Move>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// It shall move there, with an entry of that hash. True: that very entry was judged there, and what speaks against it is known.
    pub fn ask(&self, device: &Id, to: &MapperKey, entry: &str) -> bool {
        let mut all = self.lock();
        let judged = all.get(device).is_some_and(|known| known.to == *to && known.judged.as_deref() == Some(entry));
        if !judged {
            all.insert(device.clone(), Move { to: to.clone(), judged: None });
        }
        judged
    }
    /// Where it shall move.
    pub fn to(&self, device: &Id) -> Option<MapperKey> {
        self.lock().get(device).map(|known| known.to.clone())
    }
    /// Devices that shall move there.
    pub fn asked(&self, to: &MapperKey) -> Vec<Id> {
        self.lock().iter().filter(|(_, known)| known.to == *to).map(|(device, _)| device.clone()).collect()
    }
    /// It was judged there.
    pub fn is_judged(&self, device: &Id, to: &MapperKey) -> bool {
        self.lock().get(device).is_some_and(|known| known.to == *to && known.judged.is_some())
    }
    /// An entry of that hash was judged there; gives whether that is news.
    pub fn judged(&self, device: &Id, to: &MapperKey, entry: String) -> bool {
        let mut all = self.lock();
        let known = all.get_mut(device).filter(|known| known.to == *to && known.judged.as_ref() != Some(&entry));
        known.map(|known| known.judged = Some(entry)).is_some()
    }
    /// It shall not move there any more, or has.
    pub fn forget(&self, device: &Id, to: &MapperKey) {
        let mut all = self.lock();
        if all.get(device).is_some_and(|known| known.to == *to) {
            all.remove(device);
        }
    }
}
