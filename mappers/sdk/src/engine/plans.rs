//! Plans by the set of groups due: as many as the commonest sets, however many intervals a user writes.
use crate::{Exchange, few};
use std::sync::Arc;

const MOST: usize = 8;

struct Entry<R> {
    due: Box<[u32]>,
    used: u64,
    exchanges: Vec<Arc<Exchange<R>>>,
}

pub(super) struct Plans<R> {
    entries: Vec<Entry<R>>,
    clock: u64,
}

impl<R> Default for Plans<R> {
    fn default() -> Self {
        Self { entries: vec![], clock: 0 }
    }
}

impl<R> Plans<R> {
    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
    pub(super) fn get(&mut self, due: &[u32], plan: impl FnOnce() -> Vec<Exchange<R>>) -> &[Arc<Exchange<R>>] {
        self.clock += 1;
        let at = match self.entries.iter().position(|e| *e.due == *due) {
            Some(at) => at,
            None => self.insert(due, plan()),
        };
        let Some(entry) = self.entries.get_mut(at) else { return &[] };
        entry.used = self.clock;
        &entry.exchanges
    }
    fn insert(&mut self, due: &[u32], exchanges: Vec<Exchange<R>>) -> usize {
        let new = Entry { due: due.into(), used: 0, exchanges: exchanges.into_iter().map(Arc::new).collect() };
        if self.entries.len() < MOST {
            few::push(&mut self.entries, new);
            return self.entries.len() - 1;
        }
        let oldest = self.entries.iter_mut().enumerate().min_by_key(|(_, e)| e.used);
        oldest.map_or(0, |(at, entry)| {
            *entry = new;
            at
        })
    }
}
