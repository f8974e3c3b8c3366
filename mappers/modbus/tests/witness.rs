//! Programs with libmodbus, which has nothing of us: mbpoll looks at what we wrote and asks our simulator, on TCP and on a serial line; and
//! `scan` and `probe` meet a device by libmodbus. `scripts/test witness` runs them, and says so where there is none.
#![allow(clippy::panic, reason = "a test")]
mod common;

use common::{bits, cable::Cable, cli::run, device, device_on, drive, peer, registers, unit_of};
use pollux_crds::{
    ByteOrder::{Abcd, Cdab},
    ModbusBinding,
    ModbusDataType::{Float32, Int32, Uint16},
    ModbusDevice,
    ModbusTable::{Coil, Holding},
    Span,
};
use pollux_mapper::{Cx, Exit, Protocol, Value, Wrote};
use pollux_modbus::Modbus;
use pollux_sim::{Framing, Registers, Table, serve_registers};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};
use tokio::{net::TcpListener, task::spawn_blocking};

async fn simulator(framing: Framing) -> (Registers, SocketAddr) {
    let registers = Registers::new(|_| {});
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(serve_registers(listener, registers.clone(), framing));
    (registers, address)
}

/// `place`: its options for table and address. What it says of each value, or, where it writes, of what it wrote.
async fn mbpoll(way: &[String], place: &str, values: &[&str]) -> Vec<String> {
    let (device, options) = way.split_last().expect("a device");
    let mut command = Command::new("mbpoll");
    command.args(options).args(["-0", "-1", "-a", "1"]).args(place.split(' ')).arg(device);
    if !values.is_empty() {
        command.arg("--").args(values);
    }
    // The simulator answers meanwhile.
    let output = spawn_blocking(move || command.output()).await.expect("it ran").expect("mbpoll starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let value = |line: &str| Some(line.strip_prefix('[')?.split_once("]:")?.1.trim().to_owned());
    if values.is_empty() { text.lines().filter_map(value).collect() } else { text.lines().map(str::to_owned).collect() }
}

/// What we write it reads, and the other way round. `device`: for us; `way`: for mbpoll.
async fn agree(device: ModbusDevice, way: &[String]) {
    let device = &ModbusDevice { timeout: Some(Span::from_secs(20)), ..device };
    let of = |at, kind, order| ModbusBinding { byte_order: Some(order), ..registers(Holding, at, kind) };
    let bindings = [
        of(10, Float32, Abcd),
        of(12, Float32, Cdab),
        of(14, Int32, Abcd),
        registers(Holding, 16, Uint16),
        bits(Coil, 3),
    ];
    let all: Vec<_> = bindings.into_iter().map(|binding| (binding, true, None)).collect();
    let unit = unit_of(device, &all).expect("valid");
    let endpoint = Modbus.endpoint(device).expect("valid");
    let values = [Value::Float(21.5), Value::Float(-3.25), Value::Int(-70_000), Value::Uint(0xBEEF), Value::Bool(true)];
    // A serial port is one program's at a time.
    {
        let link = Modbus.connect(&endpoint, &Cx::default()).await.expect("connected");
        for (at, value) in values.iter().enumerate() {
            assert_eq!(drive::write(&link, &unit, &[(at, value.clone())]).await, [Wrote::Done], "{value}");
        }
    }
    for (place, expected) in [
        ("-r 10 -t 4:float -B", vec!["21.5"]),
        ("-r 12 -t 4:float", vec!["-3.25"]),
        ("-r 14 -t 4:int -B", vec!["-70000"]),
        ("-r 16 -t 4:hex", vec!["0xBEEF"]),
        ("-r 10 -c 4 -t 4:hex", vec!["0x41AC", "0x0000", "0x0000", "0xC050"]),
        ("-r 2 -c 3 -t 0", vec!["0", "1", "0"]),
    ] {
        assert_eq!(mbpoll(way, place, &[]).await, expected, "{place}");
    }
    for (place, written) in [
        ("-r 10 -t 4:float -B", vec!["-1.5"]),
        ("-r 12 -t 4:float", vec!["100.25"]),
        ("-r 14 -t 4:int -B", vec!["123456789"]),
        ("-r 16 -t 4", vec!["4660"]),
        ("-r 3 -t 0", vec!["0"]),
    ] {
        mbpoll(way, place, &written).await;
    }
    let link = Modbus.connect(&endpoint, &Cx::default()).await.expect("connected");
    let read: Vec<_> = drive::read(&link, &unit).await.into_values().collect();
    let expected =
        [Value::Float(-1.5), Value::Float(100.25), Value::Int(123_456_789), Value::Uint(0x1234), Value::Bool(false)];
    assert_eq!(read, expected.map(Ok));
}

