//! From install to values, from desired to the wire, and what is refused.
use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use pollux_crds::{READY, offline::yaml};
use pollux_e2e::{Cluster, Plant, device_is, installed, message, reason, reported, story};
use serde_json::{Value as Json, json};
use std::fmt::Write as _;

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
        plant.ready("oven-1").await?;
        let words = cluster
            .refused(&plant.device("oven-3", "node-1", "").replace("modbus: {tcp", "modbus: {unitId: 300, tcp"))
            .await?;
        ensure!(words.contains("unitId") && words.contains("255"), "{words}");
        let words = cluster.refused(&plant.device("oven-3", "node-1", "  desired: {off: 1}")).await?;
        // To kubectl an unquoted off is false.
        ensure!(words.contains("not a property name: false"), "{words}");
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
fn s14_every_case_of_admission_gets_its_verdict_here_too() {
    story("the cases of crds/tests/cases, by kubectl apply --dry-run=server", async {
        let cluster = installed().await?;
        let mut wrong = String::new();
        let mut tried = 0;
        for file in ["channel-and-class", "device", "device-model", "modbus-binding", "opcua"] {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../crds/tests/cases");
            let text = std::fs::read_to_string(format!("{path}/{file}.yaml"))?;
            let cases = yaml::read(&text)?.pop().context("a list")?.value;
            for case in cases.as_array().context("a list")? {
                tried += 1;
                if let Err(error) = judge(&cluster, case).await {
                    writeln!(wrong, "{file}: {}: {error:#}", case["name"])?;
                }
            }
        }
        println!("{tried} cases");
        ensure!(tried >= 60, "the files were found: {tried}");
        ensure!(wrong.is_empty(), "\n{wrong}");
        Ok(())
    });
}

/// One case: `accept`, and a word of the refusal: `server` where the API server says it otherwise than we do.
async fn judge(cluster: &Cluster, case: &Json) -> Result<()> {
    let text = |field: &str| case[field].as_str().unwrap_or_default();
    let said = cluster.dry_run(text("yaml")).await;
    let words = [text("server"), text("says")].into_iter().find(|w| !w.is_empty()).unwrap_or_default();
    match (case["accept"].as_bool(), said) {
        (Some(true), Ok(_)) => Ok(()),
        (Some(true), Err(error)) => Err(error.context("refused")),
        (Some(false), Ok(_)) => anyhow::bail!("accepted"),
        (Some(false), Err(error)) => {
            let said = format!("{error:#}");
            ensure!(!words.is_empty() && said.contains(words), "does not say {words:?}: {said}");
            Ok(())
        }
        (None, _) => anyhow::bail!("accept is missing"),
    }
}

#[test]
fn s15_devices_whose_values_do_not_move_cost_no_writes() {
    story("ten idle devices", async {
        let cluster = installed().await?;
        let mut plant = Plant::build(&cluster, "idle").await?;
        let all = (0..10).map(|n| plant.device(&format!("oven-{n}"), "node-1", "")).collect::<Vec<_>>();
        cluster.apply(&all.join("\n---\n")).await?;
        for n in 0..10 {
            plant.ready(&format!("oven-{n}")).await?;
        }
        let before = cluster.status_writes().await?;
        // Twenty rounds: ten seconds.
        plant.goes_on(200).await?;
        let writes = cluster.status_writes().await? - before;
        ensure!(writes == 0, "{writes} status writes");
        plant.clear().await
    });
}
