//! Modbus/TCP Security against pymodbus on OpenSSL, which share no code with us; certificates by OpenSSL too. `POLLUX_PYTHON` is a Python
//! that has pymodbus.
#![allow(clippy::panic, reason = "a test")]
mod common;
mod pki;

use common::{peer::Peer, registers, unit};
use pollux_crds::{ModbusDataType::Float32, ModbusTable::Holding};
use pollux_mapper::{Cx, Done, Instant, Link as _, Protocol, Samples, Slot, Value};
use pollux_modbus::Modbus;
use std::{path::Path, process::Command, time::Duration};

fn serve(folder: &Path) -> Peer {
    let path = |name: &str| folder.join(name).to_str().expect("UTF-8").to_owned();
    Peer::pymodbus(&["--tls", &path("server.crt"), &path("server.key"), &path("ca.crt")])
}

/// As docs/how-to/modbus-tls.md has it.
fn make(folder: &Path, name: &str, more: &[&str]) {
    let base = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let (key, certificate) = (format!("{name}.key"), format!("{name}.crt"));
    let mut command = Command::new("openssl");
    command.args(base).args(more).args(["-keyout", &key, "-out", &certificate]).current_dir(folder);
    let done = command.output().expect("openssl");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
const OF_CA: [&str; 6] = ["-CA", "ca.crt", "-CAkey", "ca.key", "-addext", "basicConstraints=critical,CA:FALSE"];

fn secret(folder: &Path, client: &str, authority: &str) -> Cx {
    let files =
        [("tls.crt", format!("{client}.crt")), ("tls.key", format!("{client}.key")), ("ca.crt", authority.into())];
    let read = |(key, name): (&str, String)| {
        (format!("plant.plc.{key}"), std::fs::read(folder.join(name)).expect("it was made"))
    };
    Cx { secrets: files.map(read).into(), ..Cx::default() }
}

#[tokio::test]
#[ignore = "a part of its own: needs POLLUX_PYTHON and openssl"]
async fn pymodbus_is_read_over_tls_and_lets_nobody_in_whom_it_does_not_know() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    make(folder, "ca", &["-days", "30", "-subj", "/CN=Plant"]);
    make(folder, "other", &["-days", "30", "-subj", "/CN=Other"]);
    let server = ["-days", "30", "-subj", "/CN=plc", "-addext", "subjectAltName=IP:127.0.0.1"];
    make(folder, "server", &[&OF_CA[..], &server].concat());
    let role = "1.3.6.1.4.1.50316.802.1=ASN1:UTF8String:Operator";
    make(folder, "client", &[&OF_CA[..], &["-days", "30", "-subj", "/CN=pollux", "-addext", role]].concat());
    make(folder, "stranger", &["-days", "30", "-subj", "/CN=stranger"]);
    let peer = serve(folder);
    let address = peer.address();

    let endpoint = Modbus.endpoint(&pki::device(address)).expect("valid");
    let unit = unit(1, &[(registers(Holding, 20, Float32), false, None)]).expect("valid");
    let read = async |cx: &Cx| {
        let link = Modbus.connect(&endpoint, cx).await.map_err(|error| error.to_string())?;
        let (until, mut out) = (Instant::now() + Duration::from_secs(5), Samples::default());
        let done = link.read(&unit, &Modbus.plan(&unit, &[0])[0], until, &mut out).await;
        assert_eq!(done.map_err(|fault| format!("{fault:?}"))?, Done::Ok);
        Ok::<_, String>(out)
    };
    let out = read(&secret(folder, "client", "ca.crt")).await.expect("let in");
    let values: Vec<_> = out.readings().map(|(slot, value, _)| (slot, value)).collect();
    assert_eq!(values, [(Slot(0), Ok(Value::Float(21.5)))]);
    let refused = read(&secret(folder, "stranger", "ca.crt")).await.expect_err("a stranger");
    // OpenSSL has an alert for it; asyncio drops the connection before it leaves.
    assert!(refused.contains("it may want another certificate"), "{refused}");
    let wrong = read(&secret(folder, "client", "other.crt")).await.expect_err("another authority");
    assert!(wrong.contains("is not from an issuer in ca.crt of Secret plant/plc"), "{wrong}");
}
