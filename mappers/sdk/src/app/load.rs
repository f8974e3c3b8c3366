//! How busy a link would be by what its requests cost. Pure.
use std::time::Duration;

/// More than this, and what comes late once never catches up.
const SOUND: f64 = 0.8;

/// What one link is asked in each period.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Load {
    /// The link, for people.
    pub(super) link: String,
    pub(super) devices: usize,
    /// Period, requests in it, and what they cost in all.
    pub(super) cycles: Vec<(Duration, usize, Duration)>,
}

impl Load {
    fn share(&self) -> f64 {
        self.cycles.iter().map(share).sum()
    }
    /// `load of tcp://10.0.0.5:502: 3 devices, 12 requests a second, 1.4 %`. None: nothing is polled.
    pub(super) fn line(&self) -> Option<String> {
        let rate: f64 = self.cycles.iter().map(|(period, requests, _)| *requests as f64 / period.as_secs_f64()).sum();
        let devices = super::check::count(self.devices, "device");
        let rounded = if rate < 10.0 { (rate * 10.0).round() / 10.0 } else { rate.round() };
        let percent = percent(self.share());
        (rate > 0.0).then(|| format!("load of {}: {devices}, {rounded} requests a second, {percent}", self.link))
    }
    /// What would fit, where this does not.
    pub(super) fn note(&self) -> Option<String> {
        let busy = self.share();
        let (period, ..) = self.cycles.iter().max_by(|a, b| share(a).total_cmp(&share(b))).filter(|_| busy > SOUND)?;
        let factor = (busy / SOUND * 10.0).ceil() / 10.0;
        let fits = period.mul_f64(factor);
        Some(format!(
            "{} would be busy {} of the time, and over {} values come late: {factor} times the intervals would fit ({period:?} → {fits:?})",
            self.link,
            percent(busy),
            percent(SOUND)
        ))
    }
}

fn share((period, _, cost): &(Duration, usize, Duration)) -> f64 {
    cost.as_secs_f64() / period.as_secs_f64().max(1e-3)
}
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent < 10.0 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

/// `1.4 ms`, `340 ms`, `2.1 s`.
pub(super) fn time(cost: Duration) -> String {
    let millis = cost.as_secs_f64() * 1e3;
    match millis {
        ..100.0 => format!("{millis:.1} ms"),
        ..1_000.0 => format!("{millis:.0} ms"),
        _ => format!("{:.1} s", millis / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(cycles: &[(u64, usize, u64)]) -> Load {
        let millis = Duration::from_millis;
        let cycles =
            cycles.iter().map(|(period, requests, cost)| (millis(*period), *requests, millis(*cost))).collect();
        Load { link: "toy://a".into(), devices: 2, cycles }
    }

    #[test]
    fn the_share_of_a_link_is_the_sum_of_all_its_cycles() {
        let some = load(&[(1_000, 2, 30), (10_000, 5, 100)]);
        assert_eq!(some.line().as_deref(), Some("load of toy://a: 2 devices, 2.5 requests a second, 4.0 %"));
        assert_eq!(some.note(), None);
        assert_eq!(load(&[]).line(), None);
    }

    #[test]
    fn over_four_fifths_the_period_that_fits_is_named() {
        let full = load(&[(1_000, 40, 1_200), (500, 2, 50)]);
        let note = "toy://a would be busy 130 % of the time, and over 80 % values come late: 1.7 times the intervals would fit (1s → 1.7s)";
        assert_eq!(full.note().as_deref(), Some(note));
        assert_eq!(load(&[(1_000, 1, 800)]).note(), None);
        assert!(load(&[(1_000, 1, 801)]).note().is_some());
    }

    #[test]
    fn times_have_the_unit_that_people_say() {
        let shown = [80, 1_440, 99_940, 340_000, 2_140_000].map(|micros| time(Duration::from_micros(micros)));
        assert_eq!(shown, ["0.1 ms", "1.4 ms", "99.9 ms", "340 ms", "2.1 s"]);
    }
}
