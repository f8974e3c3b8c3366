//! Stories on a real cluster of two nodes, one after the other, in the order of their names. Each has a plant of its own: a
//! namespace, and a Modbus device that is not ours (pymodbus), whose log of requests is the witness.
use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{
    apps::v1::DaemonSet,
    coordination::v1::Lease,
    core::v1::{Node, Pod},
};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use pollux_crds::{Device, READY, condition};
use pollux_e2e::{Cluster, Peer, Plant, device_is, installed, reported, story, until};
use serde_json::json;

const SYSTEM: &str = "pollux-system";
const MAPPERS: &str = "pollux-mappers";

fn reason<'a>(device: &'a Device, type_: &str) -> &'a str {
    condition(device.status.as_ref().map_or(&[][..], |s| &s.conditions), type_).map_or("", |c| &c.reason)
}
fn message<'a>(device: &'a Device, type_: &str) -> &'a str {
    condition(device.status.as_ref().map_or(&[][..], |s| &s.conditions), type_).map_or("", |c| &c.message)
}
/// Pods of the mapper on a node.
async fn mappers(cluster: &Cluster, node: &str) -> Result<Vec<Pod>> {
    let all = Api::<Pod>::namespaced(cluster.client.clone(), MAPPERS).list(&ListParams::default()).await?;
    Ok(all.items.into_iter().filter(|p| p.spec.as_ref().and_then(|s| s.node_name.as_deref()) == Some(node)).collect())
}

#[test]
fn s01_from_helm_install_to_the_first_value() {
    story("install, two objects, and there are live values", async {
        let cluster = installed().await?;
        let plant = Plant::build(&cluster, "first").await?;
        cluster.apply(&plant.device("oven-1", "node-1", "")).await?;
        let device = plant.ready("oven-1").await?;
        ensure!(reported(&device, "temperature") == Some(&json!(21.5)), "reported {:?}", device.status);
        ensure!(reported(&device, "setpoint") == Some(&json!(100)));
        let table = cluster.kubectl("get devices -n first").await?;
        println!("{table}");
        ensure!(table.contains("temperature=21.5 °C") && table.contains("node-1"), "{table}");
        println!("{}", cluster.kubectl("get devices -n first -o wide").await?);
        let explained = cluster.kubectl("explain device.spec.protocol.modbus").await?;
        ensure!(explained.contains("unitId") && explained.contains("slave address"), "{explained}");
        let labels = Api::<Node>::all(cluster.client.clone()).get("node-2").await?.metadata.labels.unwrap_or_default();
        ensure!(!labels.keys().any(|l| l.starts_with("pollux.")), "no mapper where there are no devices: {labels:?}");
        plant.clear().await
    });
}

