//! An OPC UA server in a Pod: found by another Pod, applied as it was found, gone and back, and shown another certificate.
use crate::{counted, mappers};
use anyhow::{Context, Result, ensure};
use kube::ResourceExt;
use pollux_crds::{CONNECTED, Device};
use pollux_e2e::{Cluster, Plant, device_is, installed, message, reported, story, until};
use serde_json::{Value as Json, json};
use std::{fs, path::Path, process::Command};

const HOST: &str = "plc.uapod.svc";

#[test]
fn s19_an_opc_ua_server_in_a_pod_is_discovered_lost_and_found_and_a_rotated_certificate_is_shown() {
    story("OPC UA in Pods: discover, apply, the server's Pod gone and another there, a certificate rotated", async {
        let cluster = installed().await?;
        let plant = Plant::build(&cluster, "uapod").await?;
        cluster.install(&["--set", "secretNamespaces={uapod}"]).await?;
        let pki = Path::new(env!("CARGO_TARGET_TMPDIR")).join("uapod");
        let thumbprint = server(&cluster, &pki).await?;
        let first = application(&cluster, &pki).await?;

        let yaml = discovered(&cluster, &thumbprint).await?;
        println!("{yaml}");
        cluster.apply_in("uapod", &yaml).await?;
        let live = |d: &Device| device_is(d, "Ready", "True") && is_right(d);
        plant.wait("line7", "Ready by what discover wrote, and right", live).await?;
        shown(&cluster, &first).await?;

        plant.patch("line7", r#"{"spec": {"mode": "Control", "desired": {"Setpoint": 42.5}}}"#).await?;
        holds(&plant, 42.5).await?;
        // What the server has when it starts, so that a new one is in sync by itself.
        plant.patch("line7", r#"{"spec": {"desired": {"Setpoint": 20}}}"#).await?;
        let wanted = holds(&plant, 20.0).await?.spec.desired;
        let before = mapper(&cluster).await?;

        cluster.kubectl("scale deployment plc -n uapod --replicas=0").await?;
        let lost = |d: &Device| {
            device_is(d, CONNECTED, "False")
                && message(d, CONNECTED).contains(&format!("cannot connect to {HOST}:4840"))
        };
        let lost = plant.wait("line7", "that there is no server", lost).await?;
        println!("lost: {}", message(&lost, CONNECTED));
        cluster.kubectl("scale deployment plc -n uapod --replicas=1").await?;
        let found = plant.wait("line7", "Ready by itself, and right", live).await?;
        ensure!(found.spec.desired == wanted, "what is desired stands as it stood: {:?}", found.spec.desired);

        let second = application(&cluster, &pki).await?;
        ensure!(first != second, "another certificate");
        shown(&cluster, &second).await?;
        plant.wait("line7", "Ready with the newer certificate", live).await?;
        let after = mapper(&cluster).await?;
        ensure!(after == before, "no Pod was restarted, and nothing written: {before:?}, {after:?}");
        cluster.install(&["--reset-values"]).await?;
        plant.clear().await
    });
}

/// Waits until the setpoint is what was wanted, and held by the server.
async fn holds(plant: &Plant, setpoint: f64) -> Result<Device> {
    let is = |d: &Device| {
        device_is(d, "InSync", "True")
            && device_is(d, "Ready", "True")
            && reported(d, "Setpoint").and_then(Json::as_f64) == Some(setpoint)
    };
    plant.wait("line7", &format!("setpoint {setpoint}"), is).await
}

/// What does not move, as the server has it.
fn is_right(device: &Device) -> bool {
    let text = |name| reported(device, name).and_then(Json::as_str);
    let floats = reported(device, "Floats").and_then(Json::as_array).into_iter().flatten();
    reported(device, "Speed") == Some(&json!(1.5))
        && (text("Name"), text("Mode")) == (Some("press"), Some("Automatic"))
        && floats.filter_map(Json::as_f64).collect::<Vec<_>>() == [1.0, 2.0, 3.0, 4.0]
}

/// The mapper's Pod, how often it was restarted, and how many values it has written.
async fn mapper(cluster: &Cluster) -> Result<(Vec<(String, i32)>, Json)> {
    let mut pods = mappers(cluster, "node-1").await?;
    pods.retain(|pod| pod.name_any().contains("opcua"));
    let metrics = cluster.metrics(pods.first().context("a mapper of OPC UA")?).await?;
    let written = metrics.get("pollux_device_writes_total").context("pollux_device_writes_total")?;
    Ok((counted(&pods), written.clone()))
}

/// The server as Deployment and Service, with a certificate that outlives its Pods; returns the thumbprint that it says it has.
async fn server(cluster: &Cluster, pki: &Path) -> Result<String> {
    fs::create_dir_all(pki)?;
    issue(pki, "plc", &["-subj", "/CN=plc"], &format!("DNS:{HOST},URI:urn:pollux:open62541"))?;
    openssl(pki, &["x509", "-in", "plc.crt", "-outform", "der", "-out", "plc.der"])?;
    openssl(pki, &["pkey", "-in", "plc.key", "-outform", "der", "-out", "plc.key.der"])?;
    let file = |key: &str, name: &str| format!("--from-file={key}={}", pki.join(name).display());
    let (certificate, key) = (file("cert", "plc.der"), file("key", "plc.key.der"));
    cluster.kubectl_args(&["create", "secret", "generic", "plc", "-n", "uapod", &certificate, &key]).await?;
    cluster.apply(&plc()).await?;
    cluster.kubectl("rollout status deployment/plc -n uapod --timeout=90s").await?;
    let log = cluster.says("logs deployment/plc -n uapod", "\"ready\"").await?;
    let said: Json = serde_json::from_str(log.lines().next().unwrap_or_default())?;
    Ok(said["thumbprint"].as_str().context("a thumbprint")?.to_owned())
}
fn plc() -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: plc, namespace: uapod}}
spec:
  selector: {{matchLabels: {{app: plc}}}}
  template:
    metadata: {{labels: {{app: plc}}}}
    spec:
      automountServiceAccountToken: false
      containers:
      - name: plc
        image: localhost/opcua-plant:{version}
        args: [\"4840\", \"0\", stay=1, cert=/pki/cert, key=/pki/key]
        volumeMounts: [{{name: pki, mountPath: /pki}}]
      volumes: [{{name: pki, secret: {{secretName: plc}}}}]
---
apiVersion: v1
kind: Service
metadata: {{name: plc, namespace: uapod}}
spec: {{selector: {{app: plc}}, ports: [{{port: 4840}}]}}
",
        version = env!("CARGO_PKG_VERSION")
    )
}

