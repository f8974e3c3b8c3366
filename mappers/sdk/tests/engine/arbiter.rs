use pollux_mapper::*;
use std::time::Duration;
/// Ten dead units, each probe costs a second: virtual time, no runtime.
#[test]
fn probes_take_at_most_five_per_cent_of_a_bus() {
    let (start, limits) = (Instant::now(), Limits::default());
    let (mut now, mut spent, mut due, mut arbiter) = (start, Duration::ZERO, vec![], Arbiter::<(), ()>::new(start));
    for _ in 0..10 {
        arbiter.add(
            Plan { groups: vec![(Interval::Every(Duration::from_secs(1)), vec![0])], offline_after: 3, phase: 0 },
            now,
        );
    }
    while now < start + Duration::from_secs(10_000) {
        while let Some((unit, deadline, _)) = arbiter.due(now, &mut due) {
            if let Some(deadline) = deadline {
                arbiter.queue(
                    unit,
                    deadline,
                    [std::sync::Arc::new(Exchange { points: vec![0], request: () })].into_iter(),
                );
            }
        }
        let Some(work) = arbiter.next(now, limits) else {
            now = arbiter.wake(now).unwrap();
            continue;
        };
        let (began, attach) = (now, !matches!(work, Work::Read { .. }));
        if !attach {
            now += Duration::from_secs(1);
            if now > start + Duration::from_secs(100) {
                spent += Duration::from_secs(1);
            }
        }
        arbiter.done(&work, if attach { Outcome::Ok } else { Outcome::Device }, began, now);
    }
    assert!(spent <= Duration::from_secs(500) && spent >= Duration::from_secs(400), "{spent:?} of 9,900 s");
}
