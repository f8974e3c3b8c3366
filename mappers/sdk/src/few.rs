//! Lists and maps that are short most of the time: there are many of them, so each takes the room that it needs. A node of a
//! `BTreeMap` has room for eleven, and a `Vec` that grows begins with four.

/// Appends. A list that is full grows by a quarter, so a long one is not copied often and a short one has no room to spare.
pub(crate) fn push<T>(list: &mut Vec<T>, item: T) {
    if list.len() == list.capacity() {
        list.reserve_exact(1 + list.len() / 4);
    }
    list.push(item);
}

/// A map as an ordered list. To come and go costs what all that is behind it costs to be moved.
#[derive(Debug)]
pub(crate) struct Few<K, V>(Vec<(K, V)>);

impl<K, V> Default for Few<K, V> {
    fn default() -> Self {
        Self(vec![])
    }
}

impl<K: Ord, V> Few<K, V> {
    fn find(&self, key: &K) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.cmp(key))
    }
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.find(key).ok().and_then(|at| self.0.get(at)).map(|(_, value)| value)
    }
    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let at = self.find(key).ok()?;
        self.0.get_mut(at).map(|(_, value)| value)
    }
    /// What was there before.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.find(&key) {
            Ok(at) => self.0.get_mut(at).map(|(_, old)| std::mem::replace(old, value)),
            Err(at) => {
                push(&mut self.0, (key, value));
                self.0.get_mut(at..)?.rotate_right(1);
                None
            }
        }
    }
    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let (_, value) = self.0.remove(self.find(key).ok()?);
        if self.0.is_empty() {
            self.0 = vec![];
        }
        Some(value)
    }
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter().map(|(key, value)| (key, value))
    }
    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.iter().map(|(key, _)| key)
    }
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_short_list_has_no_room_to_spare_and_a_long_one_grows_by_a_quarter() {
        let (mut list, mut grown) = (vec![], 0);
        for n in 0..10_000 {
            let before = list.capacity();
            push(&mut list, n);
            grown += usize::from(list.capacity() != before);
            assert!(list.capacity() <= list.len() + list.len() / 4 + 1);
        }
        assert!(grown < 60, "{grown} times");
        let mut one = Few::default();
        one.insert(1, 1);
        assert_eq!(one.0.capacity(), 1);
        one.remove(&1);
        assert_eq!(one.0.capacity(), 0);
    }

    proptest! {
        #[test]
        fn it_does_what_a_map_does(steps in prop::collection::vec((any::<bool>(), 0_u8..20, any::<u8>()), 0..200)) {
            let (mut few, mut map) = (Few::default(), BTreeMap::new());
            for (comes, key, value) in steps {
                if comes {
                    prop_assert_eq!(few.insert(key, value), map.insert(key, value));
                } else {
                    prop_assert_eq!(few.remove(&key), map.remove(&key));
                }
                prop_assert_eq!(few.get(&key), map.get(&key));
                prop_assert_eq!(few.get_mut(&key), map.get_mut(&key));
                prop_assert!(few.iter().eq(map.iter()) && few.keys().eq(map.keys()));
            }
        }
    }
}
