//! From a button in the air to who listens to the mapper's local API, on a real BlueZ: as `bluez`, with what `e2e/peers/bluez` needs.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod ground;

use ground::Ground;
use serde_json::{Value as Json, json};
use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

const PATIENCE: Duration = Duration::from_mins(1);
const DEVICE: &str = "
apiVersion: pollux.rs/v1alpha1
kind: Device
metadata: {name: button}
spec:
  mode: Monitor
  protocol: {ble: {address: 'F0:F1:F2:F3:F4:00', connection: Never, heardWithin: 1h}}
  properties:
  - {name: press, type: string, kind: Event, binding: {ble: {advertisement: {format: BTHome, field: button}}}}
  - {name: packet, type: integer, binding: {ble: {advertisement: {format: BTHome, field: packetId}}}}
";

/// The program, over this bus; it ends with the test.
#[derive(Debug)]
struct Mapper {
    child: Child,
    address: String,
}

impl Mapper {
    fn start(ground: &Ground, folder: &std::path::Path) -> Self {
        std::fs::write(folder.join("device.yaml"), DEVICE).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_pollux-ble"));
        command.arg("--file").arg(folder).args(["--listen", "127.0.0.1:0", "--state-dir"]).arg(folder.join("state"));
        command.env("DBUS_SYSTEM_BUS_ADDRESS", ground.stack().bus.unwrap());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = loop {
            let line = lines.next().expect("it goes on").unwrap();
            if let Some((_, rest)) = line.split_once("local API on http://") {
                break rest.split('/').next().unwrap().to_owned();
            }
        };
        std::thread::spawn(move || lines.for_each(drop)); // so that it never waits for a reader
        Self { child, address }
    }
    /// What is told at `/v1/events`: name and data of each.
    fn listen(&self) -> Receiver<(String, Json)> {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET /v1/events HTTP/1.1\r\nHost: {}\r\n\r\n", self.address).unwrap();
        let (tell, told) = channel();
        std::thread::spawn(move || {
            let mut name = String::new();
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                if let Some(event) = line.strip_prefix("event: ") {
                    event.clone_into(&mut name);
                } else if let Some(data) = line.strip_prefix("data: ") {
                    drop(tell.send((name.clone(), serde_json::from_str(data).unwrap())));
                }
            }
        });
        told
    }
}

impl Drop for Mapper {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn advertised(data: &str) -> Json {
    json!({"interval_ms": 50, "name": false, "kind": "nonconnectable", "service_data": {"fcd2": data}})
}

#[test]
#[ignore = "needs the Bluetooth ground"]
fn each_press_is_told_once_however_often_it_is_heard() {
    const PRESSES: usize = 20;
    let sensor = json!({"address": "F0:F1:F2:F3:F4:00", "name": "sensor-0", "advertise": advertised("4400003a00")});
    let ground = Ground::with(&json!([sensor]));
    ground.ask(&json!({"do": "adapter", "how": "duplicates", "are": "none"}));
    let folder = tempfile::tempdir().unwrap();
    let mapper = Mapper::start(&ground, folder.path());
    let told = mapper.listen();
    let mut events: Vec<Json> = vec![];
    let mut until = |what: &str, is: &dyn Fn(&[Json], &Json) -> bool| {
        loop {
            let (name, data) = told.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("never: {what}; {events:?}"));
            if name == "event" {
                events.push(data.clone());
            }
            if is(&events, &data) {
                return events.clone();
            }
        }
    };
    until("it is heard, and nothing is pressed", &|events, data| {
        assert_eq!(events.len(), 0, "{events:?}");
        data["status"]["reported"]["packet"] == 0
    });
    let sent = || ground.sensor("sensor-0", "report")["advertised"].as_u64().unwrap();
    for press in 1..=PRESSES {
        let before = sent();
        let data = advertised(&format!("4400{press:02x}3a01"));
        ground.ask(&json!({"do": "sensor", "name": "sensor-0", "how": "advertise", "advertise": data}));
        let heard = until("it is pressed", &|events, _| events.len() >= press);
        assert_eq!(heard.len(), press, "{heard:?}");
        while sent() < before + 6 {
            std::thread::yield_now();
        }
    }
    let none = advertised("4400fe3a00");
    ground.ask(&json!({"do": "sensor", "name": "sensor-0", "how": "advertise", "advertise": none}));
    let all = until("the last is over", &|_, data| data["status"]["reported"]["packet"] == 0xFE);
    assert_eq!(all.len(), PRESSES, "{all:?}");
    assert!(all.iter().all(|event| event["value"] == "press" && event["property"] == "press"), "{all:?}");
}
