//! The real mapper at work: its YAML, its process, its local API.
use crate::{
    client::{host, is_right},
    http,
    process::{self, Process},
};
use anyhow::{Context, Result, bail, ensure};
use std::{
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::Stdio,
    sync::mpsc,
    thread,
    time::Duration,
};
use tempfile::TempDir;

/// Connections to one host each, with so many units of so many float32. `spread`: so many registers between two
/// properties' groups of five; none: one after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plant {
    pub(crate) connections: usize,
    pub(crate) units: usize,
    pub(crate) tags: usize,
    pub(crate) interval_ms: u64,
    pub(crate) spread: Option<usize>,
    pub(crate) pipeline: Option<usize>,
}

impl Plant {
    /// The n-th property's place, in values of two registers.
    fn index(&self, n: usize) -> usize {
        self.spread.map_or(n, |spread| n / 5 * spread + n % 5)
    }
    pub(crate) fn yaml(&self, transport: impl Fn(usize) -> String) -> Result<String> {
        let mut out =
            String::from("apiVersion: pollux.rs/v1alpha1\nkind: DeviceModel\nmetadata: {name: tags}\nspec:\n");
        writeln!(out, "  defaults: {{interval: {}ms}}\n  properties:", self.interval_ms)?;
        for n in 0..self.tags {
            let at = 2 * self.index(n);
            writeln!(
                out,
                "  - {{name: t{n}, type: number, binding: {{modbus: {{table: holding, address: {at}, dataType: float32}}}}}}"
            )?;
        }
        let pipeline = self.pipeline.map(|depth| format!(", pipeline: {depth}")).unwrap_or_default();
        for at in 0..self.connections {
            let transport = transport(at);
            writeln!(out, "---\napiVersion: pollux.rs/v1alpha1\nkind: Channel\nmetadata: {{name: c{at}}}")?;
            writeln!(out, "spec: {{protocol: {{modbus: {{{transport}{pipeline}}}}}}}")?;
            for unit in 1..=self.units {
                writeln!(out, "---\napiVersion: pollux.rs/v1alpha1\nkind: Device\nmetadata: {{name: d{at}-{unit}}}")?;
                writeln!(
                    out,
                    "spec: {{model: tags, mode: Monitor, protocol: {{modbus: {{channel: c{at}, unitId: {unit}}}}}}}"
                )?;
            }
        }
        Ok(out)
    }
    /// The mapper on the far end of that port.
    pub(crate) fn start(&self, port: u16) -> Result<Mapper> {
        Mapper::start("pollux-modbus", &self.yaml(|at| format!("tcp: {{host: {}, port: {port}}}", host(at)))?)
    }
    /// Every value as the local API shows it is the one that stands at its place; how many they are.
    pub(crate) fn verify(&self, mapper: &Mapper) -> Result<usize> {
        let mut seen = 0;
        for (at, unit) in (0..self.connections).flat_map(|at| (1..=self.units).map(move |unit| (at, unit))) {
            let object = mapper.device(&format!("d{at}-{unit}"))?;
            for n in 0..self.tags {
                let value = object.pointer(&format!("/status/reported/t{n}")).and_then(serde_json::Value::as_f64);
                let value = value.with_context(|| format!("d{at}-{unit} has no t{n}"))?;
                ensure!(
                    is_right(unit, self.index(n), value),
                    "d{at}-{unit} t{n} is {value}, which does not stand there"
                );
                seen += 1;
            }
        }
        Ok(seen)
    }
}

/// A mapper at work, as `pollux-modbus --file`.
#[derive(Debug)]
pub(crate) struct Mapper {
    pub(crate) process: Process,
    folder: TempDir,
    api: SocketAddr,
}

impl Mapper {
    pub(crate) fn start(program: &str, yaml: &str) -> Result<Self> {
        Self::start_with(program, yaml, &[])
    }
    pub(crate) fn start_with(program: &str, yaml: &str, environment: &[(&str, &str)]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let at = |name: &str| folder.path().join(name);
        fs::write(at("plant.yaml"), yaml)?;
        let mut command = process::on_core(process::CLIENT, beside(program)?);
        command.arg("--file").arg(at("plant.yaml")).arg("--state-dir").arg(at("state"));
        command.args(["--listen", "127.0.0.1:0", "--log-format", "json"]).stdout(Stdio::piped());
        command.envs(environment.iter().copied()).stderr(fs::File::create(at("log"))?);
        let mut process = Process::start(program, command)?;
        let out = process.child().stdout.take().context("piped")?;
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if let Some(rest) = line.strip_prefix("local API on http://") {
                    tell.send(rest.split('/').next().unwrap_or_default().to_owned()).ok(); // who asked may have left
                }
            }
        });
        let Ok(api) = told.recv_timeout(Duration::from_mins(1)) else {
            bail!("{program} did not start: {}", fs::read_to_string(at("log")).unwrap_or_default())
        };
        Ok(Self { process, api: api.parse()?, folder })
    }
    pub(crate) fn device(&self, name: &str) -> Result<serde_json::Value> {
        Ok(serde_json::from_str(&http::ask(self.api, "GET", &format!("/v1/devices/default/{name}"), "")?)?)
    }
    /// The sum of a metric over all its labels.
    pub(crate) fn metric(&self, name: &str) -> Result<f64> {
        Ok(self.metrics(name)?.iter().sum())
    }
    /// A metric, in the order of its labels.
    pub(crate) fn metrics(&self, name: &str) -> Result<Vec<f64>> {
        let text = http::ask(self.api, "GET", "/metrics", "")?;
        let of = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
        let mut lines: Vec<&str> = text.lines().filter(of).collect();
        lines.sort_unstable_by_key(|line| line.rsplit_once(' ').map(|(labels, _)| labels));
        Ok(lines.iter().filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect())
    }
    /// What it logged.
    pub(crate) fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(self.folder.path().join("log"))?)
    }
}

/// A program that was built with this one.
fn beside(name: &str) -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    ensure!(path.exists(), "{} is not built: bench/run does it", path.display());
    Ok(path)
}
