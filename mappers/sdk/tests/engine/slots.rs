//! What units have of the slots of their link: none, a turn, or one for good; and what of it is told.
use crate::common::*;
use crate::toys::ble;
use pollux_mapper::*;
use std::sync::Arc;
use tokio::time::sleep;

fn unit(name: &str, interval: u64, role: &str) -> DeviceSpec<ble::Ble> {
    let (adapter, address) = ("hci0".into(), name.into());
    let config = ble::Device { adapter, address, notify: role == "notifies", role: role.into() };
    device(name, config, 5_000, ["a", "b"].map(|point_of| point(point_of, String::new(), interval)).into())
}
fn plain(name: &str, interval: u64) -> DeviceSpec<ble::Ble> {
    unit(name, interval, "")
}
fn kept(name: &str) -> DeviceSpec<ble::Ble> {
    unit(name, 1_000, "keeps")
}
fn start(slots: usize, specs: Vec<DeviceSpec<ble::Ble>>) -> (Arc<ble::Radio>, Run<ble::Ble>) {
    let radio = Arc::new(ble::Radio::default());
    let run = Run::start(ble::Ble { radio: radio.clone(), slots }, specs);
    (radio, run)
}
fn attaches(radio: &ble::Radio, name: &str) -> usize {
    radio.attached.lock().unwrap().get(name).map_or(0, |(.., count)| *count)
}
fn port(radio: &ble::Radio, name: &str) -> (Slot, Port) {
    let (slot, port, _) = radio.attached.lock().unwrap()[name].clone();
    (slot, port)
}

#[tokio::test(start_paused = true)]
async fn one_that_keeps_its_slot_is_attached_once_and_the_rest_share_what_is_left() {
    let mut specs = vec![kept("k")];
    specs.extend((0..4).map(|i| plain(&format!("d{i}"), 1_000)));
    let (radio, mut run) = start(2, specs);
    run.all(0..5, true).await;
    sleep(ms(600_000)).await;
    assert_eq!(attaches(&radio, "k"), 1);
    for i in 0..4 {
        assert!(attaches(&radio, &format!("d{i}")) > 20, "{}", attaches(&radio, &format!("d{i}")));
    }
    assert_eq!(*radio.most.lock().unwrap(), 2);
    let stats = &run.stats;
    assert_eq!((stats.slots.get(), stats.slots_used.get()), (2, 2));
    // Four take turns on one slot, each for the second that connecting and reading takes: each waits for the three others.
    let mean = stats.waited.get() / stats.turns.get();
    assert!((1_000_000..4_000_000).contains(&mean), "{mean} us");
    let mean = |counters: &Counters| counters.waited.get() / counters.turns.get();
    let waited: Vec<u64> = stats.devices().iter().map(|(_, counters)| mean(counters)).collect();
    assert!(waited[0] < 1_000_000 && waited[1..].iter().all(|one| *one > 1_000_000), "{waited:?}");
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_would_never_have_a_turn_is_told_so_and_has_it_when_a_slot_comes_free() {
    let (_, mut run) = start(2, vec![kept("k0"), kept("k1"), plain("d", 1_000)]);
    run.all(0..2, true).await;
    let why = run.connected(2, false).await;
    assert!(why.contains("other devices keep all connections of the link (2)"), "{why}");
    run.remove(0).await;
    run.connected(2, true).await;
    sleep(ms(60_000)).await;
    assert_eq!(run.states().await, [].into(), "it has its turn");
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_needs_no_slot_is_attached_beside_any_number_of_others_and_stays_so_when_it_is_away() {
    let mut specs = vec![plain("d", 1_000)];
    specs.extend((0..20).map(|i| unit(&format!("l{i}"), 1_000, "listened")));
    let (radio, mut run) = start(1, specs);
    run.all(0..21, true).await;
    let (slot, port) = port(&radio, "l7");
    assert!(port.put(slot, 7.5));
    run.value(8, 0, Some(7.5)).await;
    port.down("not heard");
    assert_eq!(run.connected(8, false).await, "not heard");
    sleep(ms(600_000)).await;
    assert_eq!(attaches(&radio, "l7"), 1);
    port.put(slot, 8.5);
    port.up();
    run.connected(8, true).await;
    run.value(8, 0, Some(8.5)).await;
    assert_eq!(run.stats.slots_used.get(), 1, "the one that is read has it all the while");
    assert_eq!(attaches(&radio, "d"), 1, "for nobody else wants it");
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_heard_without_a_slot_wants_none_and_is_told_between_turns() {
    let (radio, mut run) = start(1, vec![unit("h", 3_600_000, "heard"), plain("d0", 1_000), plain("d1", 1_000)]);
    run.all(0..3, true).await;
    sleep(ms(60_000)).await;
    let turns = attaches(&radio, "h");
    let (slot, port) = port(&radio, "h");
    assert!(!radio.connected.lock().unwrap().contains("h"));
    assert!(port.put(slot, 21.5));
    run.value(0, 0, Some(21.5)).await;
    port.down("not heard");
    run.connected(0, false).await;
    port.up();
    run.connected(0, true).await;
    sleep(ms(600_000)).await;
    assert!(attaches(&radio, "h") <= turns + 1, "once when it came back: {} and {turns}", attaches(&radio, "h"));
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_the_device_ends_by_itself_is_over_and_no_fault() {
    let (radio, mut run) = start(1, vec![plain("d", 10_000), plain("e", 3_600_000)]);
    run.all(0..2, true).await;
    for _ in 0..5 {
        let served = radio.served.lock().unwrap().len();
        while radio.served.lock().unwrap().len() == served || !radio.connected.lock().unwrap().contains("d") {
            sleep(ms(10)).await;
        }
        port(&radio, "d").1.over("it has let go");
        sleep(ms(1_000)).await;
        assert!(!radio.connected.lock().unwrap().contains("d"), "its slot is free");
    }
    assert_eq!(run.states().await, [].into(), "it is there");
    assert!(attaches(&radio, "d") >= 5);
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_known_is_asked_for_after_a_push_that_taught_something_and_then_alone() {
    let (radio, mut run) = start(1, vec![unit("n", 3_600_000, "notifies")]);
    run.connected(0, true).await;
    let known = async |run: &mut Run<ble::Ble>| {
        sleep(ms(100)).await;
        let mut known = vec![];
        while let Some(news) = run.status.try_next() {
            known.extend(news.known.into_iter().map(|known| known.knowledge.kept));
        }
        known
    };
    known(&mut run).await;
    let (slot, port) = port(&radio, "n");
    port.put(slot, 1.5);
    assert_eq!(known(&mut run).await, Vec::<serde_json::Value>::new(), "nothing was learned");
    radio.learned.lock().unwrap().insert("n".into(), 7);
    assert_eq!(known(&mut run).await, Vec::<serde_json::Value>::new(), "and nobody has looked");
    port.put(slot, 2.5);
    assert_eq!(known(&mut run).await, [serde_json::json!(7)]);
    port.put(slot, 3.5);
    assert_eq!(known(&mut run).await, Vec::<serde_json::Value>::new());
    run.stop().await;
}
