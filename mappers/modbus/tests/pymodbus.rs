//! Against pymodbus, which shares no code with us: `POLLUX_PYTHON` is a Python that has it (`$(e2e/peers/venv)/bin/python`).
//! `scripts/test pymodbus` runs them, and says so where there is no Python.
#![allow(clippy::panic, clippy::unwrap_in_result, reason = "a test")]
mod common;

use common::{
    bits,
    cli::run,
    device, device_of_rtu_over_tcp,
    drive::{read, write},
    peer::Peer,
    registers, unit,
};
use pollux_crds::{
    ModbusBinding,
    ModbusDataType::{Float32, Int64, Uint16},
    ModbusDevice,
    ModbusTable::{Coil, Discrete, Holding, Input},
};
use pollux_mapper::{Cx, Exit, Fault, Instant, Link as _, PointFault, Protocol, Samples, Value, Wrote};
use pollux_modbus::{Link, Modbus, Unit};
use serde_json::Value as Json;
use std::time::Duration;

async fn connect(device: ModbusDevice) -> Link {
    let endpoint = Modbus.endpoint(&device).expect("valid");
    Modbus.connect(&endpoint, &Cx::default()).await.expect("connected")
}

fn prepared(bindings: &[(ModbusBinding, bool, Option<&str>)]) -> Unit {
    unit(1, bindings).expect("valid")
}

#[tokio::test]
#[ignore = "a part of its own: needs POLLUX_PYTHON"]
async fn pymodbus_reads_as_it_was_set_and_holds_what_was_written() {
    let peer = Peer::pymodbus(&[]);
    let device = device(peer.address(), 1);
    is_read_and_written(peer, device).await;
}

#[tokio::test]
#[ignore = "a part of its own: needs POLLUX_PYTHON"]
async fn pymodbus_understands_rtu_as_we_do() {
    let peer = Peer::pymodbus(&["--rtu"]);
    let device = device_of_rtu_over_tcp(peer.address(), 1);
    is_read_and_written(peer, device).await;
}

async fn is_read_and_written(mut peer: Peer, device: ModbusDevice) {
    let link = connect(device).await;
    let unit = prepared(&[
        (registers(Holding, 20, Float32), true, None),
        (registers(Holding, 7, Uint16), true, None),
        (registers(Input, 5, Uint16), false, None),
        (bits(Coil, 9), true, None),
        (bits(Discrete, 4), false, None),
        (registers(Holding, 200, Int64), true, None),
        (bits(Coil, 10), true, None),
    ]);
    let values = read(&link, &unit).await;
    let expected =
        [Value::Float(21.5), Value::Uint(107), Value::Uint(35), Value::Bool(true), Value::Bool(true), Value::Int(0)];
    for (slot, value) in (0..).zip(expected) {
        assert_eq!(values[&slot], Ok(value), "slot {slot}");
    }
    assert_eq!(write(&link, &unit, &[(0, Value::Float(-3.25))]).await, [Wrote::Done]);
    assert_eq!(write(&link, &unit, &[(1, Value::Int(7))]).await, [Wrote::Done]);
    assert_eq!(write(&link, &unit, &[(5, Value::Int(-2))]).await, [Wrote::Done]);
    assert_eq!(
        write(&link, &unit, &[(3, Value::Bool(false)), (6, Value::Bool(true))]).await,
        [Wrote::Done, Wrote::Done]
    );
    // -3.25 is 0xC0500000
    for (what, expected) in [
        ("get 1 holding 20 2", vec![0xC050, 0]),
        ("get 1 holding 7 1", vec![7]),
        ("get 1 holding 200 4", vec![0xFFFF, 0xFFFF, 0xFFFF, 0xFFFE]),
        ("get 1 coil 9 2", vec![0, 1]),
    ] {
        assert_eq!(peer.command(what)["values"], Json::from(expected), "{what}");
    }
    let log = peer.command("writes");
    let functions: Vec<_> = log["writes"].as_array().expect("a list").iter().map(|w| w["function"].clone()).collect();
    assert_eq!(functions, [16, 6, 16, 15]);
}

