//! Devices that refuse, or stay silent, over the wire: no value is lost because its neighbour is illegal, and the requests that it
//! costs to find that out are counted at the other end.
#![allow(clippy::panic, clippy::unwrap_in_result, reason = "a test")]
mod common;

use common::{answer, device, registers, request};
use pollux_crds::{ModbusDataType::Uint16, ModbusTable::Holding};
use pollux_mapper::{
    Command, Cx, DeviceKey, DeviceSpec, Engine, Interval, Knowledge, News, OFFLINE_AFTER, PointSpec, Protocol,
    QueueSender, Status, Value, queue, telemetry,
};
use pollux_modbus::{Modbus, learned::SETTLED};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{net::TcpListener, sync::oneshot, time::timeout};
use tokio_util::sync::CancellationToken;

const KEY: DeviceKey = DeviceKey(1);
const CYCLE: Duration = Duration::from_millis(50);

/// A device whose holding registers hold their own address.
#[derive(Debug, Clone, Default)]
struct Ways {
    missing: BTreeSet<u16>,
    /// More are refused with exception 3.
    most: Option<u16>,
    /// To more it is silent.
    silent_beyond: Option<u16>,
}

/// A device on the wire, and how many requests it has seen.
#[derive(Clone, Default)]
struct Peer {
    ways: Arc<Mutex<Ways>>,
    seen: Arc<AtomicUsize>,
}

impl Peer {
    async fn start(ways: Ways) -> (Self, SocketAddr) {
        let peer = Self { ways: Arc::new(Mutex::new(ways)), ..Self::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let serving = peer.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let peer = serving.clone();
                tokio::spawn(async move {
                    while stream.readable().await.is_ok() && stream.peek(&mut [0]).await.is_ok_and(|bytes| bytes > 0) {
                        let (id, unit, pdu) = request(&mut stream).await;
                        if let Some(said) = peer.says(&pdu) {
                            answer(&mut stream, id, unit, &said).await;
                        }
                    }
                });
            }
        });
        (peer, address)
    }
    fn says(&self, pdu: &[u8]) -> Option<Vec<u8>> {
        self.seen.fetch_add(1, Relaxed);
        let ways = self.ways.lock().expect("not poisoned").clone();
        let word = |at: usize| u16::from_be_bytes([pdu[at], pdu[at + 1]]);
        let (start, count) = (word(1), word(3));
        assert_eq!(pdu[0], 3, "only holding registers are read");
        if ways.silent_beyond.is_some_and(|most| count > most) {
            return None;
        }
        if ways.most.is_some_and(|most| count > most) {
            return Some(vec![0x83, 3]);
        }
        let addresses = || start..start + count;
        if addresses().any(|at| ways.missing.contains(&at)) {
            return Some(vec![0x83, 2]);
        }
        let bytes = u8::try_from(count * 2).expect("short");
        Some([3, bytes].into_iter().chain(addresses().flat_map(u16::to_be_bytes)).collect())
    }
    fn take(&self) -> usize {
        self.seen.swap(0, Relaxed)
    }
}

/// An engine with one device, whose values stand at these addresses.
struct Mapper {
    commands: QueueSender<Box<Command<Modbus>>>,
    status: Status,
    values: BTreeMap<usize, Result<Value, String>>,
    known: Option<Knowledge>,
    stop: CancellationToken,
}

impl Mapper {
    async fn start(address: SocketAddr, addresses: &[i32], kept: Option<serde_json::Value>) -> Self {
        let config = device(address, 1);
        let endpoint = Modbus.endpoint(&config).expect("valid");
        let (engine, status) = Engine::new(Arc::new(Modbus), endpoint, telemetry(0).0);
        let (commands, told) = queue(8);
        let stop = CancellationToken::new();
        tokio::spawn(engine.run(told, Arc::new(Cx::default()), stop.clone()));
        if let Some(kept) = kept {
            commands.send(Box::new(Command::Recall { device: KEY, kept })).await.expect("it runs");
        }
        let point = |at: &i32| PointSpec {
            name: format!("register{at}"),
            address: registers(Holding, *at, Uint16),
            interval: Interval::Every(CYCLE),
            readable: true,
            writable: false,
            event: false,
            read_group: None,
        };
        let spec = DeviceSpec {
            key: KEY,
            name: "meter".into(),
            wiring: 1,
            config,
            points: addresses.iter().map(point).collect(),
            timeout: Duration::from_millis(200),
            offline_after: OFFLINE_AFTER,
        };
        let (reply, applied) = oneshot::channel();
        commands.send(Box::new(Command::Apply { spec: Box::new(spec), reply })).await.expect("it runs");
        let layout = applied.await.expect("answered").expect("valid");
        let known = Some(Modbus.knowledge(&layout.unit)); // what was known before is told with the layout
        Self { commands, status, values: BTreeMap::new(), known, stop }
    }
    fn take(&mut self, News { numbers, changes, known, .. }: News) {
        for change in numbers.changes().chain(changes) {
            self.values.insert(change.point as usize, change.value.map_err(|fault| fault.text.into_owned()));
        }
        self.known = known.into_iter().next_back().map(|known| known.knowledge).or(self.known.take());
    }
    async fn until(&mut self, what: &str, so: impl Fn(&Self) -> bool) {
        let until = async {
            while !so(self) {
                let news = self.status.next().await.expect("it runs");
                self.take(news);
            }
        };
        timeout(Duration::from_mins(1), until).await.unwrap_or_else(|_| panic!("{what}"));
    }
    fn good(&self) -> usize {
        self.values.values().filter(|value| value.is_ok()).count()
    }
    fn learned(&self) -> Vec<String> {
        self.known.as_ref().map(|known| known.learned.clone()).unwrap_or_default()
    }
}

