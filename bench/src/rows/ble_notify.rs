//! 12 sensors that notify twice a second; each counts what it sent, and its values count up.
use super::{
    Context, Kind,
    ble::{self, C, COUNT, MAPPER, name, settled, shares, until},
    short, verdict,
};
use crate::{
    ground::{Ground, Witness},
    median,
    plant::Mapper,
    table::Table,
};
use anyhow::{Result, ensure};
use serde_json::json;
use std::{fmt::Write as _, thread, time::Duration};

pub(crate) const ROW: Kind = Kind {
    name: "ble_notify",
    what: "Bluetooth LE: 12 sensors that notify twice a second, on one adapter",
    head: "round,sensors,hz,sent,bluez,taken,last_right,seconds,core_percent,raw_percent,rss_mib",
    keys: 1,
    measure,
    summary,
    plot: ble::plot,
};

const CORE: f64 = 2.0;
const MEMORY: f64 = 20.0;
const PATIENCE: Duration = Duration::from_mins(2);

fn measure(context: &Context, table: &mut Table) -> Result<()> {
    let (sensors, hz, count) = context.either((12, 2, 90), (2, 10, 20));
    let rounds = ble::rounds(context, table);
    if rounds.is_empty() {
        return Ok(());
    }
    let all: Vec<_> = (0..sensors).map(|number| ble::sensor(number, 100)).collect();
    let Some(ground) = ble::ground(context, &all)? else { return Ok(()) };
    let mut witness = Witness::start(&context.peer("dbus"), &ground)?;
    let mapper = ble::start(&ground, &ble::yaml(sensors, sensors, "1m", "notify: Required")?)?;
    until(PATIENCE, "all are connected", || Ok(ground.connected()? == sensors))?;
    until(PATIENCE, "their first values", || {
        Ok((0..sensors).all(|number| ble::reported(&mapper, &name(number), COUNT).is_some()))
    })?;
    for round in rounds {
        let done = one(context, &ground, &mut witness, &mapper, (sensors, hz, count))?;
        let [sent, bluez, taken, right, seconds, core, raw] = done;
        println!("round {round}: {sent} sent, {taken} taken, {} % of a core", short(core));
        let whole = [sensors as f64, f64::from(hz), sent, bluez, taken, right].map(|number| format!("{number:.0}"));
        let costs = [format!("{seconds:.3}"), short(core), short(raw), short(mapper.process.resident()?)];
        table.put(&[&[round][..], &whole, &costs].concat())?;
    }
    ble::stop(mapper)
}

fn one(
    context: &Context,
    ground: &Ground,
    witness: &mut Witness,
    mapper: &Mapper,
    (sensors, hz, count): (usize, u32, u32),
) -> Result<[f64; 7]> {
    let sent = || Ok::<f64, anyhow::Error>(ground.counts(COUNT, "notified")?.iter().sum());
    let taken = || mapper.metric("pollux_endpoint_pushes_total");
    let (sent_before, taken_before, bluez) =
        (sent()?, settled(PATIENCE, "nothing comes", taken)?, witness.said()?.values);
    for number in 0..sensors {
        ground
            .ask(&json!({"do": "notify", "name": name(number), "characteristic": COUNT, "hz": hz, "count": count}))?;
    }
    thread::sleep(context.seconds(3.0, 0.3));
    let (seconds, core, raw) = shares(&mapper.process, &witness.process, context.seconds(38.0, 1.0))?;
    let all = f64::from(count) * sensors as f64;
    until(PATIENCE, "all are sent", || Ok(sent()? - sent_before > all - 0.5))?;
    let taken = settled(PATIENCE, "the last have come", taken)? - taken_before;
    let bluez = witness.said()?.values - bluez;
    let right = ble::right(mapper, (0..sensors).map(name), COUNT, f64::from(count));
    let sent = sent()? - sent_before;
    if context.quick {
        ensure!((sent - taken).abs() < 0.5, "{sent} were sent, {taken} were taken");
        ensure!(right == sensors, "the last values of {} sensors are wrong", sensors - right);
    }
    Ok([sent, bluez as f64, taken, right as f64, seconds, core, raw])
}

fn summary(table: &Table) -> Result<String> {
    let middle = |column| median(table.numbers(column, |_| true));
    let sum = |column| table.numbers(column, |_| true).iter().sum::<f64>();
    let (core, raw, memory) = (middle("core_percent"), middle("raw_percent"), middle("rss_mib"));
    let mut out = String::from("| client | of a core | resident |\n|---|---|---|\n");
    writeln!(out, "| {MAPPER} | {} % | {} MiB |", short(core), short(memory))?;
    writeln!(out, "| {C}, counting only | {} % | |\n", short(raw))?;
    let (sent, bluez, taken) = (sum("sent"), sum("bluez"), sum("taken"));
    let (sensors, right) = (sum("sensors"), sum("last_right"));
    let rounds = table.rows().count();
    let all = (sent - taken).abs() < 0.5 && (sensors - right).abs() < 0.5;
    writeln!(
        out,
        "- {rounds} rounds: {sent:.0} sent by the sensors, {bluez:.0} told by BlueZ, {taken:.0} taken in by the mapper, whose last value was \
         the sensor's {right:.0} times of {sensors:.0} ({})",
        verdict(all, "every one")
    )?;
    let fits = verdict(memory * 1.048_576 <= MEMORY, "≤ 20 MB");
    writeln!(
        out,
        "- {} % of a core ({}), {} MiB ({fits})",
        short(core),
        verdict(core <= CORE, "≤ 2 %"),
        short(memory)
    )?;
    Ok(out)
}
