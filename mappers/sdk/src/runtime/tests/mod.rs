//! The runtime over a protocol by script, whose log is the wire's; on a paused clock.
mod audit;
mod calls;
mod field;
mod full_disk;
mod known;
mod places;
mod pushes;
mod queued;
mod restart;
mod rules;
mod secrets;
mod slow_disk;
mod writing;

use super::Surroundings;
use crate::{
    Control, ControlError, DeviceView, Engines, Hub, NodeConfig, Origin, Protocol, Secrets, Store, control,
    testing::scripted::{Script, Scripted, Seen},
};
use pollux_crds::{
    Access, DeviceStatus, EffectiveDevice, EffectiveProperty, EffectiveReport, EffectiveVerify, Enforce, Interval,
    Mode, PropertyType, Source, Span, Values, Writes, condition,
};
use serde_json::json;
use std::{fmt::Debug, path::Path, sync::Arc, time::Duration};
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

/// Nothing that a test waits for takes longer, in the time of the paused clock.
const PATIENCE: Duration = Duration::from_mins(10);

pub(super) fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}
fn property(name: &str, access: Access) -> EffectiveProperty {
    EffectiveProperty {
        name: name.into(),
        type_: PropertyType::Number,
        kind: pollux_crds::PropertyKind::State,
        access,
        unit: None,
        minimum: None,
        maximum: None,
        enum_: vec![],
        interval: Interval::Every(Span::from_millis(1000)),
        read_group: None,
        report: EffectiveReport { never: false, deadband: 0.0, min_interval: Span::from_millis(1000) },
        invalid: vec![],
        scale: 1.0,
        offset: 0.0,
        scale_exponent_from: None,
        source: Source::Binding(json!(name).into()),
        stale_after: Some(Span::from_millis(5000)),
        enforce: Enforce::OnChange,
        verify: EffectiveVerify::ReadBack {
            tolerance: 0.0,
            delay: Span::from_millis(0),
            within: Span::from_millis(2000),
        },
        wiring: format!("wiring of {name}"),
    }
}
/// `temperature` is read, `setpoint` is written too. On the bus `bus`, by its own name.
pub(super) fn device(name: &str) -> EffectiveDevice {
    EffectiveDevice {
        namespace: "plant".into(),
        name: name.into(),
        uid: format!("uid-{name}"),
        generation: 1,
        mode: Mode::Control,
        protocol: "scripted",
        config: json!({"bus": "bus", "name": name}).into(),
        timeout: Some(Span::from_millis(1000)),
        offline_after: 3,
        channel: None,
        properties: vec![property("temperature", Access::ReadOnly), property("setpoint", Access::ReadWrite)].into(),
        summary: vec![],
        desired: Values::new(),
        applied: [].into(),
        rewrite: None,
        commands: vec![],
    }
}
fn on(bus: &str, device: EffectiveDevice) -> EffectiveDevice {
    let config = json!({"bus": bus, "name": device.name});
    EffectiveDevice { config: config.into(), ..edited(device) }
}
fn wants(setpoint: f64, device: EffectiveDevice) -> EffectiveDevice {
    let desired = serde_json::from_value(json!({"setpoint": setpoint})).expect("values");
    EffectiveDevice { desired, ..edited(device) }
}
fn with_mode(mode: Mode, device: EffectiveDevice) -> EffectiveDevice {
    EffectiveDevice { mode, ..edited(device) }
}
fn edited(device: EffectiveDevice) -> EffectiveDevice {
    EffectiveDevice { generation: device.generation + 1, ..device }
}
fn config(devices: impl IntoIterator<Item = EffectiveDevice>) -> NodeConfig {
    let devices = devices.into_iter().map(Arc::new).collect();
    NodeConfig { devices, writes: Writes::Enabled, ..NodeConfig::default() }
}
/// As the API server has it: what is not in it is not this node's.
fn fresh(devices: impl IntoIterator<Item = EffectiveDevice>) -> NodeConfig {
    let config = config(devices);
    let entrusted = config.devices.iter().map(|device| device.uid.clone()).collect();
    NodeConfig { origin: Origin::Server(entrusted), ..config }
}
/// As an earlier run left it on the disk.
fn cached(devices: impl IntoIterator<Item = EffectiveDevice>) -> NodeConfig {
    NodeConfig { origin: Origin::Disk, ..config(devices) }
}
fn applied(setpoint: f64, device: EffectiveDevice) -> EffectiveDevice {
    let applied = serde_json::from_value(json!({"setpoint": {"value": setpoint, "binding": "wiring of setpoint"}}));
    EffectiveDevice { applied: applied.expect("applied"), ..edited(device) }
}
fn status_of<'a>(status: &'a DeviceStatus, type_: &str) -> (&'a str, &'a str, &'a str) {
    let found = condition(&status.conditions, type_).expect("a condition");
    (&found.status, &found.reason, &found.message)
}
fn reports(name: &'static str, value: f64) -> impl Fn(&DeviceStatus) -> bool {
    move |status| serde_json::to_value(status).expect("json")["reported"][name].as_f64() == Some(value)
}
fn is(type_: &'static str, wanted: &'static str, because: &'static str) -> impl Fn(&DeviceStatus) -> bool {
    move |status| {
        let (status, reason, _) = status_of(status, type_);
        (status, reason) == (wanted, because)
    }
}
fn reads(seen: &[Seen]) -> usize {
    seen.iter().filter(|seen| matches!(seen, Seen::Read(..))).count()
}
/// A script with these devices, at 20 degrees, set to 20.
fn script(devices: &[&str]) -> Arc<Script> {
    let script = Arc::<Script>::default();
    for device in devices {
        script.set(device, "temperature", 20.0);
        script.set(device, "setpoint", 20.0);
    }
    script
}

