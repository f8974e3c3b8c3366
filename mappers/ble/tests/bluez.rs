//! The driver on a real BlueZ: `cargo test -p pollux-ble --test bluez -- --ignored`, as root, with what `e2e/peers/bluez` needs.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
#[path = "bluez/bonds.rs"]
mod bonds;
mod discover;
#[path = "bluez/faults.rs"]
mod faults;
#[path = "bluez/flood.rs"]
mod flood;
mod ground;
#[path = "bluez/process.rs"]
mod process;
mod rig;
#[path = "bluez/stopped.rs"]
mod stopped;

use ground::Ground;
use pollux_mapper::{Value, Wrote};
use rig::{Rig, spec};
use serde_json::{Value as Json, json};

const SETTING: &str = "12345678-0000-1000-8000-00805f9b0001";

fn address(number: usize) -> String {
    format!("F0:F1:F2:F3:F4:{number:02X}")
}
/// A thermometer with a battery and something that can be written.
fn thermometer(number: usize) -> Json {
    json!({
        "address": address(number), "name": format!("sensor-{number}"),
        "advertise": {"services": ["181A"], "manufacturer": {"ffff": "00aa"}, "interval_ms": 100},
        "services": [
            {"uuid": "181A", "characteristics": [
                {"uuid": "2A6E", "properties": ["read", "notify"], "value": "d007"},
                {"uuid": SETTING, "id": "setting", "properties": ["read", "write", "write-without-response"], "value": "0000"}]},
            {"uuid": "180F", "characteristics": [{"uuid": "2A19", "properties": ["read", "indicate"], "value": "4d"}]},
            {"uuid": "1815", "characteristics": [{"uuid": "2A56", "id": "locked", "properties": ["read"], "value": "01"}]}],
    })
}
fn temperature() -> (&'static str, Json) {
    ("temperature", json!({"characteristic": "Temperature", "service": "Environmental Sensing"}))
}

