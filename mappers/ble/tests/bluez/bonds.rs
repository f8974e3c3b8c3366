//! Keys that BlueZ keeps, and who is known by them.
use super::{Ground, Rig, SETTING, address, spec, thermometer};
use serde_json::{Value as Json, json};

fn sealed(number: usize, pairing: &Json) -> Json {
    let mut one = thermometer(number);
    one["pairing"] = pairing.clone();
    one["services"][0]["characteristics"][1]["encrypted"] = true.into();
    one
}
fn setting() -> (&'static str, Json) {
    ("setting", json!({"characteristic": SETTING, "dataType": "uint16", "notify": "Never"}))
}
fn asked_to_pair(ground: &Ground) -> u64 {
    ground.sensor("sensor-0", "report")["pairing_requests"].as_u64().expect("a number")
}

#[tokio::test]
#[ignore = "needs the Bluetooth ground"]
async fn a_bond_outlives_the_mapper_and_an_address_that_changes() {
    let ground = Ground::with(&json!([sealed(0, &json!({"mode": "just-works"}))]));
    let device = || spec(json!({"address": address(0), "pairing": "Required"}), vec![setting()]);
    let rig = Rig::start(ground.stack(), vec![device()]).await;
    rig.until_is(0, "setting", 0_u64).await;
    assert_eq!(asked_to_pair(&ground), 1);
    rig.stop().await;

    let rig = Rig::start(ground.stack(), vec![device()]).await;
    rig.until_is(0, "setting", 0_u64).await;
    assert_eq!(asked_to_pair(&ground), 1, "BlueZ has kept its keys");

    // Out of reach, and back with another resolvable address: nothing is edited.
    ground.sensor("sensor-0", "vanish");
    rig.until_down(0, "").await;
    rig.until("its end is over too", |_| ground.sensor("sensor-0", "report")["connections"] == 0).await;
    let moved = ground.sensor("sensor-0", "move")["address"].clone();
    assert_ne!(moved, json!(address(0)));
    ground.value("sensor-0", "setting", "0700");
    ground.sensor("sensor-0", "appear");
    rig.until_is(0, "setting", 7_u64).await;
    rig.until_up(0).await;
    assert_eq!(asked_to_pair(&ground), 1);
    rig.stop().await;
}

#[tokio::test]
#[ignore = "needs the Bluetooth ground"]
async fn a_pairing_that_fails_is_not_asked_for_with_each_read() {
    let ground = Ground::with(&json!([sealed(0, &json!({"mode": "passkey", "passkey": 123_456}))]));
    let secrets = [("plant.keys.wrong".to_owned(), b"654321".to_vec())].into();
    let cx = pollux_mapper::Cx { secrets, ..pollux_mapper::Cx::default() };
    let device = json!({"address": address(0), "passkeyFrom": {"secret": "plant.keys", "key": "wrong"}});
    let temperature = ("temperature", json!({"characteristic": "Temperature", "notify": "Never"}));
    let rig = Rig::start_with(ground.stack(), vec![spec(device, vec![setting(), temperature])], cx).await;
    rig.until_bad(0, "setting", "it wants to be paired for that: the pairing failed").await;
    let reads = ground.count("sensor-0", "2A6E", "reads");
    rig.until("what needs no key is read on", |_| ground.count("sensor-0", "2A6E", "reads") >= reads + 20).await;
    let asked = asked_to_pair(&ground);
    assert!((1..=2).contains(&asked), "{asked} times, in 20 intervals");
    assert!(rig.state().is_bad(0, "setting", "wants to be paired"), "{:?}", rig.state());
    rig.stop().await;
}
