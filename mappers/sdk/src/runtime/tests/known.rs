//! What a driver learns of a device is told, kept for its next life with the same wiring, and forgotten when someone asks for it.
use super::*;
use crate::{Knowledge, testing::lock};
use serde_json::Value as Json;
use std::path::PathBuf;

fn found(line: &str) -> Knowledge {
    let identification = [("VendorName".to_owned(), "Acme".to_owned())].into();
    Knowledge { kept: json!(line), learned: vec![line.to_owned()], identification }
}
fn finds(script: &Script, line: &str) {
    lock(&script.finds).insert("a".into(), found(line));
}
fn learned(lines: &'static [&'static str]) -> impl Fn(&DeviceStatus) -> bool {
    move |status| status.learned.iter().map(|note| note.0.as_str()).eq(lines.iter().copied())
}
fn recalled(script: &Script) -> Vec<Json> {
    lock(&script.recalled).drain(..).map(|(_, kept)| kept).collect()
}
fn file(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("learned/uid-a")
}
/// `temperature` stands elsewhere.
fn rewired(device: EffectiveDevice) -> EffectiveDevice {
    let mut device = edited(device);
    device.properties[0].source = Source::Binding(json!("setpoint").into());
    device
}

#[tokio::test(start_paused = true)]
async fn it_survives_a_restart_and_goes_when_the_wiring_changes() {
    let (folder, script) = (tempfile::tempdir().unwrap(), script(&["a"]));
    finds(&script, "a hole");
    let plant = Plant::at(folder.path(), &script, config([device("a")]));
    let status = plant.until("a", learned(&["a hole"])).await;
    assert_eq!(status.identification["VendorName"], "Acme");
    plant.end().await;
    assert_eq!(recalled(&script), Vec::<Json>::new(), "there was nothing before");
    *lock(&script.offline) = true; // without the device too
    let plant = Plant::at(folder.path(), &script, config([device("a")]));
    plant.until("a", learned(&["a hole"])).await;
    assert_eq!(recalled(&script), ["a hole"]);
    plant.set(config([wants(22.0, edited(device("a")))]));
    plant.pass(seconds(5)).await;
    assert!(file(&folder).exists() && recalled(&script).is_empty(), "another desired value is no other wiring");
    plant.set(config([rewired(edited(edited(device("a"))))]));
    plant.until("a", learned(&[])).await;
    plant.poll("nothing is kept of it", |_| !file(&folder).exists()).await;
    assert_eq!(recalled(&script), Vec::<Json>::new());
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_known_already_is_no_news_and_other_news_take_its_place() {
    let (folder, script) = (tempfile::tempdir().unwrap(), script(&["a"]));
    finds(&script, "a hole");
    let plant = Plant::at(folder.path(), &script, config([device("a")]));
    plant.until("a", learned(&["a hole"])).await;
    let version = plant.view("a").unwrap().version;
    for _ in 0..20 {
        finds(&script, "a hole");
        plant.pass(seconds(2)).await;
    }
    assert_eq!(plant.view("a").unwrap().version, version, "no write of status");
    finds(&script, "two holes");
    plant.until("a", learned(&["two holes"])).await;
    plant.end().await;
    let plant = Plant::at(folder.path(), &script, config([device("a")]));
    plant.until("a", learned(&["two holes"])).await;
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn it_is_forgotten_when_someone_asks_for_it_driven_or_not() {
    let (folder, script) = (tempfile::tempdir().unwrap(), script(&["a"]));
    let plant = Plant::at(folder.path(), &script, config([device("a")]));
    for mode in [Mode::Control, Mode::Off] {
        finds(&script, "a hole");
        plant.set(config([device("a")]));
        plant.until("a", learned(&["a hole"])).await;
        plant.poll("kept", |_| file(&folder).exists()).await;
        plant.set(config([with_mode(mode, device("a"))]));
        plant.pass(seconds(5)).await;
        recalled(&script);
        assert_eq!(plant.control.forget("uid-a").await, Ok(()));
        plant.until("a", learned(&[])).await;
        plant.poll("gone", |_| !file(&folder).exists()).await;
        let told: &[Json] = if mode == Mode::Off { &[] } else { &[Json::Null] };
        assert_eq!(recalled(&script), told);
    }
    assert_eq!(plant.control.forget("uid-b").await, Err(ControlError::NoSuchDevice));
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn it_goes_with_the_device_and_what_is_damaged_was_never_learned() {
    let (folder, script) = (tempfile::tempdir().unwrap(), script(&["a"]));
    finds(&script, "a hole");
    let plant = Plant::at(folder.path(), &script, fresh([device("a")]));
    plant.until("a", learned(&["a hole"])).await;
    plant.end().await;
    std::fs::write(file(&folder), "pollux1 0\n{}").unwrap();
    let plant = Plant::at(folder.path(), &script, fresh([device("a")]));
    plant.until("a", reports("temperature", 20.0)).await;
    assert_eq!(recalled(&script), Vec::<Json>::new());
    finds(&script, "a hole");
    plant.until("a", learned(&["a hole"])).await;
    plant.poll("kept", |_| file(&folder).exists()).await;
    plant.set(fresh([]));
    plant.poll("gone", |_| !file(&folder).exists()).await;
    plant.end().await;
}

/// It is found out in attaching, so nothing later would tell it anew.
#[tokio::test(start_paused = true)]
async fn who_a_device_says_it_is_stays_shown_over_another_wiring_and_after_forgetting() {
    let (folder, script) = (tempfile::tempdir().unwrap(), script(&["a"]));
    lock(&script.presents).insert("a".into(), found("").identification);
    let named = |status: &DeviceStatus| status.identification.contains_key("VendorName");
    let plant = Plant::at(folder.path(), &script, config([device("a")]));
    plant.until("a", named).await;
    plant.set(config([rewired(device("a"))]));
    plant.pass(seconds(10)).await;
    plant.until("a", named).await;
    assert_eq!(plant.control.forget("uid-a").await, Ok(()));
    plant.pass(seconds(10)).await;
    plant.until("a", named).await;
    plant.end().await;
}
