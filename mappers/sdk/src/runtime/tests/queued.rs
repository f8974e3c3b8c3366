//! Between the record on the disk and the first byte a write waits for its turn on the link, and the world goes on.
use super::*;
use crate::testing::scripted::Answer;
use pollux_crds::IN_SYNC;

/// What happens while a write (22 to the setpoint of a) waits until another exchange of its bus has ended.
async fn meanwhile(happens: impl FnOnce(&Plant, EffectiveDevice)) -> (Plant, tempfile::TempDir) {
    let (folder, script) = (tempfile::tempdir().unwrap(), script(&["a", "b"]));
    let plant = Plant::at(folder.path(), &script, config([device("a"), device("b")]));
    plant.until("a", reports("setpoint", 20.0)).await;
    plant.until("b", reports("setpoint", 20.0)).await;
    script.answers.lock().unwrap().push_back(Answer::Late(Duration::from_millis(900)));
    plant.poll("the only lane is taken", |plant| plant.script.answers.lock().unwrap().is_empty()).await;
    let wanted = wants(22.0, device("a"));
    plant.set(config([wanted.clone(), device("b")]));
    let record = folder.path().join("records/uid-a");
    plant.poll("on record", |_| std::fs::read_to_string(&record).is_ok_and(|text| text.contains("Sending"))).await;
    plant.pass(Duration::from_millis(20)).await;
    assert!(plant.setpoints().is_empty(), "it waits for its turn");
    happens(&plant, wanted);
    plant.pass(seconds(60)).await;
    (plant, folder)
}

#[tokio::test(start_paused = true)]
async fn undisturbed_it_leaves_at_its_turn() {
    let (plant, _folder) = meanwhile(|_, _| {}).await;
    assert_eq!(plant.setpoints(), [22.0]);
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_mode_that_forbids_it_takes_it_back() {
    for mode in [Mode::Monitor, Mode::Off] {
        let (plant, _folder) =
            meanwhile(|plant, wanted| plant.set(config([with_mode(mode, wanted), device("b")]))).await;
        assert!(plant.setpoints().is_empty(), "{mode:?}");
        plant.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_switch_turned_off_takes_it_back_and_turned_on_it_is_written() {
    let disabled = |plant: &Plant, _| {
        let now = NodeConfig::clone(&plant.config.borrow());
        plant.set(NodeConfig { writes: Writes::Disabled, ..now });
    };
    let (plant, _folder) = meanwhile(disabled).await;
    assert!(plant.setpoints().is_empty());
    let now = NodeConfig::clone(&plant.config.borrow());
    plant.set(NodeConfig { writes: Writes::Enabled, ..now });
    plant.until("a", is(IN_SYNC, "True", "Confirmed")).await;
    assert_eq!(plant.setpoints(), [22.0]);
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_desired_any_more_is_taken_back() {
    let removed = |plant: &Plant, wanted| {
        plant.set(config([EffectiveDevice { desired: Values::new(), ..edited(wanted) }, device("b")]));
    };
    let (plant, _folder) = meanwhile(removed).await;
    assert!(plant.setpoints().is_empty());
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_device_that_is_gone_is_not_written_to() {
    let (plant, _folder) = meanwhile(|plant, _| plant.set(config([device("b")]))).await;
    assert!(plant.setpoints().is_empty());
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn of_two_edits_only_the_newer_leaves() {
    let (plant, _folder) = meanwhile(|plant, wanted| plant.set(config([wants(23.0, wanted), device("b")]))).await;
    plant.until("a", is(IN_SYNC, "True", "Confirmed")).await;
    assert_eq!(plant.setpoints(), [23.0]);
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn told_to_stop_it_is_not_sent() {
    let (plant, _folder) = meanwhile(|plant, _| plant.stop.cancel()).await;
    assert!(plant.setpoints().is_empty());
    plant.end().await;
}