/// Requests of one cycle, once it is always the same.
async fn settled(peer: &Peer, mapper: &mut Mapper) -> usize {
    let mut last = usize::MAX;
    for _ in 0..100 {
        peer.take();
        let (reply, read) = oneshot::channel();
        // A cycle of its own goes before the unit's others, and is answered when all of it is read.
        mapper.commands.send(Box::new(Command::ReadNow { device: KEY, points: vec![], reply })).await.expect("it runs");
        read.await.expect("answered").ok();
        while let Some(news) = mapper.status.try_next() {
            mapper.take(news);
        }
        last = last.min(peer.take());
    }
    last
}

#[tokio::test]
async fn illegal_neighbours_holes_and_lengths_are_found_for_few_requests() {
    let all: Vec<i32> = (0..100).collect();
    let sparse: Vec<i32> = (0..10).map(|n| n * 10).collect();
    for (ways, addresses, good, cost, least) in [
        (Ways { missing: [37].into(), ..Ways::default() }, &all, 99, 17, 3),
        (Ways { missing: [0, 50, 99].into(), ..Ways::default() }, &all, 97, 60, 5),
        (Ways { missing: [35].into(), ..Ways::default() }, &sparse, 10, 10, 2),
        (Ways { most: Some(64), ..Ways::default() }, &all, 100, 3, 2),
    ] {
        let (peer, address) = Peer::start(ways.clone()).await;
        let mut mapper = Mapper::start(address, addresses, None).await;
        mapper
            .until("all values are read", |mapper| mapper.values.len() == addresses.len() && mapper.good() == good)
            .await;
        let sent = peer.take();
        assert!(sent <= cost, "{ways:?}: {sent} requests until all was read");
        for (at, value) in &mapper.values {
            let register = u16::try_from(addresses[*at]).expect("an address");
            match value {
                Ok(value) => assert_eq!(value, &Value::Uint(register.into())),
                Err(text) => assert!(ways.missing.contains(&register) && text.contains("exception 2"), "{text}"),
            }
        }
        assert_eq!(settled(&peer, &mut mapper).await, least, "{ways:?}");
        mapper.stop.cancel();
    }
}

#[tokio::test(start_paused = true)]
async fn silence_to_long_reads_costs_some_time_outs_and_no_value() {
    let addresses: Vec<i32> = (0..100).collect();
    let (peer, address) = Peer::start(Ways { silent_beyond: Some(64), ..Ways::default() }).await;
    let mut mapper = Mapper::start(address, &addresses, None).await;
    mapper.until("all values are read", |mapper| mapper.good() == 100).await;
    let sent = peer.take();
    assert!(sent <= 30, "{sent}");
    assert_eq!(settled(&peer, &mut mapper).await, 2);
    mapper.stop.cancel();
}

#[tokio::test]
async fn what_was_learned_before_holds_from_the_first_request_and_until_it_is_forgotten() {
    let addresses: Vec<i32> = (0..100).collect();
    let (peer, address) = Peer::start(Ways { missing: [37].into(), ..Ways::default() }).await;
    let kept =
        json!({"version": 1, "apart": [{"table": "holding", "address": 37, "count": 1, "why": {"exception": 2}}]});
    let mut mapper = Mapper::start(address, &addresses, Some(kept.clone())).await;
    assert_eq!(mapper.learned(), ["holding 37: refused (exception 2), read alone"]);
    mapper.until("all values are read", |mapper| mapper.values.len() == 100).await;
    let sent = peer.take();
    assert!((3..=6).contains(&sent), "{sent}: nothing is searched");
    peer.ways.lock().expect("not poisoned").missing.clear();
    mapper.commands.send(Box::new(Command::Forget { device: KEY })).await.expect("it runs");
    mapper.until("it is told", |mapper| mapper.learned().is_empty()).await;
    mapper.until("it is asked for again", |mapper| mapper.good() == 100).await;
    assert_eq!(settled(&peer, &mut mapper).await, 1, "planned anew at once");
    mapper.stop.cancel();
}

/// Told, and with it kept, once the search is over.
#[tokio::test(start_paused = true)]
async fn what_is_learned_is_told_when_it_has_settled() {
    let addresses: Vec<i32> = (0..10).collect();
    let (_peer, address) = Peer::start(Ways { missing: [3].into(), ..Ways::default() }).await;
    let mut mapper = Mapper::start(address, &addresses, None).await;
    let told = mapper.until("it is told", |mapper| !mapper.learned().is_empty());
    assert!(timeout(SETTLED * 3, told).await.is_ok());
    assert_eq!(mapper.learned(), ["holding 3: refused (exception 2), read alone"]);
    let kept = mapper.known.take().map(|known| known.kept).expect("known");
    assert_eq!(kept["apart"][0]["address"], 3, "{kept}");
    mapper.stop.cancel();
}
