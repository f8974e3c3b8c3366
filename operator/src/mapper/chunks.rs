//! How entries are spread over chunks. Pure. A device keeps its chunk while it fits; a change therefore rewrites one object.
use pollux_crds::{ChunkHash, SliceDevice, hash};
use std::collections::{BTreeMap, BTreeSet};

/// Most bytes of JSON that the entries of one chunk have together. Only a single entry that is larger may stand alone.
pub const MAX_CHUNK: usize = 60 * 1024;
/// Chunk 0 also has the index.
pub const MAX_FIRST: usize = 44 * 1024;
/// Most bytes of one entry: what etcd takes in one object, with room for metadata and `applied`.
pub const MAX_ENTRY: usize = 512 * 1024;

/// Where an entry belongs in the order of creation; the earlier one wins where two open one resource.
pub type Order = (i64, String, String);

/// An entry that shall be in the slices.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// Time of creation, namespace, name.
    pub order: Order,
    /// The entry.
    pub entry: SliceDevice,
}

/// The chunks that hold exactly `wanted`, given how they were.
pub fn spread(current: &[Vec<SliceDevice>], wanted: Vec<Wanted>) -> Vec<Vec<SliceDevice>> {
    let mut wanted: BTreeMap<(bool, Order, String), SliceDevice> =
        wanted.into_iter().map(|Wanted { order, entry }| ((entry.released, order, entry.uid.clone()), entry)).collect();
    let chunk_of: BTreeMap<&str, usize> =
        current.iter().enumerate().rev().flat_map(|(i, c)| c.iter().map(move |e| (e.uid.as_str(), i))).collect();
    let mut chunks: Vec<Chunk> = (0..current.len().max(1)).map(Chunk::new).collect();
    let mut homeless = BTreeSet::new();
    // Those that have a chunk come first; of those that do not fit any more the youngest goes.
    for (key, entry) in &wanted {
        let home = chunk_of.get(entry.uid.as_str()).and_then(|i| chunks.get_mut(*i));
        if !home.is_some_and(|chunk| chunk.take(entry)) {
            homeless.insert(key.clone());
        }
    }
    for key in homeless {
        let Some(entry) = wanted.get(&key) else { continue };
        if !chunks.iter_mut().any(|chunk| chunk.take(entry)) {
            let mut chunk = Chunk::new(chunks.len());
            chunk.uids.insert(entry.uid.clone());
            chunk.size = size(entry);
            chunks.push(chunk);
        }
    }
    while chunks.len() > 1 && chunks.last().is_some_and(|chunk| chunk.uids.is_empty()) {
        chunks.pop();
    }
    let mut filled: Vec<Vec<SliceDevice>> = chunks.iter().map(|_| vec![]).collect();
    while let Some((_, entry)) = wanted.pop_first() {
        let chunk = chunks.iter().position(|c| c.uids.contains(&entry.uid)).and_then(|i| filled.get_mut(i));
        chunk.expect("every entry was given a chunk").push(entry);
    }
    filled
}

struct Chunk {
    most: usize,
    size: usize,
    uids: BTreeSet<String>,
}
impl Chunk {
    fn new(number: usize) -> Self {
        Self { most: if number == 0 { MAX_FIRST } else { MAX_CHUNK }, size: 0, uids: BTreeSet::new() }
    }
    /// Takes it, if it fits. One that fits nowhere may stand alone, but not in chunk 0, which everyone reads.
    fn take(&mut self, entry: &SliceDevice) -> bool {
        let size = size(entry);
        let alone = self.size == 0 && self.most == MAX_CHUNK && size > MAX_CHUNK;
        let fits = alone || self.size + size <= self.most;
        if fits {
            self.size += size;
            self.uids.insert(entry.uid.clone());
        }
        fits
    }
}

/// Bytes of an entry in its chunk, with the comma.
fn size(entry: &SliceDevice) -> usize {
    serde_json::to_vec(entry).map_or(usize::MAX / 4, |json| json.len() + 1)
}

/// Chunks that take entries out of others, with all that they have now still in them. When these are written, each entry of
/// both `current` and `next` stands in the chunk where it shall be, and whatever is then written or not, none is lost.
pub fn receiving(current: &[Vec<SliceDevice>], next: &[Vec<SliceDevice>]) -> BTreeMap<usize, Vec<SliceDevice>> {
    let home: BTreeMap<&str, usize> =
        next.iter().enumerate().flat_map(|(i, c)| c.iter().map(move |e| (e.uid.as_str(), i))).collect();
    let leaves = |from: usize, e: &SliceDevice| home.get(e.uid.as_str()).filter(|to| **to != from).copied();
    let olds = || current.iter().enumerate();
    let receivers: BTreeSet<usize> = olds().flat_map(|(i, c)| c.iter().filter_map(move |e| leaves(i, e))).collect();
    let whole = |i: usize| {
        let stay = current.get(i).into_iter().flatten().filter(|e| leaves(i, e).is_some());
        let new = next.get(i).into_iter().flatten();
        (i, new.chain(stay).cloned().collect())
    };
    receivers.into_iter().map(whole).collect()
}