#[tokio::test]
#[ignore = "a part of its own: needs POLLUX_PYTHON"]
async fn pymodbus_refuses_in_the_words_of_the_standard() {
    let mut peer = Peer::pymodbus(&[]);
    let link = connect(device(peer.address(), 1)).await;
    let unit =
        prepared(&[(registers(Holding, 998, Uint16), true, None), (registers(Holding, 999, Float32), false, None)]);
    let values = read(&link, &unit).await;
    assert_eq!(values[&0], Ok(Value::Uint(0)), "its neighbour is illegal, not it");
    let text = |result: &Result<Value, PointFault>| result.as_ref().map_err(|fault| fault.text.to_string()).cloned();
    assert_eq!(text(&values[&1]), Err("Modbus exception 2: illegal data address".into()));
    let refused = write(&link, &unit, &[(0, Value::Int(1))]).await;
    assert!(
        matches!(&refused[..], [Wrote::Refused(fault)] if fault.text == "Modbus exception 2: illegal data address")
    );
    peer.command("unit 5 silent");
    let silent = common::unit(5, &[(registers(Holding, 0, Uint16), false, None)]).expect("valid");
    let exchange = &Modbus.plan(&silent, &[0])[0];
    let soon = Instant::now() + Duration::from_millis(200);
    let fault = link.read(&silent, exchange, soon, &mut Samples::default()).await;
    assert!(matches!(fault, Err(Fault::Device(_))), "{fault:?}");
    assert_eq!(read(&link, &unit).await[&0], Ok(Value::Uint(0)), "the connection is kept");
}

/// A map with holes, by pymodbus's own datastore: no value is lost because its neighbour is illegal, and finding out costs little.
#[tokio::test]
#[ignore = "a part of its own: needs POLLUX_PYTHON"]
async fn the_holes_of_a_map_are_found_and_no_value_is_lost() {
    let mut peer = Peer::by("pymodbus_sparse.py", &[]);
    let link = connect(device(peer.address(), 1)).await;
    let there: Vec<i32> = [0..=5, 8..=9, 20..=27, 100..=109].into_iter().flatten().collect();
    let illegal = [6, 15, 110];
    let addresses: Vec<i32> = there.iter().copied().chain(illegal).collect();
    let bindings: Vec<_> = addresses.iter().map(|at| (registers(Holding, *at, Uint16), false, None)).collect();
    let unit = prepared(&bindings);
    let mut counts = vec![];
    for _ in 0..6 {
        let values = read(&link, &unit).await;
        for (slot, address) in (0..).zip(&addresses) {
            let expected = u64::try_from(*address).map(Value::Uint).expect("an address");
            match &values[&slot] {
                Ok(value) => assert!(there.contains(address) && *value == expected, "{address}: {value}"),
                Err(fault) => assert!(illegal.contains(address), "{address}: {fault}"),
            }
        }
        counts.push(peer.command("count")["count"].as_u64().expect("a number"));
    }
    assert_eq!(counts.last(), Some(&7), "four areas and three that are refused, each by itself: {counts:?}");
    assert!(counts.iter().sum::<u64>() <= 6 * 7 + 25, "{counts:?}");
}

#[tokio::test]
#[ignore = "a part of its own: needs POLLUX_PYTHON"]
async fn a_person_reads_in_every_byte_order_and_is_told_of_the_neighbours() {
    let mut peer = Peer::pymodbus(&[]);
    let url = format!("tcp://{}", peer.address());
    for (words, shown) in [
        ("1 holding 20 float32", "holding 20 (40021)  float32  21.5\n"),
        ("1 40008 uint16 --count 2", "holding 7 (40008)  uint16  107\nholding 8 (40009)  uint16  108\n"),
        ("1 input 5 uint16", "input 5 (30006)  uint16  35\n"),
        ("1 coil 9", "coil 9 (00010)  true\n"),
        ("1 discrete 4", "discrete 4 (10005)  true\n"),
    ] {
        let done = run(&format!("read {url}/{words}")).await;
        assert_eq!((done.exit, done.out.as_str()), (Exit::Ok, shown), "{words}: {}", done.err);
    }
    peer.command("set 1 holding 30 0x0000 0x42F6");
    let done = run(&format!("read {url}/1 holding 30 float32 --all-orders")).await;
    assert!(done.out.ends_with("float32 is plausible in one order: CDAB (123)\n"), "{}", done.out);
    let done = run(&format!("read {url}/1 41001 uint16")).await;
    assert_eq!(done.exit, Exit::Fault);
    assert!(done.err.contains("41001 here may be holding 999 (41000), one lower"), "{}", done.err);
    let done = run(&format!("read {url}/9 40001 uint16")).await;
    assert_eq!(done.err, "unit 9: Modbus exception 11: gateway target device failed to respond\n");
    assert_eq!(peer.command("writes")["writes"], Json::Array(vec![]));
}

