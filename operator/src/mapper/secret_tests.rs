//! Stories of Secrets: which reach a mapper, and what their owners are told.
use crate::testing::Plant;
use serde_json::{Value as Json, json};

const KEYS: [(&str, &str); 4] =
    [("tls.crt", "certificate"), ("tls.key", "key"), ("ca.crt", "authority"), ("note", "x")];

fn labelled() -> Json {
    json!({"pollux.rs/for": "mappers"})
}
/// Device d on node a speaks TLS with Secret s; device e on node a does not.
async fn plant(secret: Option<(Json, &[(&str, &str)])>) -> Plant {
    let plant = Plant::new();
    plant.secret("s", secret);
    for name in ["d", "e"] {
        plant.device(name, name, 1, "a", 20.0);
    }
    secure(&plant, 1, &json!({}));
    plant.settle().await.unwrap();
    plant
}
fn secure(plant: &Plant, generation: i64, more: &Json) {
    plant.edit("d", generation, |spec| {
        spec["protocol"]["modbus"] = json!({"tls": {"host": "d", "port": 802, "secret": "s"}});
        for (key, value) in more.as_object().unwrap() {
            spec["protocol"]["modbus"]["tls"][key] = value.clone();
        }
    });
}
fn says(plant: &Plant, reason: &str, part: &str) {
    let accepted = plant.condition_of("d", "Accepted");
    assert_eq!((accepted["status"].as_str(), accepted["reason"].as_str()), (Some("False"), Some(reason)), "{accepted}");
    assert!(accepted["message"].as_str().unwrap().contains(part), "{accepted}");
    assert_eq!(plant.condition("e", "Accepted").0, "True");
}
fn keys(plant: &Plant, node: &str) -> Vec<String> {
    plant.copied(node).into_iter().map(|(key, _)| key).collect()
}

#[tokio::test]
async fn a_mapper_gets_the_keys_that_its_devices_read_before_it_gets_the_devices() {
    let plant = plant(Some((labelled(), &KEYS))).await;
    let copied = plant.copied("a");
    let expected = [("n.s.ca.crt", "authority"), ("n.s.tls.crt", "certificate"), ("n.s.tls.key", "key")];
    assert_eq!(copied, expected.map(|(key, text)| (key.to_owned(), text.to_owned())));
    assert_eq!((plant.copied("b"), plant.entries("a").len()), (vec![], 2));
    let writes = plant.api.take_writes();
    let at = |needle: &str| writes.iter().position(|w| w.contains(needle)).unwrap();
    assert!(at("/secrets/modbus.a") < at("/deviceslices"), "{writes:#?}");
    plant.settle().await.unwrap();
    assert_eq!(plant.api.take_writes(), Vec::<String>::new(), "nothing changed, so nothing is written");
    plant.successor().settle().await.unwrap();
    let writes = plant.api.take_writes();
    assert!(!writes.iter().any(|w| w.contains("/secrets/")), "by another replica neither: {writes:#?}");
    // Whom nobody verifies needs no authority.
    secure(&plant, 2, &json!({"insecureSkipVerify": true}));
    plant.settle().await.unwrap();
    assert_eq!(keys(&plant, "a"), ["n.s.tls.crt", "n.s.tls.key"]);
}

#[tokio::test]
async fn a_secret_that_is_missing_unlabelled_or_not_whole_concerns_only_who_names_it() {
    let none = "spec.protocol.modbus.tls.secret: no Secret \"s\" with label pollux.rs/for=mappers in namespace n";
    let plant = plant(None).await;
    says(&plant, "SecretMissing", none);
    assert_eq!((keys(&plant, "a"), plant.entries("a").len()), (vec![], 1));
    plant.secret("s", Some((json!({"pollux.rs/for": "others"}), &KEYS)));
    plant.settle().await.unwrap();
    says(&plant, "SecretMissing", none);
    plant.secret("s", Some((labelled(), &KEYS[..2])));
    plant.settle().await.unwrap();
    says(&plant, "SecretMissing", "Secret \"s\" has no key ca.crt");
    assert_eq!((keys(&plant, "a"), plant.entries("a").len()), (vec![], 1));
    plant.secret("s", Some((labelled(), &KEYS)));
    plant.settle().await.unwrap();
    assert_eq!((plant.condition("d", "Accepted").0, keys(&plant, "a").len()), ("True".into(), 3));
}

