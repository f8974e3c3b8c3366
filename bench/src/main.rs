//! Measurements on a real cluster, work counted at the far end: the device's log of writes, the API server's own counters.
mod edit;
mod idle;
mod memory;

use anyhow::Result;
use pollux_e2e::{Cluster, Plant, installed};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let cluster: Cluster = installed().await?;
    let mut plant = Plant::build(&cluster, "bench").await?;
    edit::measure(&mut plant).await?;
    idle::measure(&mut plant).await?;
    memory::measure(&plant).await?;
    plant.clear().await
}

/// Writes one result file and shows it.
pub(crate) fn save(name: &str, head: &str, rows: &[String]) -> Result<()> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join(name), format!("{head}\n{}\n", rows.join("\n")))?;
    println!("bench/results/{name}: {} rows", rows.len());
    Ok(())
}

/// The value below which that share of the sorted values lies.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a position in a list of a hundred
    let at = (share * last as f64).round() as usize;
    sorted.get(at.min(last)).copied().unwrap_or(f64::NAN)
}
