//! Ends and starts of the process.
use super::*;
use pollux_crds::IN_SYNC;
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn a_restart_writes_nothing() {
    let (folder, script) = (tempfile::tempdir().unwrap(), script(&["a"]));
    let wanted = config([wants(22.0, device("a"))]);
    let plant = Plant::at(folder.path(), &script, wanted.clone());
    plant.until("a", is(IN_SYNC, "True", "Confirmed")).await;
    plant.end().await;
    script.set("a", "setpoint", 19.0); // turned by hand meanwhile
    let plant = Plant::at(folder.path(), &script, wanted);
    plant.until("a", is(IN_SYNC, "False", "Drifted")).await;
    plant.pass(seconds(60)).await;
    assert_eq!(plant.setpoints(), [22.0]);
    plant.end().await;
}

/// The annotation does not raise the generation, so a copy that is older by its text alone does not show it.
#[tokio::test(start_paused = true)]
async fn a_start_from_an_old_copy_of_the_slices_does_not_write_everything_again() {
    let (folder, script) = (tempfile::tempdir().unwrap(), script(&["a"]));
    let with = |text: &str| EffectiveDevice { rewrite: Some(text.into()), ..wants(22.0, device("a")) };
    let confirmed = is(IN_SYNC, "True", "Confirmed");
    let plant = Plant::at(folder.path(), &script, fresh([with("1")]));
    plant.until("a", &confirmed).await;
    plant.set(fresh([with("2")]));
    plant.poll("written again", |plant| plant.setpoints().len() == 2).await;
    plant.until("a", &confirmed).await;
    plant.end().await;
    let plant = Plant::at(folder.path(), &script, cached([with("1")]));
    plant.until("a", &confirmed).await;
    plant.pass(seconds(60)).await;
    plant.set(fresh([with("2")]));
    plant.pass(seconds(60)).await;
    assert_eq!(plant.setpoints().len(), 2, "the newest text was acted upon before");
    plant.set(fresh([with("1")]));
    plant.poll("said anew, an old text is a new one", |plant| plant.setpoints().len() == 3).await;
    plant.until("a", &confirmed).await;
    plant.end().await;
    let plant = Plant::at(folder.path(), &script, fresh([with("2")]));
    plant.poll("as the API server says it, too", |plant| plant.setpoints().len() == 4).await;
    plant.end().await;
}

/// A process that is killed: its tasks are gone at one moment, nothing is drained.
fn crash(runtime: tokio::runtime::Runtime, plant: Plant) {
    drop(runtime);
    drop(plant);
}
fn process() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

