//! Links by the thousand.
use super::*;
use std::{env, fs};

/// Links that are opened; 10,000 by hand: `POLLUX_LINKS=10000 cargo test -p pollux-opcua links_leave_nothing`.
const LINKS: usize = 1_000;
/// Of them, until memory is what it will be.
const WARM: usize = 200;
/// What memory may grow by: a hundredth of what the links' buffers took together.
const SLACK_KIB: usize = 2_048;

fn resident_kib() -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it is there");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[tokio::test]
async fn links_leave_nothing() {
    let links = env::var("POLLUX_LINKS").map_or(LINKS, |text| text.parse().expect("a number"));
    let liar = liar(|_| vec![Say::Good]).await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let (idle, mut warm) = (tasks(), 0);
    for link in 0..links {
        let wire = open(&liar).await.expect("it opens");
        match link % 4 {
            0 => drop(read(&wire, &values(&["Speed"])).await.expect("answered")),
            1 => wire.close(until()).await,
            2 => liar.cut(),
            _ => {} // dropped at once
        }
        drop(wire);
        liar.clear();
        liar.world().hellos.clear();
        if link == WARM {
            warm = resident_kib();
        }
    }
    let gone = async {
        while tasks() > idle {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("no task is left");
    let grown = resident_kib().saturating_sub(warm);
    assert!(grown < SLACK_KIB, "{grown} KiB more after {links} links");
}
