//! `discover` on a real BlueZ, as a person runs it.
use crate::{SETTING, address, beacon, ground::Ground, thermometer};
use serde_json::{Value as Json, json};
use std::{
    fs,
    io::Read as _,
    process::{Child, Command, Output, Stdio},
    thread,
    time::Duration,
};

const RUUVI: &str = "0512fc5394c37c0004fffc040cac364200cdcbb8334c884f";
const OPEN: &str = "40000902c40903bf1302030a";
/// bthome.io's own example of encryption, which is of this address.
const SEALED: (&str, &str, &str) =
    ("54:48:E6:8F:80:A5", "41a47266c95f730011223378237214", "231d39c1d7cc1ab1aee224cd096db932");

fn command(ground: &Ground, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pollux-ble"));
    command.args(arguments).env("DBUS_SYSTEM_BUS_ADDRESS", ground.stack().bus.expect("it has one"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}
fn run(ground: &Ground, arguments: &[&str]) -> Output {
    command(ground, arguments).output().expect("it runs")
}
fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
/// The YAML of one of them.
fn yaml(ground: &Ground, arguments: &[&str]) -> (String, String) {
    let output = run(ground, &[&["discover", "--for", "8s", "--yaml"], arguments].concat());
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    (out(&output), err(&output))
}
/// It is taken by `check`, and `read` gives its values.
fn read(ground: &Ground, yaml: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("found.yaml");
    fs::write(&file, yaml).unwrap();
    let file = file.to_str().unwrap();
    let checked = run(ground, &["check", file]);
    assert_eq!(checked.status.code(), Some(0), "{}{}\n{yaml}", out(&checked), err(&checked));
    let read = run(ground, &["read", file]);
    assert_eq!(read.status.code(), Some(0), "{}{}\n{yaml}", out(&read), err(&read));
    out(&read)
}
/// The row of a property.
fn row<'t>(table: &'t str, property: &str) -> &'t str {
    let found = table.lines().find(|line| line.split_whitespace().next() == Some(property));
    found.unwrap_or_else(|| panic!("no {property} in {table}"))
}
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..300 {
        if holds() {
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("not in half a minute: {what}");
}
fn scans(ground: &Ground) -> bool {
    ground.ask(&json!({"do": "adapter", "how": "report"}))["scanning"] == true
}
/// Its greatest resident size in MiB, as long as it runs.
fn peak(child: &Child) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?.to_owned();
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}

#[test]
#[ignore = "needs the Bluetooth ground"]
fn discover_shows_who_is_in_the_air_with_what_they_send() {
    let mut sealed = beacon(2, &json!({"service_data": {"fcd2": SEALED.1}}));
    (sealed["address"], sealed["address_type"]) = (SEALED.0.into(), "public".into());
    let mut hostile = thermometer(3);
    hostile["name"] = "\u{1b}[2J\nX: {".into();
    let ground = Ground::with(&json!([
        beacon(0, &json!({"manufacturer": {"0499": RUUVI}, "rssi": -40})),
        beacon(1, &json!({"service_data": {"fcd2": OPEN}, "rssi": -50})),
        sealed,
        hostile,
        thermometer(4),
        beacon(5, &json!({"manufacturer": {"004c": "1005"}, "rssi": -90})),
        beacon(6, &json!({"manufacturer": {"004c": "0215fda50693a4e24fb1afcfc6eb0764782500010002c5"}})),
        beacon(7, &json!({"service_data": {"feaa": "20000b88198000000064000003e8"}})),
    ]));
    let output = run(&ground, &["discover", "--for", "8s"]);
    let (text, table) = (err(&output), out(&output));
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("8 devices were heard"), "{text}\n{table}");
    let of = |address: &str| table.lines().find(|line| line.starts_with(address)).unwrap_or_else(|| panic!("{table}"));
    assert!(of(&address(0)).contains("Ruuvi5 temperature=24.3 °C humidity=53.49 %"), "{table}");
    assert!(of(&address(1)).contains("BTHome temperature=25 °C humidity=50.55 % temperature[2]=25.63 °C"), "{table}");
    assert!(of(SEALED.0).contains("BTHome (encrypted)"), "{table}");
    assert!(of(&address(3)).contains("[2J X: {"), "its name acts on nobody: {table}");
    assert!(!table.contains(|c: char| c.is_control() && c != '\n'), "{table:?}");
    assert!(of(&address(4)).contains("sensor-4") && of(&address(4)).contains("Environmental Sensing"), "{table}");
    assert!(of(&address(5)).contains("Apple, Inc."), "{table}");
    assert!(of(&address(6)).contains("IBeacon uuid=fda50693-a4e2-4fb1-afcf-c6eb07647825 major=1 minor=2"), "{table}");
    assert!(of(&address(7)).contains("EddystoneTLM batteryVoltage=2.952 V temperature=25.5 °C"), "{table}");
    assert!(table.lines().nth(1).is_some_and(|line| line.starts_with(&address(0))), "the strongest is first: {table}");
    let filtered = out(&run(&ground, &["discover", "--for", "8s", "--filter", "BTHOME", "--sort", "heard"]));
    assert_eq!(filtered.lines().count(), 3, "{filtered}");
    for (who, said) in [("nobody", "nobody called \"nobody\" was heard"), ("00:00:00:00:00:01", "was not heard within")]
    {
        let output = run(&ground, &["discover", "--for", "8s", "--yaml", who]);
        assert_eq!(output.status.code(), Some(1));
        assert!(err(&output).contains(said), "{}", err(&output));
    }
}

