//! Bluetooth sensors by the node's own stack: a real BlueZ, whose system bus a Pod without rights sees.
use crate::{counted, mappers};
use anyhow::{Context, Result, ensure};
use kube::ResourceExt;
use pollux_crds::{CONNECTED, Device};
use pollux_e2e::{Cluster, Ground, Plant, device_is, installed, message, reason, reported, story, until};
use serde_json::{Value as Json, json};
use std::path::Path;

/// The user of mappers, as the node would know it: `useradd --system --uid 65532 pollux`.
const KNOWN: [&str; 2] = ["--user", "pollux:65532"];

#[test]
fn s20_bluetooth_sensors_of_the_node_reach_a_pod_without_rights_and_come_back_by_themselves() {
    let lacking = std::env::var("POLLUX_NO_GROUND").ok();
    if let Some(why) = &lacking {
        println!("\nskipped: s20, Bluetooth LE on the cluster: {why}");
    }
    assert_eq!(lacking, None, "not shown");
    story("Bluetooth LE: no bus, unknown to it, Ready, written, lost and back, no adapter, the Pod anew", async {
        let cluster = installed().await?;
        let plant = Plant::build(&cluster, "ble").await?;
        let folder = std::env::temp_dir().join(format!("pollux-ble-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        mount(&cluster, &folder).await?;
        cluster.apply(OBJECTS).await?;

        let ground = arrives(&plant, &folder).await?;
        let pods = alive(&cluster).await?;
        exchanged(&plant, &ground).await?;
        lost_and_found(&plant, &ground).await?;
        ensure!(alive(&cluster).await? == pods, "the Pod bore all of it: {pods:?}");
        another_pod(&plant, &ground, &pods).await?;

        plant.clear().await?;
        let none = || async { Ok(pods_of(&cluster).await?.is_empty().then_some(())) };
        until("its mapper is gone", none).await?;
        ground.end().await?;
        cluster.machine("exec node-1 -- umount /run/dbus").await?;
        Ok(std::fs::remove_dir_all(&folder)?)
    });
}

const OBJECTS: &str = "apiVersion: pollux.rs/v1alpha1
kind: DeviceModel
metadata: {name: thermometer, namespace: ble}
spec:
  properties:
  - {name: temperature, type: number, unit: \"°C\", binding: {ble: {characteristic: Temperature}}}
  - name: setting
    type: integer
    access: ReadWrite
    interval: 1s
    binding: {ble: {characteristic: 12345678-0000-1000-8000-00805f9b0001, dataType: uint8}}
---
apiVersion: pollux.rs/v1alpha1
kind: Device
metadata: {name: hall, namespace: ble}
spec:
  model: thermometer
  nodeName: node-1
  protocol: {ble: {address: \"F0:F1:F2:F3:F4:00\"}}
---
# Its setting is told over an encrypted link only.
apiVersion: pollux.rs/v1alpha1
kind: Device
metadata: {name: vault, namespace: ble}
spec:
  model: thermometer
  mode: Monitor
  nodeName: node-1
  protocol: {ble: {address: \"F0:F1:F2:F3:F4:01\", pairing: Required}}
";

/// The folder as the /run/dbus of node-1: empty, as on a node without a bus.
async fn mount(cluster: &Cluster, folder: &Path) -> Result<()> {
    cluster.machine("exec node-1 -- mkdir -p /run/dbus").await?;
    cluster.machine(&format!("exec node-1 -- mount --bind {} /run/dbus", folder.display())).await?;
    Ok(())
}

/// One thing after the other is there: a bus, the Pod's user known to it, an adapter.
async fn arrives(plant: &Plant, folder: &Path) -> Result<Ground> {
    let away = |d: &Device| is_down(d, "Unreachable", "there is no D-Bus system bus");
    told(plant, "a node without a system bus", away).await?;
    alive(&plant.cluster).await?;
    let ground = Ground::start(folder, &[]).await?;
    let denied = |d: &Device| is_down(d, "Denied", "its uid must be one that the host knows");
    told(plant, "a bus that does not know the Pod's user", denied).await?;
    ground.end().await?;
    let ground = Ground::start(folder, &KNOWN).await?;
    found(plant, 20.0).await?;
    Ok(ground)
}

/// Notified, written and read back, as the sensor counts it.
async fn exchanged(plant: &Plant, ground: &Ground) -> Result<()> {
    let before = sensor(ground, "report").await?;
    value(ground, "c409").await?;
    found(plant, 25.0).await?;
    let after = sensor(ground, "report").await?;
    let count = |report: &Json, what: &str| report["characteristics"]["2A6E"][what].as_u64();
    ensure!(count(&after, "notified") > count(&before, "notified"), "it was notified: {before}, {after}");
    ensure!(count(&after, "reads") == count(&before, "reads"), "and not read: {before}, {after}");

    plant.patch("hall", r#"{"spec": {"desired": {"setting": 42}}}"#).await?;
    let written = |d: &Device| device_is(d, "InSync", "True") && reported(d, "setting") == Some(&json!(42));
    plant.wait("hall", "written and read back", written).await?;
    let report = sensor(ground, "report").await?;
    ensure!(report["characteristics"]["setting"]["value"] == "2a", "the sensor has it: {report}");
    ensure!(report["writes"] == json!([{"characteristic": "setting", "value": "2a"}]), "once: {report}");
    plant.ready("vault").await?;
    Ok(())
}

/// What happens to a radio, and that each is over by itself.
async fn lost_and_found(plant: &Plant, ground: &Ground) -> Result<()> {
    sensor(ground, "vanish").await?;
    told(plant, "the sensor is away", |d| device_is(d, CONNECTED, "False")).await?;
    sensor(ground, "appear").await?;
    found(plant, 25.0).await?;

    ground.ask(&json!({"do": "bluetoothd", "how": "stop"})).await?;
    told(plant, "bluetoothd is stopped", |d| is_down(d, "Unreachable", "bluetoothd")).await?;
    ground.ask(&json!({"do": "bluetoothd", "how": "start"})).await?;
    found(plant, 25.0).await?;

    ground.ask(&json!({"do": "adapter", "how": "remove"})).await?;
    told(plant, "the adapter is pulled out", |d| is_down(d, "NoAdapter", "plug")).await?;
    alive(&plant.cluster).await?;
    ground.ask(&json!({"do": "adapter", "how": "add"})).await?;
    value(ground, "d007").await?;
    found(plant, 20.0).await
}

/// With another AppArmor profile: what is desired is not written anew, and who is bonded is not paired anew.
async fn another_pod(plant: &Plant, ground: &Ground, before: &[(String, i32)]) -> Result<()> {
    let bonded = ask(ground, "sensor-1", "report").await?["paired"].clone();
    let profile = r#"{"spec": {"appArmorProfile": {"type": "Unconfined"}}}"#;
    let patch = |patch| ["patch", "mapperclass", "ble", "--type=merge", "-p", patch];
    plant.cluster.kubectl_args(&patch(profile)).await?;
    let anew = || async {
        let pods = pods_of(&plant.cluster).await?;
        let profiles = pods
            .iter()
            .map(|pod| pod.spec.as_ref()?.containers.first()?.security_context.as_ref()?.app_armor_profile.as_ref());
        let unconfined = profiles.flatten().filter(|profile| profile.type_ == "Unconfined").count() == pods.len();
        Ok((counted(&pods) != before && pods.len() == 1 && unconfined).then_some(()))
    };
    until("another Pod with that profile", anew).await?;
    value(ground, "c409").await?;
    found(plant, 25.0).await?;
    for name in ["hall", "vault"] {
        plant.ready(name).await?;
    }
    alive(&plant.cluster).await?;
    let report = sensor(ground, "report").await?;
    ensure!(report["writes"].as_array().map(Vec::len) == Some(1), "nothing was written anew: {report}");
    let still = ask(ground, "sensor-1", "report").await?;
    ensure!(bonded == 1 && still["paired"] == 1, "paired once: {still}");
    plant.cluster.kubectl_args(&patch(r#"{"spec": {"appArmorProfile": null}}"#)).await?;
    Ok(())
}

/// Connected is False for that reason, in such words.
fn is_down(device: &Device, why: &str, words: &str) -> bool {
    device_is(device, CONNECTED, "False")
        && reason(device, CONNECTED) == why
        && message(device, CONNECTED).contains(words)
}
async fn told(plant: &Plant, what: &str, is: impl Fn(&Device) -> bool) -> Result<()> {
    let device = plant.wait("hall", what, is).await?;
    println!("{what}: {}: {}", reason(&device, CONNECTED), message(&device, CONNECTED));
    Ok(())
}
async fn found(plant: &Plant, temperature: f64) -> Result<()> {
    let is = |d: &Device| {
        device_is(d, "Ready", "True") && reported(d, "temperature").and_then(Json::as_f64) == Some(temperature)
    };
    plant.wait("hall", &format!("Ready, and {temperature} °C"), is).await?;
    Ok(())
}

async fn pods_of(cluster: &Cluster) -> Result<Vec<k8s_openapi::api::core::v1::Pod>> {
    let mut pods = mappers(cluster, "node-1").await?;
    pods.retain(|pod| pod.name_any().contains("ble"));
    Ok(pods)
}
/// Its Pod is Ready, and was never restarted.
async fn alive(cluster: &Cluster) -> Result<Vec<(String, i32)>> {
    let ready = || async {
        let pods = pods_of(cluster).await?;
        let conditions =
            pods.iter().flat_map(|pod| pod.status.iter().flat_map(|status| status.conditions.iter().flatten()));
        let ready = conditions.filter(|one| one.type_ == "Ready" && one.status == "True").count();
        Ok((ready == 1 && pods.len() == 1).then_some(pods))
    };
    let pods = counted(&until("its Pod is Ready", ready).await?);
    let restarts = pods.first().context("a Pod")?.1;
    ensure!(restarts == 0, "restarted {restarts} times");
    Ok(pods)
}

async fn ask(ground: &Ground, name: &str, how: &str) -> Result<Json> {
    ground.ask(&json!({"do": "sensor", "name": name, "how": how})).await
}
async fn sensor(ground: &Ground, how: &str) -> Result<Json> {
    ask(ground, "sensor-0", how).await
}
/// Its temperature, and it tells who has subscribed.
async fn value(ground: &Ground, hex: &str) -> Result<Json> {
    let what = json!({"do": "value", "name": "sensor-0", "characteristic": "2A6E", "value": hex, "tell": true});
    ground.ask(&what).await
}
