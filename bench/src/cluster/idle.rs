//! A hundred devices whose values do not move: status writes per minute, as the API server counts them.
use super::save;
use anyhow::{Result, ensure};
use pollux_e2e::Plant;
use std::{fmt::Write as _, time::Duration};

const DEVICES: u64 = 100;
const MINUTE: Duration = Duration::from_mins(1);
/// Twice a second.
const ROUNDS: u64 = 120;

pub(crate) async fn measure(plant: &mut Plant) -> Result<()> {
    let mut yaml = String::new();
    for n in 0..DEVICES {
        writeln!(yaml, "---\n{}", plant.device(&format!("idle-{n}"), "node-1", ""))?;
    }
    plant.cluster.apply(&yaml).await?;
    for n in 0..DEVICES {
        plant.ready(&format!("idle-{n}")).await?;
    }
    let (before, asked) = (plant.cluster.status_writes().await?, plant.requests().await?);
    tokio::time::sleep(MINUTE).await;
    let writes = plant.cluster.status_writes().await? - before;
    let requests = plant.requests().await? - asked;
    println!(
        "{DEVICES} idle devices: {writes} status writes per minute, while {requests} requests reached the devices"
    );
    save("idle.csv", "devices,seconds,status_writes,requests", &[format!("{DEVICES},60,{writes},{requests}")])?;
    ensure!(writes == 0, "idle devices must cost no writes");
    // A device needs at least one request per round; half of that, on a machine that is busy otherwise.
    ensure!(requests >= DEVICES * ROUNDS / 2, "the devices were not read all the while");
    Ok(())
}
