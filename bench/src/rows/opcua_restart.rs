//! A server that ends and starts again: how long after it is there until its values are.
use super::{
    Context, Kind,
    opcua::{Floats, lost, missing},
    short, verdict,
};
use crate::{plant::Mapper, plot, quantile, servers::Server, table::Table};
use anyhow::{Result, ensure};
use std::{
    fmt::Write as _,
    path::Path,
    thread,
    time::{Duration, Instant},
};

pub(crate) const ROW: Kind = Kind {
    name: "opcua_restart",
    what: "OPC UA: a server is restarted, in order or killed",
    head: "n,how,away_ms,subscribed_ms,values_ms,lost",
    keys: 1,
    measure,
    summary,
    plot,
};

const FLOATS: usize = 100;
const INTERVAL_MS: u64 = 100;
const LIMIT_MS: f64 = 2000.0;
/// Floats of the n-th life of the server begin at so many times n.
const LIFE: f64 = 10_000.0;
const KILLED: &str = "killed";
const IN_ORDER: &str = "in order";

fn measure(context: &Context, table: &mut Table) -> Result<()> {
    let wanted: usize = context.either(100, 2);
    let done = table.rows().count();
    if missing(context) || done >= wanted {
        return Ok(());
    }
    let folder = context.open62541.clone().unwrap_or_default();
    let mut server = start(&folder, 0, done)?;
    let port = server.port;
    let plan = Floats { devices: 1, points: FLOATS, interval_ms: INTERVAL_MS, poll: false };
    let mapper = plan.start(std::slice::from_ref(&server))?;
    until(Duration::from_secs(20), "the first values", || Ok(all_of(&mapper, done)))?;
    let (mut random, mut before) = (fastrand::Rng::with_seed(done as u64), lost(&mapper)?);
    for n in done..wanted {
        // Between lives its values flow for a while, and it is away for up to three seconds.
        thread::sleep(Duration::from_millis(random.u64(200..1000)));
        let (how, away) =
            ([KILLED, IN_ORDER][n % 2], Duration::from_millis(random.u64(100..context.either(3000, 300))));
        server.end(how == IN_ORDER)?;
        thread::sleep(away);
        server = start(&folder, port, n + 1)?;
        let up = Instant::now();
        until(Duration::from_mins(1), "subscribed again", || Ok(server.seen()?.items > 0.5))?;
        let subscribed = up.elapsed();
        until(Duration::from_mins(1), "values again", || Ok(all_of(&mapper, n + 1)))?;
        let (values, now) = (up.elapsed(), lost(&mapper)?);
        let ms = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1e3);
        println!("{n}: {how}, away for {} ms: values after {} ms", ms(away), ms(values));
        table.put(&[
            n.to_string(),
            how.into(),
            ms(away),
            ms(subscribed),
            ms(values),
            format!("{:.0}", now - before),
        ])?;
        before = now;
    }
    ensure!(!mapper.log()?.contains("panicked"), "the mapper panicked");
    Ok(())
}

/// The n-th life of the server.
fn start(folder: &Path, port: u16, n: usize) -> Result<Server> {
    Server::start(folder, port, FLOATS, &[&format!("first={}", LIFE * (n as f64 + 1.0))])
}

/// All floats are of this life.
fn all_of(mapper: &Mapper, n: usize) -> bool {
    let Ok(object) = mapper.device("d0-0") else { return false }; // it has only just begun
    let (least, most) = (LIFE * (n as f64 + 1.0), LIFE * (n as f64 + 2.0));
    let is = |float: usize| {
        let value = object.pointer(&format!("/status/reported/t{float}")).and_then(serde_json::Value::as_f64);
        value.is_some_and(|value| (least..most).contains(&value))
    };
    (1..=FLOATS).all(is)
}

fn until(patience: Duration, what: &str, mut is: impl FnMut() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    while !is()? {
        ensure!(began.elapsed() < patience, "never: {what}");
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn sorted(table: &Table, column: &str, how: Option<&str>) -> Vec<f64> {
    let mut all = table.numbers(column, |row| how.is_none_or(|how| row.text("how") == how));
    all.sort_by(f64::total_cmp);
    all
}

fn summary(table: &Table) -> Result<String> {
    let mut out = String::from("| server | times | subscribed again, p50 | values again, p50 | p99 | longest |\n");
    out.push_str("|---|---|---|---|---|---|\n");
    for how in [KILLED, IN_ORDER] {
        let (subscribed, values) = (sorted(table, "subscribed_ms", Some(how)), sorted(table, "values_ms", Some(how)));
        let of = |all: &[f64], share| short(quantile(all, share));
        writeln!(
            out,
            "| {how} | {} | {} ms | {} ms | {} ms | {} ms |",
            values.len(),
            of(&subscribed, 0.5),
            of(&values, 0.5),
            of(&values, 0.99),
            of(&values, 1.0)
        )?;
    }
    let p99 = quantile(&sorted(table, "values_ms", None), 0.99);
    let lost: f64 = table.numbers("lost", |_| true).iter().sum();
    writeln!(out, "\n- p99 {} ms after the server is up ({})", short(p99), verdict(p99 <= LIMIT_MS, "≤ 2 s"))?;
    writeln!(out, "- samples known lost: {lost:.0}; what a server had and took with it cannot be known")?;
    Ok(out)
}

fn plot(table: &Table) -> String {
    let curve = |how| -> Vec<(f64, f64)> {
        let all = sorted(table, "values_ms", Some(how));
        let last = all.len().max(1) as f64;
        (1..).zip(all).map(|(n, ms)| (f64::from(n) / last * 100.0, ms)).collect()
    };
    plot::lines(
        "ms from the server's start until its values are there",
        "% of the restarts that took no longer",
        &[(KILLED, curve(KILLED)), (IN_ORDER, curve(IN_ORDER))],
    )
}