#[test]
fn s02_a_desired_value_reaches_the_wire_and_comes_back() {
    story("kubectl patch, and the device does it", async {
        let cluster = installed().await?;
        let mut plant = Plant::build(&cluster, "desired").await?;
        cluster.apply(&plant.device("oven-1", "node-1", "")).await?;
        plant.ready("oven-1").await?;
        ensure!(plant.writes().await?.is_empty(), "nothing is written because a device was made");
        plant.patch("oven-1", r#"{"spec": {"desired": {"setpoint": 250, "valve": true}}}"#).await?;
        let device = plant
            .wait("oven-1", "in sync with 250", |d| {
                device_is(d, "InSync", "True")
                    && device_is(d, READY, "True")
                    && reported(d, "setpoint") == Some(&json!(250))
            })
            .await?;
        ensure!(reported(&device, "valve") == Some(&json!(true)));
        ensure!(plant.register("holding", 0).await? == 250);
        let writes = plant.writes().await?;
        ensure!(writes.len() == 2, "each value once: {writes:?}");
        plant.clear().await
    });
}

#[test]
fn s03_a_refused_write_says_why() {
    story("the device says no, in the protocol's words", async {
        let cluster = installed().await?;
        let plant = Plant::build(&cluster, "refused").await?;
        cluster.apply(&plant.device("oven-1", "node-1", "  desired: {locked: 7, setpoint: 300}")).await?;
        let device = plant
            .wait("oven-1", "the refusal is pending", |d| {
                let pending = d.status.as_ref().and_then(|s| s.pending.get("locked"));
                pending.and_then(|p| p.error.as_deref()).is_some_and(|e| e.contains("exception 2"))
                    && reported(d, "setpoint") == Some(&json!(300))
            })
            .await?;
        ensure!(device_is(&device, "InSync", "False") && reason(&device, "InSync") == "Refused", "{:?}", device.status);
        println!("{}", cluster.kubectl("get device oven-1 -n refused -o jsonpath={.status.pending}").await?);
        plant.clear().await
    });
}

#[test]
fn s04_an_invalid_edit_changes_nothing() {
    story("bad input is refused where it is written, and the last valid spec goes on", async {
        let cluster = installed().await?;
        let mut plant = Plant::build(&cluster, "invalid").await?;
        cluster.apply(&plant.device("oven-1", "node-1", "  desired: {setpoint: 200}")).await?;
        cluster
            .apply(&plant.device("oven-2", "node-1", "").replace("502}", "502}, unitId: 1").replace("unitId: 1, ", ""))
            .await?;
        plant.ready("oven-1").await?;
        let words = cluster
            .refused(&plant.device("oven-3", "node-1", "").replace("modbus: {tcp", "modbus: {unitId: 300, tcp"))
            .await?;
        ensure!(words.contains("unitId") && words.contains("255"), "{words}");
        let words = cluster.refused(&plant.device("oven-3", "node-1", "  desired: {off: 1}")).await?;
        println!("{words}");
        plant.patch("oven-1", r#"{"spec": {"desired": {"setpoint": 5000}}}"#).await?;
        let device = plant.wait("oven-1", "not accepted", |d| device_is(d, "Accepted", "False")).await?;
        ensure!(reason(&device, "Accepted") == "LastValidKept", "{}", reason(&device, "Accepted"));
        let words = message(&device, "Accepted");
        ensure!(words.contains("spec.desired.setpoint") && words.contains("from 0 to 1000"), "{words}");
        plant.plc.ask("set 1 holding 20 16840 0").await?;
        plant.wait("oven-1", "values go on", |d| reported(d, "temperature") == Some(&json!(25))).await?;
        ensure!(plant.register("holding", 0).await? == 200, "the last valid value stands");
        plant.patch("oven-1", r#"{"spec": {"desired": {"setpoint": 201}}}"#).await?;
        plant
            .wait("oven-1", "accepted again", |d| {
                device_is(d, READY, "True") && reported(d, "setpoint") == Some(&json!(201))
            })
            .await?;
        plant.clear().await
    });
}

#[test]
fn s05_a_dead_gateway_is_seen_and_comes_back() {
    story("the gateway dies: Connected False, its neighbour goes on, and it comes back by itself", async {
        let cluster = installed().await?;
        let mut plant = Plant::build(&cluster, "gateway").await?;
        let other = Plant::build(&cluster, "neighb").await?;
        cluster.apply(&plant.device("oven-1", "node-1", "  desired: {setpoint: 222}")).await?;
        cluster.apply(&other.device("oven-1", "node-1", "")).await?;
        plant
            .wait("oven-1", "in sync", |d| {
                reported(d, "setpoint") == Some(&json!(222)) && device_is(d, "InSync", "True")
            })
            .await?;
        other.ready("oven-1").await?;
        let dead = std::mem::replace(
            &mut plant.plc,
            Peer::start("gateway", "pymodbus_server.py", &["127.0.0.1", "1502"]).await?,
        );
        dead.kill().await?;
        let device = plant.wait("oven-1", "not connected", |d| device_is(d, "Connected", "False")).await?;
        ensure!(!device_is(&device, READY, "True"), "silence is never shown as health");
        println!("{}", cluster.kubectl("get device oven-1 -n gateway -o wide").await?);
        ensure!(reported(&device, "setpoint") == Some(&json!(222)), "the last value stays");
        let neighbour = other.devices().get("oven-1").await?;
        ensure!(device_is(&neighbour, READY, "True"), "{:?}", neighbour.status);
        plant.plc = Plant::plc("gateway").await?;
        plant.wait("oven-1", "connected again", |d| device_is(d, "Connected", "True")).await?;
        let device = plant.wait("oven-1", "drifted", |d| device_is(d, "InSync", "False")).await?;
        ensure!(
            reason(&device, "InSync") == "Drifted" && reported(&device, "setpoint") == Some(&json!(100)),
            "a device swapped for another is not written to by itself: {:?}",
            device.status
        );
        ensure!(plant.writes().await?.is_empty());
        other.clear().await?;
        plant.clear().await
    });
}

#[test]
fn s06_a_killed_mapper_writes_nothing_twice() {
    story("the mapper's Pod dies and comes back", async {
        let cluster = installed().await?;
        let mut plant = Plant::build(&cluster, "killed").await?;
        cluster.apply(&plant.device("oven-1", "node-1", "  desired: {setpoint: 321}")).await?;
        plant
            .wait("oven-1", "in sync", |d| device_is(d, READY, "True") && reported(d, "setpoint") == Some(&json!(321)))
            .await?;
        let before = plant.writes().await?;
        for pod in mappers(&cluster, "node-1").await? {
            let name = pod.metadata.name.context("a name")?;
            cluster.kubectl(&format!("delete pod {name} -n {MAPPERS} --grace-period=0 --force")).await?;
        }
        plant.plc.ask("set 1 holding 20 16840 0").await?;
        plant
            .wait("oven-1", "values go on", |d| {
                reported(d, "temperature") == Some(&json!(25)) && device_is(d, READY, "True")
            })
            .await?;
        ensure!(plant.writes().await? == before, "nothing is written because something restarted");
        plant.clear().await
    });
}

#[test]
fn s07_the_other_operator_takes_over() {
    story("the leader is killed, the other one goes on", async {
        let cluster = installed().await?;
        let mut plant = Plant::build(&cluster, "leader").await?;
        cluster.apply(&plant.device("oven-1", "node-1", "")).await?;
        plant.ready("oven-1").await?;
        let leases = Api::<Lease>::namespaced(cluster.client.clone(), SYSTEM);
        let holder = || async {
            let lease = leases.get("pollux-operator").await?;
            anyhow::Ok(lease.spec.and_then(|s| s.holder_identity).filter(|h| !h.is_empty()))
        };
        let leader = holder().await?.context("a leader")?;
        plant.patch("oven-1", r#"{"spec": {"desired": {"setpoint": 111}}}"#).await?;
        cluster.kubectl(&format!("delete pod {leader} -n {SYSTEM} --grace-period=0 --force")).await?;
        plant.patch("oven-1", r#"{"spec": {"desired": {"setpoint": 112}}}"#).await?;
        let next = until("another leader", || async { Ok(holder().await?.filter(|h| *h != leader)) }).await?;
        println!("leader was {leader}, is {next}");
        plant
            .wait("oven-1", "112", |d| reported(d, "setpoint") == Some(&json!(112)) && device_is(d, READY, "True"))
            .await?;
        ensure!(plant.register("holding", 0).await? == 112);
        plant.clear().await
    });
}

#[test]
fn s08_a_node_cut_off_is_unknown_until_it_is_back() {
    story("the cable of node-2 is pulled and plugged in again", async {
        let cluster = installed().await?;
        let mut plant = Plant::build(&cluster, "cut").await?;
        cluster.apply(&plant.device("oven-1", "node-2", "  desired: {setpoint: 50}")).await?;
        plant
            .wait("oven-1", "in sync", |d| device_is(d, READY, "True") && reported(d, "setpoint") == Some(&json!(50)))
            .await?;
        let before = plant.writes().await?;
        cluster.machine("cut node-2").await?;
        let device = plant.wait("oven-1", "unknown", |d| device_is(d, READY, "Unknown")).await?;
        ensure!(device_is(&device, "Scheduled", "Unknown"), "{:?}", device.status);
        println!("{}", cluster.kubectl("get devices -n cut -o wide").await?);
        cluster.machine("heal node-2").await?;
        plant.ready("oven-1").await?;
        ensure!(plant.writes().await? == before, "nothing is written because a network healed");
        plant.clear().await
    });
}

#[test]
fn s09_a_token_is_worth_its_own_node_only() {
    story("a mapper's token is refused for another node's device", async {
        let cluster = installed().await?;
        let plant = Plant::build(&cluster, "token").await?;
        cluster.apply(&plant.device("near", "node-1", "")).await?;
        cluster.apply(&plant.device("far", "node-2", "")).await?;
        plant.ready("near").await?;
        plant.ready("far").await?;
        let pod = mappers(&cluster, "node-1").await?.pop().and_then(|p| p.metadata.name).context("a mapper")?;
        let uid = cluster.kubectl(&format!("get pod {pod} -n {MAPPERS} -o jsonpath={{.metadata.uid}}")).await?;
        // Bound to a Pod, a token is a kubelet's to make (policy): we ask as that node's kubelet.
        let token = cluster.kubectl(&format!("create token pollux-mapper-modbus -n {MAPPERS} --bound-object-kind=Pod --bound-object-name={pod} --bound-object-uid={uid} --as=system:node:node-1 --as-group=system:nodes --as-group=system:authenticated")).await?;
        let client = cluster.with_token(token.trim()).await?;
        let devices: Api<Device> = Api::namespaced(client, "token");
        let forged = Patch::Merge(json!({"status": {"summary": "forged"}}));
        let patch = async |name: &str| devices.patch_status(name, &PatchParams::default(), &forged).await;
        let words = format!("{:#}", patch("far").await.err().context("should be refused")?);
        // The early policy answers first where the API server has it (1.36 and later), the other one elsewhere.
        ensure!(words.contains("not of your node") || words.contains("not placed here"), "{words}");
        patch("near").await.context("its own device is its to write")?;
        plant.clear().await
    });
}

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
        ensure!(sets.items.len() == 1, "the class stays");
        plant.clear().await
    });
}

#[test]
fn s12_a_class_deleted_in_use_shows_on_its_devices() {
    story("a missing class is named on the device, and the chart brings it back", async {
        let cluster = installed().await?;
        let plant = Plant::build(&cluster, "class").await?;
        cluster
            .apply(
                &plant
                    .device("oven-1", "node-1", "")
                    .replace("  model: oven\n", "  model: oven\n  mapperClass: special\n"),
            )
            .await?;
        let device = plant.wait("oven-1", "no class", |d| device_is(d, "Scheduled", "False")).await?;
        ensure!(
            reason(&device, "Scheduled") == "MapperClassMissing" && message(&device, "Scheduled").contains("modbus"),
            "{:?}",
            device.status
        );
        plant.clear().await
    });
}

#[test]
fn s13_helm_test_reads_a_live_value() {
    story("helm test, then upgrade, with a device in service", async {
        let cluster = installed().await?;
        let mut plant = Plant::build(&cluster, "helm").await?;
        cluster.apply(&plant.device("oven-1", "node-1", "  desired: {setpoint: 77}")).await?;
        plant
            .wait("oven-1", "in sync", |d| device_is(d, READY, "True") && reported(d, "setpoint") == Some(&json!(77)))
            .await?;
        let said = cluster.machine("helm test pollux -n pollux-system --logs").await?;
        println!("{said}");
        ensure!(said.contains("setpoint=77") || said.contains("21.5"), "helm test prints a live value: {said}");
        let before = plant.writes().await?;
        cluster.install(&["--set", "logLevel=debug"]).await?;
        plant.plc.ask("set 1 holding 20 16840 0").await?;
        plant
            .wait("oven-1", "values go on after the upgrade", |d| {
                reported(d, "temperature") == Some(&json!(25)) && device_is(d, READY, "True")
            })
            .await?;
        ensure!(plant.writes().await? == before, "an upgrade writes nothing");
        plant.clear().await
    });
}

#[test]
fn s99_uninstall_keeps_devices_and_writes_nothing() {
    story("helm uninstall", async {
        let cluster = installed().await?;
        let mut plant = Plant::build(&cluster, "uninst").await?;
        cluster.apply(&plant.device("oven-1", "node-1", "  desired: {setpoint: 88}")).await?;
        plant
            .wait("oven-1", "in sync", |d| reported(d, "setpoint") == Some(&json!(88)) && device_is(d, READY, "True"))
            .await?;
        let before = plant.writes().await?;
        cluster.kubectl("delete mapperclasses --all").await?;
        until("the mappers have stopped", || async { Ok(mappers(&cluster, "node-1").await?.is_empty().then_some(())) })
            .await?;
        println!("{}", cluster.machine("helm uninstall pollux -n pollux-system --wait").await?);
        ensure!(plant.devices().get("oven-1").await.is_ok(), "Devices are kept");
        ensure!(plant.writes().await? == before, "uninstalling writes nothing");
        ensure!(plant.register("holding", 0).await? == 88, "outputs stay as they are");
        plant.clear().await
    });
}
