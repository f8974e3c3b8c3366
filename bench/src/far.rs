//! The far end, `peers/far.c`: serves, and counts what it was asked. What it counted is what a row may state.
use crate::process::{self, Process};
use anyhow::{Context, Result, ensure};
use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{ChildStdin, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

/// An answer of the far end itself.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Far {
    process: Process,
    stdin: ChildStdin,
    stats: Receiver<String>,
    writes: Receiver<Seen>,
    pub(crate) port: u16,
}

/// What it counted since it started.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counted {
    pub(crate) requests: f64,
    pub(crate) registers: f64,
    /// Requests that it refused, and streams that made no sense.
    pub(crate) bad: f64,
    pub(crate) connections: f64,
    /// Most requests that waited for their answers at once.
    pub(crate) peak: f64,
}

/// A write that reached it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Seen {
    pub(crate) unit: u32,
    pub(crate) address: u32,
    pub(crate) value: u32,
    /// Seconds since 1970.
    pub(crate) at: f64,
}

impl Far {
    pub(crate) fn start(peers: &Path, options: &[&str]) -> Result<Self> {
        let mut command = process::on_core(process::FAR, peers.join("far"));
        command.args(options).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process::start("the far end", command)?;
        let stdin = process.child().stdin.take().context("piped")?;
        let out = process.child().stdout.take().context("piped")?;
        let ((say, stats), (see, writes)) = (mpsc::channel(), mpsc::channel());
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                match line.strip_prefix("write ") {
                    Some(write) => seen(write).is_some_and(|write| see.send(write).is_ok()),
                    None => say.send(line).is_ok(),
                };
            }
        });
        let first = stats.recv_timeout(PATIENCE).context("the far end did not start")?;
        let port = first.strip_prefix("port ").and_then(|port| port.parse().ok()).context("the far end's port")?;
        Ok(Self { process, stdin, stats, writes, port })
    }
    pub(crate) fn counted(&mut self) -> Result<Counted> {
        self.process.check()?;
        self.stdin.write_all(b"stat\n")?;
        let line = self.stats.recv_timeout(PATIENCE).context("the far end does not answer")?;
        let numbers: Vec<f64> = line.split(' ').filter_map(|number| number.parse().ok()).collect();
        let [requests, registers, _writes, bad, connections, peak] = numbers[..] else {
            anyhow::bail!("the far end says {line:?}")
        };
        Ok(Counted { requests, registers, bad, connections, peak })
    }
    /// The next write that it saw, within so long.
    pub(crate) fn write(&self, within: Duration) -> Result<Seen> {
        self.writes.recv_timeout(within).context("no write reached the far end")
    }
    /// What this client did in so long, by the far end's count, once it had begun and for `warm` more.
    pub(crate) fn window(&mut self, client: &mut Process, warm: Duration, length: Duration) -> Result<Measured> {
        let (before, began) = (self.counted()?, Instant::now());
        while self.counted()?.requests <= before.requests {
            client.check()?;
            ensure!(began.elapsed() < Duration::from_secs(30), "the client asked nothing in 30 s");
            thread::sleep(Duration::from_millis(10));
        }
        thread::sleep(warm);
        let (first, cpu, began) = (self.counted()?, client.cpu()?, Instant::now());
        thread::sleep(length);
        client.check()?;
        let (last, seconds) = (self.counted()?, began.elapsed().as_secs_f64());
        let cpu = client.cpu()? - cpu;
        let requests = last.requests - first.requests;
        ensure!(requests > 0.0, "the client stopped asking");
        ensure!((last.bad - first.bad).abs() < 0.5, "the client asked for what is not there");
        let values = (last.registers - first.registers) / 2.0;
        Ok(Measured { seconds, requests, values, cpu, resident: client.resident()?, peak: last.peak })
    }
}

fn seen(line: &str) -> Option<Seen> {
    let mut words = line.split(' ');
    let mut number = || words.next()?.parse().ok();
    let (unit, address, value) = (number()?, number()?, number()?);
    let nanoseconds: f64 = words.next()?.parse().ok()?;
    Some(Seen { unit, address, value, at: nanoseconds / 1e9 })
}

/// A client's work in a window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) seconds: f64,
    pub(crate) requests: f64,
    /// float32 values, of two registers each.
    pub(crate) values: f64,
    /// Seconds of CPU.
    pub(crate) cpu: f64,
    /// MiB.
    pub(crate) resident: f64,
    pub(crate) peak: f64,
}
impl Measured {
    pub(crate) fn rate(&self) -> f64 {
        self.requests / self.seconds
    }
    /// Microseconds of CPU per request.
    pub(crate) fn cpu_micros(&self) -> f64 {
        self.cpu * 1e6 / self.requests
    }
    /// Share of one core.
    pub(crate) fn cores(&self) -> f64 {
        self.cpu / self.seconds
    }
}
