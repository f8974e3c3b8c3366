//! Edits of models and classes, and the last device.
use crate::{MAPPERS, mappers};
use anyhow::ensure;
use k8s_openapi::api::apps::v1::DaemonSet;
use kube::{
    Api,
    api::{DeleteParams, ListParams, PostParams},
};
use pollux_crds::{Device, MapperClass, READY};
use pollux_e2e::{Plant, device_is, installed, message, reason, reported, story, until};
use serde_json::json;

#[test]
fn s10_an_edited_model_reaches_all_its_devices() {
    story("one edit of the model, and every device has it; a bad one harms none", async {
        let cluster = installed().await?;
        let plant = Plant::build(&cluster, "model").await?;
        for name in ["oven-1", "oven-2", "oven-3"] {
            cluster
                .apply(&plant.device(name, "node-1", "").replace("timeout: 500ms", "timeout: 500ms, unitId: 1"))
                .await?;
        }
        plant.ready("oven-3").await?;
        cluster
            .apply(&plant.model(
                "  - {name: ten, type: integer, binding: {modbus: {table: holding, address: 10, dataType: uint16}}}",
            ))
            .await?;
        for name in ["oven-1", "oven-2", "oven-3"] {
            plant.wait(name, "the new property", |d| reported(d, "ten") == Some(&json!(110))).await?;
        }
        cluster
            .apply(&plant.model(
                "  - {name: broken, type: boolean, binding: {modbus: {table: holding, address: 10, dataType: uint16}}}",
            ))
            .await?;
        for name in ["oven-1", "oven-2", "oven-3"] {
            let device = plant.wait(name, "not accepted", |d| device_is(d, "Accepted", "False")).await?;
            ensure!(
                message(&device, "Accepted").contains("DeviceModel oven: spec.properties[broken]"),
                "{}",
                message(&device, "Accepted")
            );
            ensure!(reported(&device, "ten") == Some(&json!(110)), "the last valid configuration goes on");
        }
        plant.clear().await
    });
}

#[test]
fn s11_the_last_device_takes_its_mapper_with_it() {
    story("no devices, no mapper", async {
        let cluster = installed().await?;
        let plant = Plant::build(&cluster, "last").await?;
        cluster.apply(&plant.device("oven-1", "node-2", "")).await?;
        plant.ready("oven-1").await?;
        plant.devices().delete("oven-1", &DeleteParams::default()).await?;
        until("the mapper on node-2 is gone", || async {
            Ok(mappers(&cluster, "node-2").await?.is_empty().then_some(()))
        })
        .await?;
        let sets = Api::<DaemonSet>::namespaced(cluster.client.clone(), MAPPERS).list(&ListParams::default()).await?;
        let ours = |set: &&DaemonSet| set.metadata.name.as_deref().is_some_and(|name| name.ends_with("modbus"));
        ensure!(sets.items.iter().filter(ours).count() == 1, "the class stays");
        plant.clear().await
    });
}

#[test]
fn s12_a_class_deleted_in_use_shows_on_its_devices() {
    story("a class is deleted under a working device, and comes back", async {
        let cluster = installed().await?;
        let mut plant = Plant::build(&cluster, "class").await?;
        let classes = Api::<MapperClass>::all(cluster.client.clone());
        let modbus = classes.get("modbus").await?;
        let mut special = MapperClass::new("special", modbus.spec);
        special.spec.protocol = Some("modbus".into());
        classes.create(&PostParams::default(), &special).await?;
        let device = plant.device("oven-1", "node-2", "  desired: {setpoint: 55}");
        cluster.apply(&device.replace("  model: oven\n", "  model: oven\n  mapperClass: special\n")).await?;
        let settled = |d: &Device| device_is(d, READY, "True") && reported(d, "setpoint") == Some(&json!(55));
        plant.wait("oven-1", "in sync", settled).await?;
        let before = plant.writes().await?;
        classes.delete("special", &DeleteParams::default()).await?;
        let device = plant.wait("oven-1", "no class", |d| device_is(d, "Scheduled", "False")).await?;
        ensure!(
            reason(&device, "Scheduled") == "MapperClassMissing" && message(&device, "Scheduled").contains("modbus"),
            "{:?}",
            device.status
        );
        until("its mapper is gone", || async { Ok(mappers(&cluster, "node-2").await?.is_empty().then_some(())) })
            .await?;
        classes.create(&PostParams::default(), &special).await?;
        plant.wait("oven-1", "in sync again", settled).await?;
        plant.goes_on(6).await?;
        ensure!(plant.writes().await? == before, "nothing is written because a class went and came");
        classes.delete("special", &DeleteParams::default()).await?;
        plant.clear().await
    });
}
