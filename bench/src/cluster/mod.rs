//! Measurements on a real cluster, work counted at the far end: the device's log of writes, the API server's own
//! counters.
mod edit;
mod idle;
mod memory;

use anyhow::{Result, ensure};
use pollux_e2e::{Cluster, Plant, installed};

/// In this order; memory counts the devices of the two before.
pub(crate) const ROWS: [&str; 3] = ["edit", "idle", "memory"];

pub(crate) fn run(rows: &[String]) -> Result<()> {
    for row in rows {
        ensure!(ROWS.contains(&row.as_str()), "no row {row} on a cluster; there are: {}", ROWS.join(", "));
    }
    let wanted = |row: &str| rows.is_empty() || rows.iter().any(|one| one == row);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let cluster: Cluster = installed().await?;
        let mut plant = Plant::build(&cluster, "bench").await?;
        if wanted("edit") {
            edit::measure(&mut plant).await?;
        }
        if wanted("idle") || wanted("memory") {
            idle::measure(&mut plant).await?;
        }
        if wanted("memory") {
            memory::measure(&plant).await?;
        }
        plant.clear().await
    })
}

/// Writes one result file and shows it.
fn save(name: &str, head: &str, rows: &[String]) -> Result<()> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join(name), format!("{head}\n{}\n", rows.join("\n")))?;
    println!("bench/results/{name}: {} rows", rows.len());
    Ok(())
}