#[test]
#[ignore = "needs the Bluetooth ground"]
fn discover_ends_when_it_is_asked_to_and_scans_no_more() {
    let ground = Ground::with(&json!([thermometer(0)]));
    for (signal, arguments, code) in [("TERM", vec![], 0), ("INT", vec![], 0), ("TERM", vec!["--yaml", "sensor-0"], 1)]
    {
        let arguments = [vec!["discover", "--for", "10m"], arguments].concat();
        let mut child = command(&ground, &arguments).spawn().unwrap();
        until("it scans", || scans(&ground));
        assert!(Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status().unwrap().success());
        let ended = child.wait().unwrap();
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(ended.code(), Some(code), "{signal}: {said}");
        until("it scans no more", || !scans(&ground));
    }
}

#[test]
#[ignore = "needs the Bluetooth ground"]
fn what_discover_writes_of_a_connected_sensor_works() {
    let mut twice = thermometer(0);
    let more = json!({"uuid": SETTING, "id": "second", "properties": ["read"], "value": "0102"});
    twice["services"][0]["characteristics"].as_array_mut().unwrap().push(more);
    let ground = Ground::with(&json!([twice, thermometer(1)]));
    let (text, said) = yaml(&ground, &["sensor-0"]);
    until("it is let go of", || ground.sensor("sensor-0", "report")["connections"] == 0);
    assert!(text.contains("ble: {address: \"F0:F1:F2:F3:F4:00\"}") && text.contains("mode: Monitor"), "{text}");
    let table = read(&ground, &text);
    let is = |property: &str, value: &str| {
        let row = row(&table, property);
        assert!(row.split_whitespace().nth(1) == Some(value) && row.contains("Good"), "{row}\n{text}\n{said}");
    };
    is("temperature", "20");
    is("batteryLevel", "77");
    is("c_12345678", "AAA=");
    is("c_12345678_2", "AQI=");
    assert_eq!(ground.sensor("sensor-1", "report")["connected"], 0, "nobody else was asked");
    assert_eq!(
        ground.sensor("sensor-0", "report")["characteristics"]["setting"]["value"],
        "0000",
        "nothing was written"
    );
}

