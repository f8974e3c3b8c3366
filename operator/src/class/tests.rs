//! Stories of classes, on an API server in memory.
use crate::testing::Plant;
use pollux_crds::Writes;
use serde_json::{Value as Json, json};

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
