//! Resident memory of operator and mapper, as the kernel counts it, with the hundred and one devices of before.
use super::save;
use anyhow::{Result, ensure};
use pollux_e2e::{Plant, Process};

pub(crate) async fn measure(plant: &Plant) -> Result<()> {
    println!("{}", plant.cluster.kubectl("get pods -A -o wide").await?);
    let mut rows = vec![];
    for process in Process::all()? {
        let (name, rss, own) = (&process.name, process.kib("VmRSS"), process.kib("RssAnon"));
        println!("{name:<18} RSS {rss:>7} KiB, of it private {own:>7} KiB");
        rows.push(format!("{name},{rss},{own}"));
    }
    ensure!(rows.len() >= 3, "two operators and a mapper run");
    save("memory.csv", "process,rss_kib,anonymous_kib", &rows)
}
