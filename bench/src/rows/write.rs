//! How long a write takes while the engine polls 100,000 tags a second, against what it must wait for: the request
//! that is under way, and its own round trip.
use super::{Context, Kind, short, verdict};
use crate::{
    far::Far,
    plot,
    process::{self, Process},
    quantile,
    table::Table,
};
use anyhow::{Context as _, Result, ensure};
use std::{
    fmt::Write as _,
    io::{BufRead, BufReader, Lines},
    process::{ChildStdout, Stdio},
    time::Duration,
};

pub(crate) const ROW: Kind = Kind {
    name: "write",
    what: "writes while 100,000 tags a second are polled",
    head: "n,seen_ms,acknowledged_ms,round_trip_ms,values_per_second",
    keys: 1,
    measure,
    summary,
    plot,
};

/// So long the far end takes for each request.
const DELAY_US: &str = "2000";
const SLACK_MS: f64 = 5.0;

fn measure(context: &Context, table: &mut Table) -> Result<()> {
    let wanted = context.either(500, 10);
    let done = table.rows().count();
    if done >= wanted {
        return Ok(());
    }
    let round_trip = round_trip(context)?;
    let load = context.either(["10", "10", "1000"], ["2", "4", "100"]);
    let mut far = Far::start(&context.peers, &["--hosts", load[0], "--delay-us", DELAY_US, "--log-writes"])?;
    let port = far.port.to_string();
    let mut command = Context::own(&["engine", &port, load[0], load[1], load[2], "--write-every-ms", "37"])?;
    command.stdout(Stdio::piped());
    let mut client = Process::start("the engine", command)?;
    let mut wrote = BufReader::new(client.child().stdout.take().context("piped")?).lines();
    let values = |far: &mut Far| far.counted().map(|counted| counted.registers / 2.0);
    let (mut before, mut since) = (values(&mut far)?, std::time::Instant::now());
    for n in done..wanted {
        let (seen, acknowledged) = write(&mut wrote, &far)?;
        let rate = if n % 20 == 19 {
            let (now, seconds) = (values(&mut far)?, since.elapsed().as_secs_f64());
            let rate = format!("{:.0}", (now - before) / seconds);
            (before, since) = (now, std::time::Instant::now());
            rate
        } else {
            String::new()
        };
        table.put(&[
            n.to_string(),
            format!("{seen:.3}"),
            format!("{acknowledged:.3}"),
            format!("{round_trip:.3}"),
            rate,
        ])?;
    }
    client.check()
}

/// Milliseconds from the order to the far end, and to the acknowledgement.
fn write(wrote: &mut Lines<BufReader<ChildStdout>>, far: &Far) -> Result<(f64, f64)> {
    let line = wrote.next().context("the engine ended")??;
    let words: Vec<&str> = line.split(' ').collect();
    let [unit, value, sent, acknowledged] = words[..] else { anyhow::bail!("the engine says {line:?}") };
    let (unit, value): (u32, u32) = (unit.parse()?, value.parse()?);
    let (sent, acknowledged): (f64, f64) = (sent.parse()?, acknowledged.parse()?);
    let seen = far.write(Duration::from_secs(1))?;
    ensure!(
        (seen.unit, seen.address, seen.value) == (unit, 40_000, value),
        "the far end saw {seen:?}, the engine wrote {line}"
    );
    Ok(((seen.at - sent) * 1e3, (acknowledged - sent) * 1e3))
}

/// Milliseconds, as raw C has it on the same far end.
fn round_trip(context: &Context) -> Result<f64> {
    let mut far = Far::start(&context.peers, &["--delay-us", DELAY_US])?;
    let mut command = process::on_core(process::CLIENT, context.peer("raw"));
    command.args([&far.port.to_string(), "pingpong", "1"]);
    let mut raw = Process::start("raw C", command)?;
    let measured = far.window(&mut raw, context.seconds(0.2, 0.05), context.seconds(2.0, 0.3))?;
    Ok(1e3 / measured.rate())
}

fn sorted(table: &Table, column: &str) -> Vec<f64> {
    let mut all = table.numbers(column, |_| true);
    all.sort_by(f64::total_cmp);
    all
}

fn summary(table: &Table) -> Result<String> {
    let mut out = String::from("| | p50 | p99 | longest |\n|---|---|---|---|\n");
    for (what, column) in [("order → far end", "seen_ms"), ("order → acknowledged", "acknowledged_ms")] {
        let all = sorted(table, column);
        let at = |share| short(quantile(&all, share));
        writeln!(out, "| {what} | {} ms | {} ms | {} ms |", at(0.5), at(0.99), at(1.0))?;
    }
    let round_trip = quantile(&sorted(table, "round_trip_ms"), 0.5);
    let (limit, p99) = (2.0 * round_trip + SLACK_MS, quantile(&sorted(table, "acknowledged_ms"), 0.99));
    let (writes, rate) = (table.rows().count(), quantile(&sorted(table, "values_per_second"), 0.5));
    writeln!(
        out,
        "\n- {writes} writes, each seen once by the far end, while it was asked for {rate:.0} values/s; one round trip: {} ms",
        short(round_trip)
    )?;
    writeln!(
        out,
        "- p99 {} ms ({})",
        short(p99),
        verdict(p99 <= limit, &format!("≤ one request + round trip + 5 ms = {limit:.1} ms"))
    )?;
    Ok(out)
}

fn plot(table: &Table) -> String {
    let curve = |column| -> Vec<(f64, f64)> {
        let all = sorted(table, column);
        let last = all.len().max(1) as f64;
        (1..).zip(all).map(|(n, ms)| (f64::from(n) / last * 100.0, ms)).collect()
    };
    plot::lines(
        "ms from the order",
        "% of the writes that took no longer",
        &[("pollux: to the far end", curve("seen_ms")), ("pollux: to the acknowledgement", curve("acknowledged_ms"))],
    )
}