#[tokio::test]
#[ignore = "a part of its own: needs POLLUX_PYTHON"]
async fn scan_finds_the_units_of_a_gateway_and_of_a_silent_bus() {
    for absent in ["11", "silent"] {
        let mut peer = Peer::pymodbus(&["--absent", absent]);
        peer.command("unit 5 2");
        let done = run(&format!("scan tcp://{} --units 1-7 --timeout 150ms", peer.address())).await;
        assert_eq!((done.exit, done.err.as_str()), (Exit::Ok, "2 of 7 units answered: 1, 5\n"), "{absent}");
        assert!(done.out.contains("ms  holding 0 (40001) = 0x0064\n"), "{}", done.out);
        assert!(done.out.contains("ms  Modbus exception 2: illegal data address\n"), "{}", done.out);
        assert_eq!(peer.command("count")["count"], 7, "one question each");
        assert_eq!(peer.command("writes")["writes"], Json::Array(vec![]));
    }
}

/// A row of the table of depths: depth, right, of.
fn depth(line: &str) -> Option<[u32; 3]> {
    let cells: Vec<u32> = line.split_whitespace().take(3).filter_map(|cell| cell.parse().ok()).collect();
    <[u32; 3]>::try_from(cells).ok()
}

#[tokio::test]
#[ignore = "a part of its own: needs POLLUX_PYTHON"]
async fn probe_finds_limits_and_holes_that_are_there() {
    let mut peer = Peer::pymodbus(&[]);
    peer.command("cap 1 60");
    let url = format!("tcp://{}/1", peer.address());
    let done = run(&format!("probe {url} --range holding 0-199 --pipeline 8 --requests 400")).await;
    assert_eq!(done.exit, Exit::Ok, "{}", done.err);
    assert!(done.out.contains("largest read  60 registers (61 are refused though all are there)\n"), "{}", done.out);
    assert!(done.out.contains("holes         none in this range\n"), "{}", done.out);
    assert!(done.out.contains("\nlimits: {registers: 60}\n"), "{}", done.out);
    // pymodbus handles one request of a TCP segment, and empties its buffer when it answers: of two that come together the second is
    // lost. So a depth of more than 1 may not be right with it, and what is proposed must be the deepest that was.
    let depths: Vec<[u32; 3]> = done.out.lines().filter_map(depth).collect();
    let right = depths.iter().take_while(|[_, right, of]| right == of).last().map(|[depth, ..]| *depth);
    let proposed = done.out.lines().find_map(|line| line.strip_prefix("pipeline: ")?.parse().ok());
    assert_eq!(Some(proposed.unwrap_or(1)), right, "none is 1: {}", done.out);
    assert!(peer.command("count")["count"].as_u64().is_some_and(|count| count <= 400));
    assert_eq!(peer.command("writes")["writes"], Json::Array(vec![]));

    let peer = Peer::by("pymodbus_sparse.py", &[]);
    let done = run(&format!("probe tcp://{}/1 --range holding 0-120", peer.address())).await;
    assert_eq!(done.exit, Exit::Ok, "{}", done.err);
    let holes = "holding 6 to 7 (40007-40008), holding 10 to 19 (40011-40020), holding 28 to 99 (40029-40100), holding 110 to 120";
    assert!(done.out.contains(holes), "{}", done.out);
    assert!(!done.out.contains("limits:"), "{}", done.out);
}
