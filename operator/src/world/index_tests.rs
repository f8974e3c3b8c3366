//! The index against a plain model.
use super::*;
use proptest::prelude::*;

fn links(mapper: Option<MapperKey>) -> Links {
    Links { mapper, ..Links::default() }
}
fn fact(devices: &[&str]) -> SliceFact {
    let entry = |name: &&str| super::super::facts::EntryFact {
        device: (*name).into(),
        uid: (*name).into(),
        generation: 1,
        tombstone: false,
        revision: format!("revision of {name}").into(),
    };
    SliceFact { version: 1, entries: devices.iter().map(entry).collect(), ..SliceFact::default() }
}

proptest! {
    /// By node are found exactly the mappers that have a device or a slice, whatever came and went.
    #[test]
    fn the_mappers_of_a_node_are_those_with_devices_or_slices(
        acts in prop::collection::vec((any::<bool>(), 0_usize..3, 0_usize..3, any::<bool>()), 0..60)
    ) {
        let mut index = Index::default();
        let key = |n: usize| MapperKey::new(["x", "y", "x"][n], ["a", "a", "b"][n]);
        let (mut placed, mut sliced) = (BTreeMap::new(), BTreeSet::new());
        for (device, which, n, there) in acts {
            if device {
                let id: Id = format!("d{which}").into();
                index.device(&id, there.then(|| links(Some(key(n)))));
                placed.remove(&which);
                placed.extend(there.then(|| (which, key(n))));
            } else {
                index.slice(&key(n), 0, there.then(|| fact(&["d"])));
                sliced.remove(&key(n));
                sliced.extend(there.then(|| key(n)));
            }
            let wanted: BTreeSet<MapperKey> = placed.values().cloned().chain(sliced.iter().cloned()).collect();
            for node in ["a", "b"] {
                let found: BTreeSet<_> = index.of_node(&node.into()).into_iter().collect();
                let here: BTreeSet<_> = wanted.iter().filter(|key| *key.node == *node).cloned().collect();
                prop_assert_eq!(found, here);
            }
            prop_assert_eq!(index.mappers().into_iter().collect::<BTreeSet<_>>(), wanted);
        }
    }
}

#[test]
fn a_revision_leads_to_the_mappers_that_need_it() {
    let mut index = Index::default();
    let (a, b) = (MapperKey::new("x", "a"), MapperKey::new("x", "b"));
    index.slice(&a, 0, Some(fact(&["d"])));
    index.slice(&b, 1, Some(fact(&["d", "e"])));
    assert_eq!(index.of_revision("revision of e"), [b]);
    assert_eq!(index.of_revision("revision of d").len(), 2);
    assert_eq!(index.of_revision("revision of f"), []);
}
