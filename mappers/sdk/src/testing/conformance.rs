//! What every driver keeps, whatever its protocol: the contract of [`Protocol`] and [`Link`](crate::Link), tried against a
//! peer that the driver's own tests bring along.
//!
//! ```ignore
//! #[tokio::test]
//! async fn the_driver_keeps_the_contract() {
//!     assert_eq!(pollux_mapper::testing::conformance::check(&MyHarness::new().await).await, Vec::<String>::new());
//! }
//! ```
use super::bench::{Bench, prepare};
use crate::{Fault, Instant, Link, PointSpec, Protocol, Samples, Value, Wrote};
use futures_util::future::join_all;
use serde_json::{Value as Json, json};
use std::{collections::BTreeSet, time::Duration};

/// What the peer of a harness does from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// It serves; what was cut is restored.
    Serving,
    /// It takes requests and does not answer.
    Silent,
    /// It says no to reading and to writing the first point of both devices, and serves all else.
    Refusing,
    /// Its connections break, and new ones are refused or break at once.
    Cut,
}

/// A driver and a peer for it.
pub trait Harness: Sync {
    /// The driver under test.
    type Protocol: Protocol;

    /// A new driver. All drivers of one harness meet the same peer.
    fn protocol(&self) -> Self::Protocol;
    /// Two devices, 0 and 1, behind one endpoint.
    fn device(&self, number: usize) -> <Self::Protocol as Protocol>::Device;
    /// The points of each device: at least three, all readable, the first two writable and such that they may be read in
    /// one request.
    fn points(&self) -> Vec<PointSpec<<Self::Protocol as Protocol>::Address>>;
    /// Values that the first two points hold exactly, another for each number from 1 to 9.
    fn value(&self, number: u8) -> Value;
    /// A value that the first point cannot hold. Default: there is none.
    fn impossible(&self) -> Option<Value> {
        None
    }
    /// Turns the peer; done when it is turned.
    fn set(&self, peer: Peer) -> impl Future<Output = ()>;
    /// A protocol that pushes: device 0 pushes something for any of its points. False: it does not push.
    fn push(&self) -> bool {
        false
    }
    /// For one exchange. A driver may take as long, so it is short, yet far more than the peer needs.
    fn timeout(&self) -> Duration {
        Duration::from_millis(400)
    }
}

/// What a driver may overrun its time by before it costs the link.
const GRACE: Duration = Duration::from_millis(500);

/// Tries all rules; says which are broken, and how.
pub async fn check<H: Harness>(harness: &H) -> Vec<String> {
    let mut broken = vec![];
    let mut rule = |name: &str, result: Result<(), String>| {
        broken.extend(result.err().map(|why| format!("{name}: {why}")));
    };
    rule("a plan covers each due point exactly once, and is always the same", plans(harness));
    rule("a read group is read in one request or refused by name", read_groups(harness));
    rule("what is not of the driver's own form is not recalled, and forgotten is forgotten", memories(harness));
    rule("encoding twice changes nothing", encodings(harness));
    rule("what is written is read back, on its own device", round_trip(harness).await);
    rule("limits are at least one, and as many exchanges fit at once", limits(harness).await);
    rule("a silent peer ends a read by its time, as a fault", silence(harness).await);
    rule("a point refused leaves the link usable", refusal(harness).await);
    rule("writes tell the truth of each value", write_marks(harness).await);
    rule("what cannot be encoded is refused before it is sent", impossible(harness).await);
    rule("a cut link is told, and what was not acknowledged is not done", cut(harness).await);
    rule("detach silences the port, and attach brings it back", detach(harness).await);
    harness.set(Peer::Serving).await;
    broken
}

fn ensure(kept: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if kept { Ok(()) } else { Err(why()) }
}

fn plans<H: Harness>(harness: &H) -> Result<(), String> {
    let protocol = harness.protocol();
    let unit = prepare(harness, &protocol, 0, false).map_err(|errors| format!("prepare: {errors:?}"))?;
    let all: Vec<usize> = (0..harness.points().len()).collect();
    ensure(all.len() >= 3, || "the harness has fewer than three points".into())?;
    let every_other = all.iter().copied().step_by(2).collect();
    let ones = all.iter().map(|p| vec![*p]);
    for due in ones.chain([all.clone(), every_other]) {
        let points = || protocol.plan(&unit, &due).into_iter().map(|e| e.points).collect::<Vec<_>>();
        let (first, second) = (points(), points());
        ensure(first == second, || format!("due {due:?} gave {first:?}, then {second:?}"))?;
        let mut covered: Vec<usize> = first.concat();
        covered.sort_unstable();
        ensure(covered == due, || format!("due {due:?}, planned {first:?}"))?;
        ensure(first.iter().all(|e| !e.is_empty()), || format!("an exchange of no point for {due:?}"))?;
    }
    Ok(())
}

