//! How a mapper is linked; of all of them.
use std::{env, process::Command};

/// The first glibc whose static programs apply packed relocations at their start.
const PACKS: (u32, u32) = (2, 36);

fn main() {
    println!("cargo:rerun-if-changed=../build.rs");
    let set = |name: &str| env::var(name).unwrap_or_default();
    // 20 KB in place of 1.1 MB, all of which is read at each start and stays resident.
    if set("TARGET") == set("HOST") && set("CARGO_CFG_TARGET_ENV") == "gnu" && glibc().is_some_and(|has| has >= PACKS) {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// `glibc 2.36`, as the host says it.
fn glibc() -> Option<(u32, u32)> {
    let said = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let text = String::from_utf8(said.stdout).ok()?;
    let (major, minor) = text.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
