//! Sixteen requests under way on one connection, to a far end that takes its time for each and answers many at once.
use super::{Context, Kind, roundtrip::columns, short, verdict};
use crate::{
    far::{Far, Measured},
    median,
    plant::Plant,
    plot,
    process::{self, Process},
    table::Table,
};
use anyhow::{Result, ensure};
use std::{fmt::Write as _, time::Duration};

pub(crate) const ROW: Kind = Kind {
    name: "depth",
    what: "sixteen requests under way, at 1 ms and 10 ms each",
    head: "delay_ms,round,who,seconds,requests,per_second,cpu_us_per_request,rss_mib,peak",
    keys: 3,
    measure,
    summary,
    plot,
};

const DEPTH: usize = 16;
const DELAYS: [u32; 2] = [1, 10];
const ONE: &str = "pollux wire × 1";
const OURS: &str = "pollux wire × 16";
const RAW: &str = "raw C × 16";
const MAPPER: &str = "pollux-modbus pipeline 16";
const BUSY: Plant =
    Plant { connections: 1, units: 100, tags: 15, interval_ms: 10, spread: Some(250), pipeline: Some(DEPTH) };

fn measure(context: &Context, table: &mut Table) -> Result<()> {
    for delay in DELAYS {
        for round in 1..=context.either(3, 1) {
            for who in [ONE, OURS, RAW, MAPPER] {
                let (ms, round) = (delay.to_string(), round.to_string());
                if !table.has(&[&ms, &round, who]) {
                    let m = one(context, delay, who)?;
                    println!("{ms} ms, round {round}: {who} {} /s, at most {} open", short(m.rate()), m.peak);
                    table.put(&[vec![ms, round, who.to_owned()], columns(&m), vec![m.peak.to_string()]].concat())?;
                }
            }
        }
    }
    Ok(())
}

/// A far end of its own for each, so that its peak is that of this client.
fn one(context: &Context, delay: u32, who: &str) -> Result<Measured> {
    let mut far = Far::start(&context.peers, &["--delay-us", &(delay * 1000).to_string()])?;
    let (port, depth) = (far.port.to_string(), if who == ONE { 1 } else { DEPTH });
    let (warm, length) = (context.seconds(0.5, 0.1), context.seconds(3.0, 0.4));
    let measured = if who == MAPPER {
        let mut mapper = BUSY.start(far.port)?;
        far.window(&mut mapper.process, warm + Duration::from_millis(500), length)?
    } else {
        let command = if who == RAW {
            let mut command = process::on_core(process::CLIENT, context.peer("raw"));
            command.args([&port, "pingpong", &depth.to_string()]);
            command
        } else {
            Context::own(&["wire", &port, &depth.to_string()])?
        };
        far.window(&mut Process::start(who, command)?, warm, length)?
    };
    ensure!(measured.peak <= depth as f64, "{who} had {} requests open, {depth} are allowed", measured.peak);
    Ok(measured)
}

fn rate(table: &Table, delay: u32, who: &str) -> f64 {
    median(table.numbers("per_second", |row| row.text("delay_ms") == delay.to_string() && row.text("who") == who))
}
/// By the depth and the round trip of the same run, one request at a time.
fn share(table: &Table, delay: u32, who: &str) -> f64 {
    100.0 * rate(table, delay, who) / (rate(table, delay, ONE) * DEPTH as f64)
}

fn summary(table: &Table) -> Result<String> {
    let mut out = String::from(
        "| answer after | client | requests/s | of depth ÷ round trip | CPU per request |\n|---|---|---|---|---|\n",
    );
    for delay in DELAYS {
        for who in [ONE, OURS, MAPPER, RAW] {
            let of = |row: &crate::table::Row<'_>| row.text("delay_ms") == delay.to_string() && row.text("who") == who;
            let cpu = short(median(table.numbers("cpu_us_per_request", of)));
            let (rate, share) = (short(rate(table, delay, who)), share(table, delay, who));
            let share = if who == ONE { "the round trip".into() } else { format!("{share:.1} %") };
            writeln!(out, "| {delay} ms | {who} | {rate} | {share} | {cpu} µs |")?;
        }
    }
    out.push('\n');
    for who in [OURS, MAPPER] {
        let least = DELAYS.iter().map(|delay| share(table, *delay, who)).fold(f64::INFINITY, f64::min);
        writeln!(out, "- {who}: {least:.1} % ({})", verdict(least >= 95.0, "≥ 95 %"))?;
    }
    Ok(out)
}

fn plot(table: &Table) -> String {
    let bars = |delay| [OURS, MAPPER, RAW].map(|who| (who.to_owned(), share(table, delay, who))).to_vec();
    plot::bars(&[
        ("answers after 1 ms: % of depth ÷ round trip", bars(1)),
        ("answers after 10 ms: % of depth ÷ round trip", bars(10)),
    ])
}
