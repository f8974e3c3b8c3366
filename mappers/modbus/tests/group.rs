//! Function 15 through the whole engine: coils that are written as one group leave in one request, and are read back before
//! they count. (A Device writes its properties one by one, so that no YAML of today asks for it.)
#![allow(clippy::panic, clippy::unwrap_in_result, reason = "a test")]
mod common;

use common::{bits, device};
use pollux_crds::ModbusTable::Coil;
use pollux_mapper::{
    Command, Cx, DeviceKey, DeviceSpec, Engine, Interval, OFFLINE_AFTER, PointSpec, Protocol, Value, Write, Wrote,
    queue, telemetry,
};
use pollux_modbus::Modbus;
use pollux_sim::{Line, WriteRecord, serve};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{net::TcpListener, sync::oneshot, time::timeout};
use tokio_util::sync::CancellationToken;

const KEY: DeviceKey = DeviceKey(1);

fn coils(address: SocketAddr) -> DeviceSpec<Modbus> {
    let point = |at: i32| PointSpec {
        name: format!("coil{at}"),
        address: bits(Coil, at),
        interval: Interval::Every(Duration::from_millis(100)),
        readable: true,
        writable: true,
        event: false,
        read_group: None,
    };
    DeviceSpec {
        key: KEY,
        name: "boiler-1".into(),
        wiring: 1,
        config: device(address, 1),
        points: [point(0), point(1)].into(),
        timeout: Duration::from_secs(5),
        offline_after: OFFLINE_AFTER,
    }
}

async fn simulated() -> (SocketAddr, Arc<Mutex<Vec<WriteRecord>>>) {
    let writes: Arc<Mutex<Vec<WriteRecord>>> = Arc::default();
    let record = Arc::clone(&writes);
    let line = Line::new(1, 0.0, move |write| record.lock().expect("not poisoned").push(write));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(serve(listener, line));
    (address, writes)
}

#[tokio::test]
async fn coils_of_one_group_leave_by_function_15_and_are_read_back() {
    let (address, writes) = simulated().await;
    let endpoint = Modbus.endpoint(&device(address, 1)).expect("valid");
    let (out, _telemetry) = telemetry(64);
    let (engine, mut status) = Engine::new(Arc::new(Modbus), endpoint, out);
    let (commands, told) = queue(8);
    let stop = CancellationToken::new();
    let running = tokio::spawn(engine.run(told, Arc::new(Cx::default()), stop.clone()));
    let (reply, applied) = oneshot::channel();
    commands.send(Box::new(Command::Apply { spec: Box::new(coils(address)), reply })).await.expect("it runs");
    applied.await.expect("answered").expect("valid");
    let connected = async { while !status.next().await.expect("it runs").connected.iter().any(|device| device.up) {} };
    timeout(Duration::from_mins(1), connected).await.expect("in time");
    let (reply, written) = oneshot::channel();
    let values = vec![(0, Value::Bool(false)), (1, Value::Bool(true))];
    commands.send(Box::new(Command::Write(Write { device: KEY, values, reply }))).await.expect("it runs");
    let written = timeout(Duration::from_mins(1), written).await.expect("in time").expect("answered");
    assert_eq!(written.values, [Wrote::Done, Wrote::Done]);
    let read_back = async {
        let mut confirmed = BTreeMap::new();
        while confirmed.len() < 2 {
            let news = status.next().await.expect("it runs");
            confirmed.extend(news.confirmed.into_iter().map(|change| (change.point, change.value.ok())));
        }
        confirmed
    };
    let confirmed = timeout(Duration::from_mins(1), read_back).await.expect("in time");
    assert_eq!(confirmed, [(0, Some(Value::Bool(false))), (1, Some(Value::Bool(true)))].into());
    let seen: Vec<_> = writes
        .lock()
        .expect("not poisoned")
        .iter()
        .map(|w| (w.unit, w.function, w.address, w.values.clone()))
        .collect();
    assert_eq!(seen, [(1, 15, 0, vec![0, 1])], "one request");
    stop.cancel();
    timeout(Duration::from_mins(1), running).await.expect("it ends").expect("no panic");
}
