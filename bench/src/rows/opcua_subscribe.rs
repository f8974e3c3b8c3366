//! 100,000 subscribed values a second of ten servers; each float counts its samples, so that a lost one shows.
use super::{
    Context, Kind,
    opcua::{C, ENGINE, Floats, MAPPER, c_client, c_says, lost, missing, servers},
    short, verdict,
};
use crate::{
    far::Measured,
    median, plot,
    process::Process,
    servers::{urls, window},
    table::{Row, Table},
};
use anyhow::{Context as _, Result};
use std::{fmt::Write as _, time::Duration};

pub(crate) const ROW: Kind = Kind {
    name: "opcua_subscribe",
    what: "OPC UA: 100,000 subscribed values a second of ten servers",
    head: "round,pair,who,seconds,publishes,values_per_second,core_percent,cpu_ns_per_value,rss_mib,lost,verified",
    keys: 3,
    measure,
    summary,
    plot,
};

const OURS: [&str; 2] = [ENGINE, MAPPER];
/// Times the CPU of open62541, and MB (10⁶ bytes).
const CPU: f64 = 3.0;
const MEMORY: f64 = 100.0;
const INTERVAL_MS: u64 = 100;

/// Servers, and floats of each.
fn load(context: &Context) -> (usize, usize) {
    context.either((10, 1000), (2, 100))
}

fn measure(context: &Context, table: &mut Table) -> Result<()> {
    if missing(context) {
        return Ok(());
    }
    for round in 1..=context.either(3, 1) {
        for (pair, who) in OURS.into_iter().flat_map(|ours| [(ours, C), (ours, ours)]) {
            let round = round.to_string();
            if table.has(&[&round, pair, who]) {
                continue;
            }
            let (m, lost, verified) = one(context, who)?;
            let (rate, cores, each) = (m.values / m.seconds, m.cores() * 100.0, m.cpu * 1e9 / m.values);
            println!("round {round}: {who} {rate:.0} values/s, {} % of a core, {lost} lost", short(cores));
            let counts = [format!("{:.3}", m.seconds), format!("{:.0}", m.requests), format!("{rate:.0}")];
            let costs = [short(cores), short(each), short(m.resident), format!("{lost:.0}"), verified];
            table.put(&[&[round, pair.to_owned(), who.to_owned()][..], &counts, &costs].concat())?;
        }
    }
    Ok(())
}

fn one(context: &Context, who: &str) -> Result<(Measured, f64, String)> {
    let (count, floats) = load(context);
    let mut servers = servers(context, count, floats, &[])?;
    let rate = (count * floats) as f64 * 1000.0 / INTERVAL_MS as f64;
    let (warm, length) = (context.seconds(3.0, 0.5), context.seconds(10.0, 1.5));
    if who == MAPPER {
        let plan = Floats { devices: 1, points: floats, interval_ms: INTERVAL_MS, poll: false };
        let mut mapper = plan.start(&servers)?;
        let measured = window(&mut servers, &mut mapper.process, rate, warm, length)?;
        // What is shown may be a report old (one second), and a publishing interval.
        let verified = plan.verify(&mapper, &mut servers, 2000.0 / INTERVAL_MS as f64)?;
        return Ok((measured, lost(&mapper)?, format!("{verified} by the local API")));
    }
    let urls = urls(&servers);
    if who == ENGINE {
        let interval = INTERVAL_MS.to_string();
        let mut client = Process::start(who, Context::own(&["opcua", &urls, &floats.to_string(), &interval])?)?;
        // It ends when a value is not one more than the one before.
        return Ok((window(&mut servers, &mut client, rate, warm, length)?, 0.0, "each value".into()));
    }
    let seconds = (warm + length + Duration::from_secs(context.either(8, 4))).as_secs().to_string();
    let arguments =
        [&urls, "none", "subscribe", &count.to_string(), &floats.to_string(), &INTERVAL_MS.to_string(), &seconds];
    let mut client = Process::start(who, c_client(context, &arguments))?;
    let measured = window(&mut servers, &mut client, rate, warm, length)?;
    let jumps = c_says(client)?.get("jumps").and_then(serde_json::Value::as_f64).context("jumps")?;
    Ok((measured, jumps, "each value".into()))
}

fn of(who: &str) -> impl Fn(&Row<'_>) -> bool {
    let who = who.to_owned();
    move |row| row.text("who") == who
}
fn ratio(table: &Table, ours: &str) -> f64 {
    let number = |round: &str, who: &str| {
        let wanted = |row: &Row<'_>| (row.text("round"), row.text("pair"), row.text("who")) == (round, ours, who);
        table.numbers("core_percent", wanted).first().copied()
    };
    let rounds = table.texts("round");
    median(rounds.iter().filter_map(|round| Some(number(round, ours)? / number(round, C)?)).collect())
}

fn summary(table: &Table) -> Result<String> {
    let mut out = String::from(
        "| client | values/s | Publish/s | of a core | × open62541 | CPU per value | resident | lost | checked |\n",
    );
    out.push_str("|---|---|---|---|---|---|---|---|---|\n");
    let mut verdicts = String::new();
    for who in [C, ENGINE, MAPPER] {
        let middle = |column| median(table.numbers(column, of(who)));
        let rates = table.rows().filter(of(who));
        let calls = median(rates.filter_map(|row| Some(row.number("publishes")? / row.number("seconds")?)).collect());
        let (values, core, resident) = (middle("values_per_second"), middle("core_percent"), middle("rss_mib"));
        let lost: f64 = table.numbers("lost", of(who)).iter().sum();
        let ratio = if who == C { 1.0 } else { ratio(table, who) };
        let checked = table.rows().find(of(who)).map_or("", |row| row.text("verified"));
        let [core, ratio_, each, memory, calls] = [core, ratio, middle("cpu_ns_per_value"), resident, calls].map(short);
        writeln!(
            out,
            "| {who} | {values:.0} | {calls} | {core} % | {ratio_} | {each} ns | {memory} MiB | {lost:.0} | {checked} |"
        )?;
        if who == MAPPER {
            let cpu = verdict(ratio <= CPU, "≤ 3 × open62541");
            let mib = verdict(resident * 1.048_576 <= MEMORY, "≤ 100 MB");
            writeln!(verdicts, "- {who}: {ratio_} × the CPU of open62541's client ({cpu}), {memory} MiB ({mib})")?;
            writeln!(verdicts, "- lost: {lost:.0} ({})", verdict(lost < 0.5, "none"))?;
        }
    }
    Ok(format!("{out}\n{verdicts}"))
}

fn plot(table: &Table) -> String {
    let bars = |column: &str| -> Vec<(String, f64)> {
        [C, ENGINE, MAPPER].map(|who| (who.to_owned(), median(table.numbers(column, of(who))))).to_vec()
    };
    plot::bars(&[("% of a core (less is better)", bars("core_percent")), ("MiB resident", bars("rss_mib"))])
}
