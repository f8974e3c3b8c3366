//! No cluster: the same YAML from files. What the API server and the operator would do to it is done here, and edits are
//! picked up while it runs. An invalid edit is told by name; what was valid last stays in force.
mod accept;
mod kept;
mod place;
mod text;
mod watch;

pub(crate) use accept::World;
pub(crate) use place::Placed;
pub(crate) use text::{Digest, Text, digest, read};

use crate::{NodeConfig, Secrets};
use pollux_crds::{EffectiveDevice, JsonText, Writes};
use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::watch::{Receiver, Sender, channel};

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// Kind and name of the object, such as `Device boiler-1`; empty: the file itself.
    pub object: String,
    /// Path of the field; empty: the object itself.
    pub field: String,
    /// What is wrong, and what is allowed.
    pub message: String,
}
/// `file: kind name: field: message`.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        for part in [&self.object, &self.field].into_iter().filter(|part| !part.is_empty()) {
            write!(f, ": {part}")?;
        }
        write!(f, ": {}", self.message)
    }
}
impl Problem {
    pub(crate) fn new(file: &Path, object: impl Into<String>, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), object: object.into(), field: String::new(), message: message.into() }
    }
    pub(crate) fn at(file: &Path, object: &str, error: &pollux_crds::FieldError) -> Self {
        Self { field: error.field.clone(), ..Self::new(file, object, &*error.message) }
    }
}

/// What came of reading the files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// All that is wrong.
    pub problems: Vec<Problem>,
    /// What was passed over, and why.
    pub notes: Vec<String>,
    /// Objects that can be used: devices, models, channels.
    pub devices: usize,
    /// Models among them.
    pub models: usize,
    /// Channels among them.
    pub channels: usize,
}

/// Devices from files.
#[derive(Debug)]
pub struct FileSource {
    paths: Vec<PathBuf>,
    /// Of what was read last.
    seen: Option<Digest>,
    world: World,
    placed: Placed,
    devices: Sender<Arc<BTreeMap<String, Arc<JsonText>>>>,
    config: Sender<Arc<NodeConfig>>,
    secrets: Sender<Secrets>,
}

impl FileSource {
    /// Reads the files once. What is wrong stands in the report; what is right is in force. Blocks on the disk.
    pub fn open(paths: Vec<PathBuf>, protocol: &'static str, writes: Writes) -> (Self, Report) {
        let ((config, _), (secrets, _)) = (channel(Arc::default()), channel(Secrets::default()));
        let placed = Placed::new(protocol, writes);
        let devices = Sender::new(Arc::default());
        let mut source = Self { paths, seen: None, world: World::default(), placed, devices, config, secrets };
        let report = source.reread().unwrap_or_default();
        (source, report)
    }
    /// What the mapper shall do, now and after each edit.
    pub fn config(&self) -> Receiver<Arc<NodeConfig>> {
        self.config.subscribe()
    }
    /// Each Device as it stands in the files, by uid: the newest that an API server would take, also where its mapper goes
    /// on by an older one.
    pub fn devices(&self) -> Receiver<Arc<BTreeMap<String, Arc<JsonText>>>> {
        self.devices.subscribe()
    }
    /// Contents of the Secrets, by `namespace.name.key`, now and after each edit.
    pub fn secrets(&self) -> Receiver<Secrets> {
        self.secrets.subscribe()
    }
    /// The file that a device comes from.
    pub fn file_of(&self, device: &EffectiveDevice) -> PathBuf {
        let found = self.world.get("Device", &device.namespace, &device.name);
        found.map(|accepted| accepted.file.to_path_buf()).unwrap_or_default()
    }
    /// The node that a device is pinned to.
    pub(crate) fn node_of(&self, device: &EffectiveDevice) -> Option<String> {
        self.world.get("Device", &device.namespace, &device.name)?.object.device()?.spec.node_name
    }
    /// None: nothing has changed since the files were read last.
    fn reread(&mut self) -> Option<Report> {
        let texts = read(&self.paths);
        let seen = digest(&texts);
        if self.seen.replace(seen) == Some(seen) && !texts.is_empty() {
            return None;
        }
        let mut report = self.world.update(&texts);
        let config = Arc::new(self.placed.update(&self.world, &mut report));
        drop(texts);
        self.devices.send_replace(Arc::new(self.world.devices()));
        Secrets::renew(&self.secrets, self.world.secrets());
        self.config.send_if_modified(|current| {
            let changed = *current != config;
            *current = config;
            changed
        });
        Some(report)
    }
}

#[cfg(test)]
mod tests;
