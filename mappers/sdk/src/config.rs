//! What a mapper shall do, whatever said so: slices of a cluster, or files.
use pollux_crds::{EffectiveDevice, Writes};
use std::sync::Arc;

/// All that one mapper shall do, valid and complete. A source hands a new one over in a `tokio::sync::watch` whenever
/// something changed; whoever is slow sees the newest only.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeConfig {
    /// Devices to drive, in the order of creation: where two open one resource with different settings, the later is refused.
    pub devices: Vec<Arc<EffectiveDevice>>,
    /// uids of devices to let go of, writing nothing; the runtime says when it has ([`crate::Hub::released`]).
    pub tombstones: Vec<String>,
    /// Whether anything may be written at all: the class's switch, and `--allow-writes` with files.
    pub writes: Writes,
    /// Status writes per second that may be spent.
    pub writes_per_second: f64,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self { devices: vec![], tombstones: vec![], writes: Writes::Disabled, writes_per_second: 1.0 }
    }
}
