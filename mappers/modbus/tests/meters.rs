//! The example of 40 meters on one gateway, as people write it, against the simulator that plays it.
#![allow(clippy::panic, reason = "a test")]
use pollux_sim::{Meters, serve_meters};
use std::{collections::BTreeSet, fs, path::Path};
use tokio::{net::TcpListener, process::Command};

#[tokio::test]
async fn forty_meters_behind_one_gateway_are_read_whole() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(serve_meters(listener, Meters::new(40, 1.0)));

    let text = fs::read_to_string(root.join("examples/meters/meters.yaml")).expect("readable");
    let units: BTreeSet<&str> = text.split("unitId: ").skip(1).filter_map(|rest| rest.split('}').next()).collect();
    assert_eq!(units.len(), 40, "each has a unit id of its own");
    let folder = tempfile::tempdir().expect("a folder");
    let meters = folder.path().join("meters.yaml");
    fs::write(&meters, text.replace("port: 5020", &format!("port: {port}"))).expect("written");

    let mut program = Command::new(env!("CARGO_BIN_EXE_pollux-modbus"));
    let output = program.arg("read").arg(root.join("models/eastron-sdm630.yaml")).arg(&meters).output().await;
    let output = output.expect("the program starts");
    let table = String::from_utf8_lossy(&output.stdout);
    let read = table.lines().filter(|line| line.split_whitespace().take(4).eq(["frequency", "50", "Hz", "Good"]));
    assert_eq!(read.count(), 40, "{table}");
    assert!(output.status.success() && !table.contains("Bad"), "{table}");
}
