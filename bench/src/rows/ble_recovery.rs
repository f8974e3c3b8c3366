//! bluetoothd killed, a sensor out of reach, the adapter off: how long after the radio is back until values are.
use super::{
    Context, Kind,
    ble::{self, COUNT, name, until},
    short, verdict,
};
use crate::{ground::Ground, plant::Mapper, plot, quantile, table::Table};
use anyhow::{Result, bail, ensure};
use serde_json::json;
use std::{
    fmt::Write as _,
    path::Path,
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

pub(crate) const ROW: Kind = Kind {
    name: "ble_recovery",
    what: "Bluetooth LE: bluetoothd killed, links lost, the adapter off and on",
    head: "n,fault,away_ms,first_ms,all_ms,late,connected,leaked",
    keys: 1,
    measure,
    summary,
    plot,
};

/// As many as there are connections: a slot that is lost leaves one of them without.
const SENSORS: usize = 5;
const KILL: &str = "bluetoothd killed";
const LINK: &str = "links lost";
const ADAPTER: &str = "adapter off and on";
/// With a device more, that is never there: the mapper scans for it. The kernel goes on with the scan of a bluetoothd that is no more.
const SCANS: &str = "bluetoothd killed in a scan";
const FAULTS: [&str; 4] = [KILL, LINK, ADAPTER, SCANS];
/// Those of a mapper that scans come after all others, for it is another mapper.
fn fault(n: usize, each: usize) -> &'static str {
    let others = FAULTS.len() - 1;
    let fault = if n < others * each { FAULTS.get(n % others) } else { None };
    fault.copied().unwrap_or(SCANS)
}
const LIMIT_MS: f64 = 10_000.0;
/// Grounds side by side, each with a mapper of its own: most of a trial is waiting.
const LANES: usize = 5;
/// Longer than any limit: what takes longer is counted as this long, and as late.
const PATIENCE: Duration = Duration::from_mins(3);

fn measure(context: &Context, table: &mut Table) -> Result<()> {
    let each: usize = context.either(50, 3);
    let wanted = (0..FAULTS.len() * each).filter(|n| !table.has(&[&n.to_string()]));
    let missing: Vec<(usize, &str)> = wanted.map(|n| (n, fault(n, each))).rev().collect();
    if missing.is_empty() {
        return Ok(());
    }
    let Some(program) = ble::program(context) else { return Ok(()) };
    let (missing, table) = (Mutex::new(missing), Mutex::new(table));
    let ended: Vec<Result<()>> = thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES).map(|_| scope.spawn(|| lane(context, program, &missing, &table))).collect();
        lanes.into_iter().map(|lane| lane.join().unwrap_or_else(|_| bail!("it panicked"))).collect()
    });
    ended.into_iter().collect::<Result<()>>()?;
    let table = table.into_inner().unwrap_or_else(PoisonError::into_inner);
    let bad = table.rows().filter(|row| row.number("late") != Some(0.0) || row.number("leaked") != Some(0.0)).count();
    ensure!(!context.quick || bad == 0, "{bad} trials were late or leaked a connection");
    Ok(())
}

