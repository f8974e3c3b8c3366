//! Stories of classes, on an API server in memory.
use crate::{class, owner, testing::Plant, world::keys::MapperKey};
use k8s_openapi::api::{apps::v1::DaemonSet, core::v1::ServiceAccount};
use kube::api::PartialObjectMeta;
use serde_json::{Value as Json, json};
use std::time::Duration;

const CLASS: &str = "/apis/pollux.rs/v1alpha1/mapperclasses/modbus";
const MAPS: &str = "/api/v1/namespaces/pollux-mappers/configmaps/pollux-mappers";
const SET: &str = "/apis/apps/v1/namespaces/pollux-mappers/daemonsets/pollux-mapper-modbus";
const ACCOUNT: &str = "/api/v1/namespaces/pollux-mappers/serviceaccounts/pollux-mapper-modbus";
const READER: [&str; 4] = [
    "/api/v1/namespaces/pollux-mappers/serviceaccounts/slice.modbus.a",
    "/api/v1/namespaces/pollux-mappers/secrets/modbus.a",
    "/apis/rbac.authorization.k8s.io/v1/namespaces/pollux-mappers/roles/slice.modbus.a",
    "/apis/rbac.authorization.k8s.io/v1/namespaces/pollux-mappers/rolebindings/slice.modbus.a",
];

fn installed(plant: &Plant, uid: &str) {
    plant.api.put(MAPS, json!({"metadata": {"name": "pollux-mappers", "namespace": "pollux-mappers", "uid": uid}}));
}
fn owners(plant: &Plant, path: &str) -> Json {
    plant.api.get(path).unwrap_or_else(|| panic!("no {path}"))["metadata"]["ownerReferences"].clone()
}
async fn reconciled(plant: &Plant) {
    class::reconcile(&plant.cx, &"modbus".into()).await.unwrap();
}
fn made<K>(plant: &Plant, path: &str) -> PartialObjectMeta<K> {
    serde_json::from_value(plant.api.get(path).unwrap()).unwrap()
}
fn watched(plant: &Plant) {
    plant.cx.world.learn_made::<DaemonSet>(made(plant, SET));
    plant.cx.world.learn_made::<ServiceAccount>(made(plant, ACCOUNT));
}

#[tokio::test]
async fn all_that_is_made_for_mappers_is_owned_by_what_uninstall_deletes_and_by_nothing_else() {
    let plant = Plant::new();
    installed(&plant, "u1");
    plant.device("d", "u", 1, "a", 20.0);
    plant.settle().await.unwrap();
    reconciled(&plant).await;
    let owner = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "pollux-mappers", "uid": "u1"}]);
    for path in [SET, ACCOUNT].iter().chain(&READER) {
        assert_eq!(owners(&plant, path), owner, "{path}");
    }
    // Installed anew: the new one owns all, readers too.
    installed(&plant, "u2");
    reconciled(&plant).await;
    plant.settle().await.unwrap();
    for path in [SET, ACCOUNT].iter().chain(&READER) {
        assert_eq!(owners(&plant, path)[0]["uid"], "u2", "{path}");
    }
}

#[tokio::test]
async fn without_the_chart_nobody_owns_them() {
    let plant = Plant::new();
    reconciled(&plant).await;
    assert_eq!(owners(&plant, SET), json!([]));
}

#[tokio::test]
async fn what_uninstall_stopped_is_not_made_again() {
    let plant = Plant::new();
    installed(&plant, "u1");
    plant.device("d", "u", 1, "a", 20.0);
    plant.settle().await.unwrap();
    reconciled(&plant).await;
    for path in [MAPS, SET, ACCOUNT].iter().chain(&READER) {
        plant.api.remove(path);
    }
    reconciled(&plant).await;
    plant.cx.world.set_broken(MapperKey::new("modbus", "a"));
    plant.settle().await.unwrap();
    for path in [SET, ACCOUNT].iter().chain(&READER) {
        assert!(plant.api.get(path).is_none(), "{path} is back");
    }
    assert_eq!(plant.entries("a").len(), 1, "the last valid configuration stays");
    installed(&plant, "u2");
    owner::look(&plant.cx).await.unwrap();
    plant.settle().await.unwrap();
    reconciled(&plant).await;
    for path in [SET, ACCOUNT].iter().chain(&READER) {
        assert_eq!(owners(&plant, path)[0]["uid"], "u2", "{path}");
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
    watched(&plant);
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
}
