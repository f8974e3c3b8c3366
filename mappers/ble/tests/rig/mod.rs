//! Devices on one engine, as a mapper has them: what is last known of each point, and writes.
#![allow(dead_code, reason = "each test takes what it needs")]
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]
use pollux_ble::{Ble, radio::Stack};
use pollux_crds::{BleBinding, BleDevice};
use pollux_mapper::{
    Change, Command, Connected, Cx, DeviceKey, DeviceSpec, Engine, Interval, LinkState, News, OFFLINE_AFTER, PointSpec,
    Protocol as _, Quality, QueueSender, Stats, Status, Value, Write, Wrote, queue, telemetry,
};
use serde_json::Value as Json;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::{
    sync::{Notify, oneshot},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// Long: a machine with much to do.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// What is known by now; devices by their position.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) points: BTreeMap<(u64, String), Change>,
    /// Those that had a value, the last one.
    spoke: BTreeMap<(u64, String), Change>,
    /// How often each was told.
    pub(crate) told: BTreeMap<(u64, String), usize>,
    pub(crate) connected: BTreeMap<u64, Connected>,
    /// How often each was said to be away.
    pub(crate) downs: BTreeMap<u64, usize>,
    pub(crate) link: Option<LinkState>,
    /// What is to survive a restart.
    pub(crate) kept: BTreeMap<u64, Json>,
}

impl State {
    fn of(&self, device: u64, point: &str) -> Option<&Change> {
        self.points.get(&(device, point.to_owned()))
    }
    fn say(&mut self, key: (u64, String), change: Change) {
        if change.value.is_ok() {
            self.spoke.insert(key.clone(), change.clone());
        }
        self.points.insert(key, change);
    }
    /// Good, and this.
    pub(crate) fn is(&self, device: u64, point: &str, value: &Value) -> bool {
        let is = |change: &Change| change.value.as_ref() == Ok(value) && change.quality == Quality::Good;
        self.of(device, point).is_some_and(is)
    }
    /// Bad, in words that hold this.
    pub(crate) fn is_bad(&self, device: u64, point: &str, words: &str) -> bool {
        let fault = self.of(device, point).and_then(|change| change.value.as_ref().err());
        fault.is_some_and(|fault| fault.text.contains(words))
    }
    pub(crate) fn is_up(&self, device: u64) -> bool {
        self.connected.get(&device).is_some_and(|word| word.up)
    }
    pub(crate) fn is_down(&self, device: u64, words: &str) -> bool {
        self.connected.get(&device).is_some_and(|word| !word.up && word.reason.contains(words))
    }
    pub(crate) fn downs(&self, device: u64) -> usize {
        self.downs.get(&device).copied().unwrap_or(0)
    }
    pub(crate) fn told(&self, device: u64, point: &str) -> usize {
        self.told.get(&(device, point.to_owned())).copied().unwrap_or(0)
    }
}

#[derive(Debug, Default)]
struct Seen {
    state: Mutex<State>,
    changed: Notify,
}

