//! Between the decision to write and the record on the disk the world goes on.
use super::*;
use pollux_crds::IN_SYNC;
use std::sync::mpsc;

/// What happens while the record of a write (22 to the setpoint of a) is on its way to the disk.
async fn meanwhile(script: Arc<Script>, folder: &Path, happens: impl FnOnce(&Plant, EffectiveDevice)) -> Plant {
    let plant = Plant::at(folder, &script, config([device("a")]));
    plant.until("a", reports("setpoint", 20.0)).await;
    plant.pass(seconds(1)).await;
    let (release, held) = mpsc::channel::<()>();
    let disk = tokio::task::spawn_blocking(move || held.recv().is_err()); // the only thread that files are written by
    let wanted = wants(22.0, device("a"));
    plant.set(config([wanted.clone()]));
    plant.until("a", is(IN_SYNC, "False", "Writing")).await;
    happens(&plant, wanted);
    for _ in 0..100 {
        tokio::task::yield_now().await; // all that can happen without the disk has happened
    }
    assert!(plant.setpoints().is_empty(), "the record comes first");
    drop(release);
    assert!(disk.await.unwrap());
    plant
}
fn with_a_slow_disk<F: Future<Output = ()>>(test: impl FnOnce(Arc<Script>, tempfile::TempDir) -> F) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).max_blocking_threads(1).build().unwrap();
    runtime.block_on(test(script(&["a"]), tempfile::tempdir().unwrap()));
}

#[test]
fn undisturbed_it_is_written() {
    with_a_slow_disk(async |script, folder| {
        let plant = meanwhile(script, folder.path(), |_, _| {}).await;
        plant.until("a", is(IN_SYNC, "True", "Confirmed")).await;
        assert_eq!(plant.setpoints(), [22.0]);
        plant.end().await;
    });
}

#[test]
fn what_is_not_desired_any_more_is_not_written() {
    with_a_slow_disk(async |script, folder| {
        let removed = |plant: &Plant, wanted| {
            plant.set(config([EffectiveDevice { desired: Values::new(), ..edited(wanted) }]));
        };
        let plant = meanwhile(script, folder.path(), removed).await;
        plant.until("a", is(IN_SYNC, "True", "NothingDesired")).await;
        plant.pass(seconds(60)).await;
        assert!(plant.setpoints().is_empty());
        plant.end().await;
    });
}

#[test]
fn a_switch_turned_off_holds_it_back() {
    with_a_slow_disk(async |script, folder| {
        let disabled = |plant: &Plant, _| {
            let now = NodeConfig::clone(&plant.config.borrow());
            plant.set(NodeConfig { writes: Writes::Disabled, ..now });
        };
        let plant = meanwhile(script, folder.path(), disabled).await;
        plant.until("a", is(IN_SYNC, "False", "WritesDisabled")).await;
        plant.pass(seconds(60)).await;
        assert!(plant.setpoints().is_empty());
        plant.end().await;
    });
}

#[test]
fn a_device_that_was_taken_away_is_not_written_to() {
    with_a_slow_disk(async |script, folder| {
        let plant =
            meanwhile(script, folder.path(), |plant, wanted| plant.set(config([with_mode(Mode::Off, wanted)]))).await;
        plant.until("a", is(IN_SYNC, "Unknown", "Off")).await;
        plant.pass(seconds(60)).await;
        assert!(plant.setpoints().is_empty());
        plant.end().await;
        let record: crate::twin::Record = Store::open(folder.path()).unwrap().load_record("uid-a").expect("a record");
        assert_eq!(record.values.get("setpoint"), None, "it left only when its write was answered");
    });
}

#[test]
fn points_that_moved_are_not_mistaken_for_each_other() {
    with_a_slow_disk(async |script, folder| {
        script.set("a", "pressure", 1.0);
        let moved = |plant: &Plant, mut wanted: EffectiveDevice| {
            let mut properties = wanted.properties.to_vec();
            properties.insert(1, property("pressure", Access::ReadWrite));
            wanted.properties = properties.into();
            plant.set(config([edited(wanted)]));
        };
        let plant = meanwhile(script.clone(), folder.path(), moved).await;
        plant.until("a", is(IN_SYNC, "True", "Confirmed")).await;
        let addresses: Vec<String> = script.written().into_iter().map(|(_, address, _)| address).collect();
        assert_eq!(addresses, ["setpoint"]);
        plant.end().await;
    });
}

#[test]
fn told_to_stop_it_is_not_sent_and_its_record_says_so() {
    with_a_slow_disk(async |script, folder| {
        let plant = meanwhile(script.clone(), folder.path(), |plant, _| plant.stop.cancel()).await;
        plant.end().await;
        assert!(script.written().is_empty());
        let record: crate::twin::Record = Store::open(folder.path()).unwrap().load_record("uid-a").expect("a record");
        assert_eq!(record.values.get("setpoint"), None);
    });
}

#[test]
fn of_records_that_wait_the_newest_is_what_stands_on_the_disk() {
    with_a_slow_disk(async |_, folder| {
        let store = Arc::new(Store::open(folder.path()).unwrap());
        let disk_way = super::super::saver::Saver::start(store.clone());
        let (release, held) = mpsc::channel::<()>();
        let disk = tokio::task::spawn_blocking(move || held.recv().is_err());
        let record = |n: u32| crate::twin::Record { rewrite: Some(n.to_string()), ..Default::default() };
        let answers: Vec<_> = (0..5000).map(|n| disk_way.save("uid-a", record(n))).collect();
        drop(disk_way.forget("uid-b"));
        drop(release);
        assert!(disk.await.unwrap());
        for saved in answers {
            assert_eq!(saved.await, Ok(()));
        }
        assert_eq!(store.load_record("uid-a"), Some(record(4999)));
    });
}