fn read_groups<H: Harness>(harness: &H) -> Result<(), String> {
    let protocol = harness.protocol();
    let unit = match prepare(harness, &protocol, 0, true) {
        Ok(unit) => unit,
        Err(errors) => {
            let named = errors.iter().any(|e| e.text.contains("pair"));
            return ensure(named, || format!("refused without its name: {errors:?}"));
        }
    };
    let all: Vec<usize> = (0..harness.points().len()).collect();
    for due in [vec![0, 1], all] {
        let plan = protocol.plan(&unit, &due);
        let whole = plan.iter().any(|e| e.points.contains(&0) && e.points.contains(&1));
        ensure(whole, || format!("torn apart when {due:?} are due"))?;
    }
    Ok(())
}

/// What comes from a disk may be of another version, or damaged.
fn memories<H: Harness>(harness: &H) -> Result<(), String> {
    let protocol = harness.protocol();
    let unit = prepare(harness, &protocol, 0, false).map_err(|errors| format!("prepare: {errors:?}"))?;
    let all: Vec<usize> = (0..harness.points().len()).collect();
    let plan = || protocol.plan(&unit, &all).into_iter().map(|e| e.points).collect::<Vec<_>>();
    let before = plan();
    for kept in [json!(7), json!([null, -1]), json!({"version": u64::MAX, "": {"a": [1e300]}}), json!("\0")] {
        protocol.recall(&unit, &kept);
        ensure(plan() == before, || format!("{kept} made another plan"))?;
        protocol.recall(&unit, &Json::Null);
        let left = protocol.knowledge(&unit).kept;
        ensure(left.is_null(), || format!("{left} is left when all was to be forgotten"))?;
    }
    Ok(())
}

fn encodings<H: Harness>(harness: &H) -> Result<(), String> {
    let protocol = harness.protocol();
    let unit = prepare(harness, &protocol, 0, false).map_err(|errors| format!("prepare: {errors:?}"))?;
    for value in (1..=9).map(|n| harness.value(n)) {
        let once = protocol.encoded(&unit, 0, &value).map_err(|fault| format!("{value:?}: {fault}"))?;
        let twice = protocol.encoded(&unit, 0, &once).map_err(|fault| format!("{once:?}: {fault}"))?;
        ensure(once == twice, || format!("{value:?} → {once:?} → {twice:?}"))?;
    }
    Ok(())
}

async fn round_trip<H: Harness>(harness: &H) -> Result<(), String> {
    let bench = Bench::new(harness).await?;
    for (number, n) in [(0, 1), (1, 3)] {
        let values = [(0, harness.value(n)), (1, harness.value(n + 1))];
        let (results, _) = bench.write(number, &values).await;
        ensure(results == [Wrote::Done, Wrote::Done], || format!("device {number}: {results:?}"))?;
    }
    for (number, n) in [(0, 1), (1, 3)] {
        let readings = bench.read(number, &[0, 1, 2]).await?;
        ensure(readings.len() == 3, || format!("device {number}: three points asked, got {readings:?}"))?;
        for (point, n) in [(0, n), (1, n + 1)] {
            let wanted = bench.protocol.encoded(&bench.units[number], point, &harness.value(n));
            let got = readings.get(&point);
            ensure(got == Some(&wanted), || format!("device {number}, point {point}: wrote {wanted:?}, read {got:?}"))?;
        }
    }
    Ok(())
}

async fn limits<H: Harness>(harness: &H) -> Result<(), String> {
    let bench = Bench::new(harness).await?;
    let limits = bench.link.limits();
    let sound = limits.in_flight > 0 && limits.per_unit > 0 && limits.attached != Some(0);
    ensure(sound, || format!("{limits:?}"))?;
    for (number, n) in [(0, 5), (1, 6)] {
        bench.write(number, &[(0, harness.value(n))]).await;
    }
    let reads = (0..limits.in_flight.min(8)).map(|i| bench.read(i % 2, &[0]));
    for (i, readings) in join_all(reads).await.into_iter().enumerate() {
        let wanted = harness.value(if i % 2 == 0 { 5 } else { 6 });
        let wanted = bench.protocol.encoded(&bench.units[i % 2], 0, &wanted);
        let got = readings?.remove(&0);
        ensure(got.as_ref() == Some(&wanted), || format!("read {i} at once with others: {got:?}, not {wanted:?}"))?;
    }
    Ok(())
}

async fn silence<H: Harness>(harness: &H) -> Result<(), String> {
    let bench = Bench::new(harness).await?;
    harness.set(Peer::Silent).await;
    let exchange = bench.protocol.plan(&bench.units[0], &[0, 1, 2]).into_iter().next().ok_or("nothing is planned")?;
    let (until, mut out) = (bench.until(), Samples::default());
    let read = tokio::time::timeout_at(until + GRACE, bench.exchange(0, &exchange, &mut out)).await;
    let read = read.map_err(|_| "the read overran its time")?;
    let fault = matches!(read, None | Some(Err(Fault::Device(_) | Fault::Link(_))));
    ensure(fault, || "the read of a silent device did not fail as one".into())?;
    let good = out.readings().filter(|(_, value, _)| value.is_ok()).count();
    ensure(good == 0, || format!("{good} values of a silent device"))
}

