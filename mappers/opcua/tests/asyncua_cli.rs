//! The command line against asyncua: nodes are read by every type, and what is discovered is checked and works at once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#[allow(dead_code, reason = "other tests use all of it")]
#[path = "../src/peer.rs"]
mod peer;

use peer::Peer;
use std::process::{Command, Output};

fn pollux(arguments: &[&str]) -> Output {
    let state = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_pollux-opcua"))
        .args(arguments)
        .env("XDG_STATE_HOME", state.path())
        .env("POLLUX_OPCUA_PASSWORD", "secret")
        .output()
        .unwrap()
}
/// What it printed.
fn told(arguments: &[&str]) -> String {
    let output = pollux(arguments);
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{arguments:?}: {err}\n{out}");
    out
}

#[test]
#[ignore = "needs asyncua"]
fn nodes_are_read_by_every_type() {
    let peer = Peer::asyncua(&[]);
    let wanted = include_str!("asyncua_read.txt");
    let names: Vec<&str> = wanted.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    let url = peer.url();
    let arguments: Vec<&str> = ["read", &url, "--insecure"].into_iter().chain(names).collect();
    let output = pollux(&arguments);
    let out = String::from_utf8(output.stdout).unwrap();
    // Without their times, and as wide as may be.
    let cells = |line: &str| {
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).take(4).collect::<Vec<_>>().join("  ")
    };
    let out: Vec<String> = out.lines().map(cells).collect();
    assert_eq!(out, wanted.lines().collect::<Vec<_>>());
    assert_eq!(output.status.code(), Some(1), "one of them does not exist");
}

/// A user's password over an encrypted channel to a server that is trusted by its thumbprint.
#[test]
#[ignore = "needs asyncua"]
fn a_server_is_read_securely_once_it_is_trusted() {
    let peer = Peer::asyncua(&[]);
    let (url, thumbprint) = (peer.url(), peer.hello["thumbprint"].as_str().unwrap());
    let refused = pollux(&["read", &url, "i=2258"]);
    let words = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && words.contains(thumbprint), "{words}");
    let out = told(&["read", &url, "ns=2;s=Speed", "--trust", thumbprint, "--user", "alice"]);
    assert!(out.contains("ns=2;s=Speed  1.5    Double  Good"), "{out}");
}

