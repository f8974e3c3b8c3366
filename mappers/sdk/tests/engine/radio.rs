//! Few slots, many units: the engine's turns.

use crate::common::*;
use crate::toys::ble;
use pollux_mapper::*;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::sleep;

fn sixty(interval: u64, absent: usize, notifying: usize) -> (Arc<ble::Radio>, Run<ble::Ble>) {
    let radio = Arc::new(ble::Radio::default());
    radio.away.lock().unwrap().extend((0..absent).map(|i| format!("d{i:02}")));
    let specs = (0..60)
        .map(|i| {
            let name = format!("d{i:02}");
            device(
                &name.clone(),
                ble::Device {
                    adapter: "hci0".into(),
                    notify: i >= 60 - notifying,
                    address: name,
                    ..ble::Device::default()
                },
                5_000,
                vec![point("t", "2a6e".to_owned(), interval)],
            )
        })
        .collect();
    let run = Run::start(ble::Ble { radio: radio.clone(), slots: 5 }, specs);
    (radio, run)
}
/// The longest time that each device went unserved since then.
fn gaps(radio: &ble::Radio, since: Instant) -> BTreeMap<String, Duration> {
    let (mut last, mut out, now) =
        (BTreeMap::<String, Instant>::new(), BTreeMap::<String, Duration>::new(), Instant::now());
    for (at, name) in radio.served.lock().unwrap().iter().filter(|s| s.0 >= since) {
        let gap = *at - last.insert(name.clone(), *at).unwrap_or(since);
        let longest = out.entry(name.clone()).or_default();
        *longest = (*longest).max(gap);
    }
    for (name, at) in last {
        let longest = out.entry(name).or_default();
        *longest = (*longest).max(now - at);
    }
    out
}
fn fair(gaps: &BTreeMap<String, Duration>) {
    let mut all: Vec<Duration> = gaps.values().copied().collect();
    all.sort();
    let (median, slowest) = (all[all.len() / 2], all[all.len() - 1]);
    assert!(slowest <= median * 3 / 2, "slowest {slowest:?}, median {median:?}");
}
#[tokio::test(start_paused = true)]
async fn sixty_units_share_five_slots_and_the_absent_delay_no_one() {
    for interval in [60_000, 5_000] {
        // enough time for all, and by far not enough
        let (radio, mut run) = sixty(interval, 6, 0);
        sleep(ms(60_000)).await;
        assert_eq!(
            run.states().await.values().filter(|up| **up).count(),
            54,
            "all present ones within the first minute"
        );
        let since = Instant::now();
        sleep(ms(600_000)).await;
        let gaps = gaps(&radio, since);
        assert_eq!(gaps.len(), 54);
        assert!(gaps.values().all(|g| *g <= ms(66_000)), "{gaps:?}");
        fair(&gaps);
        assert_eq!(*radio.most.lock().unwrap(), 5);
        radio.away.lock().unwrap().clear();
        sleep(ms(180_000)).await;
        assert_eq!(run.states().await.values().filter(|up| **up).count(), 6, "the absent are found when they come");
        let engine = run.stop().await;
        for (device, counters) in engine.stats().devices() {
            let (turns, waited) = (counters.turns.get(), ms(counters.waited.get() / 1000));
            let cycle = ms(if interval == 60_000 { 60_000 } else { 20_000 });
            assert!(u128::from(turns) >= 120_000 / cycle.as_millis(), "{device:?} had {turns} turns");
            let mean = waited / u32::try_from(turns).unwrap();
            // Where there is time for all they hardly wait; else for who stands before them, and a time-out of the absent is no wait.
            let (least, most) = if interval == 60_000 { (ms(0), ms(2_000)) } else { (ms(500), ms(20_000)) };
            assert!((least..most).contains(&mean), "{device:?} waited {mean:?} each time");
        }
    }
}
#[tokio::test(start_paused = true)]
async fn a_unit_that_pushes_holds_its_slot_for_a_while_not_for_ever() {
    let (radio, mut run) = sixty(60_000, 0, 10);
    sleep(ms(60_000)).await;
    assert_eq!(run.states().await.values().filter(|up| **up).count(), 60);
    let since = Instant::now();
    sleep(ms(600_000)).await;
    let gaps = gaps(&radio, since);
    assert!(gaps.len() == 60 && gaps.values().all(|g| *g <= ms(75_000)), "{gaps:?}");
    assert_eq!(*radio.most.lock().unwrap(), 5);
    let (slot, port) = loop {
        // while attached it is heard
        if let Some((_, held)) = radio.ports.lock().unwrap().first_key_value() {
            break held.clone();
        }
        sleep(ms(10)).await;
    };
    assert!(port.put(slot, 4.5));
    run.value(u64::from(slot.0), 0, Some(4.5)).await;
    run.stop().await;
}
#[tokio::test(start_paused = true)]
async fn no_slot_leaks_after_faults() {
    let (radio, mut run) = sixty(1_000, 0, 5);
    let mut x = 1u64;
    for _ in 0..400 {
        // devices go and come at every moment of an exchange, are configured anew, and say so themselves
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let name = format!("d{:02}", (x >> 33) % 60);
        if !radio.away.lock().unwrap().remove(&name) {
            radio.away.lock().unwrap().insert(name.clone());
        }
        if let Some((_, port)) = radio.ports.lock().unwrap().get(&name) {
            port.down("link loss");
        }
        if x >> 62 == 0 {
            let (i, config) = ((x >> 40) % 60, |i| ble::Device {
                adapter: "hci0".into(),
                notify: i > 55,
                address: format!("d{i:02}"),
                ..ble::Device::default()
            });
            run.apply(
                i,
                DeviceSpec {
                    wiring: x,
                    ..device("again", config(i), 5_000, vec![point("t", "2a6e".to_owned(), 1_000)])
                },
            )
            .await
            .unwrap();
        }
        sleep(ms(137)).await;
    }
    radio.away.lock().unwrap().clear();
    sleep(ms(300_000)).await;
    assert_eq!(*radio.most.lock().unwrap(), 5);
    run.states().await;
    let since = Instant::now();
    sleep(ms(120_000)).await;
    assert_eq!(gaps(&radio, since).len(), 60, "all five slots are in use, all sixty are served");
    let engine = run.stop().await;
    assert!(engine.stats().rows.get() <= 70, "{} rows for 60 points", engine.stats().rows.get());
}
#[tokio::test(start_paused = true)]
async fn a_write_brings_its_unit_to_a_slot() {
    let (_, run) = sixty(5_000, 0, 0);
    sleep(ms(30_000)).await;
    let asked = Instant::now();
    assert_eq!(run.write(17, 0, 3.0).await, Wrote::Done);
    assert!(asked.elapsed() < ms(2_000), "{:?}", asked.elapsed());
    run.stop().await;
}
