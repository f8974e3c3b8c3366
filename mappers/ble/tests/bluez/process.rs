//! The mapper as a process of its own, which is killed, and whose memory is looked at.
use super::{Ground, address, rig::PATIENCE, thermometer};
use serde_json::{Value as Json, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

pub(super) struct Mapper(Child);

/// A Device a file.
fn write(folder: &Path, name: &str, devices: &[Json]) -> PathBuf {
    let files = folder.join(name);
    fs::create_dir_all(&files).unwrap();
    for (at, ble) in devices.iter().enumerate() {
        let temperature = json!({"characteristic": "Temperature", "notify": "Never"});
        let property =
            json!({"name": "temperature", "type": "number", "interval": "500ms", "binding": {"ble": temperature}});
        let device = json!({
            "apiVersion": "pollux.rs/v1alpha1", "kind": "Device", "metadata": {"name": format!("{name}-{at}")},
            "spec": {"mode": "Monitor", "protocol": {"ble": ble}, "properties": [property]},
        });
        fs::write(files.join(format!("{at}.yaml")), device.to_string()).unwrap();
    }
    files
}
fn program(ground: &Ground) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pollux-ble"));
    command.env("DBUS_SYSTEM_BUS_ADDRESS", ground.bus());
    command
}
/// As a person reads them once.
pub(super) fn read(ground: &Ground, folder: &Path, name: &str, devices: &[Json]) -> Output {
    program(ground).arg("read").arg(write(folder, name, devices).join("0.yaml")).output().expect("it runs")
}

impl Mapper {
    /// Reads these sensors twice a second.
    pub(super) fn start(ground: &Ground, folder: &Path, name: &str, devices: &[Json]) -> Self {
        let files = write(folder, name, devices);
        let mut command = program(ground);
        command
            .arg("--file")
            .arg(&files)
            .arg("--state-dir")
            .arg(folder.join("state"))
            .args(["--listen", "127.0.0.1:0"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().expect("it starts"))
    }
    /// In KiB.
    pub(super) fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
        line.split_whitespace().next().unwrap().parse().unwrap()
    }
}
/// As kill -9.
impl Drop for Mapper {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < end, "never: {what}");
        sleep(Duration::from_millis(50)).await;
    }
}
pub(super) fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}
fn held(number: usize) -> Json {
    json!({"address": address(number), "connection": "Held"})
}
fn those(numbers: &[usize]) -> Vec<String> {
    numbers.iter().copied().map(address).collect()
}

#[tokio::test]
#[ignore = "needs the Bluetooth ground"]
async fn what_a_killed_mapper_had_connected_is_ended_by_the_next_and_nobody_elses() {
    let sensors: Vec<Json> = (0..4).map(thermometer).collect();
    let (ground, folder) = (Ground::with(&json!(sensors)), folder());
    let first = Mapper::start(&ground, folder.path(), "first", &[held(0), held(1)]);
    until("both are connected", || ground.connected() == those(&[0, 1])).await;
    // Somebody else connects a third one, on the same adapter.
    let stranger = zbus::connection::Builder::address(ground.bus().as_str()).build().await.unwrap();
    let path = format!("/org/bluez/hci0/dev_{}", address(2).replace(':', "_"));
    let ask = async |path: &str, interface: &str, member: &str| {
        stranger.call_method(Some("org.bluez"), path, Some(interface), member, &()).await.is_ok()
    };
    // It scans for it: a mapper whose devices are all connected does not.
    let connect = async || {
        ask("/org/bluez/hci0", "org.bluez.Adapter1", "StartDiscovery").await;
        sleep(Duration::from_millis(500)).await;
        ask("/org/bluez/hci0", "org.bluez.Adapter1", "StopDiscovery").await;
        ask(&path, "org.bluez.Device1", "Connect").await
    };
    let end = Instant::now() + PATIENCE;
    while !connect().await {
        assert!(Instant::now() < end, "the stranger cannot connect");
        sleep(Duration::from_millis(100)).await;
    }
    drop(first);
    assert_eq!(ground.connected(), those(&[0, 1, 2]), "BlueZ holds what nobody has ended");
    let _second = Mapper::start(&ground, folder.path(), "second", &[held(3)]);
    until("they are ended, and the new one is there", || ground.connected() == those(&[2, 3])).await;
}
