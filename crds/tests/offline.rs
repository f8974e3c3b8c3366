//! Every case of `cases/` through the offline pipeline. The end-to-end tests run the same files through a real API server.
#![cfg(feature = "offline")]
#![allow(clippy::unwrap_used)] // how a test fails

use pollux_crds::offline::{self, yaml};
use serde_json::Value as Json;
use std::{fs, path::Path};

fn cases() -> Vec<(String, Json)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "yaml"));
    files.sort();
    let lists = files.iter().flat_map(|f| {
        let name = f.file_stem().unwrap().to_string_lossy().into_owned();
        let list = yaml::read(&fs::read_to_string(f).unwrap()).unwrap().remove(0).value;
        list.as_array().unwrap().iter().map(|case| (name.clone(), case.clone())).collect::<Vec<_>>()
    });
    lists.collect()
}

/// The message of a refusal, or none.
fn verdict(text: &str) -> Result<(), String> {
    let documents = yaml::read(text).map_err(|e| e.to_string())?;
    let [document] = documents.as_slice() else { return Err("not one document".into()) };
    offline::load(&document.value)
        .map(drop)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

#[test]
fn every_case_gets_its_verdict_and_says_why() {
    let cases = cases();
    assert!(cases.len() >= 60, "the files were found: {}", cases.len());
    let mut wrong = vec![];
    for (file, case) in &cases {
        let field = |name: &str| case.get(name).and_then(Json::as_str).unwrap_or_default();
        let accept = case["accept"].as_bool().unwrap();
        let fits = match verdict(field("yaml")) {
            Ok(()) if accept => continue,
            Ok(()) => "was accepted".to_owned(),
            Err(message) if !accept && !field("says").is_empty() && message.contains(field("says")) => continue,
            Err(message) => message,
        };
        wrong.push(format!("{file}, {}: {fits}", field("name")));
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn all_errors_are_told_at_once_and_rules_only_where_types_are_right() {
    let text = "
apiVersion: pollux.rs/v1alpha1
kind: Device
metadata: {name: a}
spec:
  mode: Onn
  modell: x
  protocol: {modbus: {channel: c, tcp: {host: h}}}
  desired: {on: 1}
";
    let message = verdict(text).unwrap_err();
    for part in
        ["spec.mode: ", "spec.modell: unknown field, did you mean model?", "spec.desired: not a property name: on"]
    {
        assert!(message.contains(part), "{part} in {message}");
    }
    assert!(!message.contains("exactly one of channel"), "{message}");
}

#[test]
fn defaults_are_those_of_the_schema() {
    let text = "{apiVersion: pollux.rs/v1alpha1, kind: Device, metadata: {name: a}, spec: {mode: null, protocol: {modbus: {tcp: {host: h}}}}}";
    let document = yaml::read(text).unwrap().remove(0);
    let Ok(offline::Object::Device(device)) = offline::load(&document.value) else { panic!("refused") };
    let modbus = device.spec.protocol.modbus.clone().unwrap();
    assert_eq!((modbus.unit_id, modbus.tcp.unwrap().port, device.spec.mode), (1, 502, pollux_crds::Mode::Control));
}