/// What `discover` says as a Pod, where the server's name is known: the log as it is, with its remarks.
async fn discovered(cluster: &Cluster, thumbprint: &str) -> Result<String> {
    let image = concat!("localhost/pollux-opcua:", env!("CARGO_PKG_VERSION"));
    let wishes = format!("--path /2:Line7 --trust {thumbprint} --certificate pollux-opcua --node node-1");
    let run =
        format!("run discover -n uapod --image={image} --restart=Never -- discover opc.tcp://{HOST}:4840 {wishes}");
    cluster.kubectl(&run).await?;
    let ended = until("discover has ended", || async {
        let phase = cluster.kubectl("get pod discover -n uapod -o jsonpath={.status.phase}").await?;
        Ok(["Succeeded", "Failed"].contains(&phase.as_str()).then_some(phase))
    })
    .await?;
    let log = cluster.kubectl("logs discover -n uapod").await?;
    ensure!(ended == "Succeeded", "discover: {log}");
    Ok(log)
}

/// An application certificate of the plant's authority, as cert-manager keeps and renews it; returns its thumbprint.
async fn application(cluster: &Cluster, pki: &Path) -> Result<String> {
    issue(pki, "tls", &["-subj", "/CN=pollux"], "URI:urn:plant:pollux")?;
    let contents = [("tls.crt", "tls.crt"), ("tls.key", "tls.key"), ("ca.crt", "ca.crt")];
    let contents = contents.map(|(key, name)| Ok((key.to_owned(), json!(fs::read_to_string(pki.join(name))?))));
    let contents = contents.into_iter().collect::<Result<serde_json::Map<_, _>>>()?;
    let metadata = json!({"name": "pollux-opcua", "namespace": "uapod", "labels": {"pollux.rs/for": "mappers"}});
    let object = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": metadata, "stringData": contents,
    });
    cluster.apply(&object.to_string()).await?;
    let said = openssl(pki, &["x509", "-in", "tls.crt", "-noout", "-fingerprint", "-sha1"])?;
    let print = said.trim().rsplit('=').next().unwrap_or_default();
    Ok(print.replace(':', "").to_lowercase())
}

/// Waits until the server was last shown that certificate.
async fn shown(cluster: &Cluster, thumbprint: &str) -> Result<()> {
    until(&format!("the server sees certificate {thumbprint}"), || async {
        let log = cluster.kubectl("logs deployment/plc -n uapod").await?;
        let last = log.lines().filter_map(|line| line.strip_prefix("client ")).next_back();
        Ok((last == Some(thumbprint)).then_some(()))
    })
    .await
}

/// A certificate of the plant's authority, which is made where there is none.
fn issue(pki: &Path, name: &str, subject: &[&str], names: &str) -> Result<()> {
    let base = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30"];
    if !pki.join("ca.crt").exists() {
        openssl(pki, &[&base[..], &["-subj", "/CN=Plant CA", "-keyout", "ca.key", "-out", "ca.crt"]].concat())?;
    }
    let (key, certificate, names) = (format!("{name}.key"), format!("{name}.crt"), format!("subjectAltName={names}"));
    let usage = "keyUsage=critical,digitalSignature,nonRepudiation,keyEncipherment,dataEncipherment";
    let extensions = ["basicConstraints=critical,CA:FALSE", usage, "extendedKeyUsage=clientAuth,serverAuth", &names];
    let more: Vec<&str> = extensions.iter().flat_map(|extension| ["-addext", extension]).collect();
    let issuer = ["-CA", "ca.crt", "-CAkey", "ca.key", "-keyout", &key, "-out", &certificate];
    openssl(pki, &[&base[..], subject, &issuer, &more].concat())?;
    Ok(())
}
fn openssl(pki: &Path, line: &[&str]) -> Result<String> {
    let done = Command::new("openssl").args(line).current_dir(pki).output().context("openssl")?;
    ensure!(done.status.success(), "openssl: {}", String::from_utf8_lossy(&done.stderr));
    Ok(String::from_utf8(done.stdout)?)
}
