//! OPC UA, as somebody meets it: refused with the line that mends it, a value, a write, a server that starts anew, a password that changes.
use crate::{counted, mappers};
use anyhow::{Context, Result, ensure};
use pollux_crds::{CONNECTED, Device};
use pollux_e2e::{Cluster, Peer, Plant, device_is, installed, message, reported, story};
use serde_json::json;

#[test]
fn s18_an_opc_ua_server_is_trusted_by_what_the_condition_says_and_found_again_after_a_restart() {
    story("OPC UA: trust, values, a write, a restart of the server, another password", async {
        let cluster = installed().await?;
        let mut plant = Plant::build(&cluster, "ua").await?;
        cluster.install(&["--set", "secretNamespaces={ua}"]).await?;
        // Behind NAT: the server names a host that nobody reaches.
        let server = ["0.0.0.0", "4840", "--advertise", "plc.invalid"];
        plant.plc = Peer::start("ua", "opcua_server.py", &server).await?;
        password(&cluster, "secret").await?;
        cluster.apply(&device(&plant.address)).await?;

        let untrusted =
            |d: &Device| device_is(d, CONNECTED, "False") && message(d, CONNECTED).contains("thumbprints: [");
        let refused = plant.wait("mixer-1", "who the server is, and how it is trusted", untrusted).await?;
        let said = message(&refused, CONNECTED);
        let line = said.split_once("thumbprints: [").and_then(|(_, rest)| rest.split_once(']'));
        let thumbprint = line.map(|(thumbprint, _)| thumbprint).with_context(|| format!("a thumbprint in {said}"))?;
        let trust = json!({"spec": {"protocol": {"opcua": {"security": {"trust": {"thumbprints": [thumbprint]}}}}}});
        plant.patch("mixer-1", &trust.to_string()).await?;
        plant.ready("mixer-1").await?;
        let before = counted(&mappers(&cluster, "node-1").await?);

        plant.patch("mixer-1", r#"{"spec": {"desired": {"setpoint": 42.5}}}"#).await?;
        plant
            .wait("mixer-1", "the setpoint", |d| {
                device_is(d, "InSync", "True") && reported(d, "setpoint") == Some(&json!(42.5))
            })
            .await?;
        let stands = plant.plc.ask("get Setpoint").await?;
        ensure!(stands["value"] == json!(42.5), "at the server stands {stands}");

        plant.plc.ask("restart 3").await?;
        plant.plc.ask("set Speed 7.5").await?;
        let after = |d: &Device| device_is(d, "Ready", "True") && reported(d, "speed") == Some(&json!(7.5));
        plant.wait("mixer-1", "a value of the server's next life", after).await?;

        password(&cluster, "wrong").await?;
        let denied = |d: &Device| device_is(d, CONNECTED, "False");
        let denied = plant.wait("mixer-1", "that the new password is wrong", denied).await?;
        println!("denied: {}", message(&denied, CONNECTED));
        password(&cluster, "secret").await?;
        plant.ready("mixer-1").await?;
        ensure!(counted(&mappers(&cluster, "node-1").await?) == before, "no Pod was restarted for any of it");
        cluster.install(&["--reset-values"]).await?;
        plant.clear().await
    });
}

/// The password of the user that the device logs in as.
async fn password(cluster: &Cluster, password: &str) -> Result<String> {
    let metadata = json!({"name": "alice", "namespace": "ua", "labels": {"pollux.rs/for": "mappers"}});
    let contents = json!({"username": "alice", "password": password});
    let object = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/basic-auth", "metadata": metadata, "stringData": contents,
    });
    cluster.apply(&object.to_string()).await
}

fn device(address: &str) -> String {
    format!(
        "apiVersion: pollux.rs/v1alpha1
kind: Device
metadata: {{name: mixer-1, namespace: ua}}
spec:
  nodeName: node-1
  protocol:
    opcua:
      url: opc.tcp://{address}:4840
      root: \"nsu=urn:test;s=Line7\"
      security: {{checkHostName: false}}
      identity: {{user: {{secret: alice}}}}
  properties:
  - {{name: speed, type: number, interval: 500ms, binding: {{opcua: {{browsePath: \"/nsu=urn:test;Speed\"}}}}}}
  - {{name: setpoint, type: number, unit: \"°C\", access: ReadWrite, interval: 500ms, binding: {{opcua: {{nodeId: \"nsu=urn:test;s=Setpoint\"}}}}}}
  - {{name: counter, type: number, interval: 1s, binding: {{opcua: {{nodeId: \"nsu=urn:test;s=Counter\"}}}}}}
"
    )
}
