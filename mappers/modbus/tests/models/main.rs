//! The ready models of `models/`: each is such as a cluster takes, stands where its document says, and reads out of that
//! document's example frames, by way of the real program, what the document says they mean.
#![allow(clippy::panic, clippy::unwrap_in_result, reason = "a test")]
mod files;
mod peer;

use files::{Frames, Model, frames, models};
use pollux_crds::{ModbusBinding, ModbusTable, Source, offline::yaml, resolve};
use serde_json::{Value as Json, json};
use std::{collections::BTreeSet, fs, process::Command};

/// Which properties of a model a Device has.
#[derive(Clone, Copy)]
enum Wanted<'a> {
    /// As the model has it.
    Usual,
    /// What is disabled in the model too.
    All,
    Only(&'a [&'a str]),
}

/// The program's reading of a Device of the model behind `port`.
fn read(frames: &Frames, port: u16, wanted: Wanted<'_>) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    fs::copy(files::path(&frames.model), folder.path().join("model.yaml")).expect("copied");
    let device = device(frames, port, wanted);
    fs::write(folder.path().join("device.yaml"), device.to_string()).expect("written");
    let mut program = Command::new(env!("CARGO_BIN_EXE_pollux-modbus"));
    let output = program.arg("read").arg(folder.path()).output().expect("the program starts");
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{text}{errors}")
}

fn device(frames: &Frames, port: u16, wanted: Wanted<'_>) -> Json {
    let all = models().into_iter().chain([files::example().0]);
    let model = all.into_iter().find(|model| model.name == frames.model).expect("a model of that name");
    let switched = model.spec.properties.iter().filter_map(|property| match wanted {
        Wanted::Usual => None,
        Wanted::All => property.disabled.map(|_| json!({"name": property.name, "disabled": false})),
        Wanted::Only(only) => {
            (!only.contains(&property.name.as_str())).then(|| json!({"name": property.name, "disabled": true}))
        }
    });
    let properties: Vec<Json> = frames.properties.iter().cloned().chain(switched).collect();
    json!({
        "apiVersion": "pollux.rs/v1alpha1", "kind": "Device", "metadata": {"name": "one"},
        "spec": {
            "model": frames.model, "mode": "Monitor", "properties": properties,
            "protocol": {"modbus": {
                "tcp": {"host": "127.0.0.1", "port": port}, "unitId": frames.unit, "addressOffset": frames.offset,
            }},
        },
    })
}

/// The table has `name  value  unit  quality  time`; a frame says `value unit quality`.
fn missing<'a>(table: &str, values: &'a [(String, String)]) -> Vec<&'a (String, String)> {
    let line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines: Vec<String> = table.lines().map(line).collect();
    let told = |name: &str, value: &str| {
        let start = format!("{name} {value}");
        lines.iter().any(|line| line.strip_prefix(&start).is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')))
    };
    values.iter().filter(|(name, value)| !told(name, value)).collect()
}

#[test]
fn every_model_reads_its_documents_own_frames_as_the_document_does() {
    let all = frames();
    for frames in &all {
        let peer = peer::serve(frames);
        let table = read(frames, peer.port, Wanted::All);
        // What stands in no frame is refused by the peer, as by a device that does not have it.
        for frame in &frames.all {
            assert_eq!(missing(&table, &frame.values), Vec::<&(String, String)>::new(), "{}:\n{table}", frames.model);
        }
    }
    let with_frames: BTreeSet<&str> = all.iter().map(|frames| frames.model.as_str()).collect();
    let named: Vec<String> = models().into_iter().map(|model| model.name).collect();
    assert_eq!(
        with_frames,
        named.iter().map(String::as_str).collect(),
        "a model without example frames, or the reverse"
    );
}

#[test]
fn the_example_of_several_trackers_reads_what_its_frames_are_made_for() {
    let (model, frames) = files::example();
    let table = read(&frames, peer::serve(&frames).port, Wanted::All);
    for frame in &frames.all {
        assert_eq!(missing(&table, &frame.values), Vec::<&(String, String)>::new(), "{}:\n{table}", frames.model);
    }
    let table = read(&frames, peer::serve(&frames).port, Wanted::Usual);
    assert!(table.contains("Good") && !table.contains("Bad") && !table.contains("NotGood"), "{table}");
    assert!(places(&model).iter().all(|(_, table, _, end)| *table == ModbusTable::Holding && *end <= 50));
}

