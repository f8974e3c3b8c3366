//! Resident memory of operator and mapper, as the kernel counts it, with the hundred and one devices of before.
use crate::save;
use anyhow::Result;
use pollux_e2e::Plant;
use std::fs;

pub(crate) async fn measure(plant: &Plant) -> Result<()> {
    let name = std::env::var("POLLUX_CLUSTER").unwrap_or_else(|_| "dev".into());
    let pods = plant.cluster.kubectl("get pods -A -o wide").await?;
    println!("{pods}");
    let mut rows = vec![];
    for entry in fs::read_dir("/proc")?.flatten() {
        let dir = entry.path();
        let text = |file: &str| fs::read_to_string(dir.join(file)).unwrap_or_default();
        let comm = text("comm").trim().to_owned();
        if !comm.starts_with("pollux-") || !text("cgroup").contains(&format!("/pollux-{name}/")) {
            continue;
        }
        let status = text("status");
        let kib = |key: &str| {
            let line = status.lines().find(|l| l.starts_with(key)).unwrap_or_default();
            line.split_whitespace().nth(1).unwrap_or("0").to_owned()
        };
        println!("{comm:<18} RSS {:>7} KiB, of it private {:>7} KiB", kib("VmRSS:"), kib("RssAnon:"));
        rows.push(format!("{comm},{},{}", kib("VmRSS:"), kib("RssAnon:")));
    }
    save("memory.csv", "process,rss_kib,anonymous_kib", &rows)
}
