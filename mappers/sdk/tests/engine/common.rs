//! Runs an engine and looks at what comes out of it.
use crate::toys::modbus;
use pollux_mapper::*;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::oneshot, task::JoinHandle};
use tokio_util::sync::CancellationToken;

pub fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}
pub fn point<A>(name: &str, address: A, interval: u64) -> PointSpec<A> {
    PointSpec {
        name: name.into(),
        address,
        interval: Interval::Every(ms(interval)),
        readable: true,
        writable: true,
        event: false,
        read_group: None,
    }
}
/// The points of a device, to be changed before it is started.
pub fn points<P: Protocol>(spec: &mut DeviceSpec<P>) -> &mut [PointSpec<P::Address>] {
    Arc::get_mut(&mut spec.points).unwrap()
}
/// Keys are given by [`Run`], in the order of the specs.
pub fn device<P: Protocol>(
    name: &str,
    config: P::Device,
    timeout: u64,
    points: Vec<PointSpec<P::Address>>,
) -> DeviceSpec<P> {
    let (key, timeout) = (DeviceKey(0), ms(timeout));
    DeviceSpec {
        key,
        name: name.into(),
        wiring: 0,
        config,
        points: points.into(),
        timeout,
        offline_after: OFFLINE_AFTER,
    }
}

pub struct Run<P: Protocol> {
    pub commands: QueueSender<Box<Command<P>>>,
    pub status: Status,
    pub telemetry: Telemetry,
    pub stats: Arc<Stats>,
    pub stopper: CancellationToken,
    pub link: VecDeque<LinkState>,
    pub confirmed: VecDeque<Change>,
    task: JoinHandle<Engine<P>>,
    connected: VecDeque<Connected>,
    changes: VecDeque<Change>,
}
impl<P: Protocol> Run<P> {
    pub fn start(protocol: P, specs: Vec<DeviceSpec<P>>) -> Self {
        Self::start_with(protocol, specs, 100_000)
    }
    pub fn start_with(protocol: P, specs: Vec<DeviceSpec<P>>, cap: usize) -> Self {
        let ((out, telemetry), (commands, receive)) = (telemetry(cap), queue(16));
        let endpoint = protocol.endpoint(&specs[0].config).unwrap();
        let (mut engine, status) = Engine::new(Arc::new(protocol), endpoint, out);
        for (key, spec) in (0..).zip(specs) {
            engine.add(&DeviceSpec { key: DeviceKey(key), ..spec }).unwrap();
        }
        let (counted, stopper) = (engine.stats(), CancellationToken::new());
        let task = tokio::spawn(engine.run(receive, Arc::default(), stopper.clone()));
        let (link, confirmed, connected, changes) = Default::default();
        Self { commands, status, telemetry, stats: counted, stopper, link, confirmed, task, connected, changes }
    }
    pub async fn tell(&self, command: Command<P>) {
        self.commands.send(Box::new(command)).await.ok().unwrap();
    }
    pub async fn ask(&self, device: u64, values: Vec<(usize, Value)>) -> oneshot::Receiver<WriteReply> {
        let (reply, answer) = oneshot::channel();
        self.tell(Command::Write(Write { device: DeviceKey(device), values, reply })).await;
        answer
    }
    pub async fn group(&self, device: u64, values: &[(usize, f64)]) -> WriteReply {
        self.ask(device, values.iter().map(|(p, v)| (*p, (*v).into())).collect()).await.await.unwrap()
    }
    pub async fn write(&self, device: u64, point: usize, value: f64) -> Wrote {
        self.group(device, &[(point, value)]).await.values.remove(0)
    }
    pub async fn apply(&self, device: u64, spec: DeviceSpec<P>) -> Result<Layout<P>, Vec<ConfigError>> {
        let (reply, answer) = oneshot::channel();
        let spec = Box::new(DeviceSpec { key: DeviceKey(device), ..spec });
        self.tell(Command::Apply { spec, reply }).await;
        answer.await.unwrap()
    }
    pub async fn remove(&self, device: u64) {
        let (reply, answer) = oneshot::channel();
        self.tell(Command::Remove { device: DeviceKey(device), reply }).await;
        answer.await.unwrap();
    }
    pub async fn read_now(&self, device: u64, points: Vec<usize>) -> Result<Vec<Change>, PointFault> {
        let (reply, answer) = oneshot::channel();
        self.tell(Command::ReadNow { device: DeviceKey(device), points, reply }).await;
        answer.await.unwrap()
    }
    fn keep(&mut self, news: News) {
        self.link.extend(news.link);
        self.connected.extend(news.connected);
        self.changes.extend(news.numbers.changes().chain(news.changes).chain(news.happened));
        self.confirmed.extend(news.confirmed);
    }
    pub async fn more(&mut self) {
        let news = self.status.next().await.expect("the engine runs");
        self.keep(news);
    }
    pub async fn turned(&mut self, device: u64, wanted: bool) -> Connected {
        loop {
            while let Some(c) = self.connected.pop_front() {
                if c.device == DeviceKey(device) && c.up == wanted {
                    return c;
                }
            }
            self.more().await;
        }
    }
    pub async fn connected(&mut self, device: u64, wanted: bool) -> String {
        self.turned(device, wanted).await.reason
    }
    pub async fn value(&mut self, device: u64, point: u32, wanted: Option<f64>) {
        loop {
            while let Some(c) = self.changes.pop_front() {
                let here = c.device == DeviceKey(device) && c.point == point;
                if here && c.value.ok() == wanted.map(Value::Float) {
                    return;
                }
            }
            self.more().await;
        }
    }
    /// Until each of these has turned, in whatever order.
    pub async fn all(&mut self, devices: impl Iterator<Item = u64>, wanted: bool) {
        let mut open: BTreeSet<u64> = devices.collect();
        while !open.is_empty() {
            for c in std::mem::take(&mut self.connected).iter().filter(|c| c.up == wanted) {
                open.remove(&c.device.0);
            }
            if !open.is_empty() {
                self.more().await;
            }
        }
    }
    /// The newest word on each device that there is by now.
    pub async fn states(&mut self) -> BTreeMap<u64, bool> {
        let mut out = BTreeMap::new();
        loop {
            out.extend(self.connected.drain(..).map(|c| (c.device.0, c.up)));
            match self.status.try_next() {
                Some(news) => self.keep(news),
                None => return out,
            }
            tokio::time::sleep(ms(1)).await;
        }
    }
    pub async fn stop(self) -> Engine<P> {
        drop(self.commands);
        self.task.await.unwrap()
    }
}

