//! The engines of the SDK with our OPC UA driver, one for each server; each value must be one more than the one before of its float.
use super::LIFE;
use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::Args;
use pollux_crds::{OpcUaBinding, OpcUaDevice};
use pollux_mapper::{
    Change, Command, DeviceKey, DeviceSpec, Engine, Interval, OFFLINE_AFTER, PointSpec, Protocol as _, QueueSender,
    Status, TelemetryOut, Write, Wrote, queue, telemetry,
};
use pollux_opcua::OpcUa;
use serde_json::json;
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

type Commands = QueueSender<Box<Command<OpcUa>>>;

/// What is subscribed at each server, how often, and what is written.
#[derive(Debug, Clone, Args)]
pub(crate) struct Load {
    /// Servers, with commas between them
    urls: String,
    /// Floats of each
    floats: usize,
    /// How often each is sampled
    interval_ms: u64,
    /// Writes so many values in one request to the next server, waits until it is acknowledged and as long as `pause_ms`, and so on;
    /// a line for each: how many milliseconds it took
    #[arg(long, default_value_t = 0)]
    written: usize,
    #[arg(long, default_value_t = 37)]
    pause_ms: u64,
}

pub(super) async fn run(load: Load) -> Result<()> {
    let urls: Vec<&str> = load.urls.split(',').collect();
    let (out, mut changes) = telemetry(4 * urls.len() * load.floats.max(10_000));
    let engines: Vec<Commands> =
        urls.iter().enumerate().map(|(at, url)| start(&load, at, url, out.clone())).collect::<Result<_>>()?;
    let check = async {
        let mut last = vec![0.0; urls.len() * load.floats];
        let mut batch = vec![];
        loop {
            ensure!(changes.next(&mut batch).await == 0, "changes were lost on the way to where they are checked");
            for change in &batch {
                check(&load, change, &mut last)?;
            }
        }
    };
    tokio::select! {
        result = check => result,
        result = write(&load, &engines) => result,
    }
}

fn start(load: &Load, at: usize, url: &str, out: TelemetryOut) -> Result<Commands> {
    let spec = spec(load, at, url)?;
    let (mut engine, status) = Engine::new(Arc::new(OpcUa), OpcUa.endpoint(&spec.config)?, out);
    engine.add(&spec).map_err(|errors| anyhow!("{errors:?}"))?;
    let (commands, receive) = queue(16);
    tokio::spawn(engine.run(receive, Arc::default(), CancellationToken::new()));
    tokio::spawn(drain(status));
    Ok(commands)
}

/// As a twin does that has nothing to report.
async fn drain(mut status: Status) {
    while status.next().await.is_some() {}
}

fn spec(load: &Load, at: usize, url: &str) -> Result<DeviceSpec<OpcUa>> {
    let config = json!({"url": url, "security": {"policy": "None", "insecure": true}});
    let every = Interval::Every(Duration::from_millis(load.interval_ms));
    let floats = (1..=load.floats).map(|node| point(node, every));
    let written = (1_000_001..).take(load.written).map(|node| point(node, Interval::OnConnect));
    Ok(DeviceSpec {
        key: DeviceKey(at as u64),
        name: format!("d{at}"),
        wiring: 0,
        config: serde_json::from_value::<OpcUaDevice>(config)?,
        points: floats.chain(written).collect::<Vec<_>>().into(),
        timeout: Duration::from_secs(5),
        offline_after: OFFLINE_AFTER,
    })
}

fn point(node: usize, interval: Interval) -> PointSpec<OpcUaBinding> {
    let address = OpcUaBinding { node_id: Some(format!("nsu=urn:test;i={node}")), ..OpcUaBinding::default() };
    let (name, writable) = (format!("t{node}"), interval == Interval::OnConnect);
    PointSpec { name, address, interval, readable: true, writable, event: false, read_group: None }
}

fn check(load: &Load, change: &Change, last: &mut [f64]) -> Result<()> {
    let (device, point) = (usize::try_from(change.device.0)?, change.point as usize);
    if point >= load.floats {
        return Ok(());
    }
    let value = change.value.as_ref().map_err(|fault| anyhow!("{fault:?}"))?.as_f64().context("a float")?;
    let last = last.get_mut(device * load.floats + point).context("a float that was asked for")?;
    // Both are whole, and below 2^24.
    ensure!(
        *last < 0.5 || (value - *last - 1.0).abs() < 0.5,
        "{device} {point}: {value} after {last}: values were lost"
    );
    *last = value;
    Ok(())
}

async fn write(load: &Load, engines: &[Commands]) -> Result<()> {
    if load.written == 0 {
        tokio::time::sleep(LIFE).await;
        bail!("nobody ended it");
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    for n in 0_u32.. {
        let device = n as usize % engines.len();
        let engine = engines.get(device).context("a server")?;
        let (reply, answer) = oneshot::channel();
        let values = (load.floats..).take(load.written).map(|point| (point, f64::from(n + 1).into())).collect();
        let began = std::time::Instant::now();
        let write = Write { device: DeviceKey(device as u64), values, reply };
        engine.send(Box::new(Command::Write(write))).await.ok().context("the engine runs")?;
        let answer = answer.await?;
        let took = began.elapsed();
        ensure!(answer.values.iter().all(|one| *one == Wrote::Done), "a write ended as {:?}", answer.values);
        println!("{:.3} {:.6}", took.as_secs_f64() * 1e3, SystemTime::UNIX_EPOCH.elapsed()?.as_secs_f64());
        tokio::time::sleep(Duration::from_millis(load.pause_ms)).await;
    }
    Ok(())
}
