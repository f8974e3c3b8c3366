//! helm test, upgrade and uninstall, and what is told to Prometheus.
use crate::{SYSTEM, mappers};
use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt, api::ListParams};
use pollux_crds::{Device, READY};
use pollux_e2e::{Cluster, Plant, device_is, installed, reported, story, until};
use serde_json::json;
use std::path::{Path, PathBuf};

#[test]
fn s13_helm_test_reads_a_live_value() {
    story("helm test, metrics, then upgrade, with a device in service", async {
        let cluster = installed().await?;
        let mut plant = Plant::build(&cluster, "helm").await?;
        cluster.apply(&plant.device("oven-1", "node-1", "  desired: {setpoint: 77}")).await?;
        plant
            .wait("oven-1", "in sync", |d| device_is(d, READY, "True") && reported(d, "setpoint") == Some(&json!(77)))
            .await?;
        let said = cluster.helm(&["test", "pollux", "-n", SYSTEM, "--logs"]).await?;
        println!("{said}");
        ensure!(said.contains("setpoint=77") && said.contains("21.5"), "helm test prints a live value: {said}");
        metrics(&cluster).await?;
        let before = plant.writes().await?;
        let words = "What an older chart said of a Device.";
        cluster.install_chart(older_chart(words)?.to_str().context("a path")?, &[]).await?;
        cluster.says("explain device", words).await?;
        cluster.install(&["--set", "logLevel=debug"]).await?;
        let explained = until("the newer words", || async {
            Ok(cluster.kubectl("explain device").await.ok().filter(|said| !said.contains(words)))
        })
        .await?;
        ensure!(explained.contains("GROUP:      pollux.rs"), "{explained}");
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

/// The chart, as if an older one: Devices are described in other words.
fn older_chart(words: &str) -> Result<PathBuf> {
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/pollux");
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("older-chart");
    let copied = std::process::Command::new("cp").arg("-rT").args([&chart, &copy]).status()?;
    ensure!(copied.success(), "cp {}", chart.display());
    let file = copy.join("charts/pollux-crds/files/devices.yaml");
    let mut kind: serde_json::Value =
        pollux_crds::offline::yaml::read(&std::fs::read_to_string(&file)?)?.pop().context("a document")?.value;
    kind["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["description"] = json!(words);
    std::fs::write(&file, serde_json::to_string(&kind)?)?;
    Ok(copy)
}

/// One operator leads and the mapper drives one device, as they tell Prometheus.
async fn metrics(cluster: &Cluster) -> Result<()> {
    let operators = Api::<Pod>::namespaced(cluster.client.clone(), SYSTEM);
    let operators = operators.list(&ListParams::default().labels("app.kubernetes.io/name=pollux-operator")).await?;
    let mut leaders = vec![];
    for pod in &operators.items {
        let page = cluster.metrics(pod).await?;
        let leads = page["pollux_operator_leader"] == json!(1.0);
        // Devices are counted, and objects reconciled, by the one that leads.
        ensure!(!leads || page["pollux_operator_devices"].as_f64() >= Some(1.0), "{page}");
        ensure!(!leads || page["pollux_operator_reconciles_total"].as_f64() > Some(0.0), "{page}");
        leaders.extend(leads.then(|| pod.name_any()));
    }
    ensure!(operators.items.len() == 2 && leaders.len() == 1, "leaders: {leaders:?}");
    let mapper = mappers(cluster, "node-1").await?.pop().context("a mapper")?;
    let page = cluster.metrics(&mapper).await?;
    let one = json!(1.0);
    ensure!(page["pollux_devices"] == one && page["pollux_device_connected"] == one, "{page}");
    ensure!(page["pollux_device_exchanges_answered_total"].as_f64() > Some(0.0), "{page}");
    Ok(())
}

#[test]
fn s99_uninstall_keeps_devices_and_writes_nothing() {
    story("helm uninstall, install again, and uninstall with everything", async {
        let cluster = installed().await?;
        let mut plant = Plant::build(&cluster, "uninst").await?;
        cluster.apply(&plant.device("oven-1", "node-1", "  desired: {setpoint: 88}")).await?;
        let settled = |d: &Device| reported(d, "setpoint") == Some(&json!(88)) && device_is(d, READY, "True");
        plant.wait("oven-1", "in sync", settled).await?;
        let before = plant.writes().await?;
        let uninstall = ["uninstall", "pollux", "-n", SYSTEM, "--wait"];
        let said = cluster.helm(&uninstall).await?;
        println!("{said}");
        ensure!(said.contains("kept") && said.contains("devices.pollux.rs"), "it says what is kept: {said}");
        until("the mappers have stopped", || async { Ok(mappers(&cluster, "node-1").await?.is_empty().then_some(())) })
            .await?;
        ensure!(plant.devices().get("oven-1").await.is_ok(), "Devices are kept");
        let classes = cluster.kubectl("get mapperclasses -o name").await?;
        ensure!(classes.contains("mapperclass.pollux.rs/modbus"), "classes are kept: {classes}");
        ensure!(plant.writes().await? == before, "uninstalling writes nothing");
        ensure!(plant.register("holding", 0).await? == 88, "outputs stay as they are");

        cluster.install(&[]).await?;
        plant.plc.ask("set 1 holding 20 16840 0").await?;
        plant.wait("oven-1", "found again", |d| settled(d) && reported(d, "temperature") == Some(&json!(25))).await?;
        plant.goes_on(6).await?;
        ensure!(plant.writes().await? == before, "installing again writes nothing");

        cluster.install(&["--set", "crds.keep=false"]).await?;
        let said = cluster.helm(&uninstall).await?;
        ensure!(!said.contains("devices.pollux.rs"), "nothing of ours is kept: {said}");
        until("the kinds are gone", || async {
            let kinds = cluster.kubectl("get crds -o name").await?;
            Ok((!kinds.contains("pollux.rs")).then_some(()))
        })
        .await?;
        until("the mappers have stopped", || async { Ok(mappers(&cluster, "node-1").await?.is_empty().then_some(())) })
            .await?;
        ensure!(plant.writes().await? == before, "deleting every Device writes nothing");
        cluster.kubectl(&format!("delete namespace {} --wait=false", plant.name)).await?;
        cluster.machine(&format!("detach {}", plant.name)).await?;
        Ok(())
    });
}
