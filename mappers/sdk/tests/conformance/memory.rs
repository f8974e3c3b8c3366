//! The pushing link under the engine: it loses its connection and subscribes anew, carries many devices, and runs out of
//! slots.
use pollux_mapper::{
    Command, Connected, DeviceKey, Engine, Layout, Protocol, QueueSender, Status, Telemetry, Value, Write, Wrote,
    queue, telemetry,
    testing::memory::{Broker, Device, Memory},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::oneshot, time::sleep};
use tokio_util::sync::CancellationToken;

struct Run {
    broker: Arc<Broker>,
    commands: QueueSender<Box<Command<Memory>>>,
    status: Status,
    _telemetry: Telemetry,
    layouts: Vec<Layout<Memory>>,
    connected: BTreeMap<DeviceKey, Connected>,
    values: BTreeMap<(DeviceKey, u32), Option<Value>>,
}

impl Run {
    fn start(devices: u64, slots: Option<usize>) -> Self {
        let broker = Arc::new(Broker::default());
        *broker.slots.lock().unwrap() = slots;
        let protocol = Memory(broker.clone());
        let (out, telemetry) = telemetry(1000);
        let endpoint = protocol.endpoint(&Device { name: String::new() }).unwrap();
        let (mut engine, status) = Engine::new(Arc::new(protocol), endpoint, out);
        let add = |key| {
            let name = format!("d{key}");
            broker.publish(&name, "a", 0.0);
            broker.publish(&name, "b", 0.0);
            let points = crate::points().into_iter().take(2).collect();
            engine.add(&crate::spec(key, Device { name }, points)).unwrap()
        };
        let layouts = (0..devices).map(add).collect();
        let (commands, receive) = queue(16);
        tokio::spawn(engine.run(receive, Arc::default(), CancellationToken::new()));
        let (connected, values) = Default::default();
        Self { broker, commands, status, _telemetry: telemetry, layouts, connected, values }
    }
    async fn until(&mut self, met: impl Fn(&Self) -> bool) {
        while !met(self) {
            let news = self.status.next().await.expect("the engine runs");
            self.connected.extend(news.connected.into_iter().map(|c| (c.device, c)));
            let values = news.numbers.changes().chain(news.changes).map(|c| ((c.device, c.point), c.value.ok()));
            self.values.extend(values);
        }
    }
    async fn value(&mut self, device: u64, point: u32, wanted: f64) {
        self.until(|run| run.values.get(&(DeviceKey(device), point)) == Some(&Some(wanted.into()))).await;
    }
    fn up(&self) -> usize {
        self.connected.values().filter(|c| c.up).count()
    }
    async fn write(&self, device: u64, value: f64) -> Vec<Wrote> {
        let (reply, answer) = oneshot::channel();
        let write = Write { device: DeviceKey(device), values: vec![(0, value.into())], reply };
        self.commands.send(Box::new(Command::Write(write))).await.unwrap();
        answer.await.unwrap().values
    }
}

#[tokio::test(start_paused = true)]
async fn two_devices_on_one_connection_are_subscribed_anew_when_it_is_lost() {
    let mut run = Run::start(2, None);
    run.until(|run| run.up() == 2).await;
    run.broker.publish("d0", "a", 1.0);
    run.broker.publish("d1", "b", 2.0);
    run.value(0, 0, 1.0).await;
    run.value(1, 1, 2.0).await;
    run.broker.cut();
    run.until(|run| run.up() == 0).await;
    run.broker.publish("d0", "a", 3.0); // nobody listens: it must not be missed
    run.until(|run| run.up() == 2).await;
    run.value(0, 0, 3.0).await;
    run.broker.publish("d1", "b", 4.0);
    run.value(1, 1, 4.0).await;
    assert_eq!(*run.broker.connects.lock().unwrap(), 2);
    assert_eq!(run.broker.subscribed.lock().unwrap().len(), 4, "each device once on each connection");
    run.broker.announce("d0", false);
    run.until(|run| !run.connected[&DeviceKey(0)].up).await;
    assert_eq!(run.connected[&DeviceKey(0)].reason, "said goodbye");
    assert!(run.connected[&DeviceKey(1)].up);
    run.broker.announce("d0", true);
    run.until(|run| run.up() == 2).await;
}

#[tokio::test(start_paused = true)]
async fn one_slot_is_shared_fairly_and_never_overfilled() {
    let mut run = Run::start(3, Some(1));
    run.until(|run| run.up() == 3).await;
    sleep(Duration::from_mins(1)).await;
    assert_eq!(*run.broker.most.lock().unwrap(), 1);
    let mut turns = BTreeMap::<String, usize>::new();
    for (_, device) in run.broker.subscribed.lock().unwrap().iter() {
        *turns.entry(device.clone()).or_default() += 1;
    }
    let counts: BTreeSet<usize> = turns.values().copied().collect();
    assert!(turns.len() == 3 && counts.iter().all(|n| (3..=5).contains(n)), "5 s each: {turns:?}");
    assert_eq!(run.write(2, 7.0).await, [Wrote::Done], "a write brings its device to the slot");
    assert_eq!(run.broker.get("d2", "a"), Some(7.0.into()));
}

#[tokio::test(start_paused = true)]
async fn a_pushed_value_counts_as_fresh_even_if_it_did_not_change() {
    let mut run = Run::start(1, None);
    run.until(|run| run.up() == 1).await;
    run.value(0, 0, 0.0).await;
    let first = run.layouts[0].fresh.last(0).expect("heard");
    sleep(Duration::from_secs(30)).await;
    assert_eq!(run.layouts[0].fresh.last(0), Some(first), "silence is not freshness");
    run.broker.publish("d0", "a", 0.0);
    sleep(Duration::from_millis(10)).await;
    let last = run.layouts[0].fresh.last(0).expect("heard");
    assert!(last.duration_since(first) >= Duration::from_secs(30));
}
