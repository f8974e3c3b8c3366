//! Suspects, probes, and who is Connected.

use crate::common::*;
use pollux_mapper::*;
use tokio::time::sleep;

#[tokio::test(start_paused = true)]
async fn a_slow_unit_comes_up_beside_a_fast_one_and_stays_up() {
    let (wire, specs) = bus(2, 4, 1000, 1000, 1);
    wire.slow.lock().unwrap().extend([(1, ms(2)), (2, ms(300))]);
    let mut run = start_bus(&wire, 1, specs);
    let started = Instant::now();
    run.connected(0, true).await;
    run.connected(1, true).await;
    assert!(started.elapsed() < ms(3_000), "{:?}", started.elapsed());
    sleep(ms(600_000)).await;
    assert!(run.states().await.is_empty(), "both stayed up");
    run.stop().await;
}
#[tokio::test(start_paused = true)]
async fn a_slow_unit_that_was_dead_at_the_start_gets_its_whole_time_out() {
    let (wire, specs) = bus(2, 4, 1000, 1000, 1);
    wire.slow.lock().unwrap().extend([(1, ms(2)), (2, ms(300))]);
    wire.dead.lock().unwrap().insert(2);
    let mut run = start_bus(&wire, 1, specs);
    run.connected(1, false).await;
    wire.dead.lock().unwrap().clear();
    let back = Instant::now();
    run.connected(1, true).await;
    assert!(back.elapsed() < ms(60_000), "{:?}", back.elapsed());
    run.stop().await;
}
#[tokio::test(start_paused = true)]
async fn a_slow_unit_whose_first_answer_was_lost_is_only_suspect() {
    let (wire, specs) = bus(2, 4, 1000, 1000, 1);
    wire.slow.lock().unwrap().extend([(1, ms(2)), (2, ms(300))]);
    wire.dead.lock().unwrap().insert(2);
    let mut run = start_bus(&wire, 1, specs);
    sleep(ms(500)).await; // its first request is under way, and lost
    wire.dead.lock().unwrap().clear();
    sleep(ms(3_500)).await;
    assert_eq!(run.states().await, [(0, true), (1, true)].into());
    run.stop().await;
}
#[tokio::test(start_paused = true)]
async fn a_unit_that_became_slow_while_it_was_dead_comes_back() {
    let (wire, specs) = bus(2, 4, 1000, 1000, 1);
    let mut run = start_bus(&wire, 1, specs);
    run.connected(1, true).await;
    wire.dead.lock().unwrap().insert(2);
    run.connected(1, false).await;
    wire.dead.lock().unwrap().clear();
    wire.slow.lock().unwrap().insert(2, ms(700)); // 4 x what it once needed is not enough
    let back = Instant::now();
    run.connected(1, true).await;
    assert!(back.elapsed() < ms(60_000), "{:?}", back.elapsed());
    run.stop().await;
}
#[tokio::test(start_paused = true)]
async fn ten_dead_units_cost_about_as_much_as_one_and_their_neighbours_miss_hardly_a_cycle() {
    for dead_from_the_start in [false, true] {
        let (wire, specs) = bus(32, 10, 1000, 1000, 1);
        let dead: Vec<u8> = (5..15).collect();
        let mut run = start_bus(&wire, 1, specs);
        if !dead_from_the_start {
            run.connected(31, true).await;
        }
        wire.dead.lock().unwrap().extend(dead.iter());
        // once: a unit never heard has its whole time-out offlineAfter times, one that was timed has it once
        let began = Instant::now();
        run.all(dead.iter().map(|d| u64::from(*d) - 1), false).await;
        assert!(began.elapsed() < ms(if dead_from_the_start { 45_000 } else { 15_000 }), "{:?}", began.elapsed());
        for window in 0..3 {
            let (since, before) = (Instant::now(), *wire.dead_time.lock().unwrap());
            sleep(ms(100_000)).await;
            let (counts, spent) = (reads(&wire, since), wire.dead_time.lock().unwrap().saturating_sub(before));
            assert!(spent <= ms(5_500), "dead units took {spent:?} of 100 s in window {window}");
            for unit in (1..=32).filter(|u| !dead.contains(u)) {
                assert!(counts[&unit] >= 98, "unit {unit}: {} of 100 in window {window}", counts[&unit]);
            }
        }
        wire.dead.lock().unwrap().clear();
        let back = Instant::now();
        sleep(ms(1)).await;
        let states = async {
            let mut up = 0;
            while up < 10 {
                sleep(ms(1_000)).await;
                up += run.states().await.values().filter(|u| **u).count();
            }
        };
        tokio::time::timeout(ms(300_000), states).await.expect("all are back");
        assert!(back.elapsed() < ms(130_000), "{:?}", back.elapsed());
        run.stop().await;
    }
}
#[tokio::test(start_paused = true)]
async fn connected_follows_offline_after_per_unit() {
    let (wire, mut specs) = bus(3, 1, 1000, 400, 1);
    (specs[0].offline_after, specs[2].offline_after) = (1, 6);
    let mut run = start_bus(&wire, 3, specs);
    for d in 0..3 {
        run.connected(d, true).await;
    }
    wire.dead.lock().unwrap().extend([1, 2, 3]);
    let since = Instant::now();
    for (d, failures) in [(0u8, 1usize), (1, 3), (2, 6)] {
        run.connected(d.into(), false).await;
        assert_eq!(reads(&wire, since)[&(d + 1)], failures, "unit {}", d + 1);
    }
    wire.dead.lock().unwrap().clear();
    run.connected(1, true).await;
    wire.dead.lock().unwrap().insert(2); // two failures are not three
    let since = Instant::now();
    while reads(&wire, since).get(&2) != Some(&2) {
        sleep(ms(50)).await;
    }
    wire.dead.lock().unwrap().clear();
    sleep(ms(5_000)).await;
    assert_eq!(run.states().await.get(&1), None);
    run.stop().await;
}
