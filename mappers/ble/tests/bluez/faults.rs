//! Sensors that do not do as they should, a bus that hangs, and somebody else at the adapter.
use super::{Ground, Rig, address, beacon, spec, temperature, thermometer};
use serde_json::{Value as Json, json};
use std::collections::HashMap;
use zbus::Variant;

/// Asked again and again.
fn polled() -> (&'static str, Json) {
    ("temperature", json!({"characteristic": "Temperature", "notify": "Never"}))
}
fn one_slot(number: usize) -> Json {
    json!({"address": address(number), "connections": 1, "connectTimeout": "3s", "timeout": "2s"})
}

#[tokio::test]
#[ignore = "needs the Bluetooth ground"]
async fn a_bus_that_hangs_is_found_out_and_all_come_back() {
    let ground = Ground::with(&json!([thermometer(0), thermometer(1)]));
    let device = |number| spec(json!({"address": address(number)}), vec![temperature()]);
    let rig = Rig::start(ground.stack(), vec![device(0), device(1)]).await;
    for number in 0..2 {
        rig.until_is(number, "temperature", 20.0).await;
    }
    ground.ask(&json!({"do": "dbus", "how": "pause"}));
    for number in 0..2 {
        rig.until_down(number, "").await;
    }
    ground.ask(&json!({"do": "dbus", "how": "resume"}));
    for number in 0..2 {
        rig.until_up(number).await;
    }
    ground.value("sensor-0", "2A6E", "0a00");
    rig.until_is(0, "temperature", 0.1).await;
    rig.stop().await;
}

#[tokio::test]
#[ignore = "needs the Bluetooth ground"]
async fn one_that_takes_a_connection_and_never_answers_costs_the_others_its_turn_and_no_more() {
    let mut mute = thermometer(0);
    mute["mute"] = true.into();
    let ground = Ground::with(&json!([mute, thermometer(1), thermometer(2)]));
    let devices = (0..3).map(|number| spec(one_slot(number), vec![polled()]));
    let rig = Rig::start(ground.stack(), devices.collect()).await;
    rig.until_down(0, "").await;
    // After it is known to be dead too: it is tried again, and the others are asked on.
    for number in [1, 2] {
        let name = format!("sensor-{number}");
        let before = ground.count(&name, "2A6E", "reads");
        rig.until("it is asked on", |_| ground.count(&name, "2A6E", "reads") >= before + 4).await;
        assert!(rig.state().is_up(number));
        assert_eq!(rig.state().downs(number), 0);
    }
    ground.sensor("sensor-0", "unmute");
    rig.until_is(0, "temperature", 20.0).await;
    rig.until_up(0).await;
    rig.stop().await;
    assert_eq!(ground.adapter("most"), 1);
    assert_eq!(ground.connected(), Vec::<String>::new());
}

#[tokio::test]
#[ignore = "needs the Bluetooth ground"]
async fn one_that_ends_the_connection_after_each_read_is_read_and_there() {
    let mut one = thermometer(0);
    one["services"][0]["characteristics"][0]["disconnect_after_read"] = true.into();
    let ground = Ground::with(&json!([one]));
    let mut device = spec(one_slot(0), vec![polled()]);
    device.interval = std::time::Duration::from_secs(3);
    let rig = Rig::start(ground.stack(), vec![device]).await;
    rig.until("it is known", |_| ground.count("sensor-0", "2A6E", "reads") >= 4).await;
    let (reads, downs) = (ground.count("sensor-0", "2A6E", "reads"), rig.state().downs(0));
    rig.until("it is read on", |_| ground.count("sensor-0", "2A6E", "reads") >= reads + 4).await;
    {
        let state = rig.state();
        assert_eq!(state.downs(0), downs, "that its turn is over is no fault: {state:#?}");
    }
    assert!(downs <= 1, "{downs}");
    rig.stop().await;
}

#[tokio::test]
#[ignore = "needs the Bluetooth ground"]
async fn of_two_devices_with_one_name_neither_is_taken() {
    let mut twins = [thermometer(0), thermometer(1)];
    for twin in &mut twins {
        let raw = "02010605097477696e".to_owned(); // "twin"
        twin["advertise"] = json!({"raw": raw, "interval_ms": 100});
    }
    let ground = Ground::with(&json!(twins));
    let listened = spec(
        json!({"name": "twin", "connection": "Never", "heardWithin": "20s"}),
        vec![("rssi", json!({"about": "Rssi"}))],
    );
    let rig = Rig::start(ground.stack(), vec![spec(json!({"name": "twin"}), vec![polled()]), listened]).await;
    for device in 0..2 {
        rig.until_down(device, "several devices are called \"twin\"").await;
    }
    assert_eq!(ground.adapter("connections"), 0);
    ground.sensor("sensor-1", "vanish");
    rig.until_up(0).await;
    rig.until_is(0, "temperature", 20.0).await;
    assert!(ground.count("sensor-0", "2A6E", "reads") > 0);
    rig.stop().await;
}

