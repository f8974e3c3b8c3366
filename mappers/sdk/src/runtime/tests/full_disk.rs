//! A disk that takes nothing for a while.
use super::*;
use pollux_crds::IN_SYNC;
use std::fs;

fn message(status: &DeviceStatus) -> &str {
    status_of(status, IN_SYNC).2
}
fn on_disk(folder: &Path, word: &str) -> bool {
    fs::read_to_string(folder.join("records/uid-a")).is_ok_and(|text| text.contains(word))
}
/// Written and acknowledged while the disk takes nothing; what stands there is that it may have been sent.
async fn acknowledged_only_in_memory(folder: &Path, script: &Arc<Script>, wanted: &EffectiveDevice) -> Plant {
    *script.cost.lock().unwrap() = Duration::from_millis(500);
    let plant = Plant::at(folder, script, config([wanted.clone()]));
    plant.poll("sent", |plant| !plant.setpoints().is_empty()).await;
    fs::rename(folder.join("records"), folder.join("away")).unwrap();
    let status = plant.until("a", |status| message(status).contains("its record cannot be saved: ")).await;
    assert_eq!(status.applied["setpoint"].value.0, json!(22.0));
    plant.pass(seconds(120)).await;
    fs::rename(folder.join("away"), folder.join("records")).unwrap();
    assert!(on_disk(folder, "Sending"));
    plant
}

#[tokio::test(start_paused = true)]
async fn what_it_did_not_take_is_tried_again_until_it_does() {
    let (folder, script, wanted) = (tempfile::tempdir().unwrap(), script(&["a"]), wants(22.0, device("a")));
    let plant = acknowledged_only_in_memory(folder.path(), &script, &wanted).await;
    plant.until("a", |status| message(status) == "every desired value is confirmed").await;
    assert!(on_disk(folder.path(), "Acknowledged"));
    plant.end().await;
    script.set("a", "setpoint", 19.0); // turned by hand meanwhile
    let plant = Plant::at(folder.path(), &script, config([wanted]));
    plant.until("a", is(IN_SYNC, "False", "Drifted")).await;
    plant.pass(seconds(60)).await;
    assert_eq!(plant.setpoints(), [22.0]);
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn it_is_tried_again_wherever_the_device_is_by_then() {
    let (folder, script, wanted) = (tempfile::tempdir().unwrap(), script(&["a"]), wants(22.0, device("a")));
    let plant = acknowledged_only_in_memory(folder.path(), &script, &wanted).await;
    plant.set(config([with_mode(Mode::Off, wanted)]));
    plant.until("a", is(pollux_crds::CONNECTED, "Unknown", "Off")).await;
    plant.poll("saved", |_| on_disk(folder.path(), "Acknowledged")).await;
    plant.end().await;
}