#[tokio::test]
#[ignore = "needs the Bluetooth ground"]
async fn what_is_notified_read_and_written_is_what_the_sensor_counts() {
    let ground = Ground::with(&json!([thermometer(0)]));
    let rig = Rig::start(
        ground.stack(),
        vec![spec(
            json!({"name": "sensor-0"}),
            vec![
                temperature(),
                ("battery", json!({"about": "Battery"})),
                ("low", json!({"characteristic": SETTING, "dataType": "uint8", "byteOffset": 0})),
                ("high", json!({"characteristic": SETTING, "dataType": "uint8", "byteOffset": 1, "bits": {"first": 4, "count": 4}})),
                ("locked", json!({"characteristic": "2A56", "dataType": "uint8"})),
                ("missing", json!({"characteristic": "Humidity"})),
                ("short", json!({"characteristic": SETTING, "dataType": "uint32"})),
            ],
        )],
    )
    .await;
    rig.until_is(0, "temperature", 20.0).await;
    rig.until_is(0, "battery", 77_u64).await;
    rig.until_bad(0, "missing", "no characteristic Humidity (2A6F)").await;
    rig.until_bad(0, "short", "2 bytes are too few").await;

    // Notified and indicated: each one, with what the sensor says that it sent, and no more.
    ground.value("sensor-0", "2A6E", "c409");
    rig.until_is(0, "temperature", 25.0).await;
    ground.value("sensor-0", "2A19", "32");
    rig.until_is(0, "battery", 50_u64).await;
    // What was taken in is counted: of two that the listener finds at once it is told the newer one.
    let (taken, lost) = (|| rig.stats.pushes.get(), || rig.stats.lost_pushes.get());
    let (before, sent) = (taken(), ground.count("sensor-0", "2A6E", "notified"));
    ground.ask(&json!({"do": "notify", "name": "sensor-0", "characteristic": "2A6E", "hz": 20, "count": 100}));
    rig.until("all have come", |_| taken() >= before + 100).await;
    rig.until("the sensor has sent them", |_| ground.count("sensor-0", "2A6E", "notified") == sent + 100).await;
    assert_eq!((taken(), lost()), (before + 100, 0));
    rig.until_is(0, "temperature", 1.0).await;
    assert!(ground.count("sensor-0", "2A6E", "reads") <= 1, "it is not polled");

    // Written: a part leaves the rest as it is, and what the format cannot hold is not sent.
    assert_eq!(
        rig.write(0, &[("low", Value::Uint(0xAB)), ("high", Value::Uint(0xC))]).await,
        [Wrote::Done, Wrote::Done]
    );
    rig.until_is(0, "low", 0xAB_u64).await;
    rig.until_is(0, "high", 0xC_u64).await;
    let report = ground.sensor("sensor-0", "report");
    assert_eq!(report["characteristics"]["setting"]["value"], "abc0");
    assert!(matches!(rig.write(0, &[("high", Value::Uint(16))]).await[..], [Wrote::Refused(_)]));
    let refused = rig.write(0, &[("locked", Value::Uint(1))]).await;
    assert!(
        matches!(&refused[..], [Wrote::Refused(why)] if why.text.contains("does not let it be written")),
        "{refused:?}"
    );
    rig.stop().await;
    rig_left(&ground).await;
}
/// Nothing is connected any more.
async fn rig_left(ground: &Ground) {
    for _ in 0..100 {
        if ground.sensor("sensor-0", "report")["connections"] == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("still connected: {}", ground.sensor("sensor-0", "report"));
}

#[tokio::test]
#[ignore = "needs the Bluetooth ground"]
async fn a_link_that_is_lost_a_sensor_that_is_away_and_a_stack_that_dies_come_back_by_themselves() {
    let ground = Ground::with(&json!([thermometer(0), thermometer(1)]));
    let device = |number| spec(json!({"address": address(number)}), vec![temperature()]);
    let rig = Rig::start(ground.stack(), vec![device(0), device(1)]).await;
    rig.until_is(0, "temperature", 20.0).await;
    rig.until_is(1, "temperature", 20.0).await;

    ground.sensor("sensor-0", "drop");
    rig.until_down(0, "is not connected").await;
    rig.until_up(0).await;
    assert!(rig.state().is_up(1), "its neighbour is served on");
    ground.value("sensor-0", "2A6E", "0a00");
    rig.until_is(0, "temperature", 0.1).await;

    ground.sensor("sensor-0", "vanish");
    rig.until_down(0, "").await;
    ground.sensor("sensor-0", "appear");
    rig.until_up(0).await;
    ground.value("sensor-0", "2A6E", "1400");
    rig.until_is(0, "temperature", 0.2).await;

    for (how, back, words) in [("kill", "start", "bluetoothd"), ("pause", "resume", "does not answer")] {
        ground.ask(&json!({"do": "bluetoothd", "how": how}));
        rig.until_down(0, words).await;
        ground.ask(&json!({"do": "bluetoothd", "how": back}));
        rig.until_up(0).await;
        rig.until_up(1).await;
    }
    for (how, back) in [("off", "on"), ("remove", "add")] {
        ground.ask(&json!({"do": "adapter", "how": how}));
        rig.until_down(0, "adapter").await;
        ground.ask(&json!({"do": "adapter", "how": back}));
        rig.until_up(0).await;
        rig.until_up(1).await;
    }
    ground.value("sensor-0", "2A6E", "1e00");
    rig.until_is(0, "temperature", 0.3).await;
    rig.stop().await;
}

#[tokio::test]
#[ignore = "needs the Bluetooth ground"]
async fn who_only_advertises_needs_no_connection() {
    let ground = Ground::with(&json!([
        // Ruuvi's own example of format 5.
        beacon(0, &json!({"manufacturer": {"0499": "0512fc5394c37c0004fffc040cac364200cdcbb8334c884f"}})),
        beacon(1, &json!({"service_data": {"fcd2": "40000902c40903bf1302030a"}})),
    ]));
    let ruuvi = |field| json!({"advertisement": {"format": "Ruuvi5", "field": field}});
    let raw = json!({"advertisement": {"manufacturer": "Ruuvi Innovations Ltd.", "prefix": "05"},
        "dataType": "sint16", "byteOrder": "BigEndian", "byteOffset": 1});
    let rssi = || ("rssi", json!({"about": "Rssi"}));
    let tag = vec![("temperature", ruuvi("temperature")), ("humidity", ruuvi("humidity")), ("raw", raw), rssi()];
    let rig = Rig::start(
        ground.stack(),
        vec![
            spec(json!({"address": address(0), "heardWithin": "25s"}), tag),
            spec(json!({"address": address(1)}), vec![("temperature", bthome(1)), ("second", bthome(2))]),
            spec(json!({"address": address(9), "heardWithin": "2s"}), vec![rssi()]),
        ],
    )
    .await;
    rig.until_is(0, "temperature", 24.3).await;
    rig.until_is(0, "humidity", 53.49).await;
    rig.until_is(0, "raw", 4860_i64).await;
    rig.until("its strength", |state| state.told(0, "rssi") > 0).await;
    rig.until_is(1, "temperature", 25.0).await;
    rig.until_is(1, "second", 25.63).await;
    rig.until_down(2, "not heard").await;
    assert_eq!(ground.sensor("sensor-0", "report")["connected"], 0, "nobody connected");

    ground.sensor("sensor-0", "silence");
    rig.until_down(0, "not heard for 25s").await;
    ground.ask(&json!({"do": "sensor", "name": "sensor-0", "how": "advertise"}));
    rig.until_up(0).await;
    rig.stop().await;
}
fn beacon(number: usize, data: &Json) -> Json {
    let mut advertise = json!({"interval_ms": 200, "name": false, "kind": "nonconnectable"});
    advertise.as_object_mut().unwrap().extend(data.as_object().unwrap().clone());
    json!({"address": address(number), "name": format!("sensor-{number}"), "advertise": advertise})
}
fn bthome(index: i32) -> Json {
    json!({"advertisement": {"format": "BTHome", "field": "temperature", "index": index}})
}

#[tokio::test]
#[ignore = "needs the Bluetooth ground"]
async fn an_encrypted_advertisement_is_opened_by_its_key_and_its_counter_is_kept() {
    // bthome.io's own example of encryption, which is of this address.
    let address = "54:48:E6:8F:80:A5";
    let mut sensor = beacon(0, &json!({"service_data": {"fcd2": "41a47266c95f730011223378237214"}}));
    (sensor["address"], sensor["address_type"]) = (address.into(), "public".into());
    let ground = Ground::with(&json!([sensor]));
    let keys = [
        ("plant.keys.right", "231d39c1d7cc1ab1aee224cd096db932\n"),
        ("plant.keys.wrong", "00000000000000000000000000000000"),
    ];
    let secrets = keys.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())).into();
    let cx = pollux_mapper::Cx { secrets, ..pollux_mapper::Cx::default() };
    let sealed = |key: &str| {
        let from = json!({"secret": "plant.keys", "key": key});
        spec(json!({"address": address, "bindKeyFrom": from}), vec![("temperature", bthome(1))])
    };
    let rig = Rig::start_with(ground.stack(), vec![sealed("right"), sealed("wrong")], cx).await;
    rig.until_is(0, "temperature", 25.06).await;
    rig.until("its counter is kept", |state| state.kept.get(&0) == Some(&json!({"counter": 0x3322_1100}))).await;
    rig.until_bad(1, "temperature", "integrity").await;
    assert!(rig.state().is_up(1), "it is there, whatever it says");
    rig.stop().await;
}

