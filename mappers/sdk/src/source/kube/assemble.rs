//! From chunks to one set, and from the set to what the runtime drives. Pure. Chunks are written one after the other, so what is
//! seen may be half of one edit and half of another: only what matches the index in chunk 0 is taken.
use crate::NodeConfig;
use pollux_crds::{
    DeviceModelRevisionSpec, DeviceSliceSpec, EffectiveDevice, SliceDevice, SliceIndex, effective, hash, slice_name,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Whose slices these are.
#[derive(Debug, Clone)]
pub(super) struct Own {
    pub(super) class: String,
    pub(super) node: String,
}
impl Own {
    pub(super) fn slice(&self, chunk: usize) -> String {
        slice_name(&self.class, &self.node, chunk)
    }
}

/// Why there is no set (yet). Each is mended by the next write of the operator, or never by us.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Incomplete {
    #[error("chunk 0, the index, is not there")]
    NoIndex,
    #[error("chunk {0} is not there yet")]
    Missing(usize),
    #[error("chunk {0} is not the one of the index (yet); if this lasts, the operator is newer than this mapper")]
    Differs(usize),
    #[error("chunk {chunk} is of class {class} on node {node}, not ours")]
    Foreign { chunk: usize, class: String, node: String },
}

/// A whole, consistent configuration: what the operator meant.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Set {
    pub(super) index: SliceIndex,
    pub(super) chunks: Vec<DeviceSliceSpec>,
}

/// How many chunks the index speaks of; 1 while there is none.
pub(super) fn count(index: Option<&DeviceSliceSpec>) -> usize {
    index.and_then(|s| s.index.as_ref()).map_or(1, |i| i.chunks.len().max(1))
}

pub(super) fn assemble<'a>(own: &Own, chunk: impl Fn(usize) -> Option<&'a DeviceSliceSpec>) -> Result<Set, Incomplete> {
    let index = chunk(0).and_then(|s| s.index.clone()).filter(|i| !i.chunks.is_empty()).ok_or(Incomplete::NoIndex)?;
    let chunks = index.chunks.iter().enumerate().map(|(n, wanted)| {
        let spec = chunk(n).ok_or(Incomplete::Missing(n))?;
        if spec.class != own.class || spec.node_name != own.node {
            return Err(Incomplete::Foreign { chunk: n, class: spec.class.clone(), node: spec.node_name.clone() });
        }
        if hash(&spec.devices) == wanted.0 { Ok(spec.clone()) } else { Err(Incomplete::Differs(n)) }
    });
    let chunks = chunks.collect::<Result<Vec<_>, _>>()?;
    Ok(Set { index, chunks })
}

impl Set {
    pub(super) fn devices(&self) -> impl Iterator<Item = &SliceDevice> {
        self.chunks.iter().flat_map(|c| &c.devices)
    }
    /// Names of the revisions that it needs.
    pub(super) fn revisions(&self) -> BTreeSet<&str> {
        self.devices().filter(|d| !d.released).map(|d| d.revision.as_str()).collect()
    }
}

/// Revisions by name.
pub(super) type Revisions = BTreeMap<String, Arc<DeviceModelRevisionSpec>>;

/// What became of each entry, kept so that what did not change is not judged again.
#[derive(Debug, Default)]
pub(super) struct Built {
    devices: BTreeMap<String, Compiled>,
}
#[derive(Debug, Clone)]
struct Compiled {
    entry: SliceDevice,
    device: Arc<EffectiveDevice>,
}

/// Why an entry is not in force: the one before it stays, if there was one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) device: String,
    pub(super) why: String,
}

impl Built {
    /// One entry that cannot be driven harms no other.
    pub(super) fn build(&mut self, set: &Set, revisions: &Revisions) -> (NodeConfig, Vec<Refused>) {
        let (mut devices, mut refused, mut next) = (Vec::new(), Vec::new(), BTreeMap::new());
        for entry in set.devices().filter(|d| !d.released) {
            let last = self.devices.get(&entry.uid);
            let compiled = match compile(entry, last, revisions) {
                Ok(compiled) => Some(compiled),
                Err(why) => {
                    refused.push(Refused { device: entry.key(), why });
                    last.cloned()
                }
            };
            if let Some(compiled) = compiled {
                devices.push(compiled.device.clone());
                next.insert(entry.uid.clone(), compiled);
            }
        }
        self.devices = next;
        let tombstones = set.devices().filter(|d| d.released).map(|d| d.uid.clone()).collect();
        let (writes, writes_per_second) = (set.index.writes, set.index.writes_per_second);
        (NodeConfig { devices, tombstones, writes, writes_per_second }, refused)
    }
}

fn compile(entry: &SliceDevice, last: Option<&Compiled>, revisions: &Revisions) -> Result<Compiled, String> {
    if let Some(last) = last.filter(|last| last.entry == *entry) {
        return Ok(last.clone());
    }
    let revision = revisions.get(&entry.revision).ok_or_else(|| format!("revision {} is not there", entry.revision))?;
    let device = effective(entry, revision)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
    // An entry that differs only in what the runtime does not see keeps its device, so that nobody compares it again.
    let device =
        last.filter(|last| *last.device == device).map_or_else(|| Arc::new(device), |last| last.device.clone());
    Ok(Compiled { entry: entry.clone(), device })
}

#[cfg(test)]
#[path = "assemble_tests.rs"]
pub(super) mod tests;
