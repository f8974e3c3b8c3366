//! The Bluetooth ground of `e2e/peers/bluez`: the kernel's Bluetooth stack and bluetoothd in a guest, and sensors that are told what to do.
#![allow(dead_code, reason = "each test takes what it needs")]
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]
use pollux_ble::bluez::BlueZ;
use serde_json::{Value as Json, json};
use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    process::{Child, Command, Stdio},
};
use tempfile::TempDir;

/// Ends with the test, however that ends: it holds the other end of its input.
#[derive(Debug)]
pub(crate) struct Ground {
    folder: TempDir,
    child: Child,
}

impl Ground {
    /// With one adapter, and these sensors.
    pub(crate) fn with(sensors: &Json) -> Self {
        Self::start(sensors, &[])
    }
    pub(crate) fn start(sensors: &Json, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("sensors.json");
        std::fs::write(&list, sensors.to_string()).unwrap();
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../e2e/peers/bluez/ground");
        let mut command = Command::new(program);
        command.arg("start").arg("--dir").arg(folder.path()).arg("--sensors").arg(list).args(options);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("READY"), "the ground did not start: {line:?}");
        Self { folder, child }
    }
    pub(crate) fn bus(&self) -> String {
        format!("unix:path={}", self.folder.path().join("system_bus_socket").display())
    }
    pub(crate) fn stack(&self) -> BlueZ {
        BlueZ { bus: Some(self.bus()) }
    }
    /// What the adapter counts.
    pub(crate) fn adapter(&self, what: &str) -> u64 {
        self.ask(&json!({"do": "adapter", "how": "report"}))[what].as_u64().expect("a number")
    }
    /// Addresses of those that are connected, in order.
    pub(crate) fn connected(&self) -> Vec<String> {
        let report = self.ask(&json!({"do": "adapter", "how": "report"}));
        let mut all: Vec<String> = serde_json::from_value(report["connected"].clone()).unwrap();
        all.sort();
        all
    }
    /// What it answers to a command.
    pub(crate) fn ask(&self, what: &Json) -> Json {
        let mut control = UnixStream::connect(self.folder.path().join("control.sock")).unwrap();
        writeln!(control, "{what}").unwrap();
        let mut line = String::new();
        BufReader::new(control).read_line(&mut line).unwrap();
        let answer: Json = serde_json::from_str(&line).unwrap();
        assert_eq!(answer["ok"], true, "{what}: {answer}");
        answer
    }
    pub(crate) fn sensor(&self, name: &str, how: &str) -> Json {
        self.ask(&json!({"do": "sensor", "name": name, "how": how}))
    }
    pub(crate) fn value(&self, name: &str, characteristic: &str, hex: &str) {
        self.ask(&json!({"do": "value", "name": name, "characteristic": characteristic, "value": hex, "tell": true}));
    }
    /// What a sensor counted of one of its characteristics.
    pub(crate) fn count(&self, name: &str, characteristic: &str, what: &str) -> u64 {
        self.sensor(name, "report")["characteristics"][characteristic][what].as_u64().expect("a number")
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        drop(self.child.wait());
    }
}
