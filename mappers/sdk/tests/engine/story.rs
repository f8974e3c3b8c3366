use crate::common::*;
use crate::toys::*;
use pollux_mapper::*;
use std::sync::Arc;
use tokio::{sync::oneshot, time::sleep};

#[tokio::test(start_paused = true)]
async fn reads_of_a_unit_are_merged_and_a_write_overtakes_queued_reads() {
    // 10 units x 10 far-apart registers = 100 requests of 10 ms, every second: the bus is saturated
    let (wire, specs) = bus(10, 10, 1000, 200, 50);
    let run = start_bus(&wire, 1, specs);
    sleep(ms(123)).await;
    let asked = Instant::now();
    assert_eq!(run.write(7, 3, 9.5).await, Wrote::Done);
    assert!(asked.elapsed() <= ms(20), "one exchange under way plus its own: {:?}", asked.elapsed());
    sleep(ms(11)).await;
    let log: Vec<String> = wire.log.lock().unwrap().iter().map(|l| l.1.clone()).collect();
    let at = log.iter().position(|l| l == "w8@150").unwrap();
    assert_eq!(log[at + 1], "r8@150+1", "read back at once");
    assert_eq!(run.stop().await.columns().value(Slot(73)), Some(Value::Float(9.5)));
    let (wire, specs) = bus(1, 50, 1000, 200, 2);
    let run = start_bus(&wire, 1, specs);
    sleep(ms(500)).await;
    assert_eq!(wire.log.lock().unwrap()[0].1, "r1@0+99", "50 points, one request");
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_pipelined_gateway_keeps_fast_units_on_time_beside_slow_and_dead_ones() {
    let (wire, specs) = bus(8, 4, 100, 400, 1);
    wire.slow.lock().unwrap().extend([(1, ms(90)), (2, ms(90))]);
    wire.dead.lock().unwrap().extend([3, 4]);
    let run = start_bus(&wire, 4, specs);
    sleep(ms(10_000)).await;
    let since = Instant::now();
    sleep(ms(10_000)).await;
    let counts = reads(&wire, since);
    for unit in [1, 2, 5, 6, 7, 8] {
        assert!(counts[&unit] >= 99, "unit {unit}: {}", counts[&unit]);
    }
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_illegal_point_is_bad_alone_and_the_link_lives() {
    let (wire, specs) = bus(2, 10, 1000, 200, 1);
    wire.registers.lock().unwrap().remove(&(1, 4));
    let mut run = start_bus(&wire, 1, specs);
    let started = Instant::now();
    run.value(0, 4, None).await;
    run.value(1, 9, Some(9.0)).await;
    assert!(started.elapsed() < ms(100), "replanned at once, not in the next cycle");
    sleep(ms(3_000)).await;
    assert_eq!(run.write(0, 0, f64::NAN).await, Wrote::Done); // the fake takes it; read back it is no value
    sleep(ms(50)).await;
    let engine = run.stop().await;
    assert_eq!(engine.columns().fault_of(Slot(4)).unwrap().text, "exception 2: illegal data address");
    assert_eq!(engine.columns().fault_of(Slot(0)).unwrap().text, "not a finite number");
    for slot in (1..20).filter(|s| *s != 4) {
        assert_eq!(engine.columns().quality(Slot(slot)), Some(Quality::Good), "{slot}");
    }
    let steady: Vec<_> = wire.log.lock().unwrap().iter().rev().take(8).map(|l| l.1.clone()).collect();
    assert!(steady.contains(&"r1@0+4".to_owned()) && steady.contains(&"r1@5+5".to_owned()), "{steady:?}");
}

#[tokio::test(start_paused = true)]
async fn a_cut_link_is_redialled_and_writes_fail_meanwhile() {
    let (wire, specs) = bus(2, 4, 100, 200, 1);
    let mut run = start_bus(&wire, 1, specs);
    run.connected(1, true).await;
    *wire.cut.lock().unwrap() = true;
    assert_eq!(run.connected(0, false).await, "port closed");
    assert_eq!(run.connected(1, false).await, "port closed");
    let reply = run.group(0, &[(0, 1.0)]).await;
    assert_eq!((reply.values, &*reply.why.unwrap().text), (vec![Wrote::NotSent], "port closed"));
    *wire.cut.lock().unwrap() = false;
    run.connected(1, true).await;
    assert_eq!(run.write(0, 0, 1.0).await, Wrote::Done);
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_later_write_supersedes_a_waiting_one() {
    let (wire, specs) = bus(1, 4, 100, 200, 1);
    wire.slow.lock().unwrap().insert(1, ms(100));
    let run = start_bus(&wire, 1, specs);
    sleep(ms(50)).await;
    let (a, b, c) = tokio::join!(run.write(0, 0, 1.0), run.write(0, 0, 2.0), run.write(0, 1, 3.0));
    assert_eq!((a, b, c), (Wrote::NotSent, Wrote::Done, Wrote::Done));
    run.stop().await;
}

fn opcua_server() -> (Arc<opcua::Server>, Run<opcua::Opcua>) {
    let server = Arc::new(opcua::Server::default());
    for n in ["a", "b", "polled"] {
        server.set(n, 1.0);
    }
    server.unsubscribable.lock().unwrap().push("polled".into());
    let points = ["a", "b", "polled", "missing"].map(|n| point(n, n.to_owned(), 1000)).into();
    let run = Run::start(
        opcua::Opcua(server.clone()),
        vec![device("s", opcua::Device { url: "opc.tcp://x".into() }, 5_000, points)],
    );
    (server, run)
}
#[tokio::test(start_paused = true)]
async fn opcua_pushes_polls_and_calls_at_once() {
    let (server, mut run) = opcua_server();
    run.connected(0, true).await;
    let (reply, answer) = oneshot::channel();
    let call = Call { name: "reset".into(), arguments: vec![("code".into(), 7.0.into())], ..Call::default() };
    run.commands.send(Box::new(Command::Call { device: DeviceKey(0), call, reply })).await.ok().unwrap();
    let started = Instant::now();
    sleep(ms(10)).await;
    server.set("a", 2.0);
    run.value(0, 0, Some(2.0)).await;
    assert_eq!(run.write(0, 1, 4.0).await, Wrote::Done);
    server.nodes.lock().unwrap().insert("polled".into(), 5.0);
    run.value(0, 2, Some(5.0)).await;
    assert!(started.elapsed() < ms(2_000), "none of these waited for the call");
    assert_eq!(answer.await.unwrap(), Ok(Value::Float(7.0)));
    assert!(*server.points_read.lock().unwrap() <= 6, "pushed points are not polled (the write's read-back is one)");
    assert_eq!(run.stop().await.columns().fault_of(Slot(3)).unwrap().text, "BadNodeIdUnknown");
}
#[tokio::test(start_paused = true)]
async fn a_session_heals_itself_and_gives_up_in_time() {
    let (server, mut run) = opcua_server();
    run.connected(0, true).await;
    server.restart();
    assert_eq!(run.connected(0, false).await, "session lost, healing");
    run.connected(0, true).await;
    server.set("a", 3.0);
    run.value(0, 0, Some(3.0)).await;
    server.nodes.lock().unwrap().insert("polled".into(), 6.0);
    run.value(0, 2, Some(6.0)).await; // what is polled goes on too
    assert_eq!(*server.connects.lock().unwrap(), 1, "healed, not dialled anew");
    *server.offline.lock().unwrap() = true;
    server.restart();
    let (lost, polled) = (Instant::now(), *server.points_read.lock().unwrap());
    assert_eq!(run.connected(0, false).await, "session lost, healing");
    let reply = run.group(0, &[(0, 1.0)]).await;
    assert_eq!(reply.values, [Wrote::NotSent]);
    sleep(ms(9_000)).await;
    assert_eq!(*server.points_read.lock().unwrap(), polled, "not polled while it heals");
    assert_eq!(*server.connects.lock().unwrap(), 1, "not yet");
    while *server.connects.lock().unwrap() < 2 {
        sleep(ms(100)).await;
    }
    assert!(lost.elapsed() < ms(12_000), "bounded: {:?}", lost.elapsed());
    *server.offline.lock().unwrap() = false;
    run.connected(0, true).await;
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn mqtt_availability_decides_per_device_on_one_connection() {
    let broker = tokio::sync::broadcast::channel(64).0;
    let spec = |n: &str| {
        device(
            n,
            mqtt::Device { url: "mqtt://b".into(), availability: Some(format!("{n}/lwt")) },
            1_000,
            vec![point("t", format!("{n}/t"), 1000)],
        )
    };
    let mut run = Run::start(mqtt::Mqtt { broker: broker.clone() }, vec![spec("x"), spec("y")]);
    assert_eq!(run.connected(1, false).await, "no availability message yet");
    sleep(ms(1_500)).await;
    assert!(!run.states().await.values().any(|up| *up), "only the availability topic says so");
    let say = |t: &str, p: &str| {
        broker.send((t.into(), p.into())).unwrap();
    };
    say("x/lwt", "online");
    say("y/lwt", "online");
    run.connected(1, true).await;
    say("x/t", "21.5");
    say("y/t", "oops");
    run.value(0, 0, Some(21.5)).await;
    run.value(1, 0, None).await; // not a number
    let moved = DeviceSpec { wiring: 1, points: vec![point("t", "y/new".to_owned(), 1000)].into(), ..spec("y") };
    assert_eq!(run.apply(1, moved).await.unwrap().base, Slot(2));
    sleep(ms(10)).await;
    say("y/t", "1.0"); // the old route still stands in the link (its detach is the default): its port is outdated
    say("y/lwt", "online");
    say("y/new", "2.0");
    run.value(1, 0, Some(2.0)).await;
    run.connected(1, true).await;
    say("y/lwt", "offline");
    assert_eq!(run.connected(1, false).await, "availability: offline");
    say("x/t", "22.5");
    run.value(0, 0, Some(22.5)).await;
    run.stop().await;
}

struct Hung;
#[derive(Debug, thiserror::Error)]
#[error("x")]
struct X;
impl DriverError for X {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}
impl Protocol for Hung {
    const NAME: &'static str = "hung";
    type Device = String;
    type Address = String;
    type Endpoint = String;
    type Unit = Slot;
    type Request = ();
    type Error = X;
    type Link = Hung;
    fn endpoint(&self, d: &String) -> Result<String, ConfigError> {
        Ok(d.clone())
    }
    fn prepare(&self, _: &String, p: &[Point<'_, String>]) -> Result<Slot, Vec<ConfigError>> {
        Ok(p[0].slot)
    }
    fn plan(&self, _: &Slot, due: &[usize]) -> Vec<Exchange<()>> {
        vec![Exchange { points: due.to_vec(), request: () }]
    }
    async fn connect(&self, _: &String, _: &Cx) -> Result<Hung, X> {
        Ok(Hung)
    }
}
impl Link<Hung> for Hung {
    async fn read(&self, _: &Slot, _: &Exchange<()>, _: Instant, _: &mut Samples) -> Result<Done, Fault<X>> {
        std::future::pending().await
    }
    async fn write(&self, _: &Slot, _: &[(usize, Value)], _: Instant, _: &mut Written) -> Result<(), Fault<X>> {
        std::future::pending().await
    }
}
#[tokio::test(start_paused = true)]
async fn a_driver_that_hangs_loses_its_link_not_the_engine_nor_a_reply() {
    let mut run = Run::start(Hung, vec![device("d", "x".into(), 500, vec![point("x", "x".to_owned(), 50)])]);
    let reply = run.ask(0, vec![(0, 1.0.into())]).await;
    assert!(run.connected(0, false).await.contains("overran"));
    let reply = reply.await.unwrap();
    assert!(matches!(reply.values[0], Wrote::Unknown | Wrote::NotSent), "{reply:?}");
    run.stop().await;
}