/// The hash of each chunk, for the index.
pub fn hashes(chunks: &[Vec<SliceDevice>]) -> Vec<ChunkHash> {
    chunks.iter().map(|chunk| ChunkHash(hash(chunk))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn entry(uid: u16, size: usize, released: bool) -> Wanted {
        let name = format!("d{uid:05}");
        let entry = SliceDevice {
            uid: format!("u{uid:05}"),
            name: name.clone(),
            released,
            rewrite: Some("x".repeat(size)),
            ..SliceDevice::default()
        };
        Wanted { order: (i64::from(uid % 7), "ns".into(), name), entry }
    }
    fn places(chunks: &[Vec<SliceDevice>]) -> HashMap<String, usize> {
        chunks.iter().enumerate().flat_map(|(i, c)| c.iter().map(move |e| (e.uid.clone(), i))).collect()
    }
    fn bytes(chunk: &[SliceDevice]) -> usize {
        serde_json::to_vec(chunk).unwrap().len()
    }

    #[test]
    fn chunk_0_exists_although_nothing_is_wanted() {
        assert_eq!(spread(&[], vec![]), vec![Vec::<SliceDevice>::new()]);
        let two = spread(&[], (0..40).map(|i| entry(i, 2_000, false)).collect());
        assert_eq!(two.len(), 2);
        assert_eq!(spread(&two, vec![]).len(), 1);
    }

    #[test]
    fn an_entry_larger_than_a_chunk_stands_alone_and_stays() {
        let wanted = || vec![entry(1, 10, false), entry(2, 100_000, false), entry(3, 10, false)];
        let chunks = spread(&[], wanted());
        assert_eq!(chunks.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(spread(&chunks, wanted()), chunks);
    }

    #[test]
    fn within_a_chunk_the_order_is_that_of_creation() {
        let chunk = spread(&[], vec![entry(6, 1, false), entry(8, 1, false), entry(1, 1, false), entry(14, 1, false)]);
        let uids: Vec<_> = chunk[0].iter().map(|e| &*e.uid).collect();
        assert_eq!(uids, ["u00014", "u00001", "u00008", "u00006"]);
    }

    proptest! {
        /// Whichever write is the last that succeeds: nothing that was known of an entry is taken away before it stands as it
        /// shall be.
        #[test]
        fn an_entry_that_moves_is_lost_by_no_write(
            before in prop::collection::btree_map(0_u16..40, 0_usize..9_000, 0..40),
            doubled in prop::collection::btree_set(0_u16..40, 0..4),
            after in prop::collection::btree_map(0_u16..40, 0_usize..9_000, 0..40),
            order in any::<u64>(),
        ) {
            let wanted = |all: &BTreeMap<u16, usize>| all.iter().map(|(uid, size)| entry(*uid, *size, false)).collect::<Vec<_>>();
            let mut stored = spread(&[], wanted(&before));
            for uid in doubled.iter().filter(|uid| before.contains_key(uid)) {
                stored.push(vec![entry(*uid, 9_001, false).entry]); // left behind by a round that failed half way
            }
            let all = |stored: &[Vec<SliceDevice>], uid: u16| {
                let uid = entry(uid, 0, false).entry.uid;
                stored.iter().flatten().filter(|e| e.uid == uid).cloned().collect::<Vec<_>>()
            };
            let olds: BTreeMap<u16, _> = before.keys().map(|uid| (*uid, all(&stored, *uid))).collect();
            let next = spread(&stored, wanted(&after));
            let mut writes: Vec<_> = receiving(&stored, &next).into_iter().collect();
            let mut last: Vec<_> = next.iter().cloned().enumerate().collect();
            last.extend((next.len()..stored.len()).map(|i| (i, vec![])));
            for round in [&mut writes, &mut last] {
                round.sort_by_key(|(i, _)| hash(&(i, order))); // in whatever order within a round
            }
            for (i, devices) in writes.into_iter().chain(last) {
                stored.resize(stored.len().max(i + 1), vec![]);
                stored[i] = devices;
                for (uid, size) in after.iter().filter(|(uid, _)| before.contains_key(uid)) {
                    let found = all(&stored, *uid);
                    let done = found.contains(&entry(*uid, *size, false).entry);
                    prop_assert!(done || olds[uid].iter().all(|e| found.contains(e)), "u{uid} after a write of chunk {i}");
                }
            }
            let filled = |chunks: Vec<Vec<SliceDevice>>| chunks.into_iter().filter(|c| !c.is_empty()).collect::<Vec<_>>();
            prop_assert_eq!(filled(stored), filled(next));
        }

        #[test]
        fn nothing_is_lost_doubled_or_moved_without_need(
            rounds in prop::collection::vec(prop::collection::btree_map(0_u16..120, (0_usize..4_000, any::<bool>()), 0..120), 1..5)
        ) {
            let mut chunks: Vec<Vec<SliceDevice>> = vec![];
            for round in rounds {
                let wanted: Vec<_> = round.iter().map(|(uid, (size, gone))| entry(*uid, *size, *gone)).collect();
                let next = spread(&chunks, wanted.clone());
                let mut got: Vec<_> = next.iter().flatten().cloned().collect();
                got.sort_by(|a, b| a.uid.cmp(&b.uid));
                prop_assert_eq!(&got, &wanted.iter().map(|w| w.entry.clone()).collect::<Vec<_>>());
                for (i, chunk) in next.iter().enumerate() {
                    let most = if i == 0 { MAX_FIRST } else { MAX_CHUNK };
                    prop_assert!(bytes(chunk) <= most + 2);
                }
                // Asked for the same again, nothing moves; and with the same sizes nothing moves either.
                prop_assert_eq!(&spread(&next, wanted.clone()), &next);
                let fewer: Vec<_> = wanted.iter().skip(1).cloned().collect();
                let (before, after) = (places(&next), places(&spread(&next, fewer)));
                prop_assert!(after.iter().all(|(uid, chunk)| before[uid] == *chunk));
                chunks = next;
            }
        }
    }
}
