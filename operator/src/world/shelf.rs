//! Objects in memory, by id.
use super::keys::Id;
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

/// Objects of one kind, as the API server last showed them.
#[derive(Debug)]
pub struct Shelf<T>(RwLock<HashMap<Id, Arc<T>>>);

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self(RwLock::new(HashMap::new()))
    }
}

impl<T> Shelf<T> {
    /// The object.
    pub fn get(&self, id: &str) -> Option<Arc<T>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }
    /// Puts it there; gives what stood there.
    pub fn put(&self, id: Id, object: T) -> Option<Arc<T>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::new(object))
    }
    /// Takes it away; gives what stood there.
    pub fn take(&self, id: &str) -> Option<Arc<T>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(id)
    }
    /// All ids, in no order.
    pub fn ids(&self) -> Vec<Id> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }
    /// How many.
    pub fn len(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len()
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// All that `choose` makes something of.
    pub fn collect<U>(&self, mut choose: impl FnMut(&Id, &T) -> Option<U>) -> Vec<U> {
        let map = self.0.read().unwrap_or_else(PoisonError::into_inner);
        map.iter().filter_map(|(id, object)| choose(id, object)).collect()
    }
}
