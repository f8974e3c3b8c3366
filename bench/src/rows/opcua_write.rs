//! 100 values in one Write while 100,000 subscribed values a second come in, against the same Write by another client.
use super::{
    Context, Kind,
    opcua::{c_client, c_says, missing, servers},
    short, verdict,
};
use crate::{
    plot,
    process::Process,
    quantile,
    servers::{self, urls},
    table::Table,
};
use anyhow::{Context as _, Result, ensure};
use std::{
    fmt::Write as _,
    io::{BufRead, BufReader},
    process::Stdio,
    time::Instant,
};

pub(crate) const ROW: Kind = Kind {
    name: "opcua_write",
    what: "OPC UA: 100 values in one Write while 100,000 a second are subscribed",
    head: "n,acknowledged_ms,round_trip_ms,values_per_second",
    keys: 1,
    measure,
    summary,
    plot,
};

const VALUES: usize = 100;
const SLACK_MS: f64 = 5.0;

fn measure(context: &Context, table: &mut Table) -> Result<()> {
    let wanted: usize = context.either(500, 10);
    let done = table.rows().count();
    if missing(context) || done >= wanted {
        return Ok(());
    }
    let (count, floats) = context.either((10, 1000), (2, 100));
    let mut servers = servers(context, count, floats, &[&format!("memory={VALUES}")])?;
    let round_trip = round_trip(context, &mut servers)?;
    let (urls, values) = (urls(&servers), VALUES.to_string());
    let mut command = Context::own(&["opcua", &urls, &floats.to_string(), "100", "--written", &values])?;
    command.stdout(Stdio::piped());
    let mut client = Process::start("the engine", command)?;
    let mut lines = BufReader::new(client.child().stdout.take().context("piped")?).lines();
    let seen = |servers: &mut [servers::Server]| Ok::<_, anyhow::Error>((Instant::now(), servers::seen(servers)?));
    let first = seen(&mut servers)?;
    let mut last = first;
    for n in done..wanted {
        let line = lines.next().context("the engine ended")??;
        let took = line.split(' ').next().unwrap_or_default().to_owned();
        let mut rate = String::new();
        if n % 20 == 19 {
            let now = seen(&mut servers)?;
            rate = format!("{:.0}", (now.1.floats - last.1.floats) / (now.0 - last.0).as_secs_f64());
            last = now;
        }
        table.put(&[n.to_string(), took, format!("{round_trip:.3}"), rate])?;
    }
    client.check()?;
    drop(client);
    // What was acknowledged has reached the servers; one more may be under way.
    let written = seen(&mut servers)?.1.written - first.1.written;
    let expected = (wanted - done) * VALUES;
    let range = expected as f64..=(expected + 2 * VALUES) as f64;
    ensure!(range.contains(&written), "{written} values reached the servers, must be {expected}");
    Ok(())
}

/// Milliseconds of such a Write, as open62541's client has it at a server that nobody else asks.
fn round_trip(context: &Context, servers: &mut [servers::Server]) -> Result<f64> {
    let url = servers.first().context("a server")?.url();
    let seconds = context.either("2", "1");
    let client =
        Process::start("open62541", c_client(context, &[&url, "none", "write", &VALUES.to_string(), seconds]))?;
    let says = c_says(client)?;
    let number = |name: &str| says.get(name).and_then(serde_json::Value::as_f64).context("a number");
    let (calls, seconds) = (number("calls")?, number("seconds")?);
    let written = servers::seen(servers)?.written;
    ensure!((written - calls * VALUES as f64).abs() < 0.5, "{written} values reached the server of {calls} Writes");
    Ok(seconds * 1e3 / calls)
}

fn sorted(table: &Table, column: &str) -> Vec<f64> {
    let mut all = table.numbers(column, |_| true);
    all.sort_by(f64::total_cmp);
    all
}

fn summary(table: &Table) -> Result<String> {
    let mut out = String::from("| | mean | p50 | p99 | longest |\n|---|---|---|---|---|\n");
    let all = sorted(table, "acknowledged_ms");
    let mean = all.iter().sum::<f64>() / all.len() as f64;
    let at = |share| short(quantile(&all, share));
    writeln!(out, "| order → acknowledged | {} ms | {} ms | {} ms | {} ms |", short(mean), at(0.5), at(0.99), at(1.0))?;
    let round_trip = quantile(&sorted(table, "round_trip_ms"), 0.5);
    let (limit, p99) = (round_trip + SLACK_MS, quantile(&all, 0.99));
    let rate = quantile(&sorted(table, "values_per_second"), 0.5);
    writeln!(
        out,
        "\n- {} Writes of {VALUES} values, all seen by the servers, while {rate:.0} values/s came; such a Write by open62541's client at \
         a server that nobody else asks: {} ms",
        all.len(),
        short(round_trip)
    )?;
    let goal = verdict(p99 <= limit, &format!("≤ round trip + 5 ms = {limit:.1} ms"));
    writeln!(out, "- p99 {} ms ({goal})", short(p99))?;
    Ok(out)
}

fn plot(table: &Table) -> String {
    let all = sorted(table, "acknowledged_ms");
    let last = all.len().max(1) as f64;
    let curve = (1..).zip(all).map(|(n, ms)| (f64::from(n) / last * 100.0, ms)).collect();
    plot::lines(
        "ms from the order",
        "% of the Writes that took no longer",
        &[("pollux: to the acknowledgement", curve)],
    )
}
