//! Plans of reads for maps of devices on four kinds of links: ours beside simple rules and the optimum, which is
//! computed here anew, from the costs alone.
use super::{Context, Kind, short, verdict};
use crate::{
    maps::{self, Map},
    median, plot,
    table::{Row, Table},
};
use anyhow::{Result, anyhow, ensure};
use pollux_crds::{ModbusBinding, ModbusDevice, ModbusTable as Table_};
use pollux_mapper::{Interval, Point, Protocol as _, Slot};
use pollux_modbus::{Modbus, Unit};
use serde_json::json;
use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

pub(crate) const ROW: Kind = Kind {
    name: "planner",
    what: "plans of reads: 3 made-up and 5 real maps on 4 links",
    head: "map,link,rule,values,requests,registers,cost_ms,optimum_ms,plan_ms",
    keys: 3,
    measure,
    summary,
    plot,
};

/// Microseconds of a request without data, and of one register. On a serial line 11 bits a character: a request has 8
/// and its answer 5 beside the data, two silences of 3.5 (1.75 ms at 115,200) go before them, and the device takes 5
/// ms to think.
const LINKS: [(&str, u64, u64); 4] =
    [("TCP 1 ms", 1_000, 1), ("TCP 50 ms", 50_000, 1), ("RTU 9600", 27_917, 2_292), ("RTU 115200", 9_741, 191)];
/// Ours at its default and with any gap allowed; the rules of other clients.
const OURS: [(&str, u32); 2] = [("pollux (gap 16)", 16), ("pollux (any gap)", 124)];
const RULES: [(&str, u32); 4] = [("adjacent only", 0), ("gap 16", 16), ("gap 50", 50), ("fill up", 125)];
/// Values for which a plan must be made within 10 ms.
const MANY: usize = 10_000;

/// Requests: first address and number of registers.
type Requests = Vec<(u32, u32)>;

fn measure(context: &Context, table: &mut Table) -> Result<()> {
    let mut maps = maps::all()?;
    maps.push(maps::ten_thousand());
    for map in &maps {
        for (link, request, register) in LINKS {
            for (rule, gap) in OURS {
                let optimum = optimum(map, gap, request, register);
                let (requests, took) = ours(map, gap, (request, register), context.either(9, 1))?;
                let took = took.as_secs_f64() * 1e3;
                put(table, map, (link, rule), &requests, (request, register), Some(optimum), took)?;
            }
            for (rule, gap) in RULES {
                put(table, map, (link, rule), &greedy(map, gap), (request, register), None, f64::NAN)?;
            }
        }
    }
    Ok(())
}

fn put(
    table: &mut Table,
    map: &Map,
    (link, rule): (&str, &str),
    requests: &Requests,
    (request, register): (u64, u64),
    optimum: Option<u64>,
    took: f64,
) -> Result<()> {
    let missing = map.values.iter().find(|(at, width)| {
        let (at, width) = (u32::from(*at), u32::from(*width));
        !requests.iter().any(|(first, count)| *first <= at && at + width <= first + count)
    });
    ensure!(missing.is_none(), "{} {rule}: {missing:?} is in no request", map.name);
    let legal = requests.iter().all(|(_, count)| (1..=u32::from(map.cap)).contains(count));
    ensure!(legal, "{} {rule}: a request is not legal", map.name);
    let registers: u64 = requests.iter().map(|(_, count)| u64::from(*count)).sum();
    let cost = requests.len() as u64 * request + registers * register;
    ensure!(optimum.is_none_or(|optimum| optimum <= cost), "{} {rule}: less than the optimum", map.name);
    let ms = |micros: u64| format!("{:.3}", micros as f64 / 1e3);
    table.put(&[
        map.name.into(),
        link.into(),
        rule.into(),
        map.values.len().to_string(),
        requests.len().to_string(),
        registers.to_string(),
        ms(cost),
        optimum.map(ms).unwrap_or_default(),
        if took.is_finite() { format!("{took:.3}") } else { String::new() },
    ])
}

/// The least cost of requests that cover all values, do not split one and read no gap of more than `gap` along. Values
/// do not overlap, so a request answers consecutive ones: the best for the first n is the best for some fewer and one
/// request more.
fn optimum(map: &Map, gap: u32, request: u64, register: u64) -> u64 {
    let (values, cap) = (&map.values, u32::from(map.cap));
    let mut best = vec![0_u64];
    for (n, (at, width)) in values.iter().enumerate() {
        let (end, mut least, mut above) = (u32::from(*at) + u32::from(*width), u64::MAX, None);
        for (first, (start, width)) in values.iter().enumerate().take(n + 1).rev() {
            let (start, after) = (u32::from(*start), u32::from(*start) + u32::from(*width));
            if end - start > cap || above.is_some_and(|above| above - after > gap) {
                break;
            }
            let before = best.get(first).copied().unwrap_or(0);
            least = least.min(before + request + register * u64::from(end - start));
            above = Some(start);
        }
        best.push(least);
    }
    best.last().copied().unwrap_or(0)
}

/// From the first value on, as much into each request as the gap and the cap allow.
fn greedy(map: &Map, gap: u32) -> Requests {
    let (mut requests, cap) = (Requests::new(), u32::from(map.cap));
    for (at, width) in &map.values {
        let (at, end) = (u32::from(*at), u32::from(*at) + u32::from(*width));
        match requests.last_mut() {
            Some((first, count)) if end - *first <= cap && at - (*first + *count) <= gap => *count = end - *first,
            _ => requests.push((at, end - at)),
        }
    }
    requests
}

