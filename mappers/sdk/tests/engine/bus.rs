//! A serial line with many units, one request at a time.
use crate::common::*;
use pollux_mapper::*;
use std::time::Duration;
use tokio::time::sleep;

/// A read of so many registers and its answer at 9,600 baud: 11 bits a character, 3.5 characters of silence before each.
fn at_9600(registers: u64) -> Duration {
    let tenths = 2 * 35 + 10 * (8 + 5 + 2 * registers);
    Duration::from_micros(tenths * 11 * 1_000_000 / 9_600 / 10)
}

#[tokio::test(start_paused = true)]
async fn on_a_line_of_32_a_dead_unit_costs_little_and_a_slow_one_is_not_taken_for_dead() {
    const DEAD: u8 = 13;
    const SLOW: u8 = 7;
    for dead_from_the_start in [true, false] {
        let (wire, specs) = bus(32, 10, 2_500, 1_000, 1);
        *wire.rest.lock().unwrap() = Some(ms(1_000));
        let cost = at_9600(10);
        wire.slow.lock().unwrap().extend((1..=32).map(|unit| (unit, cost)));
        wire.slow.lock().unwrap().insert(SLOW, cost + ms(300));
        if dead_from_the_start {
            wire.dead.lock().unwrap().insert(DEAD);
        }
        let run = start_bus(&wire, 1, specs);
        sleep(ms(60_000)).await;
        wire.dead.lock().unwrap().insert(DEAD);
        let (since, before) = (Instant::now(), *wire.dead_time.lock().unwrap());
        sleep(ms(600_000)).await;
        let (counts, spent) = (reads(&wire, since), wire.dead_time.lock().unwrap().saturating_sub(before));
        for unit in (1..=32).filter(|unit| *unit != DEAD) {
            assert!(counts[&unit] >= 238, "unit {unit}: {} of 240 cycles", counts[&unit]);
            assert!(counts[&unit] <= 241, "unit {unit}: {} in 240 cycles", counts[&unit]);
        }
        assert!(spent <= ms(30_000), "the dead unit took {spent:?} of 600 s");
        assert!(counts[&DEAD] > 5, "and is asked all the same");
        let devices = run.stats.devices();
        let failed = |unit: u8| devices[usize::from(unit) - 1].1.failed(ErrorKind::Timeout);
        assert_eq!((failed(SLOW), failed(1)), (0, 0), "the slow unit always had the time it needs");
        assert!(failed(DEAD) > 5);
        let engine = run.stop().await;
        let busy = Duration::from_micros(engine.stats().busy.get()).as_secs_f64() / 660.0;
        assert!((0.6..0.85).contains(&busy), "31 units ask for 72 % of the line: {busy}");
    }
}

#[tokio::test(start_paused = true)]
async fn on_a_full_line_a_write_waits_for_one_request_at_most_and_is_read_back_first() {
    let (wire, specs) = bus(8, 10, 50, 1_000, 1); // 160 % of what there is
    let run = start_bus(&wire, 1, specs);
    sleep(ms(1_000)).await;
    for n in 0..50u16 {
        let (unit, point) = (u64::from(n % 8), usize::from(n % 10));
        let asked = Instant::now();
        assert_eq!(run.write(unit, point, f64::from(n)).await, Wrote::Done);
        assert!(asked.elapsed() <= ms(21), "{:?}: the request under way, and its own", asked.elapsed());
        sleep(ms(137)).await;
        let log = wire.log.lock().unwrap();
        let written = log.iter().rposition(|(_, what)| *what == format!("w{}@{point}", unit + 1)).unwrap();
        let next = log[written..].iter().find(|(_, what)| what.starts_with(&format!("r{}@", unit + 1)));
        assert_eq!(next.unwrap().1, format!("r{}@{point}+1", unit + 1), "what was written is read before all else");
    }
    let missed: u64 = run.stats.devices().iter().map(|(_, c)| c.missed.get()).sum();
    assert!(missed > 100, "the line was full: {missed}");
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn points_of_one_second_and_of_five_share_requests() {
    let (wire, mut specs) = bus(1, 4, 1_000, 500, 1);
    for point in &mut points(&mut specs[0])[2..] {
        point.interval = Interval::Every(ms(5_000));
    }
    let run = start_bus(&wire, 1, specs);
    sleep(ms(10)).await;
    let since = Instant::now();
    sleep(ms(60_000)).await;
    run.stop().await;
    let log = wire.log.lock().unwrap();
    let log: Vec<&str> = log.iter().filter(|(at, _)| *at >= since).map(|(_, what)| &**what).collect();
    let count = |what: &str| log.iter().filter(|line| ***line == *what).count();
    assert_eq!((log.len(), count("r1@0+2"), count("r1@0+4")), (60, 48, 12), "{log:?}");
}

/// A process that was stopped (SIGSTOP, a suspended machine): the clock jumps.
#[tokio::test(start_paused = true)]
async fn after_a_jump_of_the_clock_each_unit_is_asked_once() {
    let (wire, specs) = bus(4, 2, 100, 500, 1);
    let run = start_bus(&wire, 1, specs);
    sleep(ms(1_000)).await;
    let before: u64 = run.stats.devices().iter().map(|(_, c)| c.missed.get()).sum();
    tokio::time::advance(Duration::from_hours(1)).await;
    let since = Instant::now();
    sleep(ms(60)).await;
    assert!(reads(&wire, since).values().all(|count| *count <= 2), "{:?}", reads(&wire, since));
    assert_eq!(reads(&wire, since).len(), 4);
    let missed: u64 = run.stats.devices().iter().map(|(_, c)| c.missed.get()).sum::<u64>() - before;
    assert!((4 * 35_990..=4 * 36_010).contains(&missed), "{missed}");
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_link_that_was_away_for_a_minute_is_not_flooded_when_it_is_back() {
    let (wire, specs) = bus(8, 2, 1_000, 500, 1);
    let mut run = start_bus(&wire, 1, specs);
    run.all(0..8, true).await;
    *wire.cut.lock().unwrap() = true;
    run.all(0..8, false).await;
    sleep(ms(60_000)).await;
    *wire.cut.lock().unwrap() = false;
    let since = Instant::now();
    run.all(0..8, true).await;
    sleep(ms(5_000)).await;
    let seconds = usize::try_from(since.elapsed().as_millis() / 1_000).unwrap();
    for (unit, count) in reads(&wire, since) {
        assert!(count <= seconds + 2, "unit {unit}: {count} requests in {seconds} s");
    }
    run.stop().await;
}
