//! Many float32 once a second each, every value checked: raw C, our engine alone, and the mapper as it is shipped.
use super::{Context, Kind, short, verdict};
use crate::{
    far::{Far, Measured},
    median,
    plant::{Mapper, Plant},
    plot,
    process::{self, Process},
    table::{Row, Table},
};
use anyhow::{Result, ensure};
use std::{fmt::Write as _, time::Duration};

pub(crate) const ROW: Kind = Kind {
    name: "tags",
    what: "100,000 tags a second, and 500 connections of 30 tags, every value checked",
    head: "load,round,pair,who,seconds,requests,values_per_second,core_percent,cpu_us_per_request,rss_mib,verified",
    keys: 4,
    measure,
    summary,
    plot,
};

const RAW: &str = "raw C";
const ENGINE: &str = "pollux engine alone";
const MAPPER: &str = "pollux-modbus";
const MANY: Plant = Plant { connections: 10, units: 10, tags: 1000, interval_ms: 1000, spread: None, pipeline: None };
const WIDE: Plant = Plant { connections: 500, units: 1, tags: 30, ..MANY };

/// Name, plant, most MB (10⁶ bytes).
fn loads(quick: bool) -> [(&'static str, Plant, f64); 2] {
    let (many, wide) = if quick {
        (Plant { connections: 2, units: 4, tags: 100, ..MANY }, Plant { connections: 20, ..WIDE })
    } else {
        (MANY, WIDE)
    };
    [("100 000 tags/s", many, 40.0), ("500 × 30 tags/s", wide, 25.0)]
}
const CPU: f64 = 2.5;
const MIB: f64 = 1_048_576.0;

fn measure(context: &Context, table: &mut Table) -> Result<()> {
    for (load, plant, _) in loads(context.quick) {
        for round in 1..=context.either(5, 1) {
            for (pair, who) in [ENGINE, MAPPER].into_iter().flat_map(|ours| [(ours, RAW), (ours, ours)]) {
                let round = round.to_string();
                if !table.has(&[load, &round, pair, who]) {
                    let (m, verified) = one(context, &plant, who)?;
                    let (values, cores) = (m.values / m.seconds, m.cores() * 100.0);
                    let shown = [values, cores, m.resident].map(short);
                    println!(
                        "{load}, round {round}: {who} {} values/s, {} % of a core, {} MiB",
                        shown[0], shown[1], shown[2]
                    );
                    let name = [load, &round, pair, who].map(str::to_owned);
                    let counts = [format!("{:.3}", m.seconds), format!("{:.0}", m.requests), format!("{values:.0}")];
                    let costs = [short(cores), short(m.cpu_micros()), short(m.resident), verified];
                    table.put(&[&name[..], &counts, &costs].concat())?;
                }
            }
        }
    }
    Ok(())
}

fn one(context: &Context, plant: &Plant, who: &str) -> Result<(Measured, String)> {
    let Plant { connections, units, tags, .. } = plant;
    let mut far = Far::start(&context.peers, &["--hosts", &connections.to_string()])?;
    let port = far.port.to_string();
    let counts = [connections, units, tags].map(ToString::to_string);
    let [connections_, units_, tags_] = &counts;
    let (warm, length) = (context.seconds(4.0, 1.2), context.seconds(10.0, 1.0));
    let measured = match who {
        MAPPER => {
            let mut mapper = plant.start(far.port)?;
            let measured = far.window(&mut mapper.process, warm, length)?;
            let verified = plant.verify(&mapper)?;
            consistent(&mut far, &mapper, *connections, connections * units)?;
            (measured, format!("{verified} by the local API"))
        }
        ENGINE => {
            let command = Context::own(&["engine", &port, connections_, units_, tags_])?;
            (far.window(&mut Process::start(who, command)?, warm, length)?, "each change".into())
        }
        _ => {
            let mut command = process::on_core(process::CLIENT, context.peer("raw"));
            command.args([&port, "tags", connections_, units_, tags_]);
            (far.window(&mut Process::start(who, command)?, warm, length)?, "each value".into())
        }
    };
    let open = far.counted()?.connections;
    ensure!(who != MAPPER || open <= *connections as f64, "{open} connections, must be {connections}");
    Ok(measured)
}

/// What the mapper says it was answered is what the far end was asked, but for what is under way. It counts the
/// attaching of each device too, which asks nothing here.
fn consistent(far: &mut Far, mapper: &Mapper, connections: usize, devices: usize) -> Result<()> {
    let mut seen = (0.0, 0.0);
    for _ in 0..20 {
        let first = far.counted()?.requests;
        let answered = mapper.metric("pollux_endpoint_exchanges_answered_total")? - devices as f64;
        let last = far.counted()?.requests;
        if (first - connections as f64..=last).contains(&answered) {
            return Ok(());
        }
        seen = (answered, last);
        std::thread::sleep(Duration::from_millis(200)); // the metric may have been taken a moment before
    }
    anyhow::bail!("the mapper counts {} requests, the far end {}", seen.0, seen.1)
}

/// The middle of ours by raw C of the same pair and round.
fn ratio(table: &Table, load: &str, ours: &str) -> f64 {
    let of = |round: &str, who: &str| {
        let wanted = |row: &Row<'_>| {
            (row.text("load"), row.text("round"), row.text("pair"), row.text("who")) == (load, round, ours, who)
        };
        table.numbers("core_percent", wanted).first().copied()
    };
    let rounds = table.texts("round");
    median(rounds.iter().filter_map(|round| Some(of(round, ours)? / of(round, RAW)?)).collect())
}

