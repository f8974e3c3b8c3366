//! Every format in every byte order, read and written by every function that can, over every transport, against pymodbus and against
//! our simulator: the other side sets and we read, we write and the other side looks. What stands in the registers is told by
//! `e2e/peers/matrix.py`, which has nothing of us. `scripts/test pymodbus` runs it.
#![allow(clippy::panic, clippy::unwrap_in_result, reason = "a test")]
mod cases;
#[path = "../common/mod.rs"]
mod common;
mod far;
#[path = "../pki/mod.rs"]
mod pki;

use cases::{Case, Row, cases, rows};
use common::{drive, unit_of};
use far::{Transport, Way, pymodbus, simulator};
use pollux_crds::{
    ModbusTable::{self, Coil, Discrete, Holding, Input},
    Span, WriteFunction,
};
use pollux_mapper::{Protocol, Value, Wrote};
use pollux_modbus::{Link, Modbus, Unit};
use std::collections::BTreeSet;

/// A function and what it carried, one way.
type Cell = (u8, Row);

/// As many values as a table of pymodbus_server.py takes.
const TABLE: u16 = 800;

/// Cases that stand in one table at once, each with its address.
type Chunk<'a> = Vec<(u16, &'a Case)>;

fn chunks(cases: &[Case]) -> Vec<Chunk<'_>> {
    let mut chunks: Vec<Chunk<'_>> = vec![];
    for bits in [false, true] {
        chunks.push(vec![]);
        for case in cases.iter().filter(|case| case.is_bits() == bits) {
            let end = |chunk: &Chunk<'_>| chunk.last().map_or(0, |(at, case)| at + case.width());
            let last = chunks.last().map_or(0, end);
            if last + case.width() > TABLE {
                chunks.push(vec![]);
            }
            let at = if last + case.width() > TABLE { 0 } else { last };
            chunks.last_mut().expect("one at least").push((at, case));
        }
    }
    chunks
}

fn image(chunk: &Chunk<'_>, of: impl Fn(&Case) -> &[u16]) -> Vec<u16> {
    chunk.iter().flat_map(|(_, case)| of(case).to_vec()).collect()
}

/// The other side sets, we read.
async fn is_read(way: &mut Way, link: &Link, chunk: &Chunk<'_>, seen: &mut BTreeSet<Cell>) {
    let tables: [(u8, ModbusTable); 2] =
        if chunk[0].1.is_bits() { [(1, Coil), (2, Discrete)] } else { [(3, Holding), (4, Input)] };
    for (function, table) in tables {
        way.far.set(table, &image(chunk, |case| &case.read));
        let bindings: Vec<_> = chunk.iter().map(|(at, case)| (case.at(table, *at), false, None)).collect();
        let values = drive::read(link, &unit_of(&way.device, &bindings).expect("valid")).await;
        for ((_, case), slot) in chunk.iter().zip(0..) {
            let value = values.get(&slot).expect("it was asked for");
            assert!(value.as_ref().is_ok_and(|value| case.is(value)), "{table:?}: {case:?} is read as {value:?}");
            seen.insert((function, case.row()));
        }
    }
}

/// We write, the other side looks.
async fn is_written(way: &mut Way, link: &Link, chunk: &Chunk<'_>, seen: &mut BTreeSet<Cell>) {
    let table = if chunk[0].1.is_bits() { Coil } else { Holding };
    for setting in [WriteFunction::Auto, WriteFunction::Single, WriteFunction::Multiple] {
        way.device.write_function = Some(setting);
        let able = |case: &Case| case.function(setting).is_some();
        way.far.set(table, &image(chunk, |case| &case.before));
        let written: Vec<_> = chunk.iter().filter(|(_, case)| able(case)).collect();
        let bindings: Vec<_> = written.iter().map(|(at, case)| (case.at(table, *at), true, None)).collect();
        let unit = unit_of(&way.device, &bindings).expect("valid");
        way.far.functions();
        let mut log = vec![];
        for ((_, case), point) in written.iter().zip(0..) {
            let done = is_heard(way, link, &unit, (point, case.value()), &mut log).await;
            assert_eq!(done, [Wrote::Done], "{setting:?}: {case:?}");
        }
        log.extend(way.far.functions());
        let functions: Vec<u8> = written.iter().filter_map(|(_, case)| case.function(setting)).collect();
        if !log.contains(&AGAIN) {
            assert_eq!(log, functions, "{setting:?}");
        }
        let after =
            |case: &Case| if able(case) { case.written.clone().unwrap_or_default() } else { case.before.clone() };
        let mut rest = way.far.get(table, image(chunk, |case| &case.read).len());
        for (_, case) in chunk {
            let others = rest.split_off(case.read.len());
            assert_eq!(rest, after(case), "{setting:?}: {case:?}");
            rest = others;
        }
        seen.extend(functions.into_iter().zip(written.iter().map(|(_, case)| case.row())));
    }
}