#[test]
fn asked_for_what_a_frame_is_about_the_driver_sends_the_documents_own_request() {
    let mut seen = 0;
    for frames in &frames() {
        for frame in frames.all.iter().filter(|frame| frame.exact) {
            let peer = peer::serve(frames);
            let names: Vec<&str> = frame.values.iter().map(|(name, _)| name.as_str()).collect();
            let table = read(frames, peer.port, Wanted::Only(&names));
            assert_eq!(missing(&table, &frame.values), Vec::<&(String, String)>::new(), "{}:\n{table}", frames.model);
            assert_eq!(peer.asked(), BTreeSet::from([frame.request.pdu.clone()]), "{}", frames.model);
            seen += 1;
        }
    }
    assert_eq!(seen, 3, "one of each meter");
}

/// What a make does not have is NotAvailable, and its devices would never be healthy.
#[test]
fn as_it_stands_a_model_of_inverters_is_healthy_with_each_recorded_make() {
    for frames in frames().iter().filter(|frames| frames.model.starts_with("sunspec-")) {
        let table = read(frames, peer::serve(frames).port, Wanted::Usual);
        assert!(
            table.contains("Good") && !table.contains("Bad") && !table.contains("NotGood"),
            "{}:\n{table}",
            frames.model
        );
    }
}

#[test]
fn every_model_is_such_as_a_cluster_takes_and_tells_what_it_is_from() {
    for Model { name, file, text, spec, .. } in &models() {
        assert_eq!(&format!("{name}.yaml"), file, "a model is found by its name");
        let description = spec.description.as_deref().unwrap_or_default();
        let document = description.split_once("From: ").map(|(_, document)| document);
        assert!(document.is_some_and(|document| document.len() > 20), "{name}: which document is it from?");
        assert!(text.starts_with('#') && text.contains("\n# Document: "), "{name}: the document, in a comment on top");
        for property in &spec.properties {
            assert!(property.description.is_some(), "{name}.{}: needs a description", property.name);
        }
    }
}

/// Of one model: what it reads, as (property, table, first and behind the last).
fn places(model: &Model) -> Vec<(String, ModbusTable, i32, i32)> {
    let device = json!({
        "apiVersion": "pollux.rs/v1alpha1", "kind": "Device", "metadata": {"name": "one"},
        "spec": {"model": model.name, "protocol": {"modbus": {"tcp": {"host": "h"}}}},
    });
    let documents = yaml::read(&device.to_string()).expect("JSON is YAML");
    let device = match files::load(&documents[0].value) {
        pollux_crds::offline::Object::Device(device) => device,
        other => panic!("{other:?}"),
    };
    let resolved =
        resolve(&device, Some(&model.object), None).unwrap_or_else(|errors| panic!("{}: {errors:?}", model.name));
    let read = resolved.effective.properties.iter().filter_map(|property| match &property.source {
        Source::Binding(binding) => {
            let binding: ModbusBinding = serde_json::from_value(binding.value()).expect("a Modbus binding");
            let place = binding.place().expect("valid");
            Some((property.name.clone(), place.table, place.address, place.address + binding.registers()))
        }
        Source::Expression(_) => None,
    });
    read.collect()
}

#[test]
fn no_two_properties_of_a_model_share_a_register() {
    for model in &models() {
        let mut places = places(model);
        places.sort_by_key(|(_, table, from, _)| (*table, *from));
        for pair in places.windows(2) {
            let [(one, table, _, end), (other, next, from, _)] = pair else { continue };
            assert!(table != next || end <= from, "{}: {one} and {other} overlap", model.name);
        }
    }
}

/// What the documents have: nothing of a model stands outside.
#[test]
fn no_property_stands_outside_of_what_its_document_lists() {
    for model in &models() {
        let listed: &[(ModbusTable, i32, i32)] = match model.name.as_str() {
            "eastron-sdm630" => &[(ModbusTable::Input, 0, 382)],
            "circutor-cvm-c10" => &[(ModbusTable::Input, 0, 0x44)],
            "lovato-dmg" => &[(ModbusTable::Input, 1, 0x5A), (ModbusTable::Input, 0x1B1F, 0x1B2F)],
            "sunspec-inverter-103" => &[(ModbusTable::Holding, 40_002, 40_122)],
            "sunspec-inverter-103-65" => &[(ModbusTable::Holding, 40_002, 40_121)],
            other => panic!("{other}: say what its document lists"),
        };
        for (name, table, from, end) in places(model) {
            let inside = listed.iter().any(|(t, low, high)| *t == table && *low <= from && end <= *high);
            assert!(inside, "{}.{name}: {from}..{end}", model.name);
        }
    }
}