#[tokio::test]
#[ignore = "needs the Bluetooth ground"]
async fn more_devices_than_slots_take_turns_and_no_slot_is_lost() {
    let sensors: Vec<Json> = (0..6).map(thermometer).collect();
    let ground = Ground::with(&json!(sensors));
    let read = |number| {
        spec(
            json!({"address": address(number), "connections": 2}),
            vec![("temperature", json!({"characteristic": "Temperature", "notify": "Never"}))],
        )
    };
    let folder = tempfile::tempdir().unwrap();
    let cx = pollux_mapper::Cx { state_dir: Some(folder.path().to_owned()), ..pollux_mapper::Cx::default() };
    let rig = Rig::start_with(ground.stack(), (0..6).map(read).collect(), cx).await;
    rig.until("each sensor was asked three times", |_| {
        (0..6).all(|number| ground.count(&format!("sensor-{number}"), "2A6E", "reads") >= 3)
    })
    .await;
    // A bluetoothd that hangs keeps what is connected: that is ended before others are dialled.
    ground.ask(&json!({"do": "bluetoothd", "how": "pause"}));
    rig.until_down(0, "does not answer").await;
    let before: Vec<u64> = (0..6).map(|number| ground.count(&format!("sensor-{number}"), "2A6E", "reads")).collect();
    ground.ask(&json!({"do": "bluetoothd", "how": "resume"}));
    rig.until("each was asked again", |_| {
        (0..6).all(|number| ground.count(&format!("sensor-{number}"), "2A6E", "reads") > before[number])
    })
    .await;
    rig.stop().await;
    assert_eq!(ground.adapter("most"), 2, "all of its slots were used, and no more, at any moment");
    assert_eq!(ground.connected(), Vec::<String>::new());
}

