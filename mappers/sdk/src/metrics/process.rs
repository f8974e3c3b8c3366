//! The process itself.
use super::{Sheet, catalog};
use std::{sync::LazyLock, time::Instant};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Called once at the start, so that the time counts from there.
pub(super) fn start() {
    LazyLock::force(&START);
}

pub(super) fn collect(sheet: &mut Sheet) {
    sheet.add(catalog::BUILD, &[env!("CARGO_PKG_VERSION")], 1.0);
    sheet.add(catalog::UPTIME, &[], START.elapsed().as_secs_f64());
    if let Some(bytes) = resident() {
        sheet.count(catalog::RSS, &[], bytes);
    }
}

/// proc(5), status: `VmRSS:  1234 kB`.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}