/// As the engine asks for a plan of everything; the middle of the times that it took.
fn ours(map: &Map, gap: u32, (request, register): (u64, u64), times: usize) -> Result<(Requests, Duration)> {
    let unit = unit(map, gap, (request, register))?;
    let due: Vec<usize> = (0..map.values.len()).collect();
    let mut took = vec![];
    let mut plan = vec![];
    for _ in 0..times {
        let began = Instant::now();
        plan = Modbus.plan(&unit, &due);
        took.push(began.elapsed().as_secs_f64());
    }
    let mut planned: Vec<usize> = plan.iter().flat_map(|one| one.points.clone()).collect();
    planned.sort_unstable();
    ensure!(planned == due, "{}: not every value stands in exactly one request", map.name);
    let requests = plan.iter().map(|one| (u32::from(one.request.start), u32::from(one.request.count))).collect();
    Ok((requests, Duration::from_secs_f64(median(took))))
}

fn unit(map: &Map, gap: u32, (request, register): (u64, u64)) -> Result<Unit> {
    let device: ModbusDevice = serde_json::from_value(json!({
        "tcp": {"host": "127.0.0.1", "port": 502},
        "limits": {"gap": gap, "registers": map.cap},
        "cost": {"requestMicros": request, "registerMicros": register},
    }))?;
    let table = if map.table == Table_::Input { "input" } else { "holding" };
    let binding = |(at, width): &(u16, u16)| {
        serde_json::from_value(json!({"table": table, "address": at, "dataType": "string", "length": width}))
    };
    let bindings: Vec<ModbusBinding> = map.values.iter().map(binding).collect::<Result<_, _>>()?;
    let points: Vec<Point<'_, ModbusBinding>> = (0..)
        .zip(&bindings)
        .map(|(slot, address)| Point {
            slot: Slot(slot),
            name: "value",
            address,
            readable: true,
            writable: false,
            event: false,
            interval: Interval::Every(Duration::from_secs(1)),
            read_group: None,
        })
        .collect();
    Modbus.prepare(&device, &points).map_err(|errors| anyhow!("{errors:?}"))
}

fn summary(table: &Table) -> Result<String> {
    let many = |row: &Row<'_>| row.text("values") == MANY.to_string();
    let mut out = String::from("Milliseconds of a link's time for one cycle (requests):\n\n| map | link |");
    let rules: Vec<&str> = OURS.iter().chain(&RULES).map(|(rule, _)| *rule).collect();
    writeln!(out, " {} |\n|---|---|{}", rules.join(" | "), "---|".repeat(rules.len()))?;
    for map in table.texts("map") {
        for (link, ..) in LINKS {
            write!(out, "| {map} | {link} |")?;
            for rule in &rules {
                let of =
                    |row: &Row<'_>| row.text("map") == map && row.text("link") == link && row.text("rule") == *rule;
                let cost = median(table.numbers("cost_ms", of));
                write!(out, " {} ({}) |", short(cost), median(table.numbers("requests", of)))?;
            }
            out.push('\n');
        }
    }
    let ours = || table.rows().filter(|row| row.text("rule").starts_with("pollux"));
    let exact = ours().filter(|row| row.text("cost_ms") == row.text("optimum_ms")).count();
    let slowest = table.numbers("plan_ms", many).into_iter().fold(f64::NAN, f64::max);
    let all = ours().count();
    writeln!(out, "\n- {exact} of {all} plans cost what the optimum costs ({})", verdict(exact == all, "all"))?;
    writeln!(out, "- a plan for {MANY} values took at most {slowest:.2} ms ({})", verdict(slowest < 10.0, "< 10 ms"))?;
    Ok(out)
}

/// All maps but the large one, by link.
fn plot(table: &Table) -> String {
    let sum = |link: &str, rule: &str| -> f64 {
        table
            .numbers("cost_ms", |row| {
                row.text("link") == link && row.text("rule") == rule && row.text("values") != MANY.to_string()
            })
            .iter()
            .sum()
    };
    let rules = || OURS.iter().chain(&RULES);
    let bars = |link: &str| rules().map(|(rule, _)| ((*rule).to_owned(), sum(link, rule))).collect();
    let groups: Vec<(String, Vec<(String, f64)>)> =
        LINKS.iter().map(|(link, ..)| (format!("{link}: ms per cycle of all eight maps"), bars(link))).collect();
    let groups: Vec<(&str, Vec<(String, f64)>)> =
        groups.iter().map(|(title, bars)| (title.as_str(), bars.clone())).collect();
    plot::bars(&groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(values: Vec<(u16, u16)>) -> Map {
        Map { name: "test", table: Table_::Holding, values, cap: 125 }
    }

    /// Three values, by hand: 10 for a request, 1 for a register.
    #[test]
    fn the_optimum_weighs_a_request_against_what_it_reads_along() {
        let map = map(vec![(0, 2), (7, 1), (30, 1)]);
        assert_eq!(optimum(&map, 124, 10, 1), 18 + 11, "0..8 together, 30 by itself");
        assert_eq!(optimum(&map, 4, 10, 1), 12 + 11 + 11, "the gap of five is not allowed");
        assert_eq!(optimum(&map, 124, 100, 1), 131);
        assert_eq!(greedy(&map, 5), [(0, 8), (30, 1)]);
        assert_eq!(greedy(&map, 125), [(0, 31)]);
    }

    #[test]
    fn a_request_holds_125_registers() {
        let map = map((0..63).map(|n| (2 * n, 2)).collect());
        assert_eq!(greedy(&map, 0), [(0, 124), (124, 2)]);
        assert_eq!(optimum(&map, 0, 10, 1), 20 + 126);
    }
}
