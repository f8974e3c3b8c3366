//! Clients that run as processes of their own until they are ended, or for ten minutes. Each checks what it reads.
mod engine;
mod opcua;
mod tokio_modbus;
mod wire;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use std::time::Duration;

/// The longest life of a client that nobody ends.
const LIFE: Duration = Duration::from_mins(10);

#[derive(Debug, Subcommand)]
pub(crate) enum Client {
    /// Ours, the bare connection
    Wire {
        port: u16,
        /// Requests under way at once
        depth: usize,
    },
    /// tokio-modbus
    TokioModbus { port: u16 },
    /// Ours, the engine without configuration, twin and API
    Engine(Load),
    /// Ours, the engine with the driver of OPC UA
    Opcua(opcua::Load),
}

/// Connections to one host each, with so many units of so many float32, each read so often.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Load {
    pub(crate) port: u16,
    pub(crate) connections: usize,
    pub(crate) units: usize,
    pub(crate) tags: usize,
    /// Writes one value, waits for it to be acknowledged and as long as given, and so on; a line for each:
    /// unit, value, when it was given and when it was acknowledged, in seconds since 1970
    #[arg(long)]
    pub(crate) write_every_ms: Option<u64>,
}

impl Client {
    pub(crate) fn run(self) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let work = async {
            match self {
                Self::Wire { port, depth } => wire::run(port, depth).await,
                Self::TokioModbus { port } => tokio_modbus::run(port).await,
                Self::Engine(load) => engine::run(load).await,
                Self::Opcua(load) => opcua::run(load).await,
            }
        };
        runtime.block_on(async {
            match tokio::time::timeout(LIFE, work).await {
                Ok(result) => result,
                Err(_) => bail!("nobody ended it for {} s", LIFE.as_secs()),
            }
        })
    }
}

/// The address of the far end's n-th host.
pub(crate) fn host(n: usize) -> String {
    format!("127.0.{}.{}", n / 250, n % 250 + 1)
}

/// Whether the far end says this at that place, whatever the time: see `peers/far.c`.
pub(crate) fn is_right(unit: usize, index: usize, value: f64) -> bool {
    let least = (unit * 1024 + index) as f64 * 128.0;
    (least..least + 128.0).contains(&value)
}
