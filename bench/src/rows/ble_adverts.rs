//! 500 who only advertise, once a second, in Ruuvi's format 5; each numbers what it says.
use super::{
    Context, Kind,
    ble::{self, C, MAPPER, settled, shares, until},
    short, verdict,
};
use crate::{
    ground::{Ground, Witness},
    median,
    plant::Mapper,
    table::Table,
};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value as Json, json};
use std::{fmt::Write as _, thread, time::Duration};

pub(crate) const ROW: Kind = Kind {
    name: "ble_adverts",
    what: "Bluetooth LE: 500 advertisers at 1 Hz",
    head: "round,advertisers,advertised,reported,bluez,values,values_of_each,last_right,seconds,told_per_second,core_percent,raw_percent,rss_mib",
    keys: 1,
    measure,
    summary,
    plot: ble::plot,
};

const CORE: f64 = 5.0;
const PATIENCE: Duration = Duration::from_mins(2);
/// Of one advertisement, each with a value whenever it comes.
const FIELDS: [&str; 4] = ["temperature", "humidity", "pressure", "sequence"];

/// Ruuvi's own example of format 5, with the number of the advertisement in place of the measurement's.
const DATA: &str = "0201061bff99040512fc5394c37c0004fffc040cac3642{s}cbb8334c884f";

fn measure(context: &Context, table: &mut Table) -> Result<()> {
    let (count, times) = context.either((500, 45), (50, 5));
    let rounds = ble::rounds(context, table);
    if rounds.is_empty() {
        return Ok(());
    }
    let Some(ground) = ble::ground(context, &[])? else { return Ok(()) };
    let mut witness = Witness::start(&context.peer("dbus"), &ground)?;
    let mapper = ble::start(&ground, &yaml(count)?)?;
    advertise(&ground, count, &Json::Null)?;
    until(PATIENCE, "all are heard", || Ok(mapper.metric("pollux_device_connected")? > count as f64 - 0.5))?;
    silence(&ground)?;
    for round in rounds {
        let row = one(context, &ground, &mut witness, &mapper, (count, times))?;
        let [advertised, reported, bluez, values, right, seconds, rate, core, raw] = row;
        println!("round {round}: {bluez} told by BlueZ, {values} values, {} % of a core", short(core));
        let whole = [count as f64, advertised, reported, bluez, values, FIELDS.len() as f64, right];
        let costs = [format!("{seconds:.3}"), short(rate), short(core), short(raw), short(mapper.process.resident()?)];
        table.put(&[&[round][..], &whole.map(|number| format!("{number:.0}")), &costs].concat())?;
    }
    ble::stop(mapper)
}

fn address(number: usize) -> String {
    format!("C0:00:00:00:{:02X}:{:02X}", number / 256, number % 256)
}
fn yaml(count: usize) -> Result<String> {
    let mut out = String::from(
        "apiVersion: pollux.rs/v1alpha1\nkind: DeviceModel\nmetadata: {name: tag}\nspec:\n  properties:\n",
    );
    for field in FIELDS {
        writeln!(
            out,
            "  - {{name: {field}, type: number, binding: {{ble: {{advertisement: {{format: Ruuvi5, field: {field}}}}}}}}}"
        )?;
    }
    out.push_str(&ble::channel(5));
    for number in 0..count {
        out.push_str(&ble::device(&format!("t{number}"), "tag", &address(number), ", connection: Never"));
    }
    Ok(out)
}
fn advertise(ground: &Ground, count: usize, times: &Json) -> Result<()> {
    let mut crowd = json!({"do": "advertisers", "count": count, "hz": 1, "data": DATA, "from": address(0)});
    if let (Some(crowd), false) = (crowd.as_object_mut(), times.is_null()) {
        crowd.insert("times".to_owned(), times.clone());
    }
    ground.ask(&crowd).map(drop)
}
fn silence(ground: &Ground) -> Result<Json> {
    ground.ask(&json!({"do": "silence"}))
}

fn one(
    context: &Context,
    ground: &Ground,
    witness: &mut Witness,
    mapper: &Mapper,
    (count, times): (usize, u32),
) -> Result<[f64; 9]> {
    let taken = || mapper.metric("pollux_endpoint_pushes_total");
    let (before, bluez) = (settled(PATIENCE, "nothing comes", taken)?, witness.said()?.adverts);
    advertise(ground, count, &times.into())?;
    thread::sleep(context.seconds(3.0, 0.5));
    let told = witness.said()?.adverts;
    let (seconds, core, raw) = shares(&mapper.process, &witness.process, context.seconds(38.0, 3.0))?;
    let rate = (witness.said()?.adverts - told) as f64 / seconds;
    let advertised = || {
        let state = ground.ask(&json!({"do": "state"}))?;
        state.pointer("/crowds/crowd/advertised").and_then(Json::as_f64).context("crowds")
    };
    let all = f64::from(times) * count as f64;
    until(PATIENCE, "all is advertised", || Ok(advertised()? > all - 0.5))?;
    let values = settled(PATIENCE, "the last has come", taken)? - before;
    let bluez = (witness.said()?.adverts - bluez) as f64;
    let over = silence(ground)?;
    let of = |what: &str| over.get(what).and_then(Json::as_f64).with_context(|| what.to_owned());
    let right = ble::right(mapper, (0..count).map(|number| format!("t{number}")), "sequence", f64::from(times));
    if context.quick {
        let decoded = values / FIELDS.len() as f64;
        ensure!((decoded - bluez).abs() < 0.1, "BlueZ told of {bluez} advertisements, {decoded} were decoded");
    }
    Ok([of("advertised")?, of("reported")?, bluez, values, right as f64, seconds, rate, core, raw])
}

fn summary(table: &Table) -> Result<String> {
    let middle = |column| median(table.numbers(column, |_| true));
    let sum = |column| table.numbers(column, |_| true).iter().sum::<f64>();
    let (core, raw, memory) = (middle("core_percent"), middle("raw_percent"), middle("rss_mib"));
    let mut out = String::from("| client | of a core | × raw C | resident |\n|---|---|---|---|\n");
    writeln!(out, "| {MAPPER} | {} % | {} | {} MiB |", short(core), short(core / raw), short(memory))?;
    writeln!(out, "| {C}, counting only | {} % | 1.00 | |\n", short(raw))?;
    let decoded = sum("values") / middle("values_of_each");
    let (bluez, right, count) = (sum("bluez"), sum("last_right"), sum("advertisers"));
    writeln!(
        out,
        "- {} rounds: {:.0} advertised, {:.0} reported by the controller, {bluez:.0} told by BlueZ, {decoded:.0} decoded ({}); the last number of \
         {right:.0} of {count:.0} was the advertiser's",
        table.rows().count(),
        sum("advertised"),
        sum("reported"),
        verdict((decoded - bluez).abs() < 0.1, "all that BlueZ tells")
    )?;
    // A guest with little CPU tells of fewer than are advertised: what counts is what all would cost.
    let (rate, all) = (middle("told_per_second"), middle("advertisers"));
    let whole = core * all / rate;
    let reached = verdict(whole <= CORE, "≤ 5 %");
    let [core, rate, whole] = [core, rate, whole].map(short);
    writeln!(
        out,
        "- {core} % of a core for {rate} a second as BlueZ told them, which is {whole} % for {all:.0} ({reached})"
    )?;
    Ok(out)
}
