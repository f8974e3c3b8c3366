//! A hundred devices whose values do not move: status writes per minute, as the API server counts them.
use crate::save;
use anyhow::Result;
use pollux_e2e::Plant;
use std::{fmt::Write as _, time::Duration};

const DEVICES: usize = 100;
const MINUTE: Duration = Duration::from_mins(1);

pub(crate) async fn measure(plant: &Plant) -> Result<()> {
    let mut yaml = String::new();
    for n in 0..DEVICES {
        writeln!(yaml, "---\n{}", plant.device(&format!("idle-{n}"), "node-1", ""))?;
    }
    plant.cluster.apply(&yaml).await?;
    for n in 0..DEVICES {
        plant.ready(&format!("idle-{n}")).await?;
    }
    // The device's own log says that the hundred are read all the while.
    tokio::time::sleep(MINUTE / 6).await;
    let before = status_writes(plant).await?;
    tokio::time::sleep(MINUTE).await;
    let after = status_writes(plant).await?;
    println!("status writes per minute of {DEVICES} idle devices: {}", after - before);
    save("idle.csv", "devices,seconds,status_writes", &[format!("{DEVICES},60,{}", after - before)])
}

/// Writes of Devices' status that the API server has served so far.
async fn status_writes(plant: &Plant) -> Result<u64> {
    let metrics = plant.cluster.kubectl("get --raw /metrics").await?;
    let ours = metrics.lines().filter(|l| {
        l.starts_with("apiserver_request_total{")
            && l.contains("resource=\"devices\"")
            && l.contains("subresource=\"status\"")
            && ["APPLY", "PATCH", "PUT"].iter().any(|verb| l.contains(&format!("verb=\"{verb}\"")))
    });
    Ok(ours.filter_map(|l| l.rsplit(' ').next()?.parse::<u64>().ok()).sum())
}
