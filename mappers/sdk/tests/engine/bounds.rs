//! Nothing grows, nothing spins, nothing is rounded.

use crate::common::*;
use crate::toys::modbus;
use pollux_mapper::*;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};
use tokio::time::{sleep, timeout};

/// Answers with what the test laid out, and lends its ports.
#[derive(Default)]
pub struct Script {
    prepared: AtomicUsize,
    detached: AtomicUsize,
    pub reads: AtomicUsize,
    pub values: Mutex<Vec<Value>>,
    /// Each reading finds values of the first point too.
    pub beside: AtomicBool,
    pub ports: Mutex<Vec<Port>>,
}
pub struct Scripted(Arc<Script>);
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct X;
impl DriverError for X {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}
impl Protocol for Scripted {
    const NAME: &'static str = "scripted";
    type Device = bool;
    type Address = u16;
    type Endpoint = u8;
    type Unit = Vec<Slot>;
    type Request = ();
    type Error = X;
    type Link = Scripted;
    fn endpoint(&self, _: &bool) -> Result<u8, ConfigError> {
        Ok(0)
    }
    fn prepare(&self, ok: &bool, p: &[Point<'_, u16>]) -> Result<Vec<Slot>, Vec<ConfigError>> {
        self.0.prepared.fetch_add(1, SeqCst);
        if *ok { Ok(p.iter().map(|p| p.slot).collect()) } else { Err(vec![ConfigError::device("no")]) }
    }
    fn plan(&self, _: &Vec<Slot>, due: &[usize]) -> Vec<Exchange<()>> {
        vec![Exchange { points: due.to_vec(), request: () }]
    }
    async fn connect(&self, _: &u8, _: &Cx) -> Result<Scripted, X> {
        Ok(Scripted(self.0.clone()))
    }
}
impl Link<Scripted> for Scripted {
    async fn attach(&self, _: &Arc<Vec<Slot>>, port: Port, _: Instant) -> Result<(), Fault<X>> {
        self.0.ports.lock().unwrap().push(port);
        Ok(())
    }
    async fn detach(&self, _: &Arc<Vec<Slot>>, _: Instant) {
        self.0.detached.fetch_add(1, SeqCst);
    }
    async fn read(&self, unit: &Vec<Slot>, e: &Exchange<()>, _: Instant, out: &mut Samples) -> Result<Done, Fault<X>> {
        sleep(ms(1)).await;
        self.0.reads.fetch_add(e.points.len(), SeqCst);
        let first = self.0.beside.load(SeqCst).then_some(0);
        for p in first.iter().chain(&e.points) {
            for v in self.0.values.lock().unwrap().iter() {
                out.put(unit[*p], v.clone());
            }
        }
        Ok(Done::Ok)
    }
    async fn write(
        &self,
        _: &Vec<Slot>,
        values: &[(usize, Value)],
        _: Instant,
        out: &mut Written,
    ) -> Result<(), Fault<X>> {
        (0..values.len()).for_each(|i| out.done(i));
        Ok(())
    }
}
pub fn scripted(points: Vec<PointSpec<u16>>) -> (Arc<Script>, Run<Scripted>) {
    let script = Arc::new(Script::default());
    script.values.lock().unwrap().push(1.0.into());
    (script.clone(), Run::start(Scripted(script), vec![device("d", true, 500, points)]))
}

#[tokio::test(start_paused = true)]
async fn fifty_intervals_on_one_device_and_a_bounded_number_of_plans() {
    let (wire, mut specs) = bus(1, 50, 1000, 200, 1);
    for (i, p) in points(&mut specs[0]).iter_mut().enumerate() {
        p.interval = Interval::Every(ms(100 + 37 * i as u64));
    } // never the same set twice
    let mut run = start_bus(&wire, 1, specs);
    run.value(0, 49, Some(49.0)).await;
    sleep(ms(60_000)).await;
    let engine = run.stop().await;
    assert!((1..=8).contains(&engine.stats().plans.get()), "{} plans", engine.stats().plans.get());
}
#[tokio::test(start_paused = true)]
async fn an_interval_of_nought_or_of_an_age_harms_nobody() {
    let (wire, mut specs) = bus(2, 2, 1000, 200, 1);
    specs[0].timeout = std::time::Duration::MAX;
    points(&mut specs[0])[0].interval = Interval::Every(ms(0));
    points(&mut specs[0])[1].interval = Interval::Every(std::time::Duration::MAX);
    let mut run = start_bus(&wire, 1, specs);
    for (device, point) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        run.value(device, point, Some(f64::from(point))).await;
    }
    sleep(ms(10_000)).await;
    assert!(reads(&wire, Instant::now() - ms(9_999))[&2] >= 9, "the neighbour keeps its cycle");
    run.stop().await;
}
#[tokio::test(start_paused = true)]
async fn a_flapping_device_fills_no_memory() {
    let (script, mut run) = scripted(vec![point("x", 0, 1000)]);
    run.connected(0, true).await;
    let port = script.ports.lock().unwrap()[0].clone();
    for i in 0..200_000 {
        if i % 2 == 0 {
            port.down("flap");
        } else {
            port.up();
        }
        port.pushes(Slot(0));
        port.pushes(Slot(i));
    }
    assert_eq!(port.backlog(), (0, 1), "one cell, whatever was said");
    for _ in 0..70_000 {
        port.put(Slot(0), 1.0);
    }
    assert_eq!(port.backlog(), (65_536, 1));
    assert!(!port.put(Slot(0), 1.0), "refused");
    sleep(ms(10)).await;
    assert_eq!(port.backlog(), (0, 0));
    assert_eq!(run.states().await, [].into(), "its newest word is `up`, as it was");
    assert_eq!(run.stop().await.stats().lost_pushes.get(), 70_001 - 65_536);
}
#[tokio::test(start_paused = true)]
async fn readers_that_sleep_do_not_stop_the_wire() {
    let (wire, specs) = bus(4, 50, 100, 200, 1);
    let mut run = Run::start_with(modbus::Modbus { wire: wire.clone(), depth: 1 }, specs, 100);
    for second in 0..20 {
        // nobody reads status or telemetry
        for (_, v) in wire.registers.lock().unwrap().iter_mut() {
            *v += 1.0;
        }
        let since = Instant::now();
        sleep(ms(1_000)).await;
        assert!(reads(&wire, since)[&4] >= 9, "in second {second}");
    }
    let mut batch = vec![];
    let lost = run.telemetry.next(&mut batch).await;
    assert_eq!(batch.len(), 100, "bounded");
    assert!(lost >= 20 * 200 - 100, "and counted: {lost}");
    run.value(0, 0, Some(20.0)).await; // status then has the newest value, for which no change came any more
    run.stop().await;
}
#[tokio::test(start_paused = true)]
async fn integers_are_compared_exactly_and_nan_is_no_value() {
    let (script, run) = scripted(vec![point("x", 0, 1000)]);
    let mut run = run;
    let big = 1i64 << 53;
    let steps = [
        Value::Int(big),
        Value::Int(big + 1),
        Value::Uint(u64::MAX - 1),
        Value::Uint(u64::MAX),
        Value::Int(i64::MIN),
        Value::Int(i64::MAX),
        Value::Float(f64::NAN),
        Value::Float(0.0),
    ];
    let mut seen = vec![];
    for step in &steps {
        *script.values.lock().unwrap() = vec![step.clone()];
        sleep(ms(1_000)).await;
        let mut batch = vec![];
        run.telemetry.next(&mut batch).await;
        seen.push(batch.pop().unwrap().value.ok());
    }
    let wanted: Vec<Option<Value>> =
        steps.iter().map(|v| Some(v.clone()).filter(|v| !matches!(v, Value::Float(f) if f.is_nan()))).collect();
    assert_eq!(seen, wanted);
    run.stop().await;
}
#[tokio::test(start_paused = true)]
async fn an_event_is_not_read_and_one_that_is_not_pushed_says_so() {
    let (script, mut run) =
        scripted(vec![PointSpec { event: true, ..point("press", 0, 1000) }, point("state", 1, 1000)]);
    *script.values.lock().unwrap() = vec![Value::Int(1), Value::Int(1), Value::Int(2)];
    script.beside.store(true, SeqCst); // the driver reads it all the same
    sleep(ms(1_500)).await; // two cycles
    let mut told = async || {
        let (mut all, mut batch) = (vec![], vec![]);
        while timeout(ms(1), run.telemetry.next(&mut batch)).await.is_ok() {
            all.append(&mut batch);
        }
        let of = |slot| all.iter().filter(|c| c.point == slot).map(|c| c.value.clone()).collect::<Vec<_>>();
        (of(0), of(1))
    };
    let (press, state) = told().await;
    assert!(press.len() == 1 && press[0].as_ref().is_err_and(|f| f.text.contains("does not push")), "{press:?}");
    assert_eq!(state, [1, 2, 1, 2].map(|v: i64| Ok(Value::Int(v))));
    let port = script.ports.lock().unwrap()[0].clone();
    port.pushes(Slot(0));
    port.put(Slot(0), 7.0);
    port.put(Slot(0), 7.0);
    sleep(ms(10)).await;
    assert_eq!(told().await.0, vec![Ok(Value::Float(7.0)); 2], "what is pushed counts, each");
    port.polls(Slot(0));
    sleep(ms(3_000)).await;
    let (press, state) = told().await;
    assert!(press.len() == 1 && press[0].is_err() && state.len() > 2, "{press:?}");
    run.stop().await;
}
#[tokio::test(start_paused = true)]
async fn only_wiring_prepares_a_unit_anew_and_no_row_leaks() {
    let (script, mut run) = scripted(vec![point("x", 0, 1000), point("y", 1, 1000)]);
    run.connected(0, true).await;
    let spec = |wiring, ok| DeviceSpec {
        wiring,
        offline_after: 5,
        ..device("d", ok, 700, vec![point("x", 0, 1000), point("y", 1, 1000)])
    };
    let was = run.apply(0, spec(0, true)).await.unwrap();
    assert_eq!(run.write(0, 0, 5.0).await, Wrote::Done); // a new desired
    assert_eq!((script.prepared.load(SeqCst), script.detached.load(SeqCst), was.prepared), (1, 0, 1));
    assert!(run.apply(0, spec(1, false)).await.is_err(), "refused as a whole");
    sleep(ms(2_000)).await;
    assert_eq!(
        (script.detached.load(SeqCst), script.ports.lock().unwrap().len()),
        (0, 1),
        "the last valid one goes on"
    );
    let mut generations = std::collections::BTreeSet::from([was.generation]);
    for wiring in 2..1_000 {
        let layout = run.apply(0, spec(wiring, true)).await.unwrap();
        assert!(generations.insert(layout.generation), "a late change of the old owner is told apart");
        if wiring % 3 == 0 {
            sleep(ms(5)).await;
        }
    }
    sleep(ms(2_000)).await;
    let engine = run.stop().await;
    assert!(engine.stats().rows.get() <= 6, "{} rows for two points", engine.stats().rows.get());
}
