//! Step 3: the objects of one mapper. Pure.
use super::{
    chunks::{hashes, spread},
    dereference::Facts,
    reader::{self, READER_ANNOTATION},
    secret::{SECRETS_ANNOTATION, Wants},
    validate::Demand,
};
use crate::{
    owner::Owner,
    world::{
        Conflicts,
        keys::{Id, MapperKey},
        made::There,
    },
};
use kube::ResourceExt;
use pollux_crds::{DeviceModelRevisionSpec, DeviceSliceSpec, SliceDevice, SliceIndex, Writes, secret_name};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// What becomes of account, role and binding.
#[derive(Debug, PartialEq)]
pub(crate) enum Reader {
    /// As they are.
    Keep,
    /// These.
    Make(Vec<Json>),
    /// They go, after the slices that go.
    Remove,
}

/// What shall be there for one mapper.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Revisions that entries name.
    pub(crate) revisions: BTreeMap<String, DeviceModelRevisionSpec>,
    /// Its slices, in order; none when it has nothing to do any more.
    pub(crate) chunks: Vec<DeviceSliceSpec>,
    /// Account, role, binding and Secret.
    pub(crate) reader: Reader,
    /// Secrets that are copied now; None: the copy stays as it is, or goes with the reader.
    pub(crate) secrets: Option<Wants>,
    /// What was made of reader and copy, kept at chunk 0.
    pub(crate) annotations: BTreeMap<String, String>,
    /// Of some device an older version is known than the one in force.
    pub(crate) behind: bool,
    /// Devices that are refused for the sake of others.
    pub(crate) conflicts: Conflicts,
    /// Devices that shall move here, with the hash of the entry that was judged.
    pub(crate) judged: Vec<(Id, String)>,
    /// Whether the node carries the class's label; None: as it is.
    pub(crate) label: Option<bool>,
    /// All is gone but the Pod: slices and reader go when it has.
    pub(crate) leaving: bool,
}

pub(crate) fn build(key: &MapperKey, facts: &Facts, demand: Demand, fleet: f64) -> Plan {
    let Demand { entries, revisions, arrivals: _, behind, conflicts, judged, secrets, cost, total } = demand;
    let current: Vec<Vec<SliceDevice>> =
        facts.chunks.iter().map(|s| s.as_ref().map(|s| s.spec.devices.clone()).unwrap_or_default()).collect();
    let empty = entries.is_empty();
    let devices = entries.iter().filter(|w| !w.entry.released).count();
    let chunks = spread(&current, entries);
    let index = SliceIndex {
        chunks: hashes(&chunks),
        writes_per_second: super::budget::share(fleet, devices, cost, total),
        writes: writes(facts),
    };
    let labelled = facts.node.as_ref().map(|n| n.classes.contains(&*key.class));
    // The mapper may still be on its way out, and reads its slices until it is.
    let left = labelled != Some(true) && !facts.has_pod;
    let remove = empty && (left || facts.chunks.is_empty());
    let spec = |(i, devices): (usize, Vec<SliceDevice>)| DeviceSliceSpec {
        class: key.class.to_string(),
        node_name: key.node.to_string(),
        index: (i == 0).then(|| index.clone()),
        devices,
    };
    let count = chunks.len();
    let specs = if remove { vec![] } else { chunks.into_iter().enumerate().map(spec).collect() };
    // The reader outlives neither its slices nor its class, and is not made while all is uninstalled.
    let gone = remove || (facts.class.is_none() && !facts.has_pod);
    let (reader, reader_hash) = reader(key, facts, count, gone);
    let (secrets, secrets_hash) = if gone { (None, None) } else { copy(facts, secrets) };
    let hashes = [(READER_ANNOTATION, reader_hash), (SECRETS_ANNOTATION, secrets_hash)];
    Plan {
        revisions,
        chunks: specs,
        reader,
        secrets,
        annotations: hashes.into_iter().filter_map(|(name, hash)| Some((name.to_owned(), hash?))).collect(),
        behind,
        conflicts,
        judged,
        label: label(labelled, empty, facts),
        leaving: empty && !remove,
    }
}

fn reader(key: &MapperKey, facts: &Facts, count: usize, gone: bool) -> (Reader, Option<String>) {
    let known = annotation(facts, READER_ANNOTATION);
    if gone {
        let none = facts.reader == There::Nothing && known.is_none();
        return (if none { Reader::Keep } else { Reader::Remove }, None);
    }
    if facts.class.is_none() || matches!(facts.owner, Owner::Gone(_)) {
        return (Reader::Keep, known.cloned());
    }
    let hash = reader::hash(key, count, &facts.owner);
    let make = known != Some(&hash) || facts.reader != There::All;
    let reader = if make { Reader::Make(reader::objects(key, count, &facts.owner)) } else { Reader::Keep };
    (reader, Some(hash))
}

fn annotation<'a>(facts: &'a Facts, name: &str) -> Option<&'a String> {
    facts.chunks.first()?.as_ref()?.annotations().get(name)
}

/// The copy of Secrets lives and goes with the reader. While it is not known of some Secret whether it is there, nothing is taken
/// from the copy.
fn copy(facts: &Facts, wants: Wants) -> (Option<Wants>, Option<String>) {
    let known = annotation(facts, SECRETS_ANNOTATION).cloned();
    if facts.class.is_none() || matches!(facts.owner, Owner::Gone(_)) {
        return (None, known);
    }
    let hash = Some(wants.hash(&facts.owner));
    let wanted = !facts.has_copy || (!wants.unread && known != hash);
    if wanted { (Some(wants), hash) } else { (None, known) }
}

/// The key switch stays as the mapper was told last where nobody can read how it stands: a class that is deleted, or cannot be
/// decoded, must not turn writing on. Where nothing was ever told, nothing is written.
fn writes(facts: &Facts) -> Writes {
    let told = || facts.chunks.first()?.as_ref()?.spec.index.as_ref().map(|index| index.writes);
    facts.class().map(|class| class.spec.writes).or_else(told).unwrap_or(Writes::Disabled)
}

/// The label comes last and goes last. None: it stands right, or there is no node.
fn label(labelled: Option<bool>, empty: bool, facts: &Facts) -> Option<bool> {
    // A node that is labelled starts a mapper: not without the policies. One that runs already is left alone.
    let blocked = facts.missing_policies && labelled == Some(false);
    let wanted = !empty && facts.class().is_some();
    match labelled {
        Some(is) if is != wanted && !(blocked && wanted) => {
            // A class that is gone has no DaemonSet; its label waits for it to come back.
            (wanted || empty).then_some(wanted)
        }
        _ => None,
    }
}

/// Name of the Secret; here so that all names of one mapper can be read in one place.
pub(crate) fn secret(key: &MapperKey) -> String {
    secret_name(&key.class, &key.node)
}