/// In a log: something was written more than once.
const AGAIN: u8 = 0;
/// Of some seven hundred writes, so many may be.
const MOST_AGAIN: usize = 10;

/// On ptys of a busy machine a request or pymodbus' answer to it comes seconds late now and then: there it is written again. Nowhere else is
/// anything late.
async fn is_heard(way: &mut Way, link: &Link, unit: &Unit, value: (usize, Value), log: &mut Vec<u8>) -> Vec<Wrote> {
    for _ in 0..3 {
        match drive::try_write(link, unit, std::slice::from_ref(&value)).await {
            Ok(done) => return done,
            Err(fault) => {
                assert!(way.device.rtu.is_some(), "{value:?}: {fault:?}");
                println!("{value:?}: {fault:?}, written again");
                log.push(AGAIN);
                way.again += 1;
                assert!(way.again <= MOST_AGAIN, "that is no busy machine");
            }
        }
    }
    panic!("{value:?} is never answered");
}

/// By which functions a row goes, one way and the other.
fn functions(format: &str) -> &'static [u8] {
    match format {
        "coil" => &[1, 2, 5, 15],
        "coil[]" => &[1, 2, 15],
        "bit" | "bits" | "int8l" | "int8h" | "uint8l" | "uint8h" => &[3, 4, 22, 6, 16],
        "int8l[]" | "int8h[]" | "uint8l[]" | "uint8h[]" => &[3, 4],
        "int16" | "uint16" | "float16" | "bcd16" | "signmagnitude16" => &[3, 4, 6, 16],
        _ => &[3, 4, 16],
    }
}

/// Rows of the reference page, and rows by functions. Who adds a format adds to them.
const ROWS: usize = 268;
const CELLS: usize = 857;

async fn whole(mut way: Way) {
    let (all, wanted) = (cases(), rows());
    assert_eq!(all.iter().map(Case::row).collect::<BTreeSet<Row>>(), wanted);
    let cells: BTreeSet<Cell> =
        wanted.iter().flat_map(|row| functions(&row.0).iter().map(|f| (*f, row.clone()))).collect();
    assert_eq!((wanted.len(), cells.len()), (ROWS, CELLS), "has the reference page lost a row?");
    way.device.timeout = Some(Span::from_secs(8));
    way.device.retries = Some(if way.device.rtu.is_some() { 2 } else { 0 }); // on a busy machine, as above
    let endpoint = Modbus.endpoint(&way.device).expect("valid");
    let link = Modbus.connect(&endpoint, &way.cx).await.expect("connected");
    let mut seen = BTreeSet::new();
    for chunk in chunks(&all) {
        is_read(&mut way, &link, &chunk, &mut seen).await;
        is_written(&mut way, &link, &chunk, &mut seen).await;
    }
    assert_eq!(seen, cells);
}

macro_rules! matrix {
    ($($name:ident: $way:expr;)+) => {$(
        #[tokio::test]
        #[ignore = "a part of its own: needs POLLUX_PYTHON"]
        async fn $name() {
            whole($way).await;
        }
    )+};
}
matrix! {
    pymodbus_over_tcp: pymodbus(Transport::Tcp);
    pymodbus_on_a_serial_port: pymodbus(Transport::Rtu);
    pymodbus_over_rtu_in_tcp: pymodbus(Transport::RtuOverTcp);
    pymodbus_over_tls: pymodbus(Transport::Tls);
    the_simulator_over_tcp: simulator(Transport::Tcp).await;
    the_simulator_on_a_serial_port: simulator(Transport::Rtu).await;
    the_simulator_over_rtu_in_tcp: simulator(Transport::RtuOverTcp).await;
    the_simulator_over_tls: simulator(Transport::Tls).await;
}
