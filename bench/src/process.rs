//! Processes under measurement: started here, measured from outside by the kernel's own counters, ended here.
use anyhow::{Context, Result, bail, ensure};
use std::{
    ffi::OsStr,
    fs,
    io::Read as _,
    process::{Child, Command},
    time::Duration,
};

/// The core of the clients, and that of the far end, among those that this process may use, where there are two and `taskset`.
pub(crate) const CLIENT: usize = 0;
pub(crate) const FAR: usize = 1;

/// A command on that core.
pub(crate) fn on_core(core: usize, program: impl AsRef<OsStr>) -> Command {
    let cores = allowed(&fs::read_to_string("/proc/self/status").unwrap_or_default());
    let taskset = ["/usr/bin/taskset", "/bin/taskset"].into_iter().find(|path| fs::exists(path).unwrap_or(false));
    match (taskset, cores.get(core)) {
        (Some(taskset), Some(core)) if cores.len() > FAR => {
            let mut command = Command::new(taskset);
            command.arg("-c").arg(core.to_string()).arg(program.as_ref());
            command
        }
        _ => Command::new(program.as_ref()),
    }
}

/// Cores that a process may use, as its `/proc/…/status` says it: `0-1,4`.
fn allowed(status: &str) -> Vec<usize> {
    let cores = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or_default();
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.trim().parse::<usize>().ok()?..=last.trim().parse::<usize>().ok()?)
    };
    cores.split(',').filter_map(range).flatten().collect()
}

/// A child that ends when this value does.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    what: String,
}
impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Process {
    pub(crate) fn start(what: &str, mut command: Command) -> Result<Self> {
        let child = command.spawn().with_context(|| format!("{what} cannot be started"))?;
        Ok(Self { child, what: what.to_owned() })
    }
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }
    /// An error if it ended: it works until it is ended, or found something wrong.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("{} ended: {status}", self.what),
            None => Ok(()),
        }
    }
    /// What it says until it ends by itself, which must be well. Its output is piped.
    pub(crate) fn output(mut self) -> Result<String> {
        let mut out = String::new();
        self.child.stdout.take().context("piped")?.read_to_string(&mut out)?;
        let status = self.child.wait()?;
        ensure!(status.success(), "{} ended: {status}", self.what);
        Ok(out)
    }
    /// SIGTERM, and so long until it must have ended.
    pub(crate) fn end(mut self, within: Duration) -> Result<()> {
        let pid = self.child.id().to_string();
        ensure!(Command::new("kill").args(["-TERM", &pid]).status()?.success(), "{} is gone already", self.what);
        let began = std::time::Instant::now();
        while self.child.try_wait()?.is_none() {
            ensure!(began.elapsed() < within, "{} does not end", self.what);
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
    /// Seconds of CPU so far, user and system. Two counters of the kernel: by thread in nanoseconds, which lacks
    /// threads that are gone, and of the process in ticks. The larger is nearer to the truth.
    pub(crate) fn cpu(&self) -> Result<f64> {
        let pid = self.child.id();
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).with_context(|| format!("{} is gone", self.what))?;
        let of_task = |path: std::path::PathBuf| -> Option<f64> {
            fs::read_to_string(path.join("schedstat")).ok()?.split(' ').next()?.parse().ok()
        };
        let threads: f64 = tasks.flatten().filter_map(|task| of_task(task.path())).sum();
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let ticks: f64 = after_name.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<f64>().ok()).sum();
        Ok((threads / 1e9).max(ticks / 100.0))
    }
    /// Resident memory in MiB.
    pub(crate) fn resident(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        Ok(kib.with_context(|| format!("{} is gone", self.what))? / 1024.0)
    }
}

/// The machine, in a line.
pub(crate) fn machine() -> String {
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (cpu, memory) = (text("/proc/cpuinfo"), text("/proc/meminfo"));
    let after = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        line.split(':').nth(1).unwrap_or_default().trim().to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kib: f64 = after(&memory, "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0.0);
    let kernel = text("/proc/sys/kernel/osrelease");
    let name = after(&cpu, "model name");
    format!("{cores} cores of {name}; {:.0} GiB; Linux {}", kib / 1_048_576.0, kernel.trim())
}

#[cfg(test)]
mod tests {
    use super::allowed;

    #[test]
    fn cores_are_those_that_may_be_used() {
        let of = |list: &str| {
            allowed(&format!("Name:\tx\nCpus_allowed:\tff\nCpus_allowed_list:\t{list}\nMems_allowed:\t1\n"))
        };
        assert_eq!((of("2-3"), of("0,4-6"), of("5")), (vec![2, 3], vec![0, 4, 5, 6], vec![5]));
        assert_eq!(allowed(""), Vec::<usize>::new());
    }
}
