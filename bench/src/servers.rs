//! OPC UA servers by open62541, `e2e/peers/open62541/server.c`: they serve, and count what they were asked for.
use crate::{
    far::Measured,
    process::{self, Process},
};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value as Json;
use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{ChildStdin, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

/// An answer of a server; ten of them start on one core.
const PATIENCE: Duration = Duration::from_secs(30);

/// One of them.
#[derive(Debug)]
pub(crate) struct Server {
    process: Process,
    stdin: ChildStdin,
    said: Receiver<String>,
    pub(crate) port: u16,
    seen: Seen,
}

/// What it counted since it started.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen {
    /// Read, Write and Publish requests.
    pub(crate) requests: f64,
    /// How often a float was read or sampled.
    pub(crate) floats: f64,
    /// Values that were written.
    pub(crate) written: f64,
    /// CreateMonitoredItems requests.
    pub(crate) items: f64,
}

impl Server {
    /// With so many floats; port 0: a free one.
    pub(crate) fn start(peers: &Path, port: u16, floats: usize, options: &[&str]) -> Result<Self> {
        let mut command = process::on_core(process::FAR, peers.join("server"));
        command.args([port.to_string(), floats.to_string()]).args(options);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process::start("the server", command)?;
        let stdin = process.child().stdin.take().context("piped")?;
        let out = process.child().stdout.take().context("piped")?;
        let (say, said) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                say.send(line).ok(); // who asked may have left
            }
        });
        let mut server = Self { process, stdin, said, port, seen: Seen::default() };
        let hello = server.answer()?;
        let port = hello.get("port").and_then(Json::as_u64).context("the server says no port")?;
        server.port = u16::try_from(port)?;
        Ok(server)
    }
    pub(crate) fn url(&self) -> String {
        format!("opc.tcp://127.0.0.1:{}", self.port)
    }
    fn answer(&mut self) -> Result<Json> {
        self.process.check()?;
        let line = self.said.recv_timeout(PATIENCE).context("the server does not answer")?;
        Ok(serde_json::from_str(&line)?)
    }
    pub(crate) fn command(&mut self, line: &str) -> Result<Json> {
        writeln!(self.stdin, "{line}")?;
        let answer = self.answer()?;
        ensure!(answer.get("ok") == Some(&Json::Bool(true)), "the server says {answer} to {line}");
        Ok(answer)
    }
    pub(crate) fn seen(&mut self) -> Result<Seen> {
        let now = self.command("counts")?; // since the last time
        let number = |path: &str| now.pointer(path).and_then(Json::as_f64).unwrap_or(0.0);
        let asked = ["Read", "Write", "Publish"].map(|service| number(&format!("/requests/{service}")));
        self.seen.requests += asked.iter().sum::<f64>();
        self.seen.floats += number("/floats");
        self.seen.written += number("/written");
        self.seen.items += number("/requests/CreateMonitoredItems");
        Ok(self.seen)
    }
    /// As a machine that loses its power, or in order.
    pub(crate) fn end(self, in_order: bool) -> Result<()> {
        if in_order {
            self.process.end(Duration::from_secs(20))?;
        }
        Ok(()) // else it is killed here
    }
}

pub(crate) fn seen(servers: &mut [Server]) -> Result<Seen> {
    let mut sum = Seen::default();
    for server in servers {
        let one = server.seen()?;
        sum.requests += one.requests;
        sum.floats += one.floats;
        sum.written += one.written;
        sum.items += one.items;
    }
    Ok(sum)
}

pub(crate) fn urls(servers: &[Server]) -> String {
    servers.iter().map(Server::url).collect::<Vec<_>>().join(",")
}

/// What this client did in so long, by the servers' count, once `rate` floats a second come (0: any) and for `warm` more.
pub(crate) fn window(
    servers: &mut [Server],
    client: &mut Process,
    rate: f64,
    warm: Duration,
    length: Duration,
) -> Result<Measured> {
    let (began, mut last) = (Instant::now(), (Instant::now(), seen(servers)?.floats));
    loop {
        client.check()?;
        thread::sleep(Duration::from_millis(200));
        let now = (Instant::now(), seen(servers)?.floats);
        let current = (now.1 - last.1) / (now.0 - last.0).as_secs_f64();
        if current > rate * 0.9 {
            break;
        }
        last = now;
        if began.elapsed() > Duration::from_mins(1) {
            bail!("the client has {current:.0} values a second after a minute, must have {rate:.0}");
        }
    }
    thread::sleep(warm);
    let (first, cpu, began) = (seen(servers)?, client.cpu()?, Instant::now());
    thread::sleep(length);
    client.check()?;
    let (last, seconds) = (seen(servers)?, began.elapsed().as_secs_f64());
    let cpu = client.cpu()? - cpu;
    let (requests, values) = (last.requests - first.requests, last.floats - first.floats);
    ensure!(requests > 0.0 && values > 0.0, "the client stopped asking");
    Ok(Measured { seconds, requests, values, cpu, resident: client.resident()?, peak: 0.0 })
}