async fn refusal<H: Harness>(harness: &H) -> Result<(), String> {
    let bench = Bench::new(harness).await?;
    harness.set(Peer::Refusing).await;
    let readings = bench.read(0, &[0]).await?;
    ensure(matches!(readings.get(&0), Some(Err(_))), || format!("a refused point reads {readings:?}"))?;
    let readings = bench.read(0, &[1, 2]).await?;
    let good = [1, 2].iter().all(|p| matches!(readings.get(p), Some(Ok(_))));
    ensure(good, || format!("its neighbours read {readings:?}"))?;
    let (results, alive) = bench.write(0, &[(0, harness.value(1))]).await;
    let refused = matches!(results[..], [Wrote::Refused(_)]);
    ensure(refused && alive, || format!("written: {results:?}, link alive: {alive}"))?;
    let readings = bench.read(1, &[1]).await?;
    ensure(matches!(readings.get(&1), Some(Ok(_))), || format!("then the other device reads {readings:?}"))
}

async fn write_marks<H: Harness>(harness: &H) -> Result<(), String> {
    let bench = Bench::new(harness).await?;
    let values = [(0, harness.value(7)), (1, harness.value(8))];
    harness.set(Peer::Refusing).await;
    let (results, _) = bench.write(0, &values).await;
    let one_each = matches!(results[..], [Wrote::Refused(_), Wrote::Done | Wrote::Refused(_) | Wrote::NotSent]);
    ensure(one_each, || format!("the first refused: {results:?}"))?;
    drop(bench);
    let bench = Bench::new(harness).await?;
    harness.set(Peer::Silent).await;
    let began = Instant::now();
    let (results, _) = bench.write(0, &values).await;
    let took = began.elapsed();
    ensure(took <= harness.timeout() + GRACE, || format!("a write to a silent device took {took:?}"))?;
    let unknown = matches!(results[..], [Wrote::Unknown, Wrote::Unknown | Wrote::NotSent]);
    ensure(unknown, || format!("a silent device: {results:?}"))
}

async fn impossible<H: Harness>(harness: &H) -> Result<(), String> {
    let Some(value) = harness.impossible() else { return Ok(()) };
    let bench = Bench::new(harness).await?;
    let encoded = bench.protocol.encoded(&bench.units[0], 0, &value);
    ensure(encoded.is_err(), || format!("encoded to {encoded:?}"))?;
    let before = bench.read(0, &[0]).await?;
    let (results, alive) = bench.write(0, &[(0, value)]).await;
    ensure(matches!(results[..], [Wrote::Refused(_)]) && alive, || format!("{results:?}, link alive: {alive}"))?;
    let after = bench.read(0, &[0]).await?;
    ensure(before == after, || format!("{before:?} became {after:?}"))
}

async fn cut<H: Harness>(harness: &H) -> Result<(), String> {
    let bench = Bench::new(harness).await?;
    harness.set(Peer::Cut).await;
    let (results, alive) = bench.write(0, &[(0, harness.value(1)), (1, harness.value(2))]).await;
    let open = results.iter().all(|r| matches!(r, Wrote::NotSent | Wrote::Unknown));
    ensure(open, || format!("written into nothing: {results:?}"))?;
    let read = bench.read(0, &[1]).await;
    ensure(!alive || read.is_err(), || format!("read from nothing: {read:?}"))?;
    drop(bench);
    if let Ok(bench) = Bench::connect(harness).await {
        let read = match bench.attach(0).await {
            Ok(_) => bench.read(0, &[1]).await,
            Err(why) => Err(why),
        };
        ensure(read.is_err(), || format!("a new connection to nothing read {read:?}"))?;
    }
    let bench = Bench::new(harness).await?;
    let readings = bench.read(0, &[1]).await?;
    ensure(matches!(readings.get(&1), Some(Ok(_))), || format!("restored: {readings:?}"))
}

async fn detach<H: Harness>(harness: &H) -> Result<(), String> {
    let bench = Bench::new(harness).await?;
    if harness.push() {
        ensure(bench.pushed().await, || "nothing was pushed to an attached unit".into())?;
    }
    let unit = &bench.units[0];
    tokio::time::timeout_at(bench.until() + GRACE, bench.link.detach(unit, bench.until()))
        .await
        .map_err(|_| "detach overran its time")?;
    bench.inbox.take(&mut crate::port::Mail::default());
    if harness.push() {
        tokio::time::sleep(harness.timeout()).await;
        let mut mail = crate::port::Mail::default();
        bench.inbox.take(&mut mail);
        // Its neighbour is attached, and may push.
        let said = mail.parts.iter().filter(|part| part.unit == 0).count();
        ensure(said == 0, || "it pushed after detach".into())?;
    }
    bench.read(1, &[1]).await.map_err(|why| format!("its neighbour: {why}"))?;
    bench.attach(0).await?;
    let points: BTreeSet<usize> = bench.read(0, &[1, 2]).await?.into_keys().collect();
    ensure(points == [1, 2].into(), || format!("attached again, it reads {points:?}"))
}
