//! What holds whatever the devices are.
use super::*;
use proptest::prelude::*;

const TIMEOUT: Duration = Duration::from_millis(300);
const RUN: u64 = 120_000;

#[derive(Debug, Clone)]
struct Kind {
    intervals: Vec<u64>,
    cost: u64,
    dead: bool,
    phase: u64,
}

fn kind() -> impl Strategy<Value = Kind> {
    let intervals = prop::collection::btree_set(
        prop_oneof![Just(100u64), Just(200), Just(500), Just(1_000), Just(5_000), 100..6_000u64],
        1..4,
    );
    (intervals, 1..60u64, prop::bool::weighted(0.2), any::<u64>()).prop_map(|(intervals, cost, dead, phase)| Kind {
        intervals: intervals.into_iter().collect(),
        cost,
        dead,
        phase,
    })
}

fn run(kinds: &[Kind], nameless: bool, late: &[u64]) -> Sim {
    let plans = kinds.iter().map(|k| Plan { timeout: TIMEOUT, ..plan(&k.intervals, k.phase) });
    let mut sim = Sim::new(Limits::default().nameless(nameless), plans.collect::<Vec<_>>());
    let mut delays = late.iter().cycle().map(|n| ms(*n));
    let answer = |unit: usize, _| {
        if kinds[unit].dead { (TIMEOUT, Outcome::Device) } else { (ms(kinds[unit].cost), Outcome::Ok) }
    };
    sim.run(sim.at(RUN), answer, || delays.next().unwrap_or_default());
    sim
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Earliest deadline first is asserted in [`Sim`], at each request.
    #[test]
    fn none_starves_none_bursts_and_the_dead_cost_little(
        kinds in prop::collection::vec(kind(), 1..8),
        nameless: bool,
        late in prop::collection::vec(0..15u64, 1..20),
    ) {
        let sim = run(&kinds, nameless, &late);
        let asked = |k: &Kind| k.intervals.iter().map(|every| k.cost as f64 / *every as f64).sum::<f64>();
        let demand: f64 = kinds.iter().filter(|k| !k.dead).map(asked).sum();
        for (unit, kind) in kinds.iter().enumerate().filter(|(_, k)| !k.dead) {
            for (group, every) in (0u32..).zip(&kind.intervals) {
                let read: Vec<Instant> = sim.of(unit).filter(|w| w.groups.contains(&group)).map(|w| w.began).collect();
                prop_assert!(read.len() as u64 <= RUN / every + 2, "unit {unit}, every {every}: a burst of {}", read.len());
                let expected = if demand < 0.6 { RUN / every * 8 / 10 } else { 1 };
                prop_assert!(read.len() as u64 >= expected.max(1), "unit {unit}, every {every}: {} readings", read.len());
                let gaps = read.windows(2).map(|pair| pair[1] - pair[0]);
                // A cycle, half of one to go, the readings and probes of the others between.
                let most = ms(every * 3 / 2 + 60 * 8 * 3) + TIMEOUT * 3 + ms(every + 500);
                prop_assert!(demand >= 0.6 || gaps.max().is_none_or(|gap| gap <= most), "unit {unit}, every {every}");
            }
        }
        let probes = sim.went.iter().filter(|w| w.probe);
        let spent: Duration = probes.map(|w| w.ended - w.began).sum();
        prop_assert!(spent <= ms(RUN / 20) + TIMEOUT, "{spent:?} of {RUN} ms went into probes");
        if nameless {
            for unit in 0..kinds.len() {
                let asked: Vec<&Went> = sim.of(unit).collect();
                let silent = asked.windows(2).filter(|pair| pair[0].outcome == Outcome::Device);
                prop_assert!(silent.clone().all(|pair| pair[1].began >= pair[0].ended + TIMEOUT));
            }
        }
    }
}
