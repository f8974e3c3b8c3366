//! One device on the engine, as a mapper has it: what is last known of each point, writes, commands.
#![allow(dead_code, reason = "each test takes what it needs")]
#![allow(clippy::panic, reason = "tests")]
use pollux_crds::{OpcUaBinding, OpcUaDevice, OpcUaPolicy, OpcUaSecurity};
use pollux_mapper::{
    Call, CallError, Change, Command, Connected, Cx, DeviceKey, DeviceSpec, Engine, Interval, Knowledge, LinkState,
    News, OFFLINE_AFTER, PointSpec, Protocol as _, Quality, QueueSender, Status, Value, Write, Wrote, queue, telemetry,
};
use pollux_opcua::OpcUa;
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
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
const KEY: DeviceKey = DeviceKey(1);

/// What is known by now.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) points: BTreeMap<String, Change>,
    /// How often each was told.
    pub(crate) told: BTreeMap<String, usize>,
    pub(crate) connected: Option<Connected>,
    /// How often it was said to be down.
    pub(crate) downs: usize,
    pub(crate) link: Option<LinkState>,
    pub(crate) known: Option<Knowledge>,
}

impl State {
    /// Good, and this.
    pub(crate) fn is(&self, point: &str, value: &Value) -> bool {
        self.points
            .get(point)
            .is_some_and(|change| change.value.as_ref() == Ok(value) && change.quality == Quality::Good)
    }
    /// Bad, in words that hold this.
    pub(crate) fn is_bad(&self, point: &str, words: &str) -> bool {
        let fault = self.points.get(point).and_then(|change| change.value.as_ref().err());
        fault.is_some_and(|fault| fault.text.contains(words))
    }
    pub(crate) fn is_up(&self) -> bool {
        self.connected.as_ref().is_some_and(|word| word.up)
    }
    pub(crate) fn is_down(&self, words: &str) -> bool {
        self.connected.as_ref().is_some_and(|word| !word.up && word.reason.contains(words))
    }
}

#[derive(Debug, Default)]
struct Seen {
    state: Mutex<State>,
    changed: Notify,
}