/// Trials that are yet to be made, the next one last.
type Missing = Vec<(usize, &'static str)>;

/// Trials, as long as there are any.
fn lane(context: &Context, program: &Path, missing: &Mutex<Missing>, table: &Mutex<&mut Table>) -> Result<()> {
    let left = || !missing.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
    while left() {
        plant(context, program, missing, table)?;
    }
    Ok(())
}

/// A ground and a mapper, for one trial after the other, up to one that goes wrong: the next begins on new ones.
fn plant(context: &Context, program: &Path, missing: &Mutex<Missing>, table: &Mutex<&mut Table>) -> Result<()> {
    let all: Vec<_> = (0..SENSORS).map(|number| ble::sensor(number, 100)).collect();
    let ground = Ground::start(program, &all)?;
    let missing = || missing.lock().unwrap_or_else(PoisonError::into_inner);
    let scans = missing().last().is_some_and(|(_, fault)| *fault == SCANS);
    let devices = SENSORS + usize::from(scans);
    let mapper = ble::start(&ground, &ble::yaml(devices, devices, "1m", "notify: Required")?)?;
    until(PATIENCE, "the first values", || Ok(right(&mapper, 0) == SENSORS))?;
    loop {
        let next = missing().pop_if(|(_, fault)| (*fault == SCANS) == scans);
        let Some((n, fault)) = next else { break };
        let trial = trial(context, &ground, &mapper, n, fault)?;
        table.lock().unwrap_or_else(PoisonError::into_inner).put(&trial.row())?;
        ensure!(!mapper.log()?.contains("panicked"), "the mapper panicked");
        if trial.is_bad() {
            break;
        }
    }
    mapper.process.end(Duration::from_secs(30))
}

/// What came of one fault.
struct Trial {
    n: usize,
    fault: &'static str,
    away: Duration,
    /// None: not within the patience.
    first: Option<Duration>,
    all: Option<Duration>,
    connected: usize,
}

impl Trial {
    /// Connections too many, or lost: those of sensors that are not back are not counted as lost.
    fn leaked(&self) -> usize {
        match self.all {
            Some(_) => self.connected.abs_diff(SENSORS),
            None => self.connected.saturating_sub(SENSORS),
        }
    }
    fn is_bad(&self) -> bool {
        self.all.is_none() || self.leaked() > 0
    }
    fn row(&self) -> [String; 8] {
        let time = |time: Option<Duration>| ms(time.unwrap_or(PATIENCE));
        let late = usize::from(self.all.is_none());
        let Self { n, fault, away, first, all, connected } = self;
        let counts = [late, *connected, self.leaked()].map(|count| count.to_string());
        let [late, connected, leaked] = counts;
        [n.to_string(), (*fault).into(), ms(*away), time(*first), time(*all), late, connected, leaked]
    }
}

fn trial(context: &Context, ground: &Ground, mapper: &Mapper, n: usize, fault: &'static str) -> Result<Trial> {
    let mut random = fastrand::Rng::with_seed(n as u64);
    // A link that was lost within ten seconds is dialled again after a pause, longer each time: one fault is measured, and not many together.
    // In a scan it is at any moment of those that the kernel scans for, and of the pauses between: fifteen seconds together.
    let more = if fault == SCANS { context.either(15_000, 0) } else { 0 };
    thread::sleep(Duration::from_millis(context.either(10_000, 0) + random.u64(500..1500 + more)));
    // A link that is lost is noticed after two seconds.
    let least = if fault == LINK { 2500 } else { 100 };
    let away = Duration::from_millis(least + random.u64(0..context.either(3000, 300)));
    begin(ground, fault)?;
    thread::sleep(away);
    set(ground, n + 1)?;
    end(ground, fault)?;
    let (first, all) = values(mapper, n + 1, Instant::now());
    let connected = slots(ground)?;
    let trial = Trial { n, fault, away, first, all, connected };
    let shown = |time: Option<Duration>| time.map_or("never".to_owned(), |time| format!("after {} ms", ms(time)));
    println!(
        "{n}: {fault}, away for {} ms: first {}, all {}, {} connections leaked",
        ms(away),
        shown(first),
        shown(all),
        trial.leaked()
    );
    Ok(trial)
}
fn ms(time: Duration) -> String {
    format!("{:.0}", time.as_secs_f64() * 1e3)
}

/// What the sensors hold now, without telling anyone: who reads it has connected since.
fn set(ground: &Ground, n: usize) -> Result<()> {
    let [high, low] = u16::try_from(n)?.to_be_bytes();
    let value = format!("{low:02x}{high:02x}");
    for number in 0..SENSORS {
        let what = json!({"do": "value", "name": name(number), "characteristic": COUNT, "value": value, "tell": false});
        ground.ask(&what)?;
    }
    Ok(())
}
fn begin(ground: &Ground, fault: &str) -> Result<()> {
    match fault {
        KILL | SCANS => ground.ask(&json!({"do": "bluetoothd", "how": "kill"})).map(drop),
        LINK => (0..SENSORS).try_for_each(|number| ground.sensor(&name(number), "vanish").map(drop)),
        ADAPTER => ground.ask(&json!({"do": "adapter", "how": "off"})).map(drop),
        other => bail!("no fault {other}"),
    }
}
/// The radio is back when it returns.
fn end(ground: &Ground, fault: &str) -> Result<()> {
    match fault {
        KILL | SCANS => ground.ask(&json!({"do": "bluetoothd", "how": "start"})).map(drop),
        LINK => (0..SENSORS).try_for_each(|number| ground.sensor(&name(number), "appear").map(drop)),
        _ => ground.ask(&json!({"do": "adapter", "how": "on"})).map(drop),
    }
}
/// Devices that show the n-th value.
fn right(mapper: &Mapper, n: usize) -> usize {
    ble::right(mapper, (0..SENSORS).map(name), COUNT, n as f64)
}
/// When the first device shows it, and when all do; none: not within the patience.
fn values(mapper: &Mapper, n: usize, back: Instant) -> (Option<Duration>, Option<Duration>) {
    let mut first = None;
    while back.elapsed() < PATIENCE {
        let there = right(mapper, n);
        if there > 0 && first.is_none() {
            first = Some(back.elapsed());
        }
        if there == SENSORS {
            return (first, Some(back.elapsed()));
        }
        thread::sleep(Duration::from_millis(20));
    }
    (first, None)
}
/// Connections that the controller holds, once each sensor has its own; or whatever they are after a while.
fn slots(ground: &Ground) -> Result<usize> {
    let began = Instant::now();
    loop {
        let connected = ground.connected()?;
        if connected == SENSORS || began.elapsed() > Duration::from_secs(10) {
            return Ok(connected);
        }
        thread::sleep(Duration::from_millis(50));
    }
}

fn sorted(table: &Table, column: &str, fault: &str) -> Vec<f64> {
    let mut all = table.numbers(column, |row| row.text("fault") == fault);
    all.sort_by(f64::total_cmp);
    all
}

fn sum(table: &Table, column: &str, fault: &str) -> f64 {
    table.numbers(column, |row| row.text("fault") == fault).iter().sum()
}

fn summary(table: &Table) -> Result<String> {
    let mut out = String::from(
        "| fault | times | first value, p50 | p99 | values of all five, p50 | p99 | longest | late | leaked |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    let mut verdicts = String::new();
    for fault in FAULTS {
        let (first, all) = (sorted(table, "first_ms", fault), sorted(table, "all_ms", fault));
        let of = |all: &[f64], share| short(quantile(all, share) / 1e3);
        writeln!(
            out,
            "| {fault} | {} | {} s | {} s | {} s | {} s | {} s | {:.0} | {:.0} |",
            all.len(),
            of(&first, 0.5),
            of(&first, 0.99),
            of(&all, 0.5),
            of(&all, 0.99),
            of(&all, 1.0),
            sum(table, "late", fault),
            sum(table, "leaked", fault)
        )?;
        let (one, five) = (quantile(&first, 0.99), quantile(&all, 0.99));
        writeln!(
            verdicts,
            "- {fault}: p99 of the first value {} s ({}), of all five {} s ({})",
            short(one / 1e3),
            verdict(one <= LIMIT_MS, "≤ 10 s"),
            short(five / 1e3),
            verdict(five <= LIMIT_MS, "≤ 10 s")
        )?;
    }
    let total = |column| FAULTS.iter().map(|fault| sum(table, column, fault)).sum::<f64>();
    let (late, leaked, patience) = (total("late"), total("leaked"), PATIENCE.as_secs());
    let all = table.rows().count();
    writeln!(
        verdicts,
        "- of {all} trials not over within {patience} s, and counted as {patience} s: {late:.0} ({})",
        verdict(late < 0.5, "none")
    )?;
    writeln!(verdicts, "- slots leaked: {leaked:.0} ({})", verdict(leaked < 0.5, "none"))?;
    Ok(format!("{out}\n{verdicts}"))
}

fn plot(table: &Table) -> String {
    let curve = |fault| -> Vec<(f64, f64)> {
        let all = sorted(table, "all_ms", fault);
        let last = all.len().max(1) as f64;
        (1..).zip(all).map(|(n, ms)| (f64::from(n) / last * 100.0, ms / 1e3)).collect()
    };
    plot::lines(
        "seconds from when the radio is back until the values of all five are",
        "% of the trials that took no longer",
        &FAULTS.map(|fault| (fault, curve(fault))),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trials_that_go_wrong_stand_in_the_table_and_in_the_verdict() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut table = Table::open(folder.path().join("row.csv"), ROW.keys, ROW.head, false).expect("opens");
        let second = Some(Duration::from_secs(1));
        let of = |n, first, all, connected| Trial { n, fault: KILL, away: PATIENCE, first, all, connected };
        let trials = [of(0, second, second, 5), of(1, second, None, 4), of(2, None, None, 7), of(3, second, second, 4)];
        for trial in &trials {
            table.put(&trial.row()).expect("saved");
        }
        assert_eq!(trials.map(|trial| (trial.is_bad(), trial.leaked())), [(false, 0), (true, 0), (true, 2), (true, 1)]);
        assert_eq!(table.numbers("all_ms", |_| true), [1000.0, 180_000.0, 180_000.0, 1000.0]);
        let text = summary(&table).expect("written");
        assert!(
            text.contains("of 4 trials not over within 180 s, and counted as 180 s: 2 (none: **missed**)"),
            "{text}"
        );
        assert!(text.contains("slots leaked: 3 (none: **missed**)"), "{text}");
        assert!(text.contains("| bluetoothd killed | 4 |") && text.contains("| 2 | 3 |"), "{text}");
    }
}