/// A runtime at work.
struct Plant<S = Script> {
    script: Arc<S>,
    config: watch::Sender<Arc<NodeConfig>>,
    secrets: watch::Sender<Secrets>,
    hub: Arc<Hub>,
    control: Control,
    engines: Arc<Engines>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Plant {
    fn new(script: &Arc<Script>, config: NodeConfig) -> Self {
        Self::with(script, config, Store::ephemeral())
    }
    fn at(folder: &Path, script: &Arc<Script>, config: NodeConfig) -> Self {
        Self::with(script, config, Store::open(folder).expect("a state folder"))
    }
    fn with(script: &Arc<Script>, config: NodeConfig, store: Store) -> Self {
        Self::over(Scripted(script.clone()), script, config, store)
    }
    /// What was written, in order.
    fn setpoints(&self) -> Vec<f64> {
        self.script.written().iter().filter_map(|(_, _, value)| value.as_f64()).collect()
    }
}

impl<S: Debug> Plant<S> {
    /// Over a protocol that goes by this script.
    fn over<P: Protocol>(protocol: P, script: &Arc<S>, config: NodeConfig, store: Store) -> Self {
        let (config, receiver) = watch::channel(Arc::new(config));
        let (secrets, kept_secret) = watch::channel(Secrets::default());
        let (control, requests) = control();
        let (hub, engines, stop) = (Arc::<Hub>::default(), Arc::<Engines>::default(), CancellationToken::new());
        let with = Surroundings {
            config: receiver,
            hub: hub.clone(),
            requests,
            store: Arc::new(store),
            secrets: kept_secret,
            engines: engines.clone(),
            node: "edge-1".into(),
        };
        let task = tokio::spawn(super::run(Arc::new(protocol), with, stop.clone()));
        Self { script: script.clone(), config, secrets, hub, control, engines, stop, task }
    }
    fn set(&self, config: NodeConfig) {
        self.config.send_replace(Arc::new(config));
    }
    fn view(&self, name: &str) -> Option<Arc<DeviceView>> {
        self.hub.device("plant", name)
    }
    /// Waits until what the hub shows of a device is so.
    async fn until(&self, name: &str, so: impl Fn(&DeviceStatus) -> bool) -> DeviceStatus {
        let until = async {
            let mut changed = self.hub.watch();
            loop {
                changed.mark_unchanged();
                if let Some(view) = self.view(name).filter(|view| so(&view.status())) {
                    return view.status();
                }
                changed.changed().await.expect("the hub is there");
            }
        };
        let last = timeout(PATIENCE, until).await;
        last.unwrap_or_else(|_| panic!("{name} is not so: {:#?}", self.view(name)))
    }
    /// Waits until something is so that nobody tells.
    async fn poll(&self, what: &str, so: impl Fn(&Self) -> bool) {
        let until = async {
            while !so(self) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(timeout(PATIENCE, until).await.is_ok(), "{what}: {:#?}", self.script);
    }
    async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
    /// As on SIGTERM.
    async fn end(self) {
        self.stop.cancel();
        timeout(PATIENCE, self.task).await.expect("it ends").expect("in order");
    }
}
