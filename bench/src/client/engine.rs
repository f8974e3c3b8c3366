//! The engines of the SDK with our driver, one for each connection, every change checked.
use super::{LIFE, Load, host, is_right};
use anyhow::{Context, Result, anyhow, bail, ensure};
use pollux_mapper::{
    Change, Command, DeviceKey, DeviceSpec, Engine, Interval, OFFLINE_AFTER, PointSpec, Protocol as _, QueueSender,
    Status, TelemetryOut, Write, Wrote, queue, telemetry,
};
use pollux_modbus::Modbus;
use serde_json::json;
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

type Commands = QueueSender<Box<Command<Modbus>>>;

pub(super) async fn run(load: Load) -> Result<()> {
    let (out, mut changes) = telemetry(4 * load.connections * load.units * load.tags);
    let engines: Vec<Commands> = (0..load.connections).map(|at| start(load, at, out.clone())).collect::<Result<_>>()?;
    let check = async {
        let mut batch = vec![];
        loop {
            ensure!(changes.next(&mut batch).await == 0, "changes were lost");
            for change in &batch {
                check(load, change)?;
            }
        }
    };
    tokio::select! {
        result = check => result,
        result = write(load, &engines) => result,
    }
}

fn start(load: Load, at: usize, out: TelemetryOut) -> Result<Commands> {
    let specs: Vec<_> = (0..load.units).map(|unit| spec(load, at, unit)).collect::<Result<_>>()?;
    let first = specs.first().context("at least one unit")?;
    let endpoint = Modbus.endpoint(&first.config)?;
    let (mut engine, status) = Engine::new(Arc::new(Modbus), endpoint, out);
    for spec in &specs {
        engine.add(spec).map_err(|errors| anyhow!("{errors:?}"))?;
    }
    let (commands, receive) = queue(16);
    tokio::spawn(engine.run(receive, Arc::default(), CancellationToken::new()));
    tokio::spawn(drain(status));
    Ok(commands)
}

/// As a twin does that has nothing to report.
async fn drain(mut status: Status) {
    while status.next().await.is_some() {}
}

/// Unit numbers from 1; the last point is the one that is written.
fn spec(load: Load, at: usize, unit: usize) -> Result<DeviceSpec<Modbus>> {
    let config = json!({"tcp": {"host": host(at), "port": load.port}, "unitId": unit + 1});
    let second = Interval::Every(Duration::from_secs(1));
    let mut points = (0..load.tags)
        .map(|n| point(n, second, &json!({"table": "holding", "address": 2 * n, "dataType": "float32"})))
        .collect::<Result<Vec<_>>>()?;
    let written = json!({"table": "holding", "address": WRITTEN, "dataType": "uint16"});
    points.push(point(load.tags, Interval::OnConnect, &written)?);
    Ok(DeviceSpec {
        key: DeviceKey((at * load.units + unit) as u64),
        name: format!("d{at}-{unit}"),
        wiring: 0,
        config: serde_json::from_value(config)?,
        points: points.into(),
        timeout: Duration::from_secs(1),
        offline_after: OFFLINE_AFTER,
    })
}

/// Where the far end has memory.
const WRITTEN: u32 = 40_000;

fn point<A: serde::de::DeserializeOwned>(n: usize, interval: Interval, at: &serde_json::Value) -> Result<PointSpec<A>> {
    let address = serde_json::from_value(at.clone())?;
    let (name, writable) = (format!("t{n}"), interval == Interval::OnConnect);
    Ok(PointSpec { name, address, interval, readable: true, writable, event: false, read_group: None })
}

fn check(load: Load, change: &Change) -> Result<()> {
    let (device, point) = (usize::try_from(change.device.0)?, change.point as usize);
    if point == load.tags {
        return Ok(());
    }
    let value = change.value.as_ref().map_err(|fault| anyhow!("{fault:?}"))?.as_f64();
    let right = value.is_some_and(|value| is_right(device % load.units + 1, point, value));
    ensure!(right, "{device} {point}: {value:?} is not the value that stands there");
    Ok(())
}

async fn write(load: Load, engines: &[Commands]) -> Result<()> {
    let Some(pause) = load.write_every_ms else {
        tokio::time::sleep(LIFE).await;
        bail!("nobody ended it");
    };
    tokio::time::sleep(Duration::from_secs(2)).await;
    for n in 0_u16.. {
        let device = usize::from(n) * 7 % (load.connections * load.units); // every connection and unit in its turn
        let engine = engines.get(device / load.units).context("an engine")?;
        let (reply, answer) = oneshot::channel();
        let values = vec![(load.tags, u64::from(n).into())];
        let sent = unix()?;
        let write = Write { device: DeviceKey(device as u64), values, reply };
        engine.send(Box::new(Command::Write(write))).await.ok().context("the engine runs")?;
        let answer = answer.await?;
        ensure!(answer.values == [Wrote::Done], "a write ended as {:?}", answer.values);
        println!("{} {n} {sent} {}", device % load.units + 1, unix()?);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    Ok(())
}

fn unix() -> Result<f64> {
    Ok(SystemTime::UNIX_EPOCH.elapsed()?.as_secs_f64())
}
