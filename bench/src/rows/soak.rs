//! A fault every ten seconds for half an hour, between the mapper and one of its two gateways: memory, panics, and
//! whether every device comes back.
use super::{Context, Kind, short, verdict};
use crate::{
    client::host,
    far::Far,
    median,
    plant::{Mapper, Plant},
    plot,
    process::Process,
    table::Table,
};
use anyhow::{Context as _, Result, ensure};
use std::{
    fmt::Write as _,
    io::{BufRead, BufReader, Lines, Write},
    path::{Path, PathBuf},
    process::{ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

pub(crate) const ROW: Kind = Kind {
    name: "soak",
    what: "a fault every ten seconds",
    head: "n,fault,minute,back_after_s,rss_mib,requests,panics",
    keys: 1,
    measure,
    summary,
    plot,
};

const FAULTS: [&str; 7] = ["reset", "stall", "corrupt 7", "half", "refuse", "cut 20", "drop"];
/// The first gateway stands behind the faults, the second does not.
const PLANT: Plant = Plant { connections: 2, units: 5, tags: 20, interval_ms: 200, spread: None, pipeline: None };
const DEVICES: usize = 10;
/// A fault lasts so long, and the next begins so long after this one.
const LASTS: Duration = Duration::from_secs(3);
const PERIOD: Duration = Duration::from_secs(10);
/// All must be back by then.
const BACK: Duration = Duration::from_secs(90);

fn measure(context: &Context, table: &mut Table) -> Result<()> {
    let Some(python) = python(context) else {
        println!("skipped: the proxy needs Python");
        return Ok(());
    };
    let faults = context.either(context.soak_minutes * 6, 4);
    if is_whole(table, faults) {
        return Ok(());
    }
    table.begin_anew()?; // memory is compared over the life of one mapper: half a soak is none
    let (lasts, period) = context.either((LASTS, PERIOD), (Duration::from_millis(700), Duration::from_secs(4)));
    let mut far = Far::start(&context.peers, &["--hosts", "2"])?;
    let mut proxy = Proxy::start(&python, far.port)?;
    let yaml = PLANT.yaml(|at| {
        let port = if at == 0 { proxy.port } else { far.port };
        format!("tcp: {{host: {}, port: {port}}}, timeout: 500ms", host(at))
    })?;
    let mut mapper = Mapper::start("pollux-modbus", &yaml)?;
    back(&mut far, &mapper).context("before the first fault")?;
    let start = Instant::now();
    for (n, fault) in (0..faults).zip(FAULTS.iter().cycle()) {
        let began = Instant::now();
        proxy.say(fault)?;
        thread::sleep(lasts);
        proxy.say("pass")?;
        let took = back(&mut far, &mapper).with_context(|| format!("after {fault}"))?;
        mapper.process.check()?;
        let (minute, panics) = (start.elapsed().as_secs_f64() / 60.0, mapper.log()?.matches("panicked").count());
        let resident = mapper.process.resident()?;
        println!("{n} {fault}: back after {took:.1} s, {} MiB", short(resident));
        let requests = far.counted()?.requests;
        table.put(&[
            n.to_string(),
            (*fault).to_owned(),
            format!("{minute:.2}"),
            format!("{took:.2}"),
            format!("{resident:.3}"),
            format!("{requests:.0}"),
            panics.to_string(),
        ])?;
        ensure!(panics == 0, "it panicked: {}", mapper.log()?);
        thread::sleep(period.saturating_sub(began.elapsed()));
    }
    if !context.quick {
        connected(&mapper)?;
    }
    mapper.process.end(Duration::from_secs(30))
}

fn is_whole(table: &Table, faults: u32) -> bool {
    (0..faults).all(|n| table.has(&[&n.to_string()]))
}

/// One with pymodbus, or any: the proxy needs nothing else.
fn python(context: &Context) -> Option<PathBuf> {
    let any = || Command::new("python3").arg("--version").output().is_ok().then(|| "python3".into());
    context.python.clone().or_else(any)
}

/// Seconds until every device has answered within half a second, and the far end was asked as often as they say.
fn back(far: &mut Far, mapper: &Mapper) -> Result<f64> {
    const ANSWERED: &str = "pollux_device_exchanges_answered_total";
    let began = Instant::now();
    loop {
        let took = began.elapsed();
        ensure!(took < BACK, "not every device is back after {} s: {}", BACK.as_secs(), mapper.log()?);
        let (asked, before) = (far.counted()?.requests, mapper.metrics(ANSWERED)?);
        thread::sleep(Duration::from_millis(500));
        let (after, asked) = (mapper.metrics(ANSWERED)?, far.counted()?.requests - asked);
        let all = before.len() == DEVICES && before.iter().zip(&after).all(|(before, after)| after - before > 0.5);
        if all && asked >= DEVICES as f64 {
            return Ok(took.as_secs_f64());
        }
    }
}

/// Connected is said of a device that came back only when it has stayed for half a minute.
fn connected(mapper: &Mapper) -> Result<()> {
    let began = Instant::now();
    loop {
        let connected = mapper.metric("pollux_device_connected")?;
        if connected >= DEVICES as f64 {
            return Ok(());
        }
        ensure!(began.elapsed() < BACK, "{connected} devices are Connected, {DEVICES} were back long ago");
        thread::sleep(Duration::from_millis(500));
    }
}

/// `e2e/peers/faultproxy.py`.
struct Proxy {
    _process: Process,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    port: u16,
}
impl Proxy {
    fn start(python: &Path, target: u16) -> Result<Self> {
        let mut command = Command::new(python);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../e2e/peers/faultproxy.py"));
        command
            .args(["127.0.0.1:0".to_owned(), format!("127.0.0.1:{target}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = Process::start("the proxy", command)?;
        let stdin = process.child().stdin.take().context("piped")?;
        let mut lines = BufReader::new(process.child().stdout.take().context("piped")?).lines();
        let ready: serde_json::Value = serde_json::from_str(&lines.next().context("the proxy did not start")??)?;
        let port = ready.get("port").and_then(serde_json::Value::as_u64).context("the proxy's port")?;
        Ok(Self { _process: process, stdin, lines, port: u16::try_from(port)? })
    }
    fn say(&mut self, command: &str) -> Result<()> {
        writeln!(self.stdin, "{command}")?;
        let answer = self.lines.next().context("the proxy ended")??;
        ensure!(!answer.contains("error"), "the proxy says {answer}");
        Ok(())
    }
}

fn summary(table: &Table) -> Result<String> {
    let mut out = String::from("| fault, 3 s | times | back after, middle | longest |\n|---|---|---|---|\n");
    for fault in table.texts("fault") {
        let mut took = table.numbers("back_after_s", |row| row.text("fault") == fault);
        took.sort_by(f64::total_cmp);
        let (times, longest) = (took.len(), short(took.last().copied().unwrap_or(f64::NAN)));
        writeln!(out, "| {fault} | {times} | {} s | {longest} s |", short(median(took)))?;
    }
    let resident = table.numbers("rss_mib", |_| true);
    let quarter = (resident.len() / 4).max(1);
    let first = median(resident.iter().copied().take(2 * quarter).skip(quarter).collect());
    let last = median(resident.iter().copied().rev().take(quarter).collect());
    let panics = table.numbers("panics", |_| true).into_iter().fold(0.0, f64::max);
    let (faults, minutes) = (resident.len(), table.numbers("minute", |_| true).into_iter().fold(0.0, f64::max));
    writeln!(out, "\n- {faults} faults in {minutes:.0} minutes, every device back after each; panics: {panics}")?;
    let growth = last - first;
    writeln!(
        out,
        "- resident {} MiB in the second quarter, {} MiB in the last ({})",
        short(first),
        short(last),
        verdict(growth <= 0.5, "flat within 0.5 MiB")
    )?;
    Ok(out)
}

fn plot(table: &Table) -> String {
    let points = |column: &str| -> Vec<(f64, f64)> {
        table.rows().filter_map(|row| Some((row.number("minute")?, row.number(column)?))).collect()
    };
    plot::lines(
        "a fault every ten seconds",
        "minutes",
        &[("MiB resident", points("rss_mib")), ("seconds until every device was back", points("back_after_s"))],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_soak_begins_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = |resume| Table::open(folder.path().join("soak.csv"), ROW.keys, ROW.head, resume).expect("opens");
        let mut table = open(false);
        for n in 0..3 {
            table.put(&[&*n.to_string(), "drop", "0", "1", "9", "7", "0"].map(str::to_owned)).expect("saved");
        }
        let mut table = open(true);
        assert!(is_whole(&table, 3) && !is_whole(&table, 4));
        table.begin_anew().expect("saved");
        assert!(!is_whole(&open(true), 1));
    }
}
