//! What the polled devices ask of the link's time: measured, told, counted.
use super::Engine;
use crate::{
    ErrorKind, Exchange, Instant, PointFault, Protocol,
    load::{Load, STANDS, Share, Teller, demand, weight},
};
use std::time::Duration;

/// How often it is looked at, while anything is answered.
const LOOK: Duration = Duration::from_secs(5);
/// What probes take of a link's time, at most.
const PROBES: f64 = 0.05;

/// What an engine knows of its link's load.
#[derive(Debug, Default)]
pub(super) struct Meter {
    teller: Teller,
    look_at: Option<Instant>,
    /// The reader of status has not seen it.
    pub untold: Option<Load>,
    busy_since: Option<Instant>,
    /// Since when there was no link that lived until it was looked at.
    gone: Option<Instant>,
}

impl<P: Protocol> Engine<P> {
    /// Something was answered, and took so long.
    pub(super) fn paced(&mut self, device: usize, exchange: &Exchange<P::Request>, took: Duration) {
        let Some(held) = self.devices.get_mut(device).and_then(Option::as_mut) else { return };
        held.pace.timed(took, weight(self.protocol.cost(&held.unit, exchange)));
    }
    /// Whether anything is under way from now on.
    pub(super) fn busy(&mut self, busy: bool) {
        let now = Instant::now();
        if let Some(since) = self.meter.busy_since.take() {
            self.stats.busy.add(u64::try_from((now - since).as_micros()).unwrap_or(u64::MAX));
        }
        self.meter.busy_since = busy.then_some(now);
    }
    /// A link is open: it is looked at once its first answers have come. Until then it is as the one before, if that is not long ago:
    /// an overloaded link that is lost now and then is not told anew each time.
    pub(super) fn meter_starts(&mut self) {
        let now = Instant::now();
        self.meter.look_at = Some(now + LOOK);
        if self.meter.gone.is_some_and(|at| now >= at + STANDS) {
            self.meter.untold = self.meter.teller.forget().or(self.meter.untold.take());
        }
    }
    pub(super) fn meter_stops(&mut self) {
        self.busy(false);
        self.stats.utilisation.set(0);
        self.meter.look_at = None;
        self.meter.gone.get_or_insert(Instant::now());
    }
    pub(super) fn measure(&mut self) {
        let now = Instant::now();
        if self.meter.look_at.is_none_or(|at| now < at) {
            return;
        }
        (self.meter.look_at, self.meter.gone) = (Some(now + LOOK), None);
        self.foresee();
        self.tell_starved(now);
        let lanes = f64::from(self.arbiter.lanes());
        let (mut shares, mut probes) = (vec![], 0.0);
        for (device, held) in self.devices.iter().enumerate() {
            let Some(held) = held else { continue };
            if self.arbiter.probing(device) {
                let timeout = held.timeout.as_secs_f64();
                probes += timeout / (timeout + self.arbiter.backoff(device).as_secs_f64()) / lanes;
            } else if let Some(demand) = held.demand.filter(|_| !self.arbiter.said_down(device)) {
                let (Some(part), Some(every)) = (demand.part(&held.pace), demand.every) else { continue };
                let name = held.name.rsplit('/').next().unwrap_or_default();
                shares.push(Share { name, every, part: part / lanes });
            }
        }
        let probes = probes.min(PROBES);
        let total = shares.iter().map(|share| share.part).sum::<f64>() + probes;
        self.stats.utilisation.set(millionths(total));
        self.meter.untold = self.meter.teller.see(&mut shares, probes, now).or(self.meter.untold.take());
    }
    /// Those who wait for a slot that nobody will ever give back are told so.
    fn tell_starved(&mut self, now: Instant) {
        let Some((slots, waiting)) = self.arbiter.starved(now) else { return };
        for device in waiting {
            let text =
                format!("it gets no turn: other devices keep all connections of the link ({slots}) for themselves");
            self.health(device, Some(&PointFault::new(ErrorKind::Config, text)));
        }
    }
    /// What the plans of devices that were prepared or planned anew will cost.
    fn foresee(&mut self) {
        for (device, held) in self.devices.iter_mut().enumerate() {
            let Some(held) = held.as_mut().filter(|held| held.demand.is_none()) else { continue };
            let groups: Vec<_> = self.arbiter.polled(device).collect();
            held.demand = Some(demand(&*self.protocol, &held.unit, &groups));
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in bounds by `clamp`; NaN is 0")]
fn millionths(part: f64) -> u64 {
    (part * 1e6).round().clamp(0.0, 1e12) as u64
}