#[tokio::test]
#[ignore = "needs the Bluetooth ground"]
async fn what_somebody_else_scans_for_does_not_decide_what_is_heard() {
    let tag = |data: &str| json!({"manufacturer": {"0499": data}});
    let ground = Ground::with(&json!([beacon(0, &tag("0512fc5394c37c0004fffc040cac364200cdcbb8334c884f"))]));
    // For a service that nobody has.
    let stranger = zbus::connection::Builder::address(ground.bus().as_str()).build().await.unwrap();
    let (to, path, of) = (Some("org.bluez"), "/org/bluez/hci0", Some("org.bluez.Adapter1"));
    let nobody = Variant::from(vec!["00001234-0000-1000-8000-00805f9b34fb"]);
    let filter = HashMap::from([("Transport", Variant::from("le")), ("UUIDs", nobody)]);
    stranger.call_method(to, path, of, "SetDiscoveryFilter", &(filter,)).await.unwrap();
    stranger.call_method(to, path, of, "StartDiscovery", &()).await.unwrap();
    let points = vec![("temperature", json!({"advertisement": {"format": "Ruuvi5", "field": "temperature"}}))];
    let listened = json!({"address": address(0), "connection": "Never", "heardWithin": "20s"});
    let rig = Rig::start(ground.stack(), vec![spec(listened, points)]).await;
    rig.until_is(0, "temperature", 24.3).await;
    stranger.call_method(to, path, of, "StopDiscovery", &()).await.unwrap();
    drop(stranger);
    let colder = tag("0512f05394c37c0004fffc040cac364200cdcbb8334c884f");
    let mut advertise = json!({"interval_ms": 200, "name": false, "kind": "nonconnectable"});
    advertise.as_object_mut().unwrap().extend(colder.as_object().unwrap().clone());
    ground.ask(&json!({"do": "sensor", "name": "sensor-0", "how": "advertise", "advertise": advertise}));
    rig.until_is(0, "temperature", 24.24).await;
    rig.stop().await;
}

/// Whether BlueZ scans for anybody.
async fn until_scanning(bus: &zbus::Connection, is: bool) {
    for _ in 0..600 {
        let (to, path, of) = (Some("org.bluez"), "/org/bluez/hci0", Some("org.freedesktop.DBus.Properties"));
        let answer = bus.call_method(to, path, of, "Get", &("org.bluez.Adapter1", "Discovering")).await.unwrap();
        if answer.body().deserialize::<Variant<'_>>().unwrap() == Variant::from(is) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("never: scanning is {is}");
}

#[tokio::test]
#[ignore = "needs the Bluetooth ground"]
async fn it_is_scanned_for_as_long_as_somebody_is_to_be_heard() {
    let ground = Ground::with(&json!([thermometer(0), thermometer(1)]));
    let bus = zbus::connection::Builder::address(ground.bus().as_str()).build().await.unwrap();
    let device = |number, points| spec(json!({"address": address(number)}), points);
    let rig = Rig::start(ground.stack(), (0..2).map(|number| device(number, vec![temperature()])).collect()).await;
    for _ in 0..2 {
        for number in 0..2 {
            rig.until_up(number).await;
        }
        until_scanning(&bus, false).await; // all are connected
        ground.sensor("sensor-1", "vanish");
        rig.until_down(1, "").await;
        until_scanning(&bus, true).await;
        ground.sensor("sensor-1", "appear");
    }
    rig.stop().await;
    // What one of them advertises is wanted: it is listened to though all are connected.
    let both = device(0, vec![temperature(), ("rssi", json!({"about": "Rssi"}))]);
    let rig = Rig::start(ground.stack(), vec![both, device(1, vec![temperature()])]).await;
    for number in 0..2 {
        rig.until_is(number, "temperature", 20.0).await;
    }
    until_scanning(&bus, true).await;
    ground.value("sensor-0", "2A6E", "0a00");
    rig.until_is(0, "temperature", 0.1).await;
    until_scanning(&bus, true).await;
    // Without it nobody is to be heard; nor is one that is not configured any more.
    rig.remove(0).await;
    until_scanning(&bus, false).await;
    rig.stop().await;
}
