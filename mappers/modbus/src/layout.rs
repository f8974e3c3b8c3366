//! Where the points of a device stand, and what they are called: the same for all devices of a model, so it is kept once.
use crate::{names::Names, unit::Item};
use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, PoisonError, Weak},
};

/// All points of a device, by position.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Layout {
    items: Box<[Item]>,
    names: Names,
}

/// Those that some device has, by their hash.
static KNOWN: Mutex<Option<Known>> = Mutex::new(None);

/// As many as there are models on this node, give or take those that went.
#[derive(Default)]
struct Known {
    layouts: HashMap<u64, Weak<Layout>>,
    /// So many that it is time to look for those that went.
    full: usize,
}

impl Layout {
    /// One that equals it, if a device has it already.
    pub(crate) fn shared<'a>(items: Vec<Item>, names: impl Iterator<Item = &'a str>) -> Arc<Self> {
        let new = Self { items: items.into(), names: names.collect() };
        let mut hasher = DefaultHasher::new();
        new.hash(&mut hasher);
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        known.get_or_insert_default().shared(hasher.finish(), new)
    }
    pub(crate) fn items(&self) -> &[Item] {
        &self.items
    }
    pub(crate) fn names(&self) -> &Names {
        &self.names
    }
}

impl Known {
    fn shared(&mut self, hash: u64, new: Layout) -> Arc<Layout> {
        let old = self.layouts.get(&hash).and_then(Weak::upgrade).filter(|old| **old == new);
        old.unwrap_or_else(|| {
            if self.layouts.len() >= self.full {
                self.layouts.retain(|_, layout| layout.strong_count() > 0);
                self.full = 2 * self.layouts.len() + 8;
            }
            let new = Arc::new(new);
            self.layouts.insert(hash, Arc::downgrade(&new));
            new
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{plan::Range, values::Number};
    use pollux_crds::ModbusTable as Table;

    fn layout(known: &mut Known, start: u16, name: &str, hash: u64) -> Arc<Layout> {
        let range = Range { table: Table::Holding, start, count: 2 };
        let items = Box::new([Item { range, block: range, format: Number::Float32.into() }]);
        known.shared(hash, Layout { items, names: [name].into_iter().collect() })
    }

    #[test]
    fn equal_layouts_are_one_and_a_like_hash_makes_none_equal() {
        let mut known = Known::default();
        let a = layout(&mut known, 0, "a", 1);
        assert!(Arc::ptr_eq(&a, &layout(&mut known, 0, "a", 1)));
        let colliding = layout(&mut known, 2, "a", 1);
        assert!(*colliding != *a && Arc::ptr_eq(&colliding, &layout(&mut known, 2, "a", 1)));
        assert!(*layout(&mut known, 0, "b", 2) != *a);
    }

    #[test]
    fn what_no_device_has_any_more_is_not_kept() {
        let mut known = Known::default();
        let kept = layout(&mut known, 0, "kept", 0);
        for n in 1..1000 {
            layout(&mut known, n, "gone", n.into());
        }
        assert!(known.layouts.len() <= 16, "{} of one that lives", known.layouts.len());
        assert!(Arc::ptr_eq(&kept, &layout(&mut known, 0, "kept", 0)));
    }
}
