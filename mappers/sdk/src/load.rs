//! How much of a link's time its devices ask for, and what is said of it. Pure.
use crate::{Instant, Protocol};
use pollux_crds::Span;
use std::time::Duration;

/// Above this part of its time a link is asked for too much: what takes a little longer than foreseen costs cycles.
pub(crate) const TOO_MUCH: f64 = 0.8;
/// And below this it is not any more.
const ENOUGH: f64 = 0.7;
/// What is said is said at least so long.
pub(crate) const STANDS: Duration = Duration::from_mins(1);
/// Percent, so that a load that trembles is said once.
const STEP: i32 = 5;
/// Devices that a warning names.
const NAMES: usize = 5;
/// More intervals than this on one device are not searched for what they have in common.
const MANY: usize = 8;
/// How much the newest exchange counts.
const NEWEST: f64 = 1.0 / 16.0;

/// What the polled points of one device ask of its link.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Demand {
    /// Seconds of exchanges in each second, as configuration foresees them; exchanges in each second, where it does not.
    rate: f64,
    /// Exchanges in each second.
    pub(crate) exchanges: f64,
    foreseen: bool,
    /// The shortest interval.
    pub(crate) every: Option<Duration>,
}

/// Groups with their intervals, ascending. What falls due together is read together, so a slower group costs what its points add
/// to the requests of the faster ones.
pub(crate) fn demand<P: Protocol>(protocol: &P, unit: &P::Unit, groups: &[(Duration, Vec<usize>)]) -> Demand {
    let every = groups.first().map(|(every, _)| *every);
    let mut demand = Demand { rate: 0.0, exchanges: 0.0, foreseen: true, every };
    for (at, (every, points)) in groups.iter().enumerate() {
        let faster = groups.iter().take(at).filter(|(faster, _)| groups.len() <= MANY && divides(*faster, *every));
        let mut together: Vec<usize> = faster.flat_map(|(_, points)| points.iter().copied()).collect();
        together.sort_unstable();
        let without = weigh(protocol, unit, &together, &mut demand.foreseen);
        together.extend(points);
        together.sort_unstable();
        let with = weigh(protocol, unit, &together, &mut demand.foreseen);
        let each = |with: f64, without: f64| (with - without).max(0.0) / every.as_secs_f64().max(f64::MIN_POSITIVE);
        demand.rate += each(with.0, without.0);
        demand.exchanges += each(with.1, without.1);
    }
    demand
}
/// What a plan of these costs, and of how many exchanges it is.
fn weigh<P: Protocol>(protocol: &P, unit: &P::Unit, points: &[usize], foreseen: &mut bool) -> (f64, f64) {
    if points.is_empty() {
        return (0.0, 0.0);
    }
    let exchanges = protocol.plan(unit, points);
    let costs: Vec<Option<Duration>> = exchanges.iter().map(|exchange| protocol.cost(unit, exchange)).collect();
    *foreseen &= costs.iter().all(Option::is_some);
    (costs.iter().copied().map(weight).sum(), costs.len() as f64)
}
fn divides(short: Duration, long: Duration) -> bool {
    long.as_nanos().checked_rem(short.as_nanos()) == Some(0)
}
/// What an exchange counts before any was timed.
pub(crate) fn weight(cost: Option<Duration>) -> f64 {
    cost.map_or(1.0, |cost| cost.as_secs_f64())
}

/// How long the exchanges of a device really take, against what was foreseen.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pace {
    took: f64,
    weight: f64,
}
impl Pace {
    /// One that was answered.
    pub(crate) fn timed(&mut self, took: Duration, weight: f64) {
        if weight <= 0.0 || !weight.is_finite() {
            return;
        }
        let newest = if self.weight > 0.0 { NEWEST } else { 1.0 };
        self.took += (took.as_secs_f64() - self.took) * newest;
        self.weight += (weight - self.weight) * newest;
    }
}
impl Demand {
    /// Part of one lane's time. None: not known yet.
    pub(crate) fn part(&self, pace: &Pace) -> Option<f64> {
        if pace.weight > 0.0 {
            return Some(self.rate * pace.took / pace.weight);
        }
        self.foreseen.then_some(self.rate)
    }
}

/// What one device takes of its link.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Share<'a> {
    pub(crate) name: &'a str,
    /// Its shortest interval.
    pub(crate) every: Duration,
    /// Of the link's time: 1 is all of it.
    pub(crate) part: f64,
}

/// A link's load, as it is told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Load {
    /// Part of the link's time that its polled devices ask for, in percent, in steps of 5. None: not known.
    pub percent: Option<i32>,
    /// What would make it fit, where it is too much.
    pub warning: Option<String>,
}