fn words(line: &[&str]) -> Vec<String> {
    line.iter().map(|word| (*word).to_owned()).collect()
}

#[tokio::test]
#[ignore = "a part of its own: needs mbpoll"]
async fn mbpoll_sees_what_we_wrote_and_we_see_what_it_wrote() {
    let (registers, address) = simulator(Framing::Tcp).await;
    let way = words(&["-m", "tcp", "-p", &address.port().to_string(), "127.0.0.1"]);
    agree(device(address, 1), &way).await;
    assert_eq!(registers.get(Table::Holding, 10, 2), [0xBFC0, 0], "-1.5");
    registers.set(Table::Input, 5, &[7, 8]);
    registers.set(Table::Discrete, 9, &[1]);
    assert_eq!(mbpoll(&way, "-r 5 -c 2 -t 3", &[]).await, ["7", "8"]);
    assert_eq!(mbpoll(&way, "-r 8 -c 2 -t 1", &[]).await, ["0", "1"]);
}

#[tokio::test]
#[ignore = "a part of its own: needs mbpoll"]
async fn mbpoll_and_we_agree_on_a_serial_line() {
    let (_, address) = simulator(Framing::Rtu).await;
    let (_cable, port) = Cable::to(address);
    let path = port.to_str().expect("UTF-8");
    agree(device_on(&port, 1), &words(&["-m", "rtu", "-b", "115200", "-P", "none", path])).await;
}

/// Of a device that has 200 registers.
const FOUND: &str = "largest read  125 registers (the most that the standard allows)\n\
    holes         holding 90 to 99 (40091-40100), holding 300 to 310 (40301-40311)\n";

/// A device by libmodbus, made of the source beside the peers.
fn libmodbus(folder: &Path) -> PathBuf {
    let program = folder.join("libmodbus_server");
    let flags = Command::new("pkg-config").args(["--cflags", "--libs", "libmodbus"]).output().expect("pkg-config");
    let flags = String::from_utf8(flags.stdout).expect("UTF-8");
    let mut compiler = Command::new("cc");
    compiler.arg("-o").arg(&program).arg(peer::script("libmodbus_server.c")).args(flags.split_whitespace());
    assert!(compiler.status().expect("cc").success());
    program
}

#[tokio::test]
#[ignore = "a part of its own: needs libmodbus"]
async fn scan_and_probe_find_what_a_device_by_libmodbus_has() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = libmodbus(folder.path());
    let device = peer::Peer::program(Command::new(&program).arg("tcp"));
    let url = format!("tcp://{}", device.address());
    let done = run(&format!("scan {url} --units 1-4")).await;
    assert_eq!(
        (done.exit, done.err.as_str()),
        (Exit::Ok, "4 of 4 units answered: 1, 2, 3, 4\n"),
        "libmodbus answers every unit id on TCP"
    );
    let done = run(&format!("probe {url}/1 --range holding 90-310 --pipeline 8")).await;
    assert_eq!(done.exit, Exit::Ok, "{}", done.err);
    assert!(done.out.contains(FOUND), "{}", done.out);
    let depths: Vec<Vec<&str>> = done.out.lines().map(|line| line.split_whitespace().take(3).collect()).collect();
    for depth in [["1", "4", "4"], ["2", "8", "8"], ["4", "16", "16"], ["8", "32", "32"]] {
        assert!(depths.iter().any(|line| *line == depth), "depth, right, of: {depth:?} in {}", done.out);
    }
}

#[tokio::test]
#[ignore = "a part of its own: needs libmodbus"]
async fn scan_and_probe_find_what_a_device_by_libmodbus_has_on_a_serial_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = libmodbus(folder.path());
    let (_cable, ours, theirs) = Cable::between_ports();
    let start = || peer::Peer::program(Command::new(&program).arg("rtu").arg(&theirs).arg("7"));
    let device = start();
    let url = format!("rtu:{},115200,8N1", ours.display());
    // libmodbus takes what follows a request to another unit for that unit's answer: where nobody answers it loses a request.
    let done = run(&format!("scan {url} --units 7-9 --timeout 1s")).await;
    assert_eq!((done.exit, done.err.as_str()), (Exit::Ok, "1 of 3 units answered: 7\n"), "{}", done.out);
    drop(device); // it still waits for what 9 has to say
    let _device = start();
    let done = run(&format!("probe {url}/7 --range holding 90-310")).await;
    assert_eq!(done.exit, Exit::Ok, "{}", done.err);
    assert!(done.out.contains(FOUND) && done.out.contains("the defaults fit"), "{}", done.out);
}
