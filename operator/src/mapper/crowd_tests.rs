//! Stories of mappers that have no room, or no port, for one more device: what is in force stays in force.
use crate::testing::Plant;
use serde_json::json;

/// A Secret of three keys, in bytes.
fn secret(plant: &Plant, name: &str, bytes: usize) {
    let text = "x".repeat(bytes / 3);
    let keys = ["tls.crt", "tls.key", "ca.crt"].map(|key| (key, text.as_str()));
    plant.secret(name, Some((json!({"pollux.rs/for": "mappers"}), &keys)));
}
/// A person makes or edits a Device that names a Secret.
fn device(plant: &Plant, name: &str, generation: i64, node: &str, secret: &str) {
    plant.device(name, name, generation, node, 20.0);
    plant.edit(name, generation, |spec| {
        spec["protocol"]["modbus"] = json!({"tls": {"host": name, "port": 802, "secret": secret}});
    });
}
/// Devices, each with a Secret of its name, all in force.
async fn plant(devices: &[(&str, &str, usize)]) -> Plant {
    let plant = Plant::new();
    for (name, node, bytes) in devices {
        secret(&plant, name, *bytes);
        device(&plant, name, 1, node, name);
    }
    settle(&plant).await;
    assert!(devices.iter().all(|(name, ..)| plant.condition(name, "Accepted").0 == "True"));
    plant
}
async fn settle(plant: &Plant) {
    plant.settle().await.unwrap();
    plant.settle().await.unwrap();
}
/// Generations in force on a node.
fn in_force(plant: &Plant, node: &str) -> Vec<(String, i64)> {
    let live = plant.entries(node).into_iter().filter(|(.., released)| !released);
    live.map(|(uid, generation, _)| (uid, generation)).collect()
}
fn copied(plant: &Plant, node: &str) -> Vec<String> {
    let keys = plant.copied(node).into_iter().filter_map(|(key, _)| key.strip_suffix(".tls.key").map(str::to_owned));
    keys.filter_map(|key| key.strip_prefix("n.").map(str::to_owned)).collect()
}
/// Reason and message of Accepted.
fn told(plant: &Plant, name: &str) -> (String, String) {
    let accepted = plant.condition_of(name, "Accepted");
    let text = |key: &str| accepted[key].as_str().unwrap().to_owned();
    (text("reason"), text("message"))
}
fn live(names: &[&str]) -> Vec<(String, i64)> {
    names.iter().map(|name| ((*name).to_owned(), 1)).collect()
}

#[tokio::test]
async fn a_refused_edit_and_who_is_new_take_nothing_from_who_stands_here() {
    let plant = plant(&[("b0", "a", 196_608), ("b1", "a", 196_608), ("d", "a", 180_000)]).await;
    secret(&plant, "huge", 196_608);
    secret(&plant, "e", 150_000);
    secret(&plant, "more", 196_608);
    device(&plant, "more", 1, "a", "more");
    device(&plant, "d", 2, "a", "huge");
    device(&plant, "e", 1, "a", "e");
    settle(&plant).await;
    // The edit has the room that it sets free; the rest is for neither of those that are new.
    assert_eq!(copied(&plant, "a"), ["b0", "b1", "huge"]);
    assert_eq!((told(&plant, "e").0, told(&plant, "more").0), ("NoRoomForSecret".into(), "NoRoomForSecret".into()));
    // One that asks for more than is free keeps what it has.
    secret(&plant, "f", 100_000);
    device(&plant, "f", 1, "a", "f");
    settle(&plant).await;
    device(&plant, "f", 2, "a", "e");
    settle(&plant).await;
    assert_eq!(copied(&plant, "a"), ["b0", "b1", "f", "huge"]);
    let (reason, message) = told(&plant, "f");
    assert_eq!(reason, "LastValidKept");
    assert!(
        message.starts_with("generation 1 stays in force: spec.protocol.modbus.tls.secret: Secret \"e\" has 150000")
    );
    assert!(message.ends_with("and 26977 are left"), "{message}");
    for name in ["b0", "b1", "d"] {
        assert_eq!(plant.condition(name, "Accepted").0, "True", "{name}");
    }
    plant.api.take_writes();
    settle(&plant).await;
    assert_eq!(plant.api.take_writes(), Vec::<String>::new(), "it does not come and go");
}

#[tokio::test]
async fn a_smaller_secret_of_who_is_new_takes_nothing_from_a_larger_one_in_force() {
    let all = [("b0", "a", 196_608), ("b1", "a", 196_608), ("b2", "a", 196_608)];
    let plant = plant(&all).await;
    secret(&plant, "e", 150_000);
    device(&plant, "e", 1, "a", "e");
    settle(&plant).await;
    assert_eq!(copied(&plant, "a"), ["b0", "b1", "b2"]);
    assert!(all.iter().all(|(name, ..)| plant.condition(name, "Accepted").0 == "True"));
    assert_eq!((told(&plant, "e").0, in_force(&plant, "a")), ("NoRoomForSecret".into(), live(&["b0", "b1", "b2"])));
}

