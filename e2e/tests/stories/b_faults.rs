//! Gateways, mappers, operators and networks that die, and tokens that are stolen.
use crate::{MAPPERS, SYSTEM, mappers, restarts};
use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{coordination::v1::Lease, core::v1::Pod};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use pollux_crds::{Device, READY};
use pollux_e2e::{Cluster, Peer, Plant, Process, device_is, installed, message, reason, reported, story, until};
use serde_json::json;

#[test]
fn s05_gateways_that_die_or_misbehave_are_told_apart_and_come_back() {
    story("a gateway dies; others fall silent, garble, stop in mid-frame and refuse; units of one are dead", async {
        let cluster = installed().await?;
        // Side by side: Connected turns at most once in half a minute.
        tokio::try_join!(Box::pin(dead_gateway(&cluster)), Box::pin(bad_gateways(&cluster)))?;
        Ok(())
    });
}

/// It dies: Connected False, its neighbour goes on; another machine in its place is not written to.
async fn dead_gateway(cluster: &Cluster) -> Result<()> {
    let mut plant = Plant::build(cluster, "gateway").await?;
    let other = Plant::build(cluster, "neighb").await?;
    cluster.apply(&plant.device("oven-1", "node-1", "  desired: {setpoint: 222}")).await?;
    cluster.apply(&other.device("oven-1", "node-1", "")).await?;
    plant
        .wait("oven-1", "in sync", |d| reported(d, "setpoint") == Some(&json!(222)) && device_is(d, "InSync", "True"))
        .await?;
    other.ready("oven-1").await?;
    let dead =
        std::mem::replace(&mut plant.plc, Peer::start("gateway", "pymodbus_server.py", &["127.0.0.1", "1502"]).await?);
    dead.kill().await?;
    let device = says(&plant, "oven-1", "connect").await?;
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
}

#[test]
fn s06_a_killed_mapper_writes_nothing_twice() {
    story("the mapper's process is killed and comes back", async {
        let cluster = installed().await?;
        let mut plant = Plant::build(&cluster, "killed").await?;
        cluster.apply(&plant.device("oven-1", "node-1", "  desired: {setpoint: 321}")).await?;
        plant
            .wait("oven-1", "in sync", |d| device_is(d, READY, "True") && reported(d, "setpoint") == Some(&json!(321)))
            .await?;
        let (before, started) = (plant.writes().await?, restarts(&cluster).await?);
        for pod in mappers(&cluster, "node-1").await? {
            Process::of(&pod)?.kill()?;
        }
        until("the mapper is started anew", || async {
            let now = restarts(&cluster).await?;
            Ok((now.iter().map(|r| r.1).sum::<i32>() > started.iter().map(|r| r.1).sum()).then_some(()))
        })
        .await?;
        plant.plc.ask("set 1 holding 20 16840 0").await?;
        plant
            .wait("oven-1", "values go on", |d| {
                reported(d, "temperature") == Some(&json!(25)) && device_is(d, READY, "True")
            })
            .await?;
        plant.goes_on(6).await?;
        ensure!(plant.writes().await? == before, "nothing is written because something restarted");
        plant.clear().await
    });
}