#[tokio::test]
#[ignore = "needs the Bluetooth ground"]
async fn devices_pair_by_our_agent_and_as_it_is_configured() {
    let sealed = |number: usize, pairing: Json| {
        let mut one = thermometer(number);
        one["pairing"] = pairing;
        one["services"][0]["characteristics"][1]["encrypted"] = true.into();
        one
    };
    let shows = json!({"mode": "passkey", "passkey": 123_456});
    let ground = Ground::with(&json!([
        sealed(0, json!({"mode": "just-works"})),
        sealed(1, shows.clone()),
        sealed(2, shows),
        sealed(3, json!({"mode": "just-works"})),
        sealed(4, json!({"mode": "just-works"})),
    ]));
    let device = |number: usize, more: Json| {
        let mut device = json!({"address": address(number)});
        device.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let setting = json!({"characteristic": SETTING, "dataType": "uint16"});
        spec(device, vec![("setting", setting), temperature()])
    };
    let passkey = |key: &str| json!({"passkeyFrom": {"secret": "plant.keys", "key": key}});
    let secrets = [("plant.keys.right", "123456\n"), ("plant.keys.wrong", "654321")];
    let secrets = secrets.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
    let cx = pollux_mapper::Cx { secrets: secrets.into(), ..pollux_mapper::Cx::default() };
    let mut with = passkey("wrong");
    with["pairing"] = "Required".into();
    let devices = vec![
        device(0, json!({})),
        device(1, passkey("right")),
        device(2, with),
        device(3, json!({"pairing": "Never"})),
        device(4, json!({"pairing": "Required"})),
    ];
    let rig = Rig::start_with(ground.stack(), devices, cx).await;
    for paired in [0, 1, 4] {
        rig.until_is(paired, "setting", 0_u64).await;
    }
    rig.until_down(2, "does not pair").await;
    rig.until_bad(3, "setting", "wants to be paired").await;
    rig.until_is(3, "temperature", 20.0).await;
    rig.until_up(3).await; // what needs no key is served; BlueZ may end one connection over the pairing
    for (number, paired) in [(0, 1), (1, 1), (2, 0), (3, 0), (4, 1)] {
        let report = ground.sensor(&format!("sensor-{number}"), "report");
        assert_eq!(report["paired"], paired, "{report}");
    }
    rig.stop().await;
}