pub type Bus = Vec<DeviceSpec<modbus::Modbus>>;
pub fn bus(units: u8, per_unit: u16, interval: u64, timeout: u64, spread: u16) -> (Arc<modbus::Wire>, Bus) {
    let wire = Arc::new(modbus::Wire::default());
    let spec = |id| {
        for r in 0..per_unit {
            wire.registers.lock().unwrap().insert((id, r * spread), f64::from(r));
        }
        let at = |r| point(&format!("p{r}"), modbus::Address { register: r * spread }, interval);
        let config = modbus::Device { path: "/dev/bus".into(), unit_id: id };
        device(&format!("u{id}"), config, timeout, (0..per_unit).map(at).collect())
    };
    let specs = (1..=units).map(spec).collect();
    (wire, specs)
}
pub fn start_bus(wire: &Arc<modbus::Wire>, depth: usize, specs: Bus) -> Run<modbus::Modbus> {
    Run::start(modbus::Modbus { wire: wire.clone(), depth }, specs)
}
pub fn reads(wire: &modbus::Wire, since: Instant) -> BTreeMap<u8, usize> {
    let mut out = BTreeMap::new();
    for (_, what) in wire.log.lock().unwrap().iter().filter(|(at, what)| *at >= since && what.starts_with('r')) {
        *out.entry(what[1..].split('@').next().unwrap().parse().unwrap()).or_default() += 1;
    }
    out
}
