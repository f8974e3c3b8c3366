//! How busy a link would be by what its requests cost, as `check` says it: counted as the engine counts it. Pure.
use crate::load::{Demand, Pace, Share, foreseen};
use std::time::Duration;

/// What the devices of one link ask of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Load<'a> {
    /// The link, for people.
    pub(super) link: &'a str,
    /// Names, and what each asks for.
    pub(super) devices: Vec<(&'a str, Demand)>,
}

impl Load<'_> {
    /// `load of tcp://10.0.0.5:502: 3 devices, 12 requests a second, 1.4 %`, and a note where this does not fit. None: nothing is
    /// polled, or the driver does not know what it costs.
    pub(super) fn told(&self) -> Option<(String, Option<String>)> {
        let mut shares: Vec<Share<'_>> = self
            .devices
            .iter()
            .filter_map(|(name, demand)| {
                Some(Share { name, every: demand.every?, part: demand.part(&Pace::default())? })
            })
            .collect();
        if shares.is_empty() {
            return None;
        }
        let (total, warning) = foreseen(&mut shares);
        let rate: f64 = self.devices.iter().map(|(_, demand)| demand.exchanges).sum();
        let rounded = if rate < 10.0 { (rate * 10.0).round() / 10.0 } else { rate.round() };
        let devices = super::check::count(shares.len(), "device");
        let line = format!("load of {}: {devices}, {rounded} requests a second, {}", self.link, percent(total));
        Some((line, warning.map(|warning| format!("{} would be {warning}", self.link))))
    }
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

    #[test]
    fn times_have_the_unit_that_people_say() {
        let shown = [80, 1_440, 99_940, 340_000, 2_140_000].map(|micros| time(Duration::from_micros(micros)));
        assert_eq!(shown, ["0.1 ms", "1.4 ms", "99.9 ms", "340 ms", "2.1 s"]);
        assert_eq!([0.014, 0.4, 1.3].map(percent), ["1.4 %", "40 %", "130 %"]);
    }
}
