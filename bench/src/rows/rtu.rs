//! A serial line of 32 units, one dead and one slow, that is asked all the time: what the line was used for, as its
//! far end counts it, against the formula of the line.
use super::{Context, Kind, short, verdict};
use crate::{
    median,
    plant::{Mapper, Plant},
    plot,
    process::{self, Process},
    table::Table,
};
use anyhow::{Context as _, Result, ensure};
use std::{
    fmt::Write as _,
    io::{BufRead, BufReader, Lines, Write},
    process::{ChildStdin, ChildStdout, Stdio},
    thread,
    time::Instant,
};

pub(crate) const ROW: Kind = Kind {
    name: "rtu",
    what: "a serial line of 32 units, one dead, one slow",
    head: "baud,seconds,answered,slow,dead,useful_percent,dead_percent,of_formula_percent,bad,cpu_us_per_request,verified",
    keys: 1,
    measure,
    summary,
    plot,
};

const BAUDS: [u32; 3] = [9_600, 19_200, 115_200];
const UNITS: usize = 32;
const DEAD: usize = 7;
const SLOW: usize = 19;
const SLOW_MS: u32 = 300;
const THINK_MS: u32 = 5;
/// Twenty registers of each unit, more often than the line can.
const PLANT: Plant = Plant { connections: 1, units: UNITS, tags: 10, interval_ms: 100, spread: None, pipeline: None };

fn measure(context: &Context, table: &mut Table) -> Result<()> {
    let bauds = context.either(&BAUDS[..], &BAUDS[2..]);
    for baud in bauds {
        let name = baud.to_string();
        if table.has(&[&name]) {
            continue;
        }
        let mut bus = Bus::start(context, *baud)?;
        let path = bus.path.clone();
        let yaml = PLANT.yaml(|_| format!("rtu: {{path: {path}, baudRate: {baud}, parity: None, stopBits: 2}}"))?;
        let mut mapper = Mapper::start("pollux-modbus", &yaml)?;
        thread::sleep(context.seconds(12.0, 3.0));
        let (first, cpu, began) = (bus.counted()?, mapper.process.cpu()?, Instant::now());
        thread::sleep(context.seconds(25.0, 2.0));
        let (last, seconds) = (bus.counted()?, began.elapsed().as_secs_f64());
        let cpu = mapper.process.cpu()? - cpu;
        mapper.process.check()?;
        let [answered, slow, dead, useful, silent, bad] = std::array::from_fn(|n| last[n] - first[n]);
        ensure!(answered > 0.0, "nothing was asked of the line: {}", mapper.log()?);
        let formula = useful / (seconds * 1e6 - silent) * 100.0;
        println!("{baud} baud: {answered} requests answered, {} % of the formula", short(formula));
        let verified = verify(&mapper, context.quick)?;
        let percent = |micros: f64| short(micros / seconds / 1e4);
        let counts = [answered, slow, dead].map(|count| count.to_string());
        let rest = [percent(useful), percent(silent), short(formula), bad.to_string(), short(cpu * 1e6 / answered)];
        table.put(
            &[vec![name, format!("{seconds:.3}")], counts.into(), rest.into(), vec![verified.to_string()]].concat(),
        )?;
    }
    Ok(())
}

/// Every value of every living unit; in a quick run of those that had their turn.
fn verify(mapper: &Mapper, quick: bool) -> Result<usize> {
    let mut seen = 0;
    for unit in (1..=UNITS).filter(|unit| *unit != DEAD) {
        let object = mapper.device(&format!("d0-{unit}"))?;
        for n in 0..PLANT.tags {
            let value = object.pointer(&format!("/status/reported/t{n}")).and_then(serde_json::Value::as_f64);
            ensure!(value.is_some() || quick, "unit {unit} was never read");
            let right = value.is_none_or(|value| crate::client::is_right(unit, n, value));
            ensure!(right, "unit {unit} t{n} is {value:?}, which does not stand there");
            seen += usize::from(value.is_some());
        }
    }
    ensure!(seen > 0, "no value of the line was seen");
    Ok(seen)
}

/// `peers/bus.c`.
struct Bus {
    process: Process,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    path: String,
}
impl Bus {
    fn start(context: &Context, baud: u32) -> Result<Self> {
        let mut command = process::on_core(process::FAR, context.peer("bus"));
        command.arg(baud.to_string()).args([UNITS, DEAD, SLOW].map(|n| n.to_string()));
        command.args([SLOW_MS, THINK_MS].map(|n| n.to_string())).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process::start("the line", command)?;
        let stdin = process.child().stdin.take().context("piped")?;
        let mut lines = BufReader::new(process.child().stdout.take().context("piped")?).lines();
        let first = lines.next().context("the line did not start")??;
        let path = first.strip_prefix("port ").context("the line's port")?.to_owned();
        Ok(Self { process, stdin, lines, path })
    }
    /// answered, slow, dead, `useful_us`, `dead_us`, bad
    fn counted(&mut self) -> Result<[f64; 6]> {
        self.process.check()?;
        self.stdin.write_all(b"stat\n")?;
        let line = self.lines.next().context("the line ended")??;
        let numbers: Vec<f64> = line.split(' ').filter_map(|number| number.parse().ok()).collect();
        numbers.try_into().ok().context("six numbers")
    }
}

fn summary(table: &Table) -> Result<String> {
    let mut out = String::from(
        "| baud | requests answered/s | useful time | for the dead unit | of the formula | CPU per request |\n|---|---|---|---|---|---|\n",
    );
    let (mut least, mut most) = (f64::INFINITY, 0_f64);
    for baud in table.texts("baud") {
        let of = |column| median(table.numbers(column, |row| row.text("baud") == baud));
        let (formula, dead) = (of("of_formula_percent"), of("dead_percent"));
        (least, most) = (least.min(formula), most.max(dead));
        let (rate, useful, cpu) =
            (short(of("answered") / of("seconds")), short(of("useful_percent")), short(of("cpu_us_per_request")));
        writeln!(out, "| {baud} | {rate} | {useful} % | {} % | {} % | {cpu} µs |", short(dead), short(formula))?;
    }
    let bad: f64 = table.numbers("bad", |_| true).iter().sum();
    writeln!(out, "\n- least of the formula: {} % ({})", short(least), verdict(least >= 95.0, "≥ 95 %"))?;
    writeln!(out, "- most for the dead unit: {} % ({})", short(most), verdict(most <= 5.0, "≤ 5 %"))?;
    writeln!(out, "- requests that came too early or damaged: {bad} ({})", verdict(bad == 0.0, "none"))?;
    Ok(out)
}

fn plot(table: &Table) -> String {
    let bars = |column: &str| -> Vec<(String, f64)> {
        table
            .rows()
            .filter_map(|row| Some((format!("pollux, {} baud", row.text("baud")), row.number(column)?)))
            .collect()
    };
    plot::bars(&[
        ("% of what the line can carry (formula)", bars("of_formula_percent")),
        ("% of the time spent on the dead unit", bars("dead_percent")),
    ])
}