/// What was told last, and when: a load that trembles is not told each time.
#[derive(Debug, Default)]
pub(crate) struct Teller {
    told: Load,
    at: Option<Instant>,
}
impl Teller {
    /// The newest load: its devices, and what probes take beside them. Some: this is worth telling.
    pub(crate) fn see(&mut self, shares: &mut [Share<'_>], probes: f64, now: Instant) -> Option<Load> {
        let total = shares.iter().map(|share| share.part).sum::<f64>() + probes;
        let percent = to_percent(total);
        let was_over = self.told.warning.is_some();
        let over = total > if was_over { ENOUGH } else { TOO_MUCH };
        let moved =
            self.told.percent.is_none_or(|told| (percent - told).abs() >= STEP.max(told / 10)) || over != was_over;
        if !moved || self.at.is_some_and(|at| now < at + STANDS) {
            return None;
        }
        let percent = rounded(percent);
        let warning = over.then(|| warning(percent, shares, probes));
        (self.told, self.at) = (Load { percent: Some(percent), warning }, Some(now));
        Some(self.told.clone())
    }
    /// The link is gone for long, and what was told of it. Some: there was something.
    pub(crate) fn forget(&mut self) -> Option<Load> {
        let told = std::mem::take(self).told;
        (told != Load::default()).then(Load::default)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "in bounds by `clamp`; NaN is 0")]
fn to_percent(part: f64) -> i32 {
    (part * 100.0).round().clamp(0.0, 100_000.0) as i32
}
fn rounded(percent: i32) -> i32 {
    (percent + STEP / 2) / STEP * STEP
}

/// As configuration alone foresees it: the part of a link's time, and what would make it fit, where it is too much.
pub(crate) fn foreseen(shares: &mut [Share<'_>]) -> (f64, Option<String>) {
    let total = shares.iter().map(|share| share.part).sum();
    let warning = (total > TOO_MUCH).then(|| warning(to_percent(total), shares, 0.0));
    (total, warning)
}

/// "used to 130 %: intervals of at least 1.7 times these would fit (boiler-7 1s → 2s, boiler-8 1s → 2s, …)".
fn warning(percent: i32, shares: &mut [Share<'_>], probes: f64) -> String {
    shares.sort_by(|a, b| b.part.total_cmp(&a.part).then_with(|| a.name.cmp(b.name)));
    let polled: f64 = shares.iter().map(|share| share.part).sum();
    let factor = ((polled / (TOO_MUCH - probes).max(0.1) * 10.0 - 1e-6).ceil() / 10.0).max(1.1);
    let one = |share: &Share<'_>| {
        format!("{} {} → {}", share.name, span(share.every), span(readable(share.every.mul_f64(factor.min(1e6)))))
    };
    let named: Vec<String> = shares.iter().filter(|share| share.part > 0.0).take(NAMES).map(one).collect();
    let more = if shares.len() > named.len() { ", …" } else { "" };
    let list = if named.is_empty() { String::new() } else { format!(" ({}{more})", named.join(", ")) };
    format!("used to {percent} %: intervals of at least {factor:.1} times these would fit{list}")
}
fn span(time: Duration) -> Span {
    Span::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}
/// The next interval that a person would write.
fn readable(time: Duration) -> Duration {
    let exact = time.as_nanos().div_ceil(1_000_000);
    let mut unit: u128 = 1;
    while unit.saturating_mul(100) <= exact {
        unit = unit.saturating_mul(10);
    }
    // Tenths of the next power of ten above: 10, 12, 15, 20, … 100 of them.
    let steps = [1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100];
    let fits = steps.into_iter().map(|step| unit.saturating_mul(step)).find(|step| *step >= exact);
    Duration::from_millis(u64::try_from(fits.unwrap_or(exact)).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Interval, Point, PointSpec, Slot,
        testing::scripted::{Device, Scripted, Unit},
    };

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }
    fn near(part: Option<f64>, expected: f64) {
        assert!(part.is_some_and(|part| (part - expected).abs() < 1e-9), "{part:?}, not {expected}");
    }
    /// Its requests hold four points and are said to take 10 ms.
    fn unit(points: usize) -> (Scripted, Unit) {
        let protocol = Scripted::default();
        *protocol.0.foreseen.lock().unwrap() = Some(ms(10));
        let addresses: Vec<String> = (0..points).map(|n| format!("a{n}")).collect();
        let point = |address| PointSpec {
            name: String::new(),
            address,
            interval: Interval::OnConnect,
            readable: true,
            writable: false,
            event: false,
            read_group: None,
        };
        let specs: Vec<_> = addresses.into_iter().map(point).collect();
        let points: Vec<Point<'_, String>> =
            crate::engine::as_driver_sees(&specs, Slot(0), &vec![Interval::OnConnect; specs.len()]);
        let unit = protocol.prepare(&Device { bus: String::new(), name: "d".into() }, &points).unwrap();
        (protocol, unit)
    }

    #[test]
    fn what_is_read_together_is_counted_once() {
        let (protocol, unit) = unit(8);
        let part = |groups: &[(Duration, Vec<usize>)]| demand(&protocol, &unit, groups).part(&Pace::default());
        near(part(&[(ms(1_000), vec![0])]), 0.01);
        near(part(&[(ms(1_000), vec![0, 1, 2, 3, 4])]), 0.02); // two requests
        near(part(&[(ms(1_000), vec![0]), (ms(5_000), vec![1])]), 0.01); // rides along
        near(part(&[(ms(1_000), vec![0, 1, 2, 3]), (ms(5_000), vec![4])]), 0.012); // one request more, each fifth cycle
        near(part(&[(ms(1_000), vec![0]), (ms(1_500), vec![1])]), 0.01 + 0.01 / 1.5);
        let exchanges = |groups: &[(Duration, Vec<usize>)]| demand(&protocol, &unit, groups).exchanges;
        near(Some(exchanges(&[(ms(1_000), vec![0, 1, 2, 3, 4])])), 2.0);
        near(Some(exchanges(&[(ms(1_000), vec![0, 1, 2, 3]), (ms(5_000), vec![4])])), 1.2);
        near(part(&[]), 0.0);
    }

    #[test]
    fn what_was_timed_goes_before_what_was_foreseen() {
        let (protocol, unit) = unit(1);
        let groups = [(ms(1_000), vec![0])];
        let foreseen = demand(&protocol, &unit, &groups);
        let mut pace = Pace::default();
        (0..100).for_each(|_| pace.timed(ms(300), weight(Some(ms(10)))));
        near(foreseen.part(&pace), 0.3);
        *protocol.0.foreseen.lock().unwrap() = None;
        let blind = demand(&protocol, &unit, &groups);
        assert_eq!(blind.part(&Pace::default()), None, "nothing is known yet");
        let mut pace = Pace::default();
        pace.timed(ms(40), weight(None));
        near(blind.part(&pace), 0.04);
    }

    fn shares(part: f64) -> [Share<'static>; 2] {
        [
            Share { name: "small", every: ms(10_000), part: part / 10.0 },
            Share { name: "boiler-7", every: ms(1_000), part },
        ]
    }

    #[test]
    fn too_much_is_said_with_the_intervals_that_would_fit() {
        let mut teller = Teller::default();
        let load = teller.see(&mut shares(1.2), 0.0, Instant::now()).unwrap();
        assert_eq!(load.percent, Some(130)); // 132
        let expected =
            "used to 130 %: intervals of at least 1.7 times these would fit (boiler-7 1s → 2s, small 10s → 20s)";
        assert_eq!(load.warning.as_deref(), Some(expected));
    }

    #[test]
    fn the_intervals_of_a_warning_fit() {
        for part in [0.81, 0.9, 1.3, 2.0, 17.0, 400.0] {
            let warning = warning(0, &mut [Share { name: "d", every: ms(1_000), part }], 0.02);
            let factor: f64 = warning.split("at least ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
            assert!(part / factor + 0.02 <= TOO_MUCH + 1e-6, "{warning}");
            assert!(readable(ms(1_000).mul_f64(factor)) >= ms(1_000).mul_f64(factor), "{warning}");
        }
        for (exact, told) in
            [(1, 1), (7, 8), (170, 200), (101, 120), (1_700, 2_000), (13_001, 15_000), (99_000, 100_000)]
        {
            assert_eq!(readable(ms(exact)), ms(told), "{exact}");
        }
    }

    #[test]
    fn a_load_that_trembles_is_told_once_and_one_that_turns_at_most_once_a_minute() {
        let (mut teller, start) = (Teller::default(), Instant::now());
        let mut told = vec![];
        for second in 0..600 {
            let part = if second % 2 == 0 { 0.69 } else { 0.72 }; // 76 and 79 %
            told.extend(teller.see(&mut shares(part), 0.0, start + Duration::from_secs(second)));
        }
        assert_eq!(told.len(), 1, "{told:?}");
        for second in 600..1_200 {
            let part = if second % 2 == 0 { 0.5 } else { 0.9 };
            told.extend(teller.see(&mut shares(part), 0.0, start + Duration::from_secs(second)));
        }
        assert!(told.len() <= 12, "{}", told.len());
        let at = |seconds| start + Duration::from_secs(seconds);
        let said = |teller: &mut Teller, part: f64, seconds| {
            teller.see(&mut [Share { name: "d", every: ms(1), part }], 0.0, at(seconds)).map(|l| l.warning.is_some())
        };
        let mut teller = Teller::default();
        assert_eq!(said(&mut teller, 0.79, 0), Some(false));
        assert_eq!(said(&mut teller, 0.82, 100), Some(true));
        assert_eq!(said(&mut teller, 0.78, 200), None);
        assert_eq!(said(&mut teller, 0.71, 300), Some(true), "less, and still too much");
        assert_eq!(said(&mut teller, 0.69, 330), None, "not so soon");
        assert_eq!(said(&mut teller, 0.69, 400), Some(false));
        assert_eq!((teller.forget(), teller.forget()), (Some(Load::default()), None));
    }
}