#[tokio::test]
async fn a_device_that_its_new_mapper_has_no_room_for_stays_until_there_is() {
    let bigs = ["b0", "b1", "b2"];
    let plant = plant(&[("b0", "b", 196_608), ("b1", "b", 196_608), ("b2", "b", 196_608), ("d", "a", 196_608)]).await;
    device(&plant, "d", 2, "b", "d");
    settle(&plant).await;
    assert_eq!((in_force(&plant, "a"), in_force(&plant, "b")), (live(&["d"]), live(&bigs)));
    assert_eq!(copied(&plant, "a"), ["d"]);
    let (reason, message) = told(&plant, "d");
    assert_eq!(reason, "LastValidKept");
    assert!(
        message.contains("generation 1 stays in force: spec.protocol.modbus.tls.secret: Secret \"d\" has"),
        "{message}"
    );
    assert!(plant.entries("a").iter().all(|(.., released)| !released), "it was not asked to let go");
    // Another replica says the same.
    let plant = plant.successor();
    settle(&plant).await;
    assert_eq!((in_force(&plant, "a"), told(&plant, "d").0), (live(&["d"]), "LastValidKept".into()));
    plant.delete_device("b1");
    settle(&plant).await;
    assert_eq!(plant.entries("a"), [("d".into(), 1, true)]);
    plant.mapper_acts("a");
    settle(&plant).await;
    assert_eq!((plant.entries("a"), told(&plant, "d").0), (vec![], "Valid".into()));
    assert!(in_force(&plant, "b").contains(&("d".into(), 2)));
}

#[tokio::test]
async fn a_device_whose_new_mapper_hears_of_its_next_edit_moves_with_that() {
    let plant = plant(&[("b0", "b", 196_608), ("b1", "b", 196_608), ("b2", "b", 196_608), ("d", "a", 196_608)]).await;
    device(&plant, "d", 2, "b", "d");
    settle(&plant).await;
    plant.cx.world.queue.open(true);
    secret(&plant, "small", 30_000);
    assert!(plant.cx.world.queue.is_empty(), "nobody names it");
    device(&plant, "d", 3, "b", "small");
    assert_eq!(plant.cx.world.queue.len(), 4, "the Device, its class, its mapper, and the one that it asks for");
    settle(&plant).await;
    plant.mapper_acts("a");
    settle(&plant).await;
    assert_eq!((plant.entries("a"), told(&plant, "d").0), (vec![], "Valid".into()));
    assert!(in_force(&plant, "b").contains(&("d".into(), 3)));
}

#[tokio::test]
async fn the_room_of_a_device_on_its_way_is_nobody_elses() {
    let plant = plant(&[("b0", "b", 196_608), ("b1", "b", 196_608), ("d", "a", 196_608)]).await;
    device(&plant, "d", 2, "b", "d");
    settle(&plant).await;
    assert_eq!(plant.entries("a"), [("d".into(), 1, true)]);
    // While its old mapper lets go of it, another one comes, and is content with less.
    secret(&plant, "e", 150_000);
    device(&plant, "e", 1, "b", "e");
    settle(&plant).await;
    assert_eq!((told(&plant, "e").0, in_force(&plant, "b")), ("NoRoomForSecret".into(), live(&["b0", "b1"])));
    plant.mapper_acts("a");
    settle(&plant).await;
    assert!(in_force(&plant, "b").contains(&("d".into(), 2)), "{:?}", plant.entries("b"));
    assert_eq!((plant.entries("a"), told(&plant, "d").0), (vec![], "Valid".into()));
}

#[tokio::test]
async fn a_device_whose_port_is_taken_where_it_shall_move_stays_where_it_is() {
    let plant = Plant::new();
    let at = |name: &str, generation: i64, node: &str, baud: i32| {
        plant.device(name, name, generation, node, 20.0);
        plant.edit(name, generation, |spec| {
            spec["protocol"]["modbus"] = json!({"rtu": {"path": "/dev/ttyS0", "baudRate": baud}, "unitId": 1});
        });
    };
    at("c", 1, "b", 9600);
    at("d", 1, "a", 19_200);
    settle(&plant).await;
    plant.mapper_acts("a");
    at("d", 2, "b", 19_200);
    settle(&plant).await;
    assert_eq!((in_force(&plant, "a"), in_force(&plant, "b")), (live(&["d"]), live(&["c"])));
    assert!(plant.entries("a").iter().all(|(.., released)| !released), "it was not asked to let go");
    let (reason, message) = told(&plant, "d");
    assert_eq!(reason, "LastValidKept");
    assert!(message.contains("/dev/ttyS0"), "{message}");
    assert_eq!(plant.api.get(&Plant::device_path("d")).unwrap()["status"]["nodeName"], "a");
    // With the other's settings it may.
    at("d", 3, "b", 9600);
    settle(&plant).await;
    plant.mapper_acts("a");
    settle(&plant).await;
    assert_eq!((plant.entries("a"), told(&plant, "d").0), (vec![], "Valid".into()));
    assert!(in_force(&plant, "b").contains(&("d".into(), 3)));
}
