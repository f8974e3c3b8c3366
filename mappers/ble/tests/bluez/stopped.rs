//! A bus that would start a bluetoothd for whoever asks for it, as systemd's does: a real dbus-daemon, and a service that leaves a mark.
use pollux_ble::{bluez::BlueZ, radio::Stack as _};
use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};
use tempfile::TempDir;

struct Bus {
    folder: TempDir,
    child: Child,
}

impl Bus {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display();
        let service = format!("[D-BUS Service]\nName=org.bluez\nExec=/bin/sh -c \"touch {path}/started; exit 1\"\n");
        let bus = format!(
            "<busconfig><listen>unix:path={path}/bus</listen><servicedir>{path}</servicedir><policy context=\"default\">\
             <allow send_destination=\"*\"/><allow receive_sender=\"*\"/></policy></busconfig>"
        );
        fs::write(folder.path().join("org.bluez.service"), service).unwrap();
        fs::write(folder.path().join("bus.conf"), bus).unwrap();
        let mut command = Command::new("dbus-daemon");
        command.arg("--nofork").arg("--print-address").arg(format!("--config-file={path}/bus.conf"));
        let mut child = command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn().expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("unix:"), "{line:?}");
        Self { folder, child }
    }
    fn address(&self) -> String {
        format!("unix:path={}", self.folder.path().join("bus").display())
    }
    fn started(&self) -> bool {
        self.folder.path().join("started").exists()
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[tokio::test]
#[ignore = "needs dbus-daemon"]
async fn a_bluetoothd_that_was_stopped_is_not_started_by_being_looked_for() {
    let bus = Bus::start();
    let met = BlueZ { bus: Some(bus.address()) }.open(None).await;
    let error = met.expect_err("nobody is there").to_string();
    assert!(error.contains("bluetoothd is not running on this node"), "{error}");
    assert!(!bus.started(), "somebody may have stopped it");

    // Whoever asks for it by its name alone starts it.
    let other = zbus::connection::Builder::address(bus.address().as_str()).build().await.unwrap();
    let asked = other.call_method(Some("org.bluez"), "/", Some("org.freedesktop.DBus.Peer"), "Ping", &()).await;
    assert!(asked.is_err() && bus.started(), "{asked:?}");
}
