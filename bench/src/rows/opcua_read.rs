//! Reading 1, 100 and 1,000 floats in one request, again and again: ours and another client in turn.
use super::{
    Context, Kind,
    opcua::{C, Floats, MAPPER, PYTHON, c_client, missing, servers},
    short, verdict,
};
use crate::{
    far::Measured,
    median, plot,
    process::{self, Process},
    servers::{Server, urls, window},
    table::{Row, Table},
};
use anyhow::Result;
use std::fmt::Write as _;

pub(crate) const ROW: Kind = Kind {
    name: "opcua_read",
    what: "OPC UA: 1, 100 and 1,000 floats in one Read",
    head: "per_call,round,pair,who,seconds,requests,values,values_per_second,cpu_ns_per_value,rss_mib",
    keys: 4,
    measure,
    summary,
    plot,
};

const SIZES: [usize; 3] = [1, 100, 1000];
const PAIRS: [(&str, &str); 2] = [(MAPPER, C), (MAPPER, PYTHON)];
const RATE: f64 = 400_000.0;
const CPU: f64 = 2.5;

/// Devices of so many floats each, 100 times a second: about what there is time for, or more.
fn busy(floats: usize) -> Floats {
    let devices = match floats {
        1 => 200,
        100 => 100,
        _ => 10,
    };
    Floats { devices, points: floats, interval_ms: 10, poll: true }
}

fn measure(context: &Context, table: &mut Table) -> Result<()> {
    if missing(context) {
        return Ok(());
    }
    for floats in context.either(SIZES.to_vec(), vec![100]) {
        for round in 1..=context.either(3, 1) {
            for (ours, peer) in PAIRS {
                if peer == PYTHON && context.python.is_none() {
                    println!("skipped: {PYTHON}: no Python with it (e2e/peers/venv makes it)");
                    continue;
                }
                for who in [ours, peer] {
                    let name = [floats.to_string(), round.to_string(), format!("{ours} and {peer}"), who.to_owned()];
                    if !table.has(&name.each_ref().map(String::as_str)) {
                        let m = one(context, floats, who)?;
                        let (rate, cpu) = (m.values / m.seconds, m.cpu * 1e9 / m.values);
                        println!(
                            "{floats} a call, round {round}: {who} {} values/s, {} ns each",
                            short(rate),
                            short(cpu)
                        );
                        let counts =
                            [format!("{:.3}", m.seconds), format!("{:.0}", m.requests), format!("{:.0}", m.values)];
                        let costs = [format!("{rate:.0}"), short(cpu), short(m.resident)];
                        table.put(&[&name[..], &counts, &costs].concat())?;
                    }
                }
            }
        }
    }
    Ok(())
}

fn one(context: &Context, floats: usize, who: &str) -> Result<Measured> {
    let mut servers = servers(context, 1, floats, &[])?;
    let (warm, length) = (context.seconds(0.5, 0.1), context.seconds(3.0, 0.4));
    let of = |client: &mut Process, servers: &mut [Server]| window(servers, client, 0.0, warm, length);
    if who == MAPPER {
        let plan = busy(floats);
        let mut mapper = plan.start(&servers)?;
        let measured = of(&mut mapper.process, &mut servers)?;
        // All its devices read the same floats. What is shown may be a report old (one second), and take some time to come here.
        plan.verify(&mapper, &mut servers, 3.0 * measured.values / measured.seconds / floats as f64)?;
        return Ok(measured);
    }
    let (url, count) = (urls(&servers), floats.to_string());
    let command = if who == C {
        c_client(context, &[&url, "none", "read", &count, "600"])
    } else {
        let mut command = process::on_core(process::CLIENT, context.python.clone().unwrap_or_default());
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/peers/asyncua_client.py")).args([&url, &count]);
        command
    };
    of(&mut Process::start(who, command)?, &mut servers)
}

fn of(per_call: &str, who: &str) -> impl Fn(&Row<'_>) -> bool {
    let (per_call, who) = (per_call.to_owned(), who.to_owned());
    move |row| row.text("per_call") == per_call && row.text("who") == who
}
/// Of each round, ours by the peer of the same pair; the middle of them.
fn ratio(table: &Table, per_call: &str, (ours, peer): (&str, &str), column: &str) -> f64 {
    let pair = format!("{ours} and {peer}");
    let number = |round: &str, who: &str| {
        let wanted = |row: &Row<'_>| of(per_call, who)(row) && row.text("round") == round && row.text("pair") == pair;
        table.numbers(column, wanted).first().copied()
    };
    let rounds = table.texts("round");
    median(rounds.iter().filter_map(|round| Some(number(round, ours)? / number(round, peer)?)).collect())
}

fn summary(table: &Table) -> Result<String> {
    let mut out = String::from("| floats in a Read | client | values/s | reads/s | CPU per value | resident |\n");
    out.push_str("|---|---|---|---|---|---|\n");
    let mut verdicts = String::new();
    for per_call in table.texts("per_call") {
        for who in [C, MAPPER, PYTHON] {
            let middle = |column| median(table.numbers(column, of(&per_call, who)));
            let rates = table.rows().filter(of(&per_call, who));
            let calls =
                median(rates.filter_map(|row| Some(row.number("requests")? / row.number("seconds")?)).collect());
            let [calls, rate, cpu, memory] =
                [calls, middle("values_per_second"), middle("cpu_ns_per_value"), middle("rss_mib")].map(short);
            writeln!(out, "| {per_call} | {who} | {rate} | {calls} | {cpu} ns | {memory} MiB |")?;
        }
        for pair in PAIRS {
            let cpu = ratio(table, &per_call, pair, "cpu_ns_per_value");
            let rate = ratio(table, &per_call, pair, "values_per_second");
            let (ours, peer) = pair;
            let goal =
                if pair == (MAPPER, C) { format!(" ({})", verdict(cpu <= CPU, "≤ 2.5 ×")) } else { String::new() };
            writeln!(
                verdicts,
                "- {per_call}: {ours} has {rate:.2} × the values of {peer}, at {cpu:.2} × the CPU of each{goal}"
            )?;
        }
        if per_call != "1" {
            let rate = median(table.numbers("values_per_second", of(&per_call, MAPPER)));
            writeln!(verdicts, "- {per_call}: {rate:.0} values/s ({})", verdict(rate >= RATE, "≥ 400,000"))?;
        }
    }
    Ok(format!("{out}\nBy pairs, measured in turn, the middle of {} rounds:\n\n{verdicts}", table.texts("round").len()))
}

fn plot(table: &Table) -> String {
    let bars = |per_call: &str, column: &str| -> Vec<(String, f64)> {
        let whos = [C, MAPPER, PYTHON];
        whos.map(|who| (who.to_owned(), median(table.numbers(column, of(per_call, who))))).to_vec()
    };
    plot::bars(&[
        ("100 floats in a Read: values per second (more is better)", bars("100", "values_per_second")),
        ("1,000 floats in a Read: values per second", bars("1000", "values_per_second")),
        ("1 float in a Read: ns of CPU per value (less is better)", bars("1", "cpu_ns_per_value")),
        ("100 floats in a Read: ns of CPU per value", bars("100", "cpu_ns_per_value")),
        ("1,000 floats in a Read: ns of CPU per value", bars("1000", "cpu_ns_per_value")),
    ])
}
