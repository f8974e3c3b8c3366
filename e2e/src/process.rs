//! Processes in the cluster's Pods, as the kernel of this machine sees them.
use anyhow::{Context, Result, ensure};
use kube::ResourceExt;
use std::fs;

/// A process of Pollux.
#[derive(Debug, Clone)]
pub struct Process {
    pid: String,
    /// Its program: the first 15 characters.
    pub name: String,
    cgroup: String,
    status: String,
}

impl Process {
    /// All of this cluster.
    pub fn all() -> Result<Vec<Self>> {
        let cluster = std::env::var("POLLUX_CLUSTER").unwrap_or_else(|_| "dev".into());
        let ours = format!("/pollux-{cluster}/");
        let entries = fs::read_dir("/proc")?.flatten();
        let seen = entries.filter_map(|entry| {
            let pid = entry.file_name().into_string().ok()?;
            // Gone meanwhile, or no process: nothing to read.
            let text = |file: &str| fs::read_to_string(entry.path().join(file)).ok();
            Some(Self { name: text("comm")?.trim().to_owned(), cgroup: text("cgroup")?, status: text("status")?, pid })
        });
        Ok(seen.filter(|p| p.name.starts_with("pollux-") && p.cgroup.contains(&ours)).collect())
    }
    /// The one in that Pod.
    pub fn of(pod: &impl ResourceExt) -> Result<Self> {
        let uid = pod.uid().context("a Pod has a uid")?;
        let found = Self::all()?.into_iter().find(|p| p.cgroup.contains(&format!("pod{uid}")));
        found.with_context(|| format!("no process in Pod {}", pod.name_any()))
    }
    /// A number of `/proc/PID/status`: `VmRSS`, `RssAnon`.
    pub fn kib(&self, key: &str) -> u64 {
        let line = self.status.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(':'));
        line.and_then(|l| l.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    }
    /// Ends it as the kernel would for want of memory: it hears nothing of it.
    pub fn kill(&self) -> Result<()> {
        let done = std::process::Command::new("kill").args(["-KILL", &self.pid]).status()?;
        ensure!(done.success(), "kill {} {}", self.pid, self.name);
        Ok(())
    }
}