#[test]
fn after_a_crash_at_any_moment_of_a_write_it_is_read_before_it_is_written_again() {
    for moment in 0..60 {
        let (folder, script) = (tempfile::tempdir().unwrap(), script(&["a"]));
        let wanted = config([wants(22.0, device("a"))]);
        let first = process();
        let plant = first.block_on(async {
            let plant = Plant::at(folder.path(), &script, wanted.clone());
            plant.pass(Duration::from_millis(moment)).await;
            plant
        });
        let (before, sent) = (script.seen().len(), script.written().len());
        let on_disk = folder.path().join("records/uid-a").exists();
        assert!(sent == 0 || on_disk, "the record comes before the first byte");
        crash(first, plant);
        process().block_on(async {
            let plant = Plant::at(folder.path(), &script, wanted);
            plant.until("a", is(IN_SYNC, "True", "Confirmed")).await;
            plant.pass(seconds(30)).await;
            plant.end().await;
        });
        let after = script.seen().split_off(before);
        assert!(matches!(after[..], [Seen::Attach(_), Seen::Read(..), ..]), "{after:?}");
        assert_eq!(script.written().len(), 1, "written once, crashed after {moment} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn told_to_stop_it_ends_within_five_seconds_and_sends_nothing_new() {
    let (folder, script) = (tempfile::tempdir().unwrap(), script(&["a", "b", "silent"]));
    let mut silent = wants(22.0, device("silent"));
    silent.timeout = Some(Span::from_millis(60_000));
    let plant = Plant::at(folder.path(), &script, config([device("a"), on("other", silent)]));
    plant.until("silent", is(IN_SYNC, "True", "Confirmed")).await;
    script.silent.lock().unwrap().insert("silent".into());
    plant.pass(seconds(2)).await;
    plant.set(config([wants(30.0, device("a")), on("other", wants(23.0, device("silent"))), device("b")]));
    plant.stop.cancel(); // at the same moment
    let (seen, began) = (script.seen(), Instant::now());
    plant.end().await;
    assert!(began.elapsed() <= seconds(6), "{:?}", began.elapsed());
    assert_eq!(script.seen(), seen, "nothing new on the wire");
    let store = Store::open(folder.path()).unwrap();
    let record: crate::twin::Record = store.load_record("uid-silent").expect("a record");
    assert_eq!(record.values["setpoint"].state, crate::twin::State::Acknowledged);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_answered_while_it_stops_is_on_record() {
    let (folder, script) = (tempfile::tempdir().unwrap(), script(&["a"]));
    *script.cost.lock().unwrap() = Duration::from_millis(500);
    let plant = Plant::at(folder.path(), &script, config([wants(22.0, device("a"))]));
    plant.poll("sent", |plant| !plant.setpoints().is_empty()).await;
    plant.end().await;
    let store = Store::open(folder.path()).unwrap();
    let record: crate::twin::Record = store.load_record("uid-a").expect("a record");
    assert_eq!(record.values["setpoint"].state, crate::twin::State::Acknowledged);
}

#[tokio::test(start_paused = true)]
async fn that_the_mapper_stops_says_nothing_of_the_device() {
    for _ in 0..50 {
        let script = script(&["a"]);
        let plant = Plant::new(&script, config([device("a")]));
        plant.until("a", is(pollux_crds::CONNECTED, "True", "Answers")).await;
        let hub = plant.hub.clone();
        plant.set(config([device("a"), on("other", device("b"))])); // so that not all parts hear of it at once
        plant.end().await;
        let last = hub.device("plant", "a").expect("shown");
        assert_eq!(status_of(&last.status(), pollux_crds::CONNECTED).0, "True");
    }
}

/// What a device was told at one node, while it was driven at another in between, where somebody else wrote 25 to it.
async fn comes_back(folder: &Path, script: &Arc<Script>, later: NodeConfig) {
    script.set("a", "setpoint", 30.0); // turned by hand, after all that
    let plant = Plant::at(folder, script, later);
    plant.until("a", |s| !is(IN_SYNC, "Unknown", "NoReading")(s)).await;
    plant.pass(seconds(60)).await;
    assert_eq!(plant.setpoints(), [22.0], "what was acknowledged elsewhere is not written again");
    plant.end().await;
}
async fn drives_and_confirms(plant: &Plant) {
    plant.until("a", is(IN_SYNC, "True", "Confirmed")).await;
}

#[tokio::test(start_paused = true)]
async fn a_device_that_is_gone_without_a_tombstone_comes_back_as_a_new_one() {
    let (folder, script) = (tempfile::tempdir().unwrap(), script(&["a", "b"]));
    let first = wants(22.0, device("a"));
    let plant = Plant::at(folder.path(), &script, fresh([first.clone(), device("b")]));
    drives_and_confirms(&plant).await;
    plant.set(fresh([device("b")]));
    plant.poll("gone", |plant| plant.view("a").is_none()).await;
    assert!(!folder.path().join("records/uid-a").exists() && folder.path().join("records/uid-b").exists());
    plant.end().await;
    comes_back(folder.path(), &script, fresh([applied(25.0, wants(25.0, first))])).await;
}

#[tokio::test(start_paused = true)]
async fn records_of_devices_that_left_while_no_mapper_ran_are_forgotten() {
    let (folder, script) = (tempfile::tempdir().unwrap(), script(&["a", "b"]));
    let first = wants(22.0, device("a"));
    let plant = Plant::at(folder.path(), &script, fresh([first.clone(), device("b")]));
    drives_and_confirms(&plant).await;
    plant.end().await;
    let plant = Plant::at(folder.path(), &script, cached([device("b")]));
    plant.until("b", reports("temperature", 20.0)).await;
    assert!(folder.path().join("records/uid-a").exists(), "the disk does not know what is gone");
    plant.set(fresh([device("b")]));
    plant.poll("forgotten", |_| !folder.path().join("records/uid-a").exists()).await;
    plant.end().await;
    comes_back(folder.path(), &script, fresh([applied(25.0, wants(25.0, first))])).await;
}

#[tokio::test(start_paused = true)]
async fn what_the_slice_gives_as_acknowledged_wins_over_a_record_of_an_earlier_placing() {
    let (folder, script) = (tempfile::tempdir().unwrap(), script(&["a"]));
    let first = applied(20.0, wants(22.0, device("a")));
    let plant = Plant::at(folder.path(), &script, fresh([first.clone()]));
    drives_and_confirms(&plant).await;
    plant.end().await;
    // Restarted where it was, the record knows better than the slice.
    let plant = Plant::at(folder.path(), &script, fresh([first.clone()]));
    drives_and_confirms(&plant).await;
    plant.end().await;
    comes_back(folder.path(), &script, fresh([applied(25.0, wants(25.0, first))])).await;
}

#[tokio::test(start_paused = true)]
async fn what_can_only_be_written_is_not_written_twice_when_it_comes_back() {
    let (folder, script) = (tempfile::tempdir().unwrap(), script(&["a"]));
    let write_only = |mut device: EffectiveDevice| {
        device.properties[1].access = Access::WriteOnly;
        device
    };
    let first = write_only(device("a"));
    let plant = Plant::at(folder.path(), &script, fresh([first.clone()]));
    plant.until("a", reports("temperature", 20.0)).await;
    plant.set(fresh([wants(22.0, first.clone())]));
    drives_and_confirms(&plant).await;
    plant.end().await;
    comes_back(folder.path(), &script, fresh([applied(25.0, wants(25.0, first))])).await;
}

#[tokio::test(start_paused = true)]
async fn by_slices_older_than_what_was_acted_upon_nothing_is_written() {
    let (folder, script) = (tempfile::tempdir().unwrap(), script(&["a"]));
    let mut old = wants(22.0, device("a"));
    old.properties[1].enforce = Enforce::Always;
    let new = wants(25.0, old.clone());
    let plant = Plant::at(folder.path(), &script, fresh([old.clone()]));
    drives_and_confirms(&plant).await;
    plant.set(fresh([new.clone()]));
    plant.until("a", |s| reports("setpoint", 25.0)(s) && is(IN_SYNC, "True", "Confirmed")(s)).await;
    plant.end().await;
    let plant = Plant::at(folder.path(), &script, cached([old]));
    let status = plant.until("a", is(IN_SYNC, "False", "Outdated")).await;
    let error = status.pending["setpoint"].error.clone().unwrap_or_default();
    assert!(error.contains("generation 2 from the disk is older than 3"), "{error}");
    script.set("a", "setpoint", 30.0);
    plant.pass(seconds(60)).await;
    assert_eq!(plant.setpoints(), [22.0, 25.0]);
    plant.set(fresh([new]));
    plant.until("a", |s| reports("setpoint", 25.0)(s) && is(IN_SYNC, "True", "Confirmed")(s)).await;
    assert_eq!(plant.setpoints(), [22.0, 25.0, 25.0], "enforced by what holds now");
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_acknowledged_survives_a_start_by_older_slices() {
    let (folder, script) = (tempfile::tempdir().unwrap(), script(&["a"]));
    let old = wants(22.0, device("a"));
    let new = wants(25.0, old.clone());
    let plant = Plant::at(folder.path(), &script, fresh([new.clone()]));
    drives_and_confirms(&plant).await;
    plant.end().await;
    script.set("a", "setpoint", 30.0); // turned by hand
    let plant = Plant::at(folder.path(), &script, cached([old]));
    plant.until("a", is(IN_SYNC, "False", "Outdated")).await;
    plant.set(fresh([new]));
    plant.until("a", is(IN_SYNC, "False", "Drifted")).await;
    plant.pass(seconds(60)).await;
    assert_eq!(plant.setpoints(), [25.0]);
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn generations_that_begin_anew_hold_nothing_back() {
    for later in [config([wants(23.0, device("a"))]), fresh([wants(23.0, device("a"))])] {
        let (folder, script) = (tempfile::tempdir().unwrap(), script(&["a"]));
        let plant = Plant::at(folder.path(), &script, config([wants(22.0, edited(edited(device("a"))))]));
        drives_and_confirms(&plant).await;
        plant.end().await;
        let plant = Plant::at(folder.path(), &script, later);
        plant.until("a", |s| reports("setpoint", 23.0)(s) && is(IN_SYNC, "True", "Confirmed")(s)).await;
        plant.end().await;
    }
}
