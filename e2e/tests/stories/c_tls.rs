//! Modbus over TLS, from a Secret that its owner labels to a device that is not ours.
use crate::{counted, mappers};
use anyhow::{Context, Result, ensure};
use pollux_crds::{ACCEPTED, CONNECTED, Device};
use pollux_e2e::{Peer, Plant, device_is, installed, message, reason, reported, story};
use serde_json::json;
use std::{path::Path, process::Command};

#[test]
fn s16_a_labelled_secret_opens_a_device_over_tls_and_a_rotated_one_is_dialled_with() {
    story("Modbus over TLS: Secret, label, a wrong authority, rotation, and the Secret taken back", async {
        let cluster = installed().await?;
        let mut plant = Plant::build(&cluster, "tls").await?;
        let pki = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tls");
        make(&pki, &plant.address)?;
        let file = |name: &str| pki.join(name).display().to_string();
        let tls = ["0.0.0.0", "802", "--tls", &file("server.crt"), &file("server.key"), &file("ca.crt")];
        plant.plc = Peer::start("tls", "pymodbus_server.py", &tls).await?;
        let plain = format!("tcp: {{host: {}, port: 502}}", plant.address);
        let secure = format!("tls: {{host: {}, secret: plc-client}}", plant.address);
        cluster.apply(&plant.device("oven-1", "node-1", "").replace(&plain, &secure)).await?;
        says(&plant, ACCEPTED, "chart value secretNamespaces").await?;
        cluster.install(&["--set", "secretNamespaces={tls}"]).await?;
        says(&plant, ACCEPTED, "no Secret \"plc-client\" with label pollux.rs/for=mappers").await?;

        let secret = async |authority: &str| {
            let keys = [("tls.crt", "tls.crt"), ("tls.key", "tls.key"), ("ca.crt", authority)];
            let contents = keys.map(|(key, name)| Ok((key, std::fs::read_to_string(pki.join(name))?)));
            let contents: serde_json::Map<_, _> = contents
                .into_iter()
                .map(|pair: Result<_>| pair.map(|(key, text)| (key.into(), json!(text))))
                .collect::<Result<_>>()?;
            let metadata = json!({"name": "plc-client", "namespace": "tls", "labels": {"pollux.rs/for": "mappers"}});
            let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": contents});
            cluster.apply(&object.to_string()).await
        };
        secret("ca.crt").await?;
        let live = |d: &Device| device_is(d, "Ready", "True") && reported(d, "temperature") == Some(&json!(21.5));
        plant.wait("oven-1", "a value over TLS", live).await?;
        let before = counted(&mappers(&cluster, "node-1").await?);

        secret("other.crt").await?;
        says(&plant, CONNECTED, "is not from an issuer in ca.crt of Secret tls/plc-client").await?;
        issue(&pki, "tls", &["-subj", "/CN=pollux-2"], &client())?;
        secret("ca.crt").await?;
        plant.plc.ask("set 1 holding 20 16840 0").await?;
        plant
            .wait("oven-1", "newer values with the newer certificate", |d| {
                device_is(d, "Ready", "True") && reported(d, "temperature") == Some(&json!(25))
            })
            .await?;

        cluster.kubectl("delete secret plc-client -n tls").await?;
        let device = says(&plant, ACCEPTED, "no Secret \"plc-client\"").await?;
        ensure!(reason(&device, ACCEPTED) == "LastValidKept", "{}", reason(&device, ACCEPTED));
        says(&plant, CONNECTED, "Secret tls/plc-client: tls.crt is not there").await?;
        ensure!(counted(&mappers(&cluster, "node-1").await?) == before, "no Pod was restarted for any of it");
        cluster.install(&["--reset-values"]).await?;
        plant.clear().await
    });
}

/// Waits until a condition is False and says so.
async fn says(plant: &Plant, type_: &'static str, words: &'static str) -> Result<Device> {
    let is = move |d: &Device| device_is(d, type_, "False") && message(d, type_).contains(words);
    plant.wait("oven-1", words, is).await
}

/// Two authorities, a server for that address, a client with a role.
fn make(pki: &Path, address: &str) -> Result<()> {
    std::fs::create_dir_all(pki)?;
    for name in ["ca", "other"] {
        let subject = format!("/CN=Plant {name}");
        openssl(pki, name, &["-subj", &subject])?;
    }
    issue(pki, "server", &["-subj", "/CN=plc"], &[&format!("subjectAltName=IP:{address}")])?;
    issue(pki, "tls", &["-subj", "/CN=pollux"], &client())
}
fn client() -> [&'static str; 2] {
    ["extendedKeyUsage=clientAuth", "1.3.6.1.4.1.50316.802.1=ASN1:UTF8String:Operator"]
}

/// A certificate of the first authority.
fn issue(pki: &Path, name: &str, subject: &[&str], extensions: &[&str]) -> Result<()> {
    let all = [&["basicConstraints=critical,CA:FALSE"], extensions].concat();
    let extensions = all.iter().flat_map(|extension| ["-addext", extension]);
    let more: Vec<&str> =
        subject.iter().copied().chain(["-CA", "ca.crt", "-CAkey", "ca.key"]).chain(extensions).collect();
    openssl(pki, name, &more)
}
fn openssl(pki: &Path, name: &str, more: &[&str]) -> Result<()> {
    let base = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"];
    let (key, certificate) = (format!("{name}.key"), format!("{name}.crt"));
    let mut command = Command::new("openssl");
    command.args(base).args(more).args(["-keyout", &key, "-out", &certificate]).current_dir(pki);
    let done = command.output().context("openssl")?;
    ensure!(done.status.success(), "openssl: {}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}
