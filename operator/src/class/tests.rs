//! Stories of classes, on an API server in memory.
use crate::{
    class, mapper, owner,
    testing::{OWNER, Plant},
    world::keys::MapperKey,
};
use k8s_openapi::api::{
    apps::v1::DaemonSet,
    core::v1::{Secret, ServiceAccount},
    rbac::v1::{Role, RoleBinding},
};
use kube::api::PartialObjectMeta;
use pollux_crds::Writes;
use serde_json::{Value as Json, json};
use std::time::Duration;

const CLASS: &str = "/apis/pollux.rs/v1alpha1/mapperclasses/modbus";
const SET: &str = "/apis/apps/v1/namespaces/pollux-mappers/daemonsets/pollux-mapper-modbus";
const ACCOUNT: &str = "/api/v1/namespaces/pollux-mappers/serviceaccounts/pollux-mapper-modbus";
const ROLE: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/pollux-mappers/roles/slice.modbus.a";
const READER: [&str; 4] = [
    "/api/v1/namespaces/pollux-mappers/serviceaccounts/slice.modbus.a",
    "/api/v1/namespaces/pollux-mappers/secrets/modbus.a",
    ROLE,
    "/apis/rbac.authorization.k8s.io/v1/namespaces/pollux-mappers/rolebindings/slice.modbus.a",
];
const SLICE: &str = "/apis/pollux.rs/v1alpha1/namespaces/pollux-mappers/deviceslices/modbus.a.0";

/// The class as the watch shows it, whether it can be decoded or not.
fn class(plant: &Plant, spec: &Json) {
    let object = json!({"metadata": {"name": "modbus", "uid": "class"}, "spec": spec});
    plant.cx.world.learn_class(&"modbus".into(), serde_json::from_value(object).unwrap());
}
fn told(plant: &Plant, node: &str) -> Writes {
    plant.slice(node).unwrap().spec.index.unwrap().writes
}

#[tokio::test]
async fn the_key_switch_stays_as_it_was_where_its_class_is_gone_or_cannot_be_decoded() {
    let plant = Plant::new();
    class(&plant, &json!({"image": "i", "writes": "Disabled"}));
    plant.device("d", "u", 1, "a", 20.0);
    plant.settle().await.unwrap();
    assert_eq!(told(&plant, "a"), Writes::Disabled);
    plant.cx.world.forget_class(&"modbus".into());
    plant.settle().await.unwrap();
    assert_eq!(told(&plant, "a"), Writes::Disabled, "the class is gone");
    class(&plant, &json!({"image": "i", "writes": "Sometimes"}));
    assert!(plant.cx.world.class("modbus").is_none());
    plant.settle().await.unwrap();
    assert_eq!(told(&plant, "a"), Writes::Disabled, "the class cannot be decoded");
    let plant = plant.successor();
    plant.cx.world.forget_class(&"modbus".into());
    plant.settle().await.unwrap();
    assert_eq!(told(&plant, "a"), Writes::Disabled, "another replica leads");
    class(&plant, &json!({"image": "i"}));
    plant.settle().await.unwrap();
    assert_eq!(told(&plant, "a"), Writes::Enabled);
    // A mapper that may write goes on.
    plant.cx.world.forget_class(&"modbus".into());
    plant.settle().await.unwrap();
    assert_eq!(told(&plant, "a"), Writes::Enabled);
}

#[tokio::test]
async fn where_nobody_ever_told_the_switch_nothing_is_written() {
    let plant = Plant::new();
    plant.device("d", "u", 1, "a", 20.0);
    plant.settle().await.unwrap();
    // The index was lost, with the class that has the switch.
    plant.forget_index("a");
    plant.cx.world.forget_class(&"modbus".into());
    plant.settle().await.unwrap();
    assert_eq!(told(&plant, "a"), Writes::Disabled);
}

fn owners(plant: &Plant, path: &str) -> Json {
    plant.api.get(path).unwrap_or_else(|| panic!("no {path}"))["metadata"]["ownerReferences"].clone()
}
/// Account and `DaemonSet` of the class, and the reader of node a.
fn all() -> impl Iterator<Item = &'static str> {
    [SET, ACCOUNT].into_iter().chain(READER)
}
async fn reconciled(plant: &Plant) {
    class::reconcile(&plant.cx, &"modbus".into()).await.unwrap();
}
/// What the watches of pollux-mappers show.
fn look_at_made(plant: &Plant) {
    fn look<K: kube::Resource<DynamicType = ()> + Send + 'static>(plant: &Plant, path: &str) {
        let object = plant.api.get(path).map(|json| serde_json::from_value::<PartialObjectMeta<K>>(json).unwrap());
        plant.cx.world.learn_made::<K>(path.rsplit_once('/').unwrap().1, object);
    }
    look::<DaemonSet>(plant, SET);
    look::<ServiceAccount>(plant, ACCOUNT);
    look::<ServiceAccount>(plant, READER[0]);
    look::<Secret>(plant, READER[1]);
    look::<Role>(plant, ROLE);
    look::<RoleBinding>(plant, READER[3]);
}

#[tokio::test]
async fn all_that_is_made_for_mappers_is_owned_by_what_uninstall_deletes_and_by_nothing_else() {
    let plant = Plant::new();
    plant.device("d", "u", 1, "a", 20.0);
    plant.settle().await.unwrap();
    reconciled(&plant).await;
    let owner = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "pollux-mappers", "uid": "chart"}]);
    for path in all() {
        assert_eq!(owners(&plant, path), owner, "{path}");
    }
    // Installed anew: the new one owns all, readers too.
    plant.install("again");
    reconciled(&plant).await;
    plant.settle().await.unwrap();
    for path in all() {
        assert_eq!(owners(&plant, path)[0]["uid"], "again", "{path}");
    }
}

