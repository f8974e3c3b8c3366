//! The ready models of `models/ble`: each is such as a cluster takes, and tells of the frames of its document what the document says.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod rig;
mod script;

use pollux_ble::radio::Advert;
use pollux_ble_codec::{Company, Uuid};
use pollux_crds::{
    Device, DeviceModel, EffectiveProperty, Source,
    offline::{self, Object, yaml},
    resolve,
};
use pollux_mapper::Value;
use rig::{Rig, Spec, spec};
use script::{Air, address};
use serde_json::{Value as Json, json};
use std::{collections::BTreeMap, fs, path::Path};

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/ble")
}
fn names(folder: &Path) -> Vec<String> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let yaml = paths.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    let mut names: Vec<String> = yaml.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
fn document(path: &Path) -> (String, Json) {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let documents = yaml::read(&text).unwrap_or_else(|error| panic!("{}: {error:?}", path.display()));
    let [document] = documents.as_slice() else { panic!("{}: one document a file", path.display()) };
    (text, document.value.clone())
}
fn model(name: &str) -> (String, DeviceModel) {
    let (text, document) = document(&folder().join(format!("{name}.yaml")));
    let Ok(Object::DeviceModel(model)) = offline::load(&document) else { panic!("{name}: no DeviceModel") };
    assert_eq!(model.metadata.name.as_deref(), Some(name));
    (text, *model)
}
/// As the mapper has them, of a device that is listened to.
fn properties(model: &DeviceModel) -> Vec<EffectiveProperty> {
    let block = json!({"address": address(1).to_string(), "connection": "Never"});
    let device = json!({"metadata": {"name": "d", "namespace": "n", "uid": "u"},
        "spec": {"model": model.metadata.name, "protocol": {"ble": block}}});
    let device: Device = serde_json::from_value(device).unwrap();
    let resolved = resolve(&device, Some(model), None).unwrap_or_else(|errors| panic!("{errors:?}"));
    resolved.effective.properties.to_vec()
}

#[test]
fn each_says_where_it_is_from_and_each_has_frames() {
    let names = names(&folder());
    assert_eq!(names.len(), 6);
    assert_eq!(names, self::names(&folder().join("frames")));
    for name in names {
        let (text, model) = model(&name);
        assert!(text.starts_with("# ") && text.contains("# Document: "), "{name}");
        assert!(model.spec.description.as_ref().is_some_and(|text| text.contains(" From: ")), "{name}");
        assert_eq!(pollux_crds::judge_model(&model), [], "{name}");
        assert!(model.spec.properties.iter().all(|property| property.description.is_some()), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn frames_say_what_their_document_says() {
    for name in names(&folder()) {
        let (_, document) = document(&folder().join(format!("frames/{name}.yaml")));
        Bench::start(&model(&name).1).await.go_through(&name, &document).await;
    }
}

struct Bench {
    air: Air,
    rig: Rig<Air>,
    properties: Vec<EffectiveProperty>,
}

impl Bench {
    async fn start(model: &DeviceModel) -> Self {
        let (air, properties) = (Air::with([(1, script::Device::default())]), properties(model));
        let points = properties.iter().map(|property| {
            let Source::Binding(binding) = &property.source else { panic!("{} has no binding", property.name) };
            (&*property.name.clone().leak(), binding.value())
        });
        let device = json!({"address": address(1).to_string(), "heardWithin": "1h"});
        let events = properties.iter().filter(|property| property.is_event()).map(|property| property.name.clone());
        let spec = Spec { events: events.collect(), ..spec(device, points.collect()) };
        let rig = Rig::start(air.clone(), vec![spec]).await;
        Self { air, rig, properties }
    }
    async fn go_through(self, name: &str, document: &Json) {
        let text = |field: &str| document[field].as_str().map(str::to_owned);
        let mut proven: Vec<String> = vec![];
        for (at, frame) in document["frames"].as_array().unwrap().iter().enumerate() {
            let data = bytes(frame["data"].as_str().unwrap());
            let rssi = Some(i16::try_from(at).unwrap());
            let mut advert = Advert { rssi, ..Advert::default() };
            match (text("manufacturer"), text("service")) {
                (Some(maker), _) => advert.manufacturer.push((maker.parse::<Company>().unwrap().0, data)),
                (_, Some(service)) => advert.service.push((service.parse::<Uuid>().unwrap(), data)),
                _ => panic!("{name}: manufacturer or service"),
            }
            let before = self.told();
            self.air.advertise(1, advert);
            self.rig.until("it is heard", |state| state.is(0, "rssi", &Value::Int(at.try_into().unwrap()))).await;
            let map = |field: &str| frame[field].as_object().cloned().unwrap_or_default();
            for (property, wanted) in map("values").iter().chain(map("events").iter()) {
                assert!(self.says(property, wanted), "{name} {at}: {property}; {:#?}", self.rig.state());
                proven.push(property.clone());
            }
            for property in frame["none"].as_array().into_iter().flatten() {
                let property = property.as_str().unwrap();
                assert!(self.rig.state().is_bad(0, property, "not known"), "{name} {at}: {property}");
            }
            let happened: Vec<String> =
                self.told().into_iter().filter(|(of, told)| before[of] != *told).map(|(of, _)| of).collect();
            let wanted: Vec<String> = map("events").keys().cloned().collect();
            assert_eq!(happened, wanted, "{name} {at}");
        }
        for property in &self.properties {
            let about = ["rssi", "lastSeen"].contains(&property.name.as_str());
            assert!(about || proven.contains(&property.name), "{name}: no frame has {}", property.name);
        }
        self.rig.stop().await;
    }
    /// How often each event was told.
    fn told(&self) -> BTreeMap<String, usize> {
        let events = self.properties.iter().filter(|property| property.is_event());
        events.map(|property| (property.name.clone(), self.rig.state().told(0, &property.name))).collect()
    }
    fn says(&self, name: &str, wanted: &Json) -> bool {
        let property = self.properties.iter().find(|property| property.name == name).unwrap();
        let state = self.rig.state();
        let Some(Ok(value)) = state.points.get(&(0, name.to_owned())).map(|change| &change.value) else { return false };
        match (value, wanted) {
            (Value::Bool(on), Json::Bool(wanted)) => on == wanted,
            (Value::Text(text), Json::String(wanted)) => **text == **wanted,
            (value, Json::Number(wanted)) => {
                let (wanted, value) = (wanted.as_f64().unwrap(), value.as_f64().unwrap());
                let resolution = if name == "illuminance" { 0.01 } else { 1e-9 };
                (value * property.scale + property.offset - wanted).abs() <= resolution
            }
            _ => false,
        }
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}
