//! From chunks to one set, and from the set to what the runtime drives. Pure. Chunks are written one after the other, so what is
//! seen may be half of one edit and half of another: only what matches the index in chunk 0 is taken.
use super::Judge;
use crate::{NodeConfig, Origin, Refusal};
use pollux_crds::{
    DeviceModelRevisionSpec, DeviceSliceSpec, EffectiveDevice, Mode, SharedProperties, SliceDevice, Writes, effective,
    hash, slice_name,
};
use serde::{Deserialize, Serialize};
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

/// A whole configuration: what the operator meant, or what of it is in force.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Set {
    pub(super) writes: Writes,
    pub(super) writes_per_second: f64,
    /// In the order of creation, tombstones among them.
    pub(super) devices: Vec<SliceDevice>,
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
        if hash(&spec.devices) == wanted.0 { Ok(&spec.devices) } else { Err(Incomplete::Differs(n)) }
    });
    let chunks = chunks.collect::<Result<Vec<_>, _>>()?;
    let mut devices: Vec<SliceDevice> = chunks.into_iter().flatten().cloned().collect();
    // A device keeps its chunk, and a later one may stand in an earlier chunk.
    devices.sort_by(|a, b| (a.created, &a.namespace, &a.name).cmp(&(b.created, &b.namespace, &b.name)));
    Ok(Set { writes: index.writes, writes_per_second: index.writes_per_second, devices })
}

impl Set {
    /// Names of the revisions that it needs.
    pub(super) fn revisions(&self) -> BTreeSet<&str> {
        self.devices.iter().filter(|d| !d.released).map(|d| d.revision.as_str()).collect()
    }
}

/// Revisions by name.
pub(super) type Revisions = BTreeMap<String, Arc<DeviceModelRevisionSpec>>;

/// What is in force of each device, kept so that what did not change is not judged again.
#[derive(Debug, Default)]
pub(super) struct Built {
    devices: BTreeMap<String, Compiled>,
    properties: SharedProperties,
}
#[derive(Debug, Clone)]
struct Compiled {
    entry: SliceDevice,
    device: Arc<EffectiveDevice>,
    /// Why the driver refuses it.
    refused: Option<String>,
}

/// Why an entry is not in force: the one before it stays, if there was one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) device: String,
    pub(super) why: String,
}

/// What came of a set.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) config: NodeConfig,
    /// The entries that are in force; all revisions that it names are there.
    pub(super) in_force: Set,
    pub(super) refused: Vec<Refused>,
}

impl Built {
    /// One entry that cannot be driven harms no other.
    pub(super) fn build(&mut self, set: &Set, revisions: &Revisions, judge: &Judge) -> Outcome {
        let Set { writes, writes_per_second, devices } = set;
        let mut config = NodeConfig { writes: *writes, writes_per_second: *writes_per_second, ..NodeConfig::default() };
        let (mut in_force, mut refused, mut next) = (vec![], vec![], BTreeMap::new());
        for entry in devices {
            if entry.released {
                config.tombstones.push(entry.uid.clone());
                in_force.push(entry.clone());
                continue;
            }
            let last = self.devices.get(&entry.uid);
            let new = compile(entry, last, revisions, judge, &mut self.properties);
            let why = match &new {
                Ok(new) => new.refused.clone(),
                Err(why) => Some(why.clone()),
            };
            let valid = last.filter(|last| last.refused.is_none());
            // Of a device that never was valid the runtime says what is wrong.
            let taken = valid.filter(|_| why.is_some()).cloned().or(new.ok());
            if let Some(why) = why {
                refused.push(Refused { device: entry.key(), why: why.clone() });
                if valid.is_some() {
                    let refusal = Refusal { generation: entry.generation, message: why };
                    config.refusals.insert(entry.uid.clone(), refusal);
                }
            }
            if let Some(taken) = taken {
                config.devices.push(taken.device.clone());
                in_force.push(taken.entry.clone());
                next.insert(entry.uid.clone(), taken);
            }
        }
        self.devices = next;
        self.properties.sweep();
        let in_force = Set { writes: *writes, writes_per_second: *writes_per_second, devices: in_force };
        Outcome { config, in_force, refused }
    }
}

impl Set {
    /// As the API server has it: what is not in it is not this node's.
    pub(super) fn origin(&self) -> Origin {
        Origin::Server(self.devices.iter().filter(|d| !d.released).map(|d| d.uid.clone()).collect())
    }
}

fn compile(
    entry: &SliceDevice,
    last: Option<&Compiled>,
    revisions: &Revisions,
    judge: &Judge,
    shared: &mut SharedProperties,
) -> Result<Compiled, String> {
    if let Some(last) = last.filter(|last| last.entry == *entry) {
        return Ok(last.clone());
    }
    let revision = revisions.get(&entry.revision).ok_or_else(|| format!("revision {} is not there", entry.revision))?;
    let mut device = effective(entry, revision)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
    device.properties = shared.share(device.properties);
    // An entry that differs only in what the runtime does not see keeps its device, so that nobody compares it again.
    if let Some(last) = last.filter(|last| *last.device == device) {
        return Ok(Compiled { entry: entry.clone(), ..last.clone() });
    }
    // What is off is off, whatever the driver thinks of it.
    let refused = if device.mode == Mode::Off { None } else { judge.of(&device).err() };
    Ok(Compiled { entry: entry.clone(), device: Arc::new(device), refused })
}

#[cfg(test)]
#[path = "assemble_tests.rs"]
pub(super) mod tests;