#[test]
fn s07_the_other_operator_takes_over() {
    story("the leader is killed while edits come in; its lease runs out, and the other one goes on", async {
        let cluster = installed().await?;
        let mut plant = Plant::build(&cluster, "leader").await?;
        cluster.apply(&plant.device("oven-1", "node-1", "")).await?;
        plant.ready("oven-1").await?;
        let leases = Api::<Lease>::namespaced(cluster.client.clone(), SYSTEM);
        let lease = || async { anyhow::Ok(leases.get("pollux-operator").await?.spec.context("a lease")?) };
        let pods = Api::<Pod>::namespaced(cluster.client.clone(), SYSTEM);
        let leader = lease().await?.holder_identity.filter(|h| !h.is_empty()).context("a leader")?;
        let pod = pods.get(&leader).await?;
        let (first, last) = (101, 140);
        for setpoint in first..=last {
            let edit = Patch::Merge(json!({"spec": {"desired": {"setpoint": setpoint}}}));
            plant.devices().patch("oven-1", &PatchParams::default(), &edit).await?;
            if setpoint == 120 {
                // Killed, it gives nothing back; and no process of the same name comes back for it.
                Process::of(&pod)?.kill()?;
                pods.delete(&leader, &DeleteParams::default().grace_period(0)).await?;
            }
        }
        let left = lease().await?;
        let next = until("another leader", || async {
            Ok(Some(lease().await?).filter(|l| l.holder_identity.as_ref() != Some(&leader)))
        })
        .await?;
        println!("leader was {leader}, is {:?}", next.holder_identity);
        let (until_then, from) = (left.renew_time.context("renewed")?, next.acquire_time.context("acquired")?);
        let lasted = from.0.duration_since(until_then.0).as_secs();
        let promised = i64::from(left.lease_duration_seconds.context("a duration")?);
        ensure!(left.holder_identity == Some(leader) && lasted >= promised - 1, "the lease runs out first: {lasted} s");
        plant
            .wait("oven-1", "the last edit", |d| {
                reported(d, "setpoint") == Some(&json!(last)) && device_is(d, READY, "True")
            })
            .await?;
        plant.goes_on(6).await?;
        let writes = plant.writes().await?;
        let values = writes.iter().filter_map(|w| w["values"][0].as_u64()).collect::<Vec<_>>();
        ensure!(values.len() == writes.len() && values.is_sorted_by(|a, b| a < b), "in order, none twice: {values:?}");
        ensure!(values.last() == Some(&last), "{values:?}");
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

/// A gateway that misbehaves: the port of its proxy, what the proxy does, and what the Device must say of it. Of one that refuses it may
/// say how it was lost, or that it cannot connect since.
const GATEWAYS: [(&str, u16, &str, &str); 4] = [
    ("silent", 5501, "stall", "no answer"),
    ("garbled", 5502, "corrupt 1", "this is not Modbus TCP: protocol id"),
    ("halved", 5503, "half", "half an answer"),
    ("absent", 5504, "refuse", "connect"),
];

/// Each is told in its words and comes back by itself; a dead unit harms none of its neighbours.
async fn bad_gateways(cluster: &Cluster) -> Result<()> {
    let mut plant = Plant::build(cluster, "faults").await?;
    let mut proxies = vec![];
    for (name, port, ..) in GATEWAYS {
        proxies.push(proxy(&plant, port).await?);
        cluster.apply(&behind(&plant, name, name, port, 1)).await?;
    }
    let mut line = proxy(&plant, 5500).await?;
    for (name, unit) in [("living", 1), ("dying", 5), ("missing", 7)] {
        cluster.apply(&behind(&plant, name, "line", 5500, unit)).await?;
    }
    for name in ["silent", "garbled", "halved", "absent", "living", "dying"] {
        plant.ready(name).await?;
    }
    says(&plant, "missing", "unit 7: Modbus exception 11: gateway target device failed to respond").await?;
    let started = restarts(cluster).await?;

    for ((.., fault, _), proxy) in GATEWAYS.iter().zip(&mut proxies) {
        proxy.ask(fault).await?;
    }
    plant.plc.ask("unit 5 silent").await?;
    for (name, .., words) in GATEWAYS {
        let device = says(&plant, name, words).await?;
        ensure!(reported(&device, "temperature") == Some(&json!(21.5)), "the last value stays: {:?}", device.status);
    }
    says(&plant, "dying", "unit 5: no answer").await?;
    // The living one is read on, and has been all the while, by one connection.
    plant.plc.ask("set 1 holding 20 16840 0").await?;
    plant.wait("living", "values go on", |d| reported(d, "temperature") == Some(&json!(25))).await?;
    plant.ready("living").await?;
    println!("{}", cluster.kubectl("get devices -n faults -o wide").await?);
    let stats = line.ask("stats").await?;
    ensure!(stats["ever"] == 1, "three units, one connection: {stats}");

    plant.plc.ask("unit 5 ok").await?;
    for proxy in &mut proxies {
        proxy.ask("pass").await?;
    }
    for name in ["silent", "garbled", "halved", "absent", "dying"] {
        plant.ready(name).await?;
    }
    for name in ["silent", "garbled", "halved", "absent"] {
        plant.wait(name, "the newest value", |d| reported(d, "temperature") == Some(&json!(25))).await?;
    }
    ensure!(plant.writes().await?.is_empty(), "nothing is written because a gateway came back");
    ensure!(restarts(cluster).await? == started, "nobody had to start anything anew");
    plant.clear().await
}

async fn proxy(plant: &Plant, port: u16) -> Result<Peer> {
    Peer::start(&plant.name, "faultproxy.py", &[&format!("0.0.0.0:{port}"), "127.0.0.1:502"]).await
}

/// A Channel to that port, and a Device on it.
fn behind(plant: &Plant, name: &str, channel: &str, port: u16, unit: u8) -> String {
    let (space, address) = (&plant.name, &plant.address);
    let inline = format!("tcp: {{host: {address}, port: 502}}");
    let device = plant.device(name, "node-1", "").replace(&inline, &format!("channel: {channel}, unitId: {unit}"));
    format!(
        "apiVersion: pollux.rs/v1alpha1
kind: Channel
metadata: {{name: {channel}, namespace: {space}}}
spec: {{protocol: {{modbus: {{tcp: {{host: {address}, port: {port}}}}}}}}}
---
{device}"
    )
}

/// Waits until a Device is not connected, and says why; silence is never shown as health.
async fn says(plant: &Plant, name: &str, words: &str) -> Result<Device> {
    let is = |d: &Device| device_is(d, "Connected", "False") && message(d, "Connected").contains(words);
    plant.wait(name, &format!("not connected: {words}"), |d| is(d) && device_is(d, READY, "False")).await
}
