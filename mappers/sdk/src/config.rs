//! What a mapper shall do, whatever said so: slices of a cluster, or files.
use pollux_crds::{EffectiveDevice, Writes};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// All that one mapper shall do, valid and complete. A source hands a new one over in a `tokio::sync::watch` whenever
/// something changed; whoever is slow sees the newest only.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeConfig {
    /// Devices to drive, in the order of creation: where two open one resource with different settings, the later is refused.
    pub devices: Vec<Arc<EffectiveDevice>>,
    /// Edits that are not in force, by uid of the device: the form before them stands in `devices`.
    pub refusals: BTreeMap<String, Refusal>,
    /// uids of devices to let go of, writing nothing; the runtime says when it has ([`crate::Hub::released`]).
    pub tombstones: Vec<String>,
    /// Whether anything may be written at all: the class's switch, and `--allow-writes` with files.
    pub writes: Writes,
    /// Status writes per second that may be spent.
    pub writes_per_second: f64,
    /// What it may be relied upon for.
    pub origin: Origin,
}

/// Why an edit is not in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Generation of the edit.
    pub generation: i64,
    /// What is wrong, and what is allowed.
    pub message: String,
}

/// Whose word a configuration is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Origin {
    /// Files: generations begin anew with each process, and what is away may be back in a moment.
    #[default]
    Files,
    /// The slices of an earlier run: what came since is not known.
    Disk,
    /// The API server: uids of all devices that are entrusted to this node, also those that cannot be driven. What is known of
    /// any other is of another time, and is forgotten.
    Server(BTreeSet<String>),
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            devices: vec![],
            refusals: BTreeMap::new(),
            tombstones: vec![],
            writes: Writes::Disabled,
            writes_per_second: 1.0,
            origin: Origin::Files,
        }
    }
}
