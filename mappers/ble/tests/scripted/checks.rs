//! What `check` refuses that a single device does not show.
use crate::script::address;
use pollux_mapper::{Exit, Out, testing::Paper};
use serde_json::json;
use std::fs;

/// How it ends for devices with these words for `connection`, on an adapter of two connections, and what it says.
async fn check(connections: &[&str]) -> (Exit, String) {
    let folder = tempfile::tempdir().unwrap();
    for (number, connection) in (0..).zip(connections) {
        let ble = json!({"address": address(number).to_string(), "connections": 2, "connection": connection});
        let property = json!({"name": "p", "type": "number", "binding": {"ble": {"characteristic": "Temperature"}}});
        let device = json!({
            "apiVersion": "pollux.rs/v1alpha1", "kind": "Device", "metadata": {"name": format!("d{number}")},
            "spec": {"mode": "Monitor", "protocol": {"ble": ble}, "properties": [property]},
        });
        fs::write(folder.path().join(format!("{number}.yaml")), device.to_string()).unwrap();
    }
    let out = Paper::default();
    let arguments = ["pollux-ble", "check", folder.path().to_str().unwrap()].map(Into::into);
    let exit = pollux_ble::cli::app().run_in(arguments, Out::new(out.clone(), out.clone())).await;
    (exit, out.text())
}

#[tokio::test]
async fn devices_that_keep_all_connections_from_the_others_are_refused() {
    let (exit, text) = check(&["Held", "WhenDue", "Held", "WhenDue"]).await;
    assert_eq!(exit, Exit::Usage, "{text}");
    for waiting in ["d1", "d3"] {
        let (begin, end) =
            (format!("Device {waiting}: it gets no turn: all connections of "), " (2) are kept by d0, d2");
        let said = text.lines().any(|line| line.contains(&begin) && line.ends_with(end));
        assert!(said, "{waiting}: {text}");
    }
    for fine in [&["Held", "WhenDue", "WhenDue"][..], &["Held", "Held"]] {
        let (exit, text) = check(fine).await;
        assert_eq!(exit, Exit::Ok, "{text}");
    }
}