/// No hand is laid on it: what is discovered is judged as a cluster would judge it, and read.
#[test]
#[ignore = "needs asyncua"]
fn discovered_yaml_is_checked_and_works_at_once() {
    let peer = Peer::asyncua(&[]);
    let (url, thumbprint) = (peer.url(), peer.hello["thumbprint"].as_str().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plant.yaml");
    let path = file.to_str().unwrap();
    std::fs::write(&file, told(&["discover", &url, "--trust", thumbprint, "--name", "plant"])).unwrap();
    let yaml = std::fs::read_to_string(&file).unwrap();
    for part in [
        "    opcua: {url: \"opc.tcp://127.0.0.1:",
        "  - name: Line7_Setpoint\n    type: number\n    access: ReadWrite\n    unit: °C\n    range: {low: 0, high: 100}\n",
        "    enum: [{value: 0, name: \"Off\"}, {value: 1, name: Automatic}, {value: 2, name: Manual}]\n",
        "  - name: Line7_Locked\n    type: number\n    binding",
        "  - name: Line7_Add\n    arguments: [{name: a, type: number}, {name: b, type: number}]\n",
    ] {
        assert!(yaml.contains(part), "{part}\n{yaml}");
    }
    assert!(!yaml.contains("/Server/") && !yaml.contains("/Aliases/"), "{yaml}");
    assert_eq!(yaml.matches("kind: DeviceModel\n").count(), 2, "one of the pumps, one of the rest");
    assert_eq!(yaml.matches("  model: pump-type\n").count(), 2);
    told(&["check", path]);
    let output = pollux(&["read", path]);
    let out = String::from_utf8(output.stdout).unwrap();
    let bad: Vec<&str> = out
        .lines()
        .filter(|line| line.starts_with("  ") && !line.contains("  Good") && !line.contains("PROPERTY"))
        .collect();
    assert!(bad.len() == 1 && bad[0].contains("Types_Null"), "{out}");
    assert!(out.contains("pump2\n  PROPERTY  VALUE"), "{out}");
}

#[test]
#[ignore = "needs open62541"]
fn discovered_yaml_is_checked_and_works_at_once_at_open62541() {
    let peer = Peer::open62541(&[]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plant.yaml");
    let path = file.to_str().unwrap();
    std::fs::write(&file, told(&["discover", &peer.url(), "--insecure", "--name", "plant"])).unwrap();
    let yaml = std::fs::read_to_string(&file).unwrap();
    for part in [
        "unit: °C\n    range: {low: 0, high: 100}\n",
        "    enum: [{value: 0, name: \"Off\"}, {value: 1, name: Automatic}, {value: 2, name: Manual}]\n",
        "arguments: [{name: a, type: number}, {name: b, type: number}]\n",
    ] {
        assert!(yaml.contains(part), "{part}\n{yaml}");
    }
    told(&["check", path]);
    let out = String::from_utf8(pollux(&["read", path]).stdout).unwrap();
    let lines = || out.lines().filter(|line| line.starts_with("  ") && !line.contains("PROPERTY"));
    let bad: Vec<&str> = lines().filter(|line| !line.contains("  Good")).collect();
    assert!(lines().count() > 60 && bad.iter().all(|line| line.contains("Null")), "{bad:?}\n{out}");
}

/// As it runs in a Pod, where nothing can be kept and both streams are one log: what comes out is applied as it stands.
#[test]
#[ignore = "needs open62541"]
fn the_log_of_a_discovery_in_a_pod_is_yaml_at_open62541() {
    let peer = Peer::open62541(&[]);
    let thumbprint = peer.hello["thumbprint"].as_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pollux-opcua"));
    // No folder can be made there, not even by root.
    command.env_remove("XDG_STATE_HOME").env("HOME", "/sys");
    command.args(["discover", &peer.url(), "--path", "/2:Line7", "--trust", thumbprint, "--user", "alice"]);
    command.args(["--node", "edge-1", "--certificate", "plant-app"]).env("POLLUX_OPCUA_PASSWORD", "secret");
    let output = command.output().unwrap();
    let log = String::from_utf8([output.stderr, output.stdout].concat()).unwrap();
    assert!(output.status.success(), "{log}");
    for part in [
        "# the Devices need the Secret plant-app: kubectl create secret tls plant-app ",
        "# the Devices need the Secret opcua-user: ",
        "# 1 devices, ",
        "  nodeName: edge-1\n",
        "identity: {user: {secret: opcua-user}}",
        "certificate: {secret: plant-app}",
    ] {
        assert!(log.contains(part), "{part}\n{log}");
    }
    let file = folder.path().join("log.yaml");
    let secret = |name: &str, contents: &str| {
        format!(
            "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, labels: {{pollux.rs/for: mappers}}}}\nstringData: {{{contents}}}\n"
        )
    };
    let secrets = secret("opcua-user", "username: a, password: b") + &secret("plant-app", "tls.crt: c, tls.key: d");
    std::fs::write(&file, log + &secrets).unwrap();
    told(&["check", file.to_str().unwrap()]);
}

/// `examples/opcua`, with what its reader puts in.
#[test]
#[ignore = "needs open62541"]
fn the_example_is_read_at_open62541() {
    let peer = Peer::open62541(&[]);
    let thumbprint = peer.hello["thumbprint"].as_str().unwrap();
    let example = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/opcua");
    told(&["check", example.to_str().unwrap()]);
    let folder = tempfile::tempdir().unwrap();
    for file in ["model.yaml", "device.yaml", "secrets.yaml"] {
        let text = std::fs::read_to_string(example.join(file)).unwrap();
        let text = text.replace("opc.tcp://127.0.0.1:4840", &peer.url()).replace(&"0".repeat(64), thumbprint);
        std::fs::write(folder.path().join(file), text.replace("change-me", "secret")).unwrap();
    }
    let path = folder.path().to_str().unwrap();
    let out = told(&["read", path]);
    let cells: Vec<Vec<&str>> = out.lines().map(|line| line.split_whitespace().take(2).collect()).collect();
    for shown in [["speed", "1.5"], ["setpoint", "20"], ["mode", "Automatic"], ["name", "press"], ["firstZone", "1"]] {
        assert!(cells.iter().any(|cells| *cells == shown), "{shown:?}\n{out}");
    }
    assert!(out.lines().filter(|line| line.contains("  Good")).count() == 7, "{out}");
}