/// A device as YAML has it, below `spec.protocol.ble`, and its properties below `binding.ble`.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    pub(crate) device: Json,
    pub(crate) points: Vec<(&'static str, Json)>,
    pub(crate) interval: Duration,
    /// Those of kind Event, beside those whose names begin so.
    pub(crate) events: Vec<String>,
}
/// Read twice a second.
pub(crate) fn spec(device: Json, points: Vec<(&'static str, Json)>) -> Spec {
    Spec { device, points, interval: Duration::from_millis(500), events: vec![] }
}

/// The engine, and what it said.
#[derive(Debug)]
pub(crate) struct Rig<S: Stack> {
    commands: QueueSender<Box<Command<Ble<S>>>>,
    seen: Arc<Seen>,
    names: Vec<Vec<String>>,
    pub(crate) stats: Arc<Stats>,
    cancel: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl<S: Stack> Drop for Rig<S> {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl<S: Stack> Rig<S> {
    pub(crate) async fn start(stack: S, specs: Vec<Spec>) -> Self {
        Self::start_with(stack, specs, Cx::default()).await
    }
    pub(crate) async fn start_with(stack: S, specs: Vec<Spec>, cx: Cx) -> Self {
        let protocol = Arc::new(Ble(stack));
        let first: BleDevice = serde_json::from_value(specs[0].device.clone()).unwrap();
        let endpoint = protocol.endpoint(&first).expect("valid");
        let (engine, status) = Engine::new(protocol, endpoint, telemetry(0).0);
        let (seen, cancel) = (Arc::<Seen>::default(), CancellationToken::new());
        let (commands, told) = queue(8);
        let names: Vec<Vec<String>> =
            specs.iter().map(|spec| spec.points.iter().map(|(name, _)| (*name).to_owned()).collect()).collect();
        let listening = tokio::spawn(listen(status, seen.clone(), names.clone()));
        let counted = engine.stats();
        let running = engine.run(told, Arc::new(cx), cancel.clone());
        let running = tokio::spawn(async move { drop(running.await) });
        let rig = Self { commands, seen, names, stats: counted, cancel, tasks: vec![listening, running] };
        for (key, spec) in (0..).zip(specs) {
            rig.apply(key, spec).await;
        }
        rig
    }
    /// As an edit does it, where there is one already.
    pub(crate) async fn apply(&self, key: u64, spec: Spec) {
        let config: BleDevice = serde_json::from_value(spec.device).unwrap();
        let points = spec.points.into_iter().map(|(name, binding)| {
            let address: BleBinding = serde_json::from_value(binding).unwrap();
            PointSpec {
                name: name.to_owned(),
                interval: Interval::Every(spec.interval),
                readable: true,
                writable: address.characteristic.is_some(),
                event: name.starts_with("event") || spec.events.iter().any(|event| event == name),
                read_group: None,
                address,
            }
        });
        let timeout = config.timeout.map_or(Duration::from_secs(5), pollux_crds::Span::duration);
        let spec = DeviceSpec {
            key: DeviceKey(key),
            name: format!("device-{key}"),
            wiring: 0,
            points: points.collect(),
            timeout,
            offline_after: OFFLINE_AFTER,
            config,
        };
        let (reply, applied) = oneshot::channel();
        self.send(Command::Apply { spec: Box::new(spec), reply }).await;
        applied.await.expect("answered").expect("valid");
    }
    pub(crate) async fn remove(&self, device: u64) {
        let (reply, removed) = oneshot::channel();
        self.send(Command::Remove { device: DeviceKey(device), reply }).await;
        timeout(PATIENCE, removed).await.expect("in time").expect("answered");
    }
    /// As at SIGKILL: nobody says farewell.
    pub(crate) async fn kill(mut self) {
        for task in std::mem::take(&mut self.tasks) {
            task.abort();
            drop(task.await);
        }
    }
    /// As at SIGTERM; until the engine has ended.
    pub(crate) async fn stop(mut self) {
        self.cancel.cancel();
        let running = self.tasks.pop().expect("the engine");
        timeout(PATIENCE, running).await.expect("in time").expect("no panic");
    }
    async fn send(&self, command: Command<Ble<S>>) {
        self.commands.send(Box::new(command)).await.expect("it runs");
    }
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.seen.state.lock().expect("no panic")
    }
    /// Until it is so.
    pub(crate) async fn until(&self, what: &str, is: impl Fn(&State) -> bool) {
        let wait = async {
            loop {
                let changed = self.seen.changed.notified();
                if is(&self.state()) {
                    return;
                }
                // Also what a sensor has counted is waited for, which is no news.
                drop(timeout(Duration::from_millis(50), changed).await);
            }
        };
        let came = timeout(PATIENCE, wait).await.is_ok();
        assert!(came, "never: {what}; {:#?}", self.state());
    }
    pub(crate) async fn until_is(&self, device: u64, point: &str, value: impl Into<Value>) {
        let value = value.into();
        self.until(&format!("{point} is {value}"), |state| state.is(device, point, &value)).await;
    }
    pub(crate) async fn until_bad(&self, device: u64, point: &str, words: &str) {
        self.until(&format!("{point} is bad: {words}"), |state| state.is_bad(device, point, words)).await;
    }
    pub(crate) async fn until_up(&self, device: u64) {
        self.until("it is there", |state| state.is_up(device)).await;
    }
    pub(crate) async fn until_down(&self, device: u64, words: &str) {
        self.until(&format!("it is away: {words}"), |state| state.is_down(device, words)).await;
    }
    /// What became of each value.
    pub(crate) async fn write(&self, device: u64, values: &[(&str, Value)]) -> Vec<Wrote> {
        let names = &self.names[usize::try_from(device).unwrap()];
        let place = |name: &str| names.iter().position(|one| one == name).expect("a point");
        let values = values.iter().map(|(name, value)| (place(name), value.clone())).collect();
        let (reply, written) = oneshot::channel();
        self.send(Command::Write(Write { device: DeviceKey(device), values, reply })).await;
        timeout(PATIENCE, written).await.expect("in time").expect("answered").values
    }
}

async fn listen(mut status: Status, seen: Arc<Seen>, names: Vec<Vec<String>>) {
    while let Some(News { link, numbers, changes, happened, standing, confirmed, connected, known, .. }) =
        status.next().await
    {
        let mut state = seen.state.lock().expect("no panic");
        for change in numbers.changes().chain(changes).chain(happened).chain(confirmed) {
            let device = usize::try_from(change.device.0).expect("few");
            let key = (change.device.0, names[device][change.point as usize].clone());
            *state.told.entry(key.clone()).or_default() += 1;
            state.say(key, change);
        }
        for change in standing.stood {
            let device = usize::try_from(change.device.0).expect("few");
            state.say((change.device.0, names[device][change.point as usize].clone()), change);
        }
        for quiet in standing.quiet {
            let device = usize::try_from(quiet.device.0).expect("few");
            let key = (quiet.device.0, names[device][quiet.point as usize].clone());
            match state.spoke.get(&key).cloned() {
                Some(last) => drop(state.points.insert(key, last)),
                None => drop(state.points.remove(&key)),
            }
        }
        state.link = link.or(state.link.take());
        for word in connected.iter().filter(|word| !word.up) {
            *state.downs.entry(word.device.0).or_default() += 1;
        }
        state.connected.extend(connected.into_iter().map(|word| (word.device.0, word)));
        state.kept.extend(known.into_iter().map(|known| (known.device.0, known.knowledge.kept)));
        drop(state);
        seen.changed.notify_waiters();
    }
}
