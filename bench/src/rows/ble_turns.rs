//! 60 sensors, each to be read once a minute, at five connections; read when a sensor counts it.
use super::{
    Context, Kind,
    ble::{self, COUNT, name, until},
    short, verdict,
};
use crate::{ground::Ground, plant::Mapper, plot, quantile, table::Table};
use anyhow::{Result, ensure};
use std::{
    fmt::Write as _,
    thread,
    time::{Duration, Instant},
};

pub(crate) const ROW: Kind = Kind {
    name: "ble_turns",
    what: "Bluetooth LE: 60 sensors take turns at five connections, each due once a minute",
    head: "sensor,minutes,interval_s,reads,longest_s,turns,mean_wait_s,most_connected,core_percent,rss_mib",
    keys: 1,
    measure,
    summary,
    plot,
};

const SLOTS: usize = 5;
/// Between two looks at what the sensors count.
const LOOK: Duration = Duration::from_millis(250);
const FAIR: f64 = 1.5;

/// What is seen of one sensor: its reads, the last of them, and the longest time without one.
#[derive(Debug, Clone)]
struct Seen {
    first: f64,
    reads: f64,
    last: Instant,
    longest: Duration,
}
impl Seen {
    fn look(&mut self, reads: f64, now: Instant) {
        if reads > self.reads {
            (self.reads, self.last) = (reads, now);
        }
        self.longest = self.longest.max(now.duration_since(self.last));
    }
}

fn measure(context: &Context, table: &mut Table) -> Result<()> {
    let (sensors, interval, length) =
        context.either((60, 60.0, Duration::from_mins(5)), (8, 10.0, Duration::from_secs(22)));
    if (0..sensors).all(|number| table.has(&[&name(number)])) {
        return Ok(());
    }
    table.begin_anew()?; // they are compared with each other: a part of them is nothing
    let all: Vec<_> = (0..sensors).map(|number| ble::sensor(number, 200)).collect();
    let Some(ground) = ble::ground(context, &all)? else { return Ok(()) };
    let mapper = ble::start(&ground, &ble::yaml(sensors, SLOTS, &format!("{interval}s"), "notify: Never")?)?;
    until(Duration::from_mins(3), "each was read once", || {
        Ok(ground.counts(COUNT, "reads")?.iter().all(|n| *n > 0.5))
    })?;
    // What all ask for at the start waits in one queue; then each has its own time in the interval.
    thread::sleep(Duration::from_secs_f64(interval));
    println!("each was read once, and one more interval has passed; now for {} s", length.as_secs());
    let (turns, waits) = waited(&mapper)?;
    let (cpu, began) = (mapper.process.cpu()?, Instant::now());
    let (seen, most) = watch(&ground, length)?;
    let core = (mapper.process.cpu()? - cpu) / began.elapsed().as_secs_f64() * 100.0;
    let (turns_after, waits_after) = waited(&mapper)?;
    ensure!([turns.len(), turns_after.len(), waits_after.len()] == [sensors; 3], "a metric for each device");
    for (number, seen) in seen.iter().enumerate() {
        let of = |all: &[f64]| all.get(number).copied().unwrap_or(f64::NAN);
        let turns = of(&turns_after) - of(&turns);
        let mean = (of(&waits_after) - of(&waits)) / turns;
        table.put(&[
            name(number),
            short(length.as_secs_f64() / 60.0),
            format!("{interval:.0}"),
            format!("{:.0}", seen.reads - seen.first),
            format!("{:.2}", seen.longest.as_secs_f64()),
            format!("{turns:.0}"),
            format!("{mean:.3}"),
            most.to_string(),
            short(core),
            short(mapper.process.resident()?),
        ])?;
    }
    ensure!(most <= SLOTS, "{most} connections at {SLOTS}");
    ble::stop(mapper)
}

/// For each sensor what was seen of it, and how many were connected at once, at most.
fn watch(ground: &Ground, length: Duration) -> Result<(Vec<Seen>, usize)> {
    let began = Instant::now();
    let reads = ground.counts(COUNT, "reads")?;
    let new = |reads: f64| Seen { first: reads, reads, last: began, longest: Duration::ZERO };
    let (mut seen, mut most): (Vec<_>, _) = (reads.into_iter().map(new).collect(), 0);
    while began.elapsed() < length {
        thread::sleep(LOOK);
        let (counts, now) = (ground.counts(COUNT, "reads")?, Instant::now());
        seen.iter_mut().zip(counts).for_each(|(seen, count)| seen.look(count, now));
        most = most.max(ground.connected()?);
    }
    Ok((seen, most))
}

/// Turns and seconds of waiting for them, of each device.
fn waited(mapper: &Mapper) -> Result<(Vec<f64>, Vec<f64>)> {
    Ok((mapper.metrics("pollux_device_slot_turns_total")?, mapper.metrics("pollux_device_slot_wait_seconds_total")?))
}

fn sorted(table: &Table, column: &str) -> Vec<f64> {
    let mut all = table.numbers(column, |_| true);
    all.sort_by(f64::total_cmp);
    all
}

fn summary(table: &Table) -> Result<String> {
    let mut out = String::from("| of the sensors | median | slowest |\n|---|---|---|\n");
    let (gaps, waits) = (sorted(table, "longest_s"), sorted(table, "mean_wait_s"));
    let ends = |all: &[f64]| (quantile(all, 0.5), quantile(all, 1.0));
    for (what, all) in [("longest time between two reads", &gaps), ("mean wait for a connection", &waits)] {
        let (middle, most) = ends(all);
        writeln!(out, "| {what} | {} s | {} s |", short(middle), short(most))?;
    }
    let number = |column| table.numbers(column, |_| true).first().copied().unwrap_or(f64::NAN);
    let (minutes, interval, core, memory) =
        (number("minutes"), number("interval_s"), number("core_percent"), number("rss_mib"));
    let reads = sorted(table, "reads");
    // Two reads are an interval apart, or more where it had to wait: the window may begin just behind one.
    let due = (minutes * 60.0 / interval).floor() - 1.0;
    let fewest = reads.first().copied().unwrap_or(0.0);
    let ((middle, slowest), (waits, longest)) = (ends(&gaps), ends(&waits));
    writeln!(
        out,
        "\n- {} sensors in {} minutes: {fewest:.0} to {:.0} reads of each ({}); at most {:.0} connected at once",
        reads.len(),
        short(minutes),
        quantile(&reads, 1.0),
        verdict(fewest >= due, "every one each minute"),
        number("most_connected"),
    )?;
    let by_gap = verdict(slowest <= FAIR * middle, "slowest ≤ 1.5 × median");
    writeln!(out, "- unserved, slowest by median: {} ({by_gap})", short(slowest / middle))?;
    let share = short(longest / interval * 100.0);
    writeln!(
        out,
        "- waited for a connection: half of them {} s or less, the slowest {share} % of its minute",
        short(waits)
    )?;
    writeln!(out, "- {} % of a core, {} MiB", short(core), short(memory))?;
    Ok(out)
}

fn plot(table: &Table) -> String {
    let curve = |column| -> Vec<(f64, f64)> {
        let all = sorted(table, column);
        let last = all.len().max(1) as f64;
        (1..).zip(all).map(|(n, seconds)| (f64::from(n) / last * 100.0, seconds)).collect()
    };
    plot::lines(
        "seconds",
        "% of the sensors with no more",
        &[("longest between two reads", curve("longest_s")), ("mean wait for a connection", curve("mean_wait_s"))],
    )
}