#[tokio::test]
async fn nobody_owns_them_only_where_the_operator_was_told_so() {
    let plant = Plant::without_chart();
    reconciled(&plant).await;
    assert_eq!(owners(&plant, SET), json!([]));
    let plant = Plant::new();
    plant.api.remove(OWNER);
    reconciled(&plant).await;
    assert!(plant.api.get(SET).is_none(), "a replica that starts after somebody stopped all mappers starts none");
}

#[tokio::test]
async fn what_uninstall_stopped_is_not_made_again_by_any_replica() {
    let plant = Plant::new();
    plant.device("d", "u", 1, "a", 20.0);
    plant.settle().await.unwrap();
    reconciled(&plant).await;
    plant.api.remove(OWNER);
    all().for_each(|path| plant.api.remove(path));
    look_at_made(&plant);
    for plant in [plant.successor(), plant] {
        reconciled(&plant).await;
        plant.settle().await.unwrap();
        for path in all() {
            assert!(plant.api.get(path).is_none(), "{path} is back");
        }
        assert_eq!(plant.entries("a").len(), 1, "the last valid configuration stays");
    }
    let plant = Plant::new();
    plant.device("d", "u", 1, "a", 20.0);
    plant.api.remove(OWNER);
    reconciled(&plant).await;
    plant.install("again");
    owner::look(&plant.cx).await.unwrap();
    plant.settle().await.unwrap();
    reconciled(&plant).await;
    for path in all() {
        assert_eq!(owners(&plant, path)[0]["uid"], "again", "{path}");
    }
}

#[tokio::test]
async fn a_class_that_goes_takes_its_mappers_along_also_when_another_replica_made_them() {
    let plant = Plant::new();
    plant.device("d", "u", 1, "a", 20.0);
    plant.settle().await.unwrap();
    reconciled(&plant).await;
    let plant = plant.successor();
    plant.cx.world.forget_class(&"modbus".into());
    plant.cx.world.queue.open(true);
    look_at_made(&plant);
    assert_eq!(plant.cx.world.queue.len(), 1, "account and DaemonSet without a class are news");
    plant.cx.world.queue.open(true);
    plant.cx.world.touch_all(Duration::ZERO);
    assert_eq!(plant.cx.world.queue.len(), 3, "the Device, its mapper, and the class that is gone");
    plant.api.put(CLASS, json!({"metadata": {"name": "modbus"}}));
    reconciled(&plant).await;
    assert!(plant.api.get(SET).is_some(), "memory alone stops nothing");
    plant.api.remove(CLASS);
    reconciled(&plant).await;
    assert!(plant.api.get(SET).is_none() && plant.api.get(ACCOUNT).is_none());
    plant.settle().await.unwrap();
    assert!(READER.iter().all(|path| plant.api.get(path).is_none()), "nobody reads for a class that is gone");
    assert_eq!(plant.entries("a").len(), 1, "the last valid configuration waits for the class to come back");
    assert_eq!(plant.condition("d", "Scheduled"), ("False".into(), "MapperClassMissing".into(), 1));
}

#[tokio::test]
async fn a_class_that_cannot_be_decoded_goes_on_as_it_was() {
    let plant = Plant::new();
    plant.device("d", "u", 1, "a", 20.0);
    plant.settle().await.unwrap();
    reconciled(&plant).await;
    class(&plant, &json!({"image": 7}));
    plant.settle().await.unwrap();
    reconciled(&plant).await;
    assert!(all().all(|path| plant.api.get(path).is_some()));
    assert_eq!(plant.api.get("/api/v1/nodes/a").unwrap()["metadata"]["labels"].as_object().unwrap().len(), 1);
    assert_eq!(plant.entries("a").len(), 1);
    // It is not said to be missing.
    assert_eq!(plant.condition("d", "Scheduled"), ("False".into(), "CannotDecode".into(), 1));
}

#[tokio::test]
async fn a_reader_of_which_a_part_is_missing_is_made_again_also_where_nobody_saw_it_go() {
    let plant = Plant::new();
    plant.device("d", "u", 1, "a", 20.0);
    plant.settle().await.unwrap();
    plant.api.remove(ROLE);
    let next = plant.successor();
    look_at_made(&next);
    next.settle().await.unwrap();
    assert!(next.api.get(ROLE).is_some(), "deleted while no operator ran");
    next.api.remove(ROLE);
    next.cx.world.queue.open(true);
    look_at_made(&next);
    assert_eq!(next.cx.world.queue.len(), 1, "its mapper is due");
    next.settle().await.unwrap();
    assert!(next.api.get(ROLE).is_some(), "deleted while one ran");
}

#[tokio::test]
async fn what_was_left_behind_is_found_and_goes() {
    let plant = Plant::new();
    plant.device("d", "u", 1, "a", 20.0);
    plant.settle().await.unwrap();
    // The device and the slice go while nobody looks: the reader and the node's label stay.
    plant.api.remove(&Plant::device_path("d"));
    plant.api.remove(SLICE);
    let next = plant.successor();
    look_at_made(&next);
    next.cx.world.queue.open(true);
    next.cx.world.touch_all(Duration::ZERO);
    assert_eq!(next.cx.world.queue.len(), 2, "the class, and the mapper of what was left behind");
    mapper::reconcile(&next.cx, &MapperKey::new("modbus", "a")).await.unwrap();
    assert!(READER.iter().all(|path| next.api.get(path).is_none()));
    assert_eq!(next.api.get("/api/v1/nodes/a").unwrap()["metadata"]["labels"], json!({}));
    assert!(next.api.get(SLICE).is_none(), "and no slice is made for that");
}