/// The engine, and what it said.
#[derive(Debug)]
pub(crate) struct Rig {
    commands: QueueSender<Box<Command<OpcUa>>>,
    seen: Arc<Seen>,
    names: Vec<String>,
    cancel: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Policy None.
pub(crate) fn open(url: &str) -> OpcUaDevice {
    let security = OpcUaSecurity { policy: Some(OpcUaPolicy::None), insecure: Some(true), ..OpcUaSecurity::default() };
    OpcUaDevice { url: Some(url.to_owned()), security: Some(security), ..OpcUaDevice::default() }
}
/// A node, by id or by path.
pub(crate) fn at(node: &str) -> OpcUaBinding {
    let (path, id) = if node.starts_with('/') { (Some(node), None) } else { (None, Some(node)) };
    let owned = |text: Option<&str>| text.map(str::to_owned);
    OpcUaBinding { node_id: owned(id), browse_path: owned(path), ..OpcUaBinding::default() }
}
/// Read and written, each 100 ms.
pub(crate) fn point(name: &str, address: OpcUaBinding) -> PointSpec<OpcUaBinding> {
    PointSpec {
        name: name.to_owned(),
        address,
        interval: Interval::Every(Duration::from_millis(100)),
        readable: true,
        writable: true,
        event: false,
        read_group: None,
    }
}

impl Rig {
    pub(crate) async fn start(device: OpcUaDevice, points: Vec<PointSpec<OpcUaBinding>>) -> Self {
        let endpoint = OpcUa.endpoint(&device).expect("valid");
        let (engine, status) = Engine::new(Arc::new(OpcUa), endpoint, telemetry(0).0);
        let (seen, cancel) = (Arc::<Seen>::default(), CancellationToken::new());
        let (commands, told) = queue(8);
        let names: Vec<String> = points.iter().map(|point| point.name.clone()).collect();
        let listening = tokio::spawn(listen(status, seen.clone(), names.clone()));
        let running = engine.run(told, Arc::new(Cx::default()), cancel.clone());
        let running = tokio::spawn(async move { drop(running.await) });
        let rig = Self { commands, seen, names, cancel, tasks: vec![listening, running] };
        rig.apply(device, points, 1).await;
        rig
    }
    /// Another configuration of it, of points that it had at first.
    pub(crate) async fn apply(&self, device: OpcUaDevice, points: Vec<PointSpec<OpcUaBinding>>, wiring: u64) {
        let timeout = device.timeout.map_or(Duration::from_secs(5), pollux_crds::Span::duration);
        let spec = DeviceSpec {
            key: KEY,
            name: "line".into(),
            wiring,
            config: device,
            points: points.into(),
            timeout,
            offline_after: OFFLINE_AFTER,
        };
        let (reply, applied) = oneshot::channel();
        self.send(Command::Apply { spec: Box::new(spec), reply }).await;
        applied.await.expect("answered").expect("valid");
    }
    /// As at SIGTERM; until the engine has ended.
    pub(crate) async fn stop(mut self) {
        self.cancel.cancel();
        let running = self.tasks.pop().expect("the engine");
        timeout(PATIENCE, running).await.expect("in time").expect("no panic");
    }
    async fn send(&self, command: Command<OpcUa>) {
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
                // Also what a server was asked is waited for, which is no news.
                drop(timeout(Duration::from_millis(50), changed).await);
            }
        };
        let came = timeout(PATIENCE, wait).await.is_ok();
        assert!(came, "never: {what}; {:#?}", self.state());
    }
    pub(crate) async fn until_is(&self, point: &str, value: impl Into<Value>) {
        let value = value.into();
        self.until(&format!("{point} is {value}"), |state| state.is(point, &value)).await;
    }
    pub(crate) async fn until_bad(&self, point: &str, words: &str) {
        self.until(&format!("{point} is bad: {words}"), |state| state.is_bad(point, words)).await;
    }
    /// What became of each value.
    pub(crate) async fn write(&self, values: &[(&str, Value)]) -> Vec<Wrote> {
        let place = |name: &str| self.names.iter().position(|one| one == name).expect("a point");
        let values = values.iter().map(|(name, value)| (place(name), value.clone())).collect();
        let (reply, written) = oneshot::channel();
        self.send(Command::Write(Write { device: KEY, values, reply })).await;
        timeout(PATIENCE, written).await.expect("in time").expect("answered").values
    }
    /// What `write` says of one value.
    pub(crate) async fn write_one(&self, point: &str, value: impl Into<Value>) -> Wrote {
        self.write(&[(point, value.into())]).await.pop().expect("one")
    }
    /// What was learned is forgotten.
    pub(crate) async fn forget(&self) {
        self.send(Command::Forget { device: KEY }).await;
    }
    pub(crate) async fn call(
        &self,
        object: Option<&str>,
        method: &str,
        arguments: &[(&str, Value)],
    ) -> Result<Value, CallError> {
        let arguments = arguments.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let binding = serde_json::json!({"object": object, "method": method});
        let call = Call { name: "command".into(), binding, arguments, ..Call::default() };
        let (reply, done) = oneshot::channel();
        self.send(Command::Call { device: KEY, call, reply }).await;
        timeout(PATIENCE, done).await.expect("in time").expect("answered")
    }
}

async fn listen(mut status: Status, seen: Arc<Seen>, names: Vec<String>) {
    while let Some(News { link, numbers, changes, happened, standing, confirmed, connected, known, .. }) =
        status.next().await
    {
        let mut state = seen.state.lock().expect("no panic");
        for change in numbers.changes().chain(changes).chain(happened).chain(confirmed) {
            let name = names.get(change.point as usize).expect("a point").clone();
            *state.told.entry(name.clone()).or_default() += 1;
            state.points.insert(name, change);
        }
        for change in standing.stood {
            let name = names.get(change.point as usize).expect("a point").clone();
            state.points.insert(name, change);
        }
        state.link = link.or(state.link.take());
        state.downs += connected.iter().filter(|word| !word.up).count();
        state.connected = connected.into_iter().next_back().or(state.connected.take());
        state.known = known.into_iter().next_back().map(|known| known.knowledge).or(state.known.take());
        drop(state);
        seen.changed.notify_waiters();
    }
}