#[tokio::test]
async fn a_rotated_secret_is_copied_anew_and_one_that_is_taken_back_is_taken_from_the_mapper() {
    let plant = plant(Some((labelled(), &KEYS))).await;
    plant.api.take_writes();
    plant.secret("s", Some((labelled(), &[("tls.crt", "newer"), KEYS[1], KEYS[2]])));
    plant.settle().await.unwrap();
    assert!(plant.copied("a").contains(&("n.s.tls.crt".into(), "newer".into())));
    let writes = plant.api.take_writes();
    assert!(writes.iter().all(|w| w.contains("/secrets/modbus.a") || w.contains("/deviceslices/")), "{writes:#?}");
    // Its owner takes the label away: nothing of it stays, and what is in force stays in force without it.
    plant.secret("s", Some((json!({}), &KEYS)));
    plant.settle().await.unwrap();
    assert_eq!((keys(&plant, "a"), plant.entries("a").len()), (vec![], 2));
    says(&plant, "LastValidKept", "no Secret \"s\"");
    plant.secret("s", Some((labelled(), &KEYS)));
    plant.settle().await.unwrap();
    assert_eq!(keys(&plant, "a").len(), 3);
    // No device names it any more.
    plant.delete_device("d");
    plant.settle().await.unwrap();
    assert_eq!(keys(&plant, "a"), Vec::<String>::new());
}

#[tokio::test]
async fn what_the_watch_does_not_tell_of_yet_is_not_copied() {
    let plant = plant(Some((labelled(), &KEYS))).await;
    let path = "/api/v1/namespaces/n/secrets/s";
    let mut secret = plant.api.get(path).unwrap();
    secret["metadata"]["labels"] = json!({});
    plant.api.put(path, secret);
    // Something else makes the copy due.
    plant.api.remove("/api/v1/namespaces/pollux-mappers/secrets/modbus.a");
    plant.cx.world.made_seen("Secret", "modbus.a", false);
    plant.settle().await.unwrap();
    assert_eq!(keys(&plant, "a"), Vec::<String>::new());
    says(&plant, "LastValidKept", "no Secret \"s\"");
}

#[tokio::test]
async fn while_secrets_cannot_be_listed_nothing_is_taken_from_a_mapper() {
    let before = plant(Some((labelled(), &KEYS))).await;
    // Another replica leads, which was not told of any Secret: the device's own is not known to be missing.
    let plant = before.unaware();
    for name in ["d", "e"] {
        crate::device::reconcile(&plant.cx, &format!("n/{name}").as_str().into()).await.unwrap();
    }
    assert_eq!(plant.condition("d", "Accepted").0, "True", "not known, so not said");
    crate::mapper::reconcile(&plant.cx, &crate::world::keys::MapperKey::new("modbus", "a")).await.unwrap();
    assert_eq!((keys(&plant, "a").len(), plant.entries("a").len()), (3, 2));
    // Something else of the mapper's is lost meanwhile.
    plant.cx.world.made_seen("Role", "slice.modbus.a", false);
    crate::mapper::reconcile(&plant.cx, &crate::world::keys::MapperKey::new("modbus", "a")).await.unwrap();
    assert_eq!(keys(&plant, "a").len(), 3);
}

