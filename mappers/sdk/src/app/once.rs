//! Commands that run once: some devices of some files, driven for as long as it takes.
use super::{
    Exit,
    files::default_folder,
    say, signals,
    start::{Given, Mapper, Parts},
};
use crate::{DeviceView, NodeConfig, Protocol, Store, source::file::FileSource};
use pollux_crds::{
    Access, EffectiveDevice, EffectiveProperty, EffectiveReport, EffectiveVerify, Mode, Span, Values, Writes,
};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long the first reading of all devices may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);
/// What the twin says of a property that has not been read yet.
const NOT_READ: &str = "NotRead";

/// Words of a command line, told apart: what exists is a path, what has `=` is an assignment, the rest are devices.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Targets {
    pub(super) paths: Vec<PathBuf>,
    pub(super) devices: Vec<String>,
    pub(super) values: Vec<(String, String)>,
}
impl Targets {
    pub(super) fn parse(words: &[String]) -> Result<Self, String> {
        let mut targets = Self::default();
        for word in words {
            if PathBuf::from(word).exists() {
                targets.paths.push(word.into());
            } else if let Some((name, value)) = word.split_once('=') {
                targets.values.push((name.to_owned(), value.to_owned()));
            } else if targets.paths.is_empty() || word.contains('/') {
                return Err(format!("{word}: no such file or folder"));
            } else {
                targets.devices.push(word.clone());
            }
        }
        if targets.paths.is_empty() { Err("give a YAML file or a folder of them".into()) } else { Ok(targets) }
    }
}

/// Some devices at work, read only until told otherwise.
#[derive(Debug)]
pub(super) struct Once {
    pub(super) mapper: Mapper,
    pub(super) devices: Vec<Arc<EffectiveDevice>>,
    /// The files had errors.
    pub(super) flawed: bool,
    config: watch::Sender<Arc<NodeConfig>>,
    stop: CancellationToken,
}

impl Once {
    pub(super) fn start<P: Protocol>(protocol: Arc<P>, targets: &Targets) -> Result<Self, Exit> {
        let (source, report) = FileSource::open(targets.paths.clone(), P::NAME, Writes::Disabled);
        for problem in &report.problems {
            say(&problem.to_string(), Exit::Usage);
        }
        let all = source.config().borrow().devices.clone();
        let devices = chosen(&all, &targets.devices).map_err(|message| say(&message, Exit::Usage))?;
        let devices: Vec<_> = devices.iter().map(|device| shown(device)).collect();
        let stop = signals::stop().map_err(|error| say(&error.to_string(), Exit::Fault))?;
        let quiet = devices.iter().map(|device| looked_at(device)).collect();
        let (config, receiver) = watch::channel(Arc::new(NodeConfig { devices: quiet, ..NodeConfig::default() }));
        let beside = default_folder(P::NAME, |name| std::env::var_os(name).map(PathBuf::from));
        let (store, secrets) = (Arc::new(Store::ephemeral_beside(beside)), source.secrets());
        let given = Given { config: receiver, store, secrets, node: String::new() };
        let mapper = Parts::new().start(protocol, given, stop.clone());
        Ok(Self { mapper, devices, flawed: !report.problems.is_empty(), config, stop })
    }
    /// Another wish for one device, with control on.
    pub(super) fn desire(&self, device: &EffectiveDevice, desired: Values) -> i64 {
        let generation = device.generation.saturating_add(1);
        let wanted = EffectiveDevice { desired, generation, mode: Mode::Control, ..device.clone() };
        let devices = vec![Arc::new(wanted)];
        self.config.send_replace(Arc::new(NodeConfig { devices, writes: Writes::Enabled, ..NodeConfig::default() }));
        generation
    }
    /// The views of all devices once `done` holds for each, or as they are when the time is up.
    pub(super) async fn until(&self, patience: Duration, done: impl Fn(&DeviceView) -> bool) -> Vec<Arc<DeviceView>> {
        let mut version = self.mapper.hub.watch();
        let end = tokio::time::Instant::now() + patience;
        loop {
            version.mark_unchanged();
            let views = self.views();
            if views.len() == self.devices.len() && views.iter().all(|view| done(view)) {
                return views;
            }
            tokio::select! {
                () = self.stop.cancelled() => return views,
                () = tokio::time::sleep_until(end) => return views,
                changed = version.changed() => if changed.is_err() { return views },
            }
        }
    }
    fn views(&self) -> Vec<Arc<DeviceView>> {
        let views = self.mapper.hub.devices();
        self.devices.iter().filter_map(|device| views.get(&device.uid).cloned()).collect()
    }
    /// None: asked to stop before it was done.
    pub(super) async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => None,
            done = work => (!self.stop.is_cancelled()).then_some(done),
        }
    }
    pub(super) async fn end(self) {
        self.stop.cancel();
        self.mapper.ended().await;
    }
}

/// The devices of those names, or all that may be touched.
fn chosen(all: &[Arc<EffectiveDevice>], names: &[String]) -> Result<Vec<Arc<EffectiveDevice>>, String> {
    let known: Vec<&str> = all.iter().map(|d| d.name.as_str()).collect();
    let is = |device: &EffectiveDevice, name: &str| device.name == name || device.key() == name;
    if let Some(name) = names.iter().find(|name| !all.iter().any(|d| is(d, name))) {
        return Err(format!("{name}: no such device in these files; there are: {}", known.join(", ")));
    }
    let wanted = all.iter().filter(|d| names.is_empty() || names.iter().any(|name| is(d, name)));
    let (off, found): (Vec<_>, Vec<_>) = wanted.cloned().partition(|device| device.mode == Mode::Off);
    for device in off {
        say(&format!("{}: mode is Off, it is not touched", device.name), Exit::Ok);
    }
    if found.is_empty() { Err("there is no device to be touched in these files".into()) } else { Ok(found) }
}

/// Who looks sees what stays out of status too.
fn shown(device: &EffectiveDevice) -> Arc<EffectiveDevice> {
    let shown = |property: &EffectiveProperty| {
        let report = EffectiveReport { never: false, ..property.report };
        EffectiveProperty { report, ..property.clone() }
    };
    Arc::new(EffectiveDevice { properties: device.properties.iter().map(shown).collect(), ..device.clone() })
}

/// Nothing is desired of it, so nothing is to be confirmed, and what an acknowledgement would confirm has a value as any other.
fn looked_at(device: &EffectiveDevice) -> Arc<EffectiveDevice> {
    let instant = Span::from_millis(0);
    let verify = EffectiveVerify::ReadBack { tolerance: 0.0, delay: instant, within: instant };
    let read = |property: &EffectiveProperty| EffectiveProperty { verify, ..property.clone() };
    let properties = device.properties.iter().map(read).collect();
    Arc::new(EffectiveDevice { desired: Values::new(), mode: Mode::Monitor, properties, ..device.clone() })
}

/// Every property that can be read has a value or a reason, or the device does not answer.
pub(super) fn was_read(view: &DeviceView) -> bool {
    let gone =
        pollux_crds::condition(view.snapshot.conditions(), pollux_crds::CONNECTED).is_some_and(|c| c.status == "False");
    gone || view.snapshot.states().all(|(property, has_value, reason)| {
        property.access == Access::WriteOnly
            || property.is_event()
            || reason.map_or(has_value, |reason| reason != NOT_READ)
    })
}
