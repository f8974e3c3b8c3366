//! What the rows of Bluetooth LE share: the ground, sensors, and the mapper's YAML.
use super::Context;
use crate::{ground::Ground, median, plant::Mapper, plot, process::Process, table::Table};
use anyhow::{Result, ensure};
use serde_json::{Value as Json, json};
use std::{
    fmt::Write as _,
    path::Path,
    thread,
    time::{Duration, Instant},
};

pub(super) const MAPPER: &str = "pollux-ble";
pub(super) const C: &str = "raw C";
/// The characteristic that is measured, and what the ground calls it.
pub(super) const UUID: &str = "12345678-0000-1000-8000-00805f9b0001";
pub(super) const COUNT: &str = "count";

/// The ground's program; where there is none, it says that the row is skipped.
pub(super) fn program(context: &Context) -> Option<&Path> {
    if context.ground.is_none() {
        println!("skipped: no Bluetooth ground (e2e/peers/bluez/build.sh makes it; needs root)");
    }
    context.ground.as_deref()
}
pub(super) fn ground(context: &Context, sensors: &[Json]) -> Result<Option<Ground>> {
    program(context).map(|program| Ground::start(program, sensors)).transpose()
}

pub(super) fn name(number: usize) -> String {
    format!("s{number:02}")
}
pub(super) fn address(number: usize) -> String {
    format!("F0:F1:F2:F3:F4:{number:02X}")
}

/// A sensor of one characteristic: two bytes.
pub(super) fn sensor(number: usize, interval_ms: u64) -> Json {
    json!({
        "address": address(number), "name": name(number), "advertise": {"interval_ms": interval_ms, "manufacturer": {"ffff": "00"}},
        "services": [{"uuid": "181A", "characteristics":
            [{"uuid": UUID, "id": COUNT, "properties": ["read", "notify"], "value": "0000"}]}],
    })
}

/// Devices for sensors of that kind; the binding is of the only property, `count`.
pub(super) fn yaml(count: usize, connections: usize, interval: &str, binding: &str) -> Result<String> {
    let mut out = String::from("apiVersion: pollux.rs/v1alpha1\nkind: DeviceModel\nmetadata: {name: counter}\nspec:\n");
    writeln!(out, "  defaults: {{interval: {interval}}}\n  properties:")?;
    let own = format!("characteristic: \"{UUID}\", dataType: uint16");
    writeln!(out, "  - {{name: count, type: integer, binding: {{ble: {{{own}, {binding}}}}}}}")?;
    out.push_str(&channel(connections));
    for number in 0..count {
        out.push_str(&device(&name(number), "counter", &address(number), ""));
    }
    Ok(out)
}
pub(super) fn channel(connections: usize) -> String {
    format!(
        "---\napiVersion: pollux.rs/v1alpha1\nkind: Channel\nmetadata: {{name: radio}}\n\
         spec: {{protocol: {{ble: {{connections: {connections}}}}}}}\n"
    )
}
pub(super) fn device(name: &str, model: &str, address: &str, more: &str) -> String {
    format!(
        "---\napiVersion: pollux.rs/v1alpha1\nkind: Device\nmetadata: {{name: {name}}}\n\
         spec: {{model: {model}, mode: Monitor, protocol: {{ble: {{channel: radio, address: \"{address}\"{more}}}}}}}\n"
    )
}

/// The mapper on the bus of that ground.
pub(super) fn start(ground: &Ground, yaml: &str) -> Result<Mapper> {
    Mapper::start_with(MAPPER, yaml, &[("DBUS_SYSTEM_BUS_ADDRESS", &ground.address())])
}

/// It has not panicked, and ends when it is told to.
pub(super) fn stop(mapper: Mapper) -> Result<()> {
    ensure!(!mapper.log()?.contains("panicked"), "the mapper panicked");
    mapper.process.end(Duration::from_secs(30))
}

/// Rounds that are yet to be measured.
pub(super) fn rounds(context: &Context, table: &Table) -> Vec<String> {
    let rounds = (1..=context.either(3, 1)).map(|round: u32| round.to_string());
    rounds.filter(|round| !table.has(&[round])).collect()
}

/// How many of these devices report that number.
pub(super) fn right(mapper: &Mapper, devices: impl Iterator<Item = String>, property: &str, number: f64) -> usize {
    let is = |device: &String| reported(mapper, device, property).is_some_and(|value| (value - number).abs() < 0.5);
    devices.filter(is).count()
}
/// What a device reports of that property.
pub(super) fn reported(mapper: &Mapper, device: &str, property: &str) -> Option<f64> {
    let object = mapper.device(device).ok()?; // it may have only just begun
    object.pointer(&format!("/status/reported/{property}")).and_then(Json::as_f64)
}

pub(super) fn until(patience: Duration, what: &str, mut is: impl FnMut() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    while !is()? {
        ensure!(began.elapsed() < patience, "not within {} s: {what}", patience.as_secs());
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
/// Until that number stays the same for a while.
pub(super) fn settled(patience: Duration, what: &str, mut number: impl FnMut() -> Result<f64>) -> Result<f64> {
    const WHILE: Duration = Duration::from_secs(2);
    let (mut last, mut since) = (number()?, Instant::now());
    until(patience, what, || {
        let now = number()?;
        if (now - last).abs() > 0.5 {
            (last, since) = (now, Instant::now());
        }
        Ok(since.elapsed() >= WHILE)
    })?;
    Ok(last)
}

/// Seconds, and shares of a core that each of the two used meanwhile.
pub(super) fn shares(ours: &Process, raw: &Process, length: Duration) -> Result<(f64, f64, f64)> {
    let (before, raw_before, began) = (ours.cpu()?, raw.cpu()?, Instant::now());
    thread::sleep(length);
    let (after, raw_after, seconds) = (ours.cpu()?, raw.cpu()?, began.elapsed().as_secs_f64());
    Ok((seconds, (after - before) / seconds * 100.0, (raw_after - raw_before) / seconds * 100.0))
}

/// What listening costs, ours and raw.
pub(super) fn plot(table: &Table) -> String {
    let bar = |who: &str, column| (who.to_owned(), median(table.numbers(column, |_| true)));
    plot::bars(&[
        ("% of a core (less is better)", vec![bar(MAPPER, "core_percent"), bar(C, "raw_percent")]),
        ("MiB resident", vec![bar(MAPPER, "rss_mib")]),
    ])
}