#[tokio::test]
async fn what_is_too_much_for_one_mapper_is_left_out_whole() {
    let plant = plant(Some((labelled(), &KEYS))).await;
    let large = "x".repeat(65_536);
    let large = ["tls.crt", "tls.key", "ca.crt"].map(|key| (key, large.as_str()));
    for name in ["big-0", "big-1", "big-2", "big-3"] {
        plant.secret(name, Some((labelled(), &large)));
        plant.device(name, name, 1, "a", 20.0);
        plant.edit(name, 1, |spec| {
            spec["protocol"]["modbus"] = json!({"tls": {"host": name, "port": 802, "secret": name}});
        });
    }
    plant.settle().await.unwrap();
    let copied = keys(&plant, "a");
    assert_eq!(copied.iter().filter(|key| key.starts_with("n.s.")).count(), 3, "{copied:?}");
    assert_eq!(copied.len(), 3 + 3 * 3, "three of the large ones, whole: {copied:?}");
    let accepted = plant.condition_of("big-3", "Accepted");
    let text = "spec.protocol.modbus.tls.secret: Secret \"big-3\" has 196608 bytes, and the copy of Secrets that this mapper gets has \
                no room for it: of 716800 bytes, others of namespace n take 589847, those of other namespaces 0, and 126953 are left";
    assert_eq!((&accepted["reason"], &accepted["message"]), (&json!("NoRoomForSecret"), &json!(text)));
    assert_eq!(plant.entries("a").len(), 5, "d, e, and three of the large ones");
    for name in ["d", "big-0", "big-1", "big-2"] {
        assert_eq!(plant.condition(name, "Accepted").0, "True", "{name}");
    }
    plant.api.take_writes();
    plant.settle().await.unwrap();
    assert_eq!(plant.api.take_writes(), Vec::<String>::new(), "it does not come and go");
    // Another Secret that fits is taken beside what is in force; and where one goes, the next has its room.
    plant.delete_device("big-1");
    plant.settle().await.unwrap();
    assert_eq!(plant.condition("big-3", "Accepted").0, "True");
    assert_eq!(keys(&plant, "a").iter().filter(|key| key.starts_with("n.big-3.")).count(), 3);
}

#[tokio::test]
async fn an_edit_that_names_a_secret_without_room_leaves_what_is_in_force() {
    let plant = plant(Some((labelled(), &KEYS))).await;
    let large = "x".repeat(65_536);
    let large = ["tls.crt", "tls.key", "ca.crt"].map(|key| (key, large.as_str()));
    for name in ["big-0", "big-1", "big-2", "big-3"] {
        plant.secret(name, Some((labelled(), &large)));
    }
    for name in ["big-0", "big-1", "big-2"] {
        plant.device(name, name, 1, "a", 20.0);
        plant.edit(name, 1, |spec| {
            spec["protocol"]["modbus"] = json!({"tls": {"host": name, "port": 802, "secret": name}});
        });
    }
    plant.settle().await.unwrap();
    assert_eq!(keys(&plant, "a").len(), 3 + 3 * 3);
    plant.edit("d", 2, |spec| spec["protocol"]["modbus"]["tls"]["secret"] = json!("big-3"));
    plant.settle().await.unwrap();
    says(&plant, "LastValidKept", "generation 1 stays in force: spec.protocol.modbus.tls.secret: Secret \"big-3\" has");
    assert_eq!(
        (keys(&plant, "a").len(), plant.entries("a").len()),
        (3 + 3 * 3, 5),
        "with the Secret of what is in force"
    );
}

#[tokio::test]
async fn a_channel_names_a_secret_for_all_its_devices() {
    let plant = Plant::new();
    let tls = json!({"tls": {"host": "gw", "port": 802, "secret": "s"}});
    plant.channel("hall", &json!({ "modbus": tls }));
    plant.device("d", "d", 1, "a", 20.0);
    plant.edit("d", 1, |spec| spec["protocol"]["modbus"] = json!({"channel": "hall"}));
    plant.device("e", "e", 1, "a", 20.0);
    plant.secret("other", Some((labelled(), &KEYS)));
    plant.settle().await.unwrap();
    says(&plant, "SecretMissing", "Channel hall: spec.protocol.modbus.tls.secret: no Secret \"s\"");
    plant.cx.world.queue.open(true);
    plant.secret("other", Some((labelled(), &KEYS[..1])));
    assert!(plant.cx.world.queue.is_empty(), "nobody names it");
    plant.secret("s", Some((labelled(), &KEYS)));
    assert!(!plant.cx.world.queue.is_empty(), "who waits for it is due");
    plant.settle().await.unwrap();
    assert_eq!((plant.condition("d", "Accepted").0, keys(&plant, "a").len()), ("True".into(), 3));
}