#[test]
#[ignore = "needs the Bluetooth ground"]
fn what_discover_writes_of_a_sensor_that_only_advertises_works() {
    let mut sealed = beacon(2, &json!({"service_data": {"fcd2": SEALED.1}}));
    (sealed["address"], sealed["address_type"]) = (SEALED.0.into(), "public".into());
    let ground = Ground::with(&json!([
        beacon(0, &json!({"manufacturer": {"0499": RUUVI}})),
        beacon(1, &json!({"service_data": {"fcd2": OPEN}})),
        sealed,
        beacon(3, &json!({"manufacturer": {"0059": "0102"}})),
    ]));
    let table = read(&ground, &yaml(&ground, &[&address(0)]).0);
    assert!(row(&table, "temperature").contains(" 24.3 ") && row(&table, "humidity").contains(" 53.49 "), "{table}");
    let table = read(&ground, &yaml(&ground, &[&address(1)]).0);
    assert!(row(&table, "temperature").contains(" 25 ") && row(&table, "temperature_2").contains(" 25.63 "), "{table}");
    let table = read(&ground, &yaml(&ground, &[&address(3), "--advertised"]).0);
    assert!(row(&table, "manufacturer_0059").contains("AQI="), "{table}");

    let refused = run(&ground, &["discover", "--for", "8s", "--yaml", SEALED.0]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(err(&refused).contains("POLLUX_BLE_BIND_KEY"), "{}", err(&refused));
    let with = |key: &str| {
        let mut command = command(&ground, &["discover", "--for", "8s", "--yaml", SEALED.0, "--name", "lobby"]);
        command.env("POLLUX_BLE_BIND_KEY", key).output().unwrap()
    };
    assert!(err(&with("00000000000000000000000000000000")).contains("integrity"));
    assert_eq!(with("231d").status.code(), Some(2));
    let output = with(SEALED.2);
    let (text, said) = (out(&output), err(&output));
    assert!(said.contains("kubectl create secret generic ble-keys --from-literal=lobby=…"), "{said}");
    assert!(!text.contains(SEALED.2) && !said.contains(SEALED.2), "a key is never shown");
    let secret = format!(
        "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: ble-keys, labels: {{pollux.rs/for: mappers}}}}\n\
         stringData: {{lobby: \"{}\"}}\n",
        SEALED.2
    );
    let table = read(&ground, &(text + &secret));
    assert!(row(&table, "temperature").contains(" 25.06 "), "{table}");
}

#[test]
#[ignore = "needs the Bluetooth ground"]
fn discover_says_who_wants_to_be_paired_and_pairs_when_it_is_told_to() {
    let sealed = |number: usize, pairing: Json| {
        let mut one = thermometer(number);
        one["pairing"] = pairing;
        one["services"][0]["characteristics"][1]["encrypted"] = true.into();
        one
    };
    let ground = Ground::with(&json!([
        sealed(0, json!({"mode": "just-works"})),
        sealed(1, json!({"mode": "passkey", "passkey": 123_456})),
        sealed(2, json!({"mode": "just-works"})),
    ]));
    let (text, said) = yaml(&ground, &[&address(0)]);
    assert!(said.contains("cannot be read before the device is paired") && said.contains("--pair"), "{said}");
    assert!(text.contains("c_12345678") && !text.contains("pairing"), "{text}");
    assert_eq!(ground.sensor("sensor-0", "report")["paired"], 0, "it was not paired unasked");

    let (text, _) = yaml(&ground, &[&address(2), "--pair"]);
    assert!(text.contains("pairing: Required}"), "{text}");
    assert!(row(&read(&ground, &text), "c_12345678").contains("AAA="), "{text}");
    let with = |passkey: &str| {
        let mut command =
            command(&ground, &["discover", "--for", "8s", "--yaml", &address(1), "--pair", "--name", "door"]);
        command.env("POLLUX_BLE_PASSKEY", passkey).output().unwrap()
    };
    let refused = with("654321");
    assert_eq!(refused.status.code(), Some(1));
    assert!(err(&refused).contains("does not pair"), "{}", err(&refused));
    let output = with("123456");
    assert!(out(&output).contains("passkeyFrom: {secret: ble-keys, key: door}"), "{}{}", out(&output), err(&output));
    assert_eq!(ground.sensor("sensor-1", "report")["paired"], 1);
}

#[test]
#[ignore = "needs the Bluetooth ground"]
fn discover_finds_one_among_ten_thousand_addresses_within_its_bounds() {
    let ground = Ground::with(&json!([thermometer(0)]));
    ground.ask(&json!({"do": "advertisers", "count": 10_000, "hz": 0.03, "data": "02010603ff{n}"}));
    let mut child = command(&ground, &["discover", "--for", "25s", "--filter", "sensor-0"]).spawn().unwrap();
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        most = peak(&child).unwrap_or_default().max(most);
        thread::sleep(Duration::from_millis(100));
    }
    let output = child.wait_with_output().unwrap();
    let (table, said) = (out(&output), err(&output));
    assert!(table.contains("sensor-0"), "{table}{said}");
    assert!(said.contains("1000 devices were heard") && said.contains("left out for want of room"), "{said}");
    assert!((1..=32).contains(&most), "{most} MiB");
}

#[test]
#[ignore = "needs the Bluetooth ground"]
fn discover_says_what_is_missing() {
    let ground = Ground::with(&json!([thermometer(0)]));
    let said = |arguments: &[&str]| {
        let output = run(&ground, arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        err(&output)
    };
    assert!(said(&["discover", "--adapter", "hci7"]).contains("there is no adapter hci7; there are: hci0"));
    // Two of one name.
    let called = "020106090973656e736f722d30"; // flags, and sensor-0
    ground.ask(&json!({"do": "advertisers", "count": 1, "hz": 10, "data": called, "from": address(9)}));
    let several = said(&["discover", "--for", "15s", "--yaml", "sensor-0"]);
    assert!(several.contains("several have that name") && several.contains(&address(9)), "{several}");
    ground.ask(&json!({"do": "bluetoothd", "how": "stop"}));
    assert!(said(&["discover"]).contains("bluetoothd is not running"));
    let nowhere = Command::new(env!("CARGO_BIN_EXE_pollux-ble"))
        .arg("discover")
        .env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere/at/all")
        .output()
        .unwrap();
    assert!(err(&nowhere).contains("there is no D-Bus system bus"), "{}", err(&nowhere));
}
