//! Measurements, work counted by the far end. `rows`: Modbus and OPC UA beside other clients, Bluetooth LE on a real BlueZ, on this machine alone. `cluster`:
//! Pollux on a real cluster. `client`: what `rows` starts as processes of their own. `bench/run` is the way in.
mod client;
mod cluster;
mod far;
mod ground;
mod http;
mod maps;
mod plant;
mod plot;
mod process;
mod readme;
mod rows;
mod servers;
mod table;

use clap::{Parser, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Parser)]
#[command(about = "Measurements of Pollux; bench/run builds what it needs and calls it")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Modbus, OPC UA and Bluetooth LE, on this machine alone
    Rows(Choice),
    /// On the cluster of POLLUX_CLUSTER
    Cluster {
        /// edit, idle or memory; default all
        #[arg(long = "row")]
        rows: Vec<String>,
    },
    /// Writes the tables of bench/README.md anew from bench/results
    Readme,
    /// A client that works until it is ended
    #[command(subcommand, hide = true)]
    Client(client::Client),
}

/// Which rows, and how.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Choice {
    /// Only this row; may be repeated
    #[arg(long = "row")]
    rows: Vec<String>,
    /// Seconds instead of minutes: shows that it runs, and not how fast
    #[arg(long)]
    quick: bool,
    /// Keeps what an interrupted run has measured and does the rest
    #[arg(long)]
    resume: bool,
    /// Folder of the CSV files [default: bench/results; with --quick a folder that is thrown away]
    #[arg(long)]
    results: Option<PathBuf>,
    /// Folder of the compiled peers
    #[arg(long, env = "POLLUX_BENCH_PEERS")]
    peers: PathBuf,
    /// Folder of the programs on open62541; without it the rows of OPC UA are skipped
    #[arg(long, env = "POLLUX_OPEN62541")]
    open62541: Option<PathBuf>,
    /// The program that starts the Bluetooth ground; without it the rows of Bluetooth LE are skipped
    #[arg(long, env = "POLLUX_GROUND")]
    ground: Option<PathBuf>,
    /// How long the soak lasts
    #[arg(long, default_value_t = 30)]
    soak_minutes: u32,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Rows(choice) => rows::run(choice),
        Command::Cluster { rows } => cluster::run(&rows),
        Command::Readme => readme::write(),
        Command::Client(client) => client.run(),
    }
}

/// The value below which that share of the sorted values lies.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a position in a list
    let at = (share * last as f64).round() as usize;
    sorted.get(at.min(last)).copied().unwrap_or(f64::NAN)
}

/// The middle of the values; not a number where there are none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    quantile(&values, 0.5)
}
