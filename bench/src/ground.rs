//! The Bluetooth ground (`e2e/peers/bluez`): a real BlueZ, and sensors that count what is asked of them; and a witness on its bus.
use crate::process::{self, Process};
use anyhow::{Context, Result, ensure};
use serde_json::{Value as Json, json};
use std::{
    fs,
    io::{BufRead, BufReader, Lines, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// It takes two seconds, with many sensors more.
const PATIENCE: Duration = Duration::from_mins(1);

/// One that runs. It ends with this value: it holds the other end of its input.
#[derive(Debug)]
pub(crate) struct Ground {
    process: Process,
    folder: TempDir,
}

impl Ground {
    /// `program`: e2e/peers/bluez/ground.
    pub(crate) fn start(program: &Path, sensors: &[Json]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let list = folder.path().join("sensors.json");
        fs::write(&list, Json::from(sensors).to_string())?;
        let mut command = process::on_core(process::FAR, program);
        command.arg("start").arg("--dir").arg(folder.path()).arg("--sensors").arg(list);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process::start("the Bluetooth ground", command)?;
        let mut line = String::new();
        BufReader::new(process.child().stdout.take().context("piped")?).read_line(&mut line)?;
        ensure!(line.starts_with("READY"), "the Bluetooth ground did not start: {line:?}");
        Ok(Self { process, folder })
    }
    fn bus(&self) -> PathBuf {
        self.folder.path().join("system_bus_socket")
    }
    /// For the environment of who is to use its bus.
    pub(crate) fn address(&self) -> String {
        format!("unix:path={}", self.bus().display())
    }
    pub(crate) fn ask(&self, what: &Json) -> Result<Json> {
        let mut control = UnixStream::connect(self.folder.path().join("control.sock")).context("the ground is gone")?;
        control.set_read_timeout(Some(PATIENCE))?;
        writeln!(control, "{what}")?;
        let mut line = String::new();
        BufReader::new(control).read_line(&mut line)?;
        let answer: Json = serde_json::from_str(&line).with_context(|| format!("{what}: {line:?}"))?;
        ensure!(answer.get("ok") == Some(&true.into()), "{what}: {answer}");
        Ok(answer)
    }
    pub(crate) fn sensor(&self, name: &str, how: &str) -> Result<Json> {
        self.ask(&json!({"do": "sensor", "name": name, "how": how}))
    }
    /// What all sensors counted of their characteristic of that name, in the order of the sensors' names.
    pub(crate) fn counts(&self, characteristic: &str, what: &str) -> Result<Vec<f64>> {
        let state = self.ask(&json!({"do": "state"}))?;
        let sensors = state.get("sensors").and_then(Json::as_object).context("sensors")?;
        let mut named: Vec<_> = sensors.iter().collect();
        named.sort_by_key(|(name, _)| *name);
        let at = format!("/characteristics/{characteristic}/{what}");
        named.into_iter().map(|(name, it)| it.pointer(&at).and_then(Json::as_f64).context(name.clone())).collect()
    }
    /// How many connections its adapter has.
    pub(crate) fn connected(&self) -> Result<usize> {
        let report = self.ask(&json!({"do": "adapter", "how": "report"}))?;
        Ok(report.get("connected").and_then(Json::as_array).map_or(0, Vec::len))
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        drop(self.process.child().stdin.take());
        let began = Instant::now();
        // What does not end by itself is killed by its own end of life.
        while self.process.check().is_ok() && began.elapsed() < Duration::from_secs(20) {
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// `peers/dbus.c` on the bus of a ground.
#[derive(Debug)]
pub(crate) struct Witness {
    pub(crate) process: Process,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

/// What BlueZ has said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
pub(crate) struct Said {
    pub(crate) signals: u64,
    pub(crate) adverts: u64,
    pub(crate) values: u64,
}

impl Witness {
    pub(crate) fn start(program: &Path, ground: &Ground) -> Result<Self> {
        let mut command: Command = process::on_core(process::CLIENT, program);
        command.arg(ground.bus()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process::start("the witness", command)?;
        let stdin = process.child().stdin.take().context("piped")?;
        let lines = BufReader::new(process.child().stdout.take().context("piped")?).lines();
        Ok(Self { process, stdin, lines })
    }
    pub(crate) fn said(&mut self) -> Result<Said> {
        writeln!(self.stdin)?;
        let line = self.lines.next().context("the witness ended")??;
        Ok(serde_json::from_str(&line)?)
    }
}