#[tokio::test]
async fn the_secret_of_what_is_in_force_is_followed_while_an_edit_that_names_another_is_refused() {
    let plant = plant(Some((labelled(), &KEYS))).await;
    secure(&plant, 2, &json!({"secret": "missing"}));
    plant.settle().await.unwrap();
    says(&plant, "LastValidKept", "no Secret \"missing\"");
    plant.cx.world.queue.open(true);
    plant.secret("other", Some((labelled(), &KEYS)));
    assert!(plant.cx.world.queue.is_empty(), "nobody names it");
    plant.secret("s", Some((labelled(), &[("tls.crt", "newer"), KEYS[1], KEYS[2]])));
    assert!(!plant.cx.world.queue.is_empty(), "its mapper is due");
    plant.settle().await.unwrap();
    assert!(plant.copied("a").contains(&("n.s.tls.crt".into(), "newer".into())));
}

#[tokio::test]
async fn a_bluetooth_device_has_the_key_that_it_chose_and_no_other() {
    let plant = Plant::new();
    let (key, cut) = ("0123456789abcdef0123456789abcdef", "0123");
    let all = |key| [("lobby", key), ("other", "ffffffffffffffffffffffffffffffff"), ("tls.key", "key")];
    plant.secret("sensors", Some((labelled(), &all(cut))));
    plant.device("d", "d", 1, "a", 20.0);
    plant.device("e", "e", 1, "a", 20.0);
    plant.edit("d", 2, |spec| {
        let battery = json!({"ble": {"advertisement": {"format": "BTHome", "field": "battery"}}});
        *spec = json!({"nodeName": "a", "properties": [{"name": "battery", "type": "integer", "binding": battery}],
            "protocol": {"ble": {"name": "lobby", "bindKeyFrom": {"secret": "sensors", "key": "lobby"}}}});
    });
    let ble = crate::world::keys::MapperKey::new("ble", "a");
    let copied = |plant: &Plant| {
        let secret = plant.api.get("/api/v1/namespaces/pollux-mappers/secrets/ble.a");
        let data = secret.and_then(|secret| secret["data"].as_object().cloned()).unwrap_or_default();
        data.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    plant.settle().await.unwrap();
    let scheduled = plant.condition_of("d", "Scheduled");
    assert_eq!(
        (scheduled["reason"].as_str(), scheduled["message"].as_str()),
        (Some("MapperClassMissing"), Some("no MapperClass \"ble\"; there are: modbus"))
    );
    let class = json!({"metadata": {"name": "ble", "uid": "ble"}, "spec": {"image": "i"}});
    plant.cx.world.learn_class(&"ble".into(), serde_json::from_value(class).unwrap());
    plant.settle().await.unwrap();
    crate::mapper::reconcile(&plant.cx, &ble).await.unwrap();
    says(
        &plant,
        "SecretMissing",
        "spec.protocol.ble.bindKeyFrom: key lobby of Secret \"sensors\" has 4 bytes, must be 32 digits",
    );
    assert_eq!(copied(&plant), Vec::<String>::new());
    plant.secret("sensors", Some((labelled(), &all(key))));
    plant.settle().await.unwrap();
    crate::mapper::reconcile(&plant.cx, &ble).await.unwrap();
    assert_eq!(
        (plant.condition("d", "Accepted").0, copied(&plant)),
        ("True".into(), vec!["n.sensors.lobby".to_owned()])
    );
}