fn of(load: &str, who: &str) -> impl Fn(&Row<'_>) -> bool {
    let (load, who) = (load.to_owned(), who.to_owned());
    move |row| row.text("load") == load && row.text("who") == who
}

fn summary(table: &Table) -> Result<String> {
    let mut out =
        String::from("| load | client | values/s | requests/s | of a core | × raw C | resident | checked |\n");
    out.push_str("|---|---|---|---|---|---|---|---|\n");
    let mut verdicts = String::new();
    for (load, _, memory) in loads(false) {
        for who in [RAW, ENGINE, MAPPER] {
            let middle = |column| median(table.numbers(column, of(load, who)));
            let rates = table.rows().filter(of(load, who));
            let rate = median(rates.filter_map(|row| Some(row.number("requests")? / row.number("seconds")?)).collect());
            let (values, core, resident) = (middle("values_per_second"), middle("core_percent"), middle("rss_mib"));
            let ratio = if who == RAW { 1.0 } else { ratio(table, load, who) };
            let checked = table.rows().find(of(load, who)).map_or("", |row| row.text("verified"));
            let [core, ratio_, resident_] = [core, ratio, resident].map(short);
            writeln!(
                out,
                "| {load} | {who} | {values:.0} | {rate:.0} | {core} % | {ratio_} | {resident_} MiB | {checked} |"
            )?;
            if who == MAPPER {
                let cpu = verdict(ratio <= CPU, &format!("≤ {CPU} × raw C"));
                let mib = verdict(resident <= memory * 1e6 / MIB, &format!("≤ {memory} MB"));
                writeln!(verdicts, "- {load}: {ratio_} × the CPU of raw C ({cpu}), {resident_} MiB ({mib})")?;
            }
        }
    }
    Ok(format!("{out}\n{verdicts}"))
}

fn plot(table: &Table) -> String {
    let bars = |load: &str, column: &str| -> Vec<(String, f64)> {
        [RAW, ENGINE, MAPPER].map(|who| (who.to_owned(), median(table.numbers(column, of(load, who))))).to_vec()
    };
    let [(many, ..), (wide, ..)] = loads(false);
    plot::bars(&[
        ("100 000 tags/s: % of a core", bars(many, "core_percent")),
        ("100 000 tags/s: MiB resident", bars(many, "rss_mib")),
        ("500 × 30 tags/s: % of a core", bars(wide, "core_percent")),
        ("500 × 30 tags/s: MiB resident", bars(wide, "rss_mib")),
    ])
}
