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
        assert_eq!(status_of(&last.status, pollux_crds::CONNECTED).0, "True");
    }
}
