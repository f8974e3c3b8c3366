//! One connection, one request at a time, ten registers: ours and a peer in turn against the same far end.
use super::{Context, Kind, short, verdict};
use crate::{
    far::{Far, Measured},
    median,
    plant::Plant,
    plot,
    process::{self, Process},
    table::Table,
};
use anyhow::Result;
use std::{fmt::Write as _, process::Command, time::Duration};

pub(crate) const ROW: Kind = Kind {
    name: "roundtrip",
    what: "round trips, one connection, one request at a time",
    head: "round,pair,who,seconds,requests,per_second,cpu_us_per_request,rss_mib",
    keys: 3,
    measure,
    summary,
    plot,
};

const WIRE: &str = "pollux wire";
const ENGINE: &str = "pollux-modbus";
const RAW: &str = "raw C";
/// Ours and the peer beside it.
const PAIRS: [(&str, &str); 5] =
    [(WIRE, RAW), (WIRE, "libmodbus"), (WIRE, "tokio-modbus"), (WIRE, "pymodbus"), (ENGINE, RAW)];
/// So that the mapper always has something to ask: units, groups of five values that are one request each, every 10
/// ms.
const BUSY: Plant = Plant { connections: 1, units: 100, tags: 15, interval_ms: 10, spread: Some(250), pipeline: None };

fn measure(context: &Context, table: &mut Table) -> Result<()> {
    let mut far = Far::start(&context.peers, &[])?;
    for round in 1..=context.either(5, 1) {
        for (ours, peer) in PAIRS {
            if let Some(why) = missing(context, peer) {
                println!("skipped: {peer}: {why}");
                continue;
            }
            for who in [ours, peer] {
                let (round, pair) = (round.to_string(), format!("{ours} and {peer}"));
                if !table.has(&[&round, &pair, who]) {
                    let m = one(context, &mut far, who)?;
                    println!("round {round}, {pair}: {who} {} /s", short(m.rate()));
                    table.put(&[vec![round, pair, who.to_owned()], columns(&m)].concat())?;
                }
            }
        }
    }
    Ok(())
}

/// seconds, requests, per second, CPU per request, resident.
pub(super) fn columns(m: &Measured) -> Vec<String> {
    let Measured { seconds, requests, resident, .. } = m;
    vec![format!("{seconds:.3}"), format!("{requests:.0}"), short(m.rate()), short(m.cpu_micros()), short(*resident)]
}

fn missing(context: &Context, peer: &str) -> Option<&'static str> {
    match peer {
        "libmodbus" if !context.peer("libmodbus").exists() => Some("not installed (apt-get install libmodbus-dev)"),
        "pymodbus" if context.python.is_none() => Some("no Python with pymodbus (e2e/peers/venv makes it)"),
        _ => None,
    }
}

fn one(context: &Context, far: &mut Far, who: &str) -> Result<Measured> {
    let port = far.port.to_string();
    let (warm, length) = (context.seconds(0.3, 0.05), context.seconds(2.0, 0.25));
    if who == ENGINE {
        let mut mapper = BUSY.start(far.port)?;
        return far.window(&mut mapper.process, warm + Duration::from_millis(200), length);
    }
    let mut client = Process::start(who, command(context, who, &port)?)?;
    far.window(&mut client, warm, length)
}

fn command(context: &Context, who: &str, port: &str) -> Result<Command> {
    let peer = |name: &str, arguments: &[&str]| {
        let mut command = process::on_core(process::CLIENT, context.peer(name));
        command.args(arguments);
        command
    };
    Ok(match who {
        RAW => peer("raw", &[port, "pingpong", "1"]),
        "libmodbus" => peer("libmodbus", &[port]),
        "pymodbus" => {
            let python = context.python.clone().unwrap_or_default();
            let mut command = process::on_core(process::CLIENT, python);
            command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/peers/pymodbus_client.py")).arg(port);
            command
        }
        "tokio-modbus" => Context::own(&["tokio-modbus", port])?,
        _ => Context::own(&["wire", port, "1"])?,
    })
}

fn middle(table: &Table, who: &str, column: &str) -> f64 {
    median(table.numbers(column, |row| row.text("who") == who))
}
/// Of each round, ours by the peer of the same pair; the middle of them.
fn ratio(table: &Table, pair: &str, (ours, peer): (&str, &str), column: &str) -> f64 {
    let of = |round: &str, who: &str| {
        table.numbers(column, |row| row.text("round") == round && row.text("pair") == pair && row.text("who") == who)
    };
    let ratios = table
        .texts("round")
        .iter()
        .filter_map(|round| Some(of(round, ours).first()? / of(round, peer).first()?))
        .collect();
    median(ratios)
}

fn summary(table: &Table) -> Result<String> {
    let mut out = String::from("| client | round trips/s | CPU per round trip | resident |\n|---|---|---|---|\n");
    let mut clients = table.texts("who");
    clients.sort_by(|a, b| middle(table, b, "per_second").total_cmp(&middle(table, a, "per_second")));
    for who in &clients {
        let of = |column| short(middle(table, who, column));
        let (rate, cpu, memory) = (of("per_second"), of("cpu_us_per_request"), of("rss_mib"));
        writeln!(out, "| {who} | {rate} | {cpu} µs | {memory} MiB |")?;
    }
    writeln!(out, "\nBy pairs, measured in turn, the middle of {} rounds:\n", table.texts("round").len())?;
    for (ours, peer) in PAIRS {
        let pair = format!("{ours} and {peer}");
        let (rate, cpu) =
            (ratio(table, &pair, (ours, peer), "per_second"), ratio(table, &pair, (ours, peer), "cpu_us_per_request"));
        if rate.is_finite() {
            let goal = match (ours, peer) {
                (WIRE, RAW) => format!(" ({})", verdict(rate >= 0.75, "≥ 0.75")),
                (WIRE, "libmodbus") => format!(" ({})", verdict(cpu <= 1.0, "less CPU per round trip")),
                _ => String::new(),
            };
            writeln!(out, "- {ours} has {rate:.2} × the round trips of {peer}, at {cpu:.2} × the CPU of each{goal}")?;
        }
    }
    Ok(out)
}

fn plot(table: &Table) -> String {
    let bars = |column: &str| -> Vec<(String, f64)> {
        table.texts("who").into_iter().map(|who| (who.clone(), middle(table, &who, column))).collect()
    };
    plot::bars(&[
        ("round trips per second (more is better)", bars("per_second")),
        ("µs of CPU per round trip (less is better)", bars("cpu_us_per_request")),
    ])
}
