//! The rows: each measures into its own CSV file, and can say in a table of the README what is in there.
mod ble;
mod ble_adverts;
mod ble_notify;
mod ble_recovery;
mod ble_turns;
mod depth;
mod opcua;
mod opcua_read;
mod opcua_restart;
mod opcua_subscribe;
mod opcua_write;
mod planner;
mod roundtrip;
mod rtu;
mod soak;
mod tags;
mod write;

use crate::{Choice, process, table::Table};
use anyhow::{Context as _, Result, bail, ensure};
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

/// One row of the table of what is to be reached.
#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    /// Columns of the CSV file, and how many of them name a measurement.
    pub(crate) head: &'static str,
    pub(crate) keys: usize,
    measure: fn(&Context, &mut Table) -> Result<()>,
    /// A table for the README.
    pub(crate) summary: fn(&Table) -> Result<String>,
    pub(crate) plot: fn(&Table) -> String,
}

pub(crate) const ROWS: &[Kind] = &[
    roundtrip::ROW,
    depth::ROW,
    tags::ROW,
    planner::ROW,
    rtu::ROW,
    write::ROW,
    soak::ROW,
    opcua_read::ROW,
    opcua_subscribe::ROW,
    opcua_write::ROW,
    opcua_restart::ROW,
    ble_notify::ROW,
    ble_turns::ROW,
    ble_adverts::ROW,
    ble_recovery::ROW,
];

/// What all rows share.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) quick: bool,
    pub(crate) peers: PathBuf,
    /// Server and client on open62541, where they are there.
    pub(crate) open62541: Option<PathBuf>,
    /// e2e/peers/bluez/ground, where it can be started.
    pub(crate) ground: Option<PathBuf>,
    /// Python with pymodbus and asyncua, where it is there.
    pub(crate) python: Option<PathBuf>,
    pub(crate) soak_minutes: u32,
    results: PathBuf,
}
impl Context {
    pub(crate) fn peer(&self, name: &str) -> PathBuf {
        self.peers.join(name)
    }
    /// The first of the two in a full run, the second in a quick one.
    pub(crate) fn either<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
    pub(crate) fn seconds(&self, full: f64, quick: f64) -> Duration {
        Duration::from_secs_f64(self.either(full, quick))
    }
    /// A command of this very program.
    pub(crate) fn own(arguments: &[&str]) -> Result<Command> {
        let mut command = process::on_core(process::CLIENT, std::env::current_exe()?);
        command.arg("client").args(arguments);
        Ok(command)
    }
}

pub(crate) fn run(choice: Choice) -> Result<()> {
    let Choice { rows, quick, resume, results, peers, open62541, ground, soak_minutes } = choice;
    for row in &rows {
        let names: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
        ensure!(names.contains(&row.as_str()), "no row {row}; there are: {}", names.join(", "));
    }
    let scratch = tempfile::tempdir()?;
    let results = match results {
        Some(folder) => folder,
        None if quick => scratch.path().to_owned(),
        None => folder(),
    };
    std::fs::create_dir_all(&results)?;
    let python = std::env::var_os("POLLUX_PYTHON").map(PathBuf::from).filter(|path| path.exists());
    let open62541 = open62541.filter(|folder| folder.join("server").exists());
    let ground = ground.filter(|program| program.exists());
    let context = Context { quick, peers, open62541, ground, python, soak_minutes, results };
    ensure!(context.peer("far").exists(), "{} is not compiled: bench/run does it", context.peer("far").display());
    let mut failed = vec![];
    for row in ROWS.iter().filter(|row| rows.is_empty() || rows.iter().any(|name| name == row.name)) {
        if let Err(error) = one(row, &context, resume) {
            println!("{}: FAILED: {error:#}", row.name);
            failed.push(row.name);
        }
    }
    if !failed.is_empty() {
        bail!("rows that failed: {}", failed.join(", "));
    }
    Ok(())
}

fn one(row: &Kind, context: &Context, resume: bool) -> Result<()> {
    println!("── {}: {}", row.name, row.what);
    let began = Instant::now();
    let mut table = Table::open(path(&context.results, row.name), row.keys, row.head, resume)?;
    (row.measure)(context, &mut table)?;
    if table.rows().next().is_none() {
        return Ok(()); // it was skipped, and said why
    }
    println!("{}", (row.summary)(&table)?);
    std::fs::write(context.results.join(format!("{}.svg", row.name)), (row.plot)(&table))?;
    std::fs::write(context.results.join("machine.txt"), process::machine() + "\n")?;
    println!("── {}: done after {:.0} s", row.name, began.elapsed().as_secs_f64());
    Ok(())
}

/// Where results are kept.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("results")
}
pub(crate) fn path(folder: &Path, row: &str) -> PathBuf {
    folder.join(format!("{row}.csv"))
}
/// The kept results of a row, where there are any.
pub(crate) fn kept(row: &Kind) -> Result<Table> {
    Table::load(path(&folder(), row.name), row.keys).context("no results")
}

/// A number with three significant digits, or as many as it has before the point.
pub(crate) fn short(number: f64) -> String {
    if !number.is_finite() {
        return "–".into();
    }
    let decimals = match number.abs() {
        a if a >= 100.0 => 0,
        a if a >= 10.0 => 1,
        a if a >= 1.0 => 2,
        _ => 3,
    };
    format!("{number:.decimals$}")
}

/// "reached" or "missed", and of what.
pub(crate) fn verdict(reached: bool, goal: &str) -> String {
    if reached { format!("{goal}: reached") } else { format!("{goal}: **missed**") }
}
