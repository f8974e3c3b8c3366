//! Which device's status goes out next, and when. Pure: no clock, no IO. It holds the newest state of each device and the one
//! that the API server took last; what is equal is not sent, and what was overtaken is never sent.
use super::{backoff::backoff, bucket::Bucket, server::Refusal};
use crate::{DeviceView, Instant, snapshot::same_device};
use pollux_crds::Condition;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// Writes under way at once; one that the API server is slow with holds up no other.
const IN_FLIGHT: usize = 4;
/// By how much a change of conditions or of pending goes before a change of values. Not for ever: values of a neighbour of a
/// device that flaps are late, not lost.
const AHEAD: Duration = Duration::from_secs(30);
/// Properties whose report costs as much as one write: a big object costs the API server more than a small one.
const PROPERTIES_PER_WRITE: f64 = 100.0;
/// Waits for a server that is busy or away.
const AWAY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));
/// Waits for a device that the API server says is not ours, or not there. The slice says when it is; but slice and
/// `status.nodeName` are two writes, and who was refused between them must not be silent for ever.
const NOT_OURS: (Duration, Duration) = (Duration::from_secs(2), Duration::from_mins(10));
/// Waits with content that is not taken.
const NOT_TAKEN: (Duration, Duration) = (Duration::from_secs(2), Duration::from_mins(5));

/// What to do now.
#[derive(Debug)]
pub(super) enum Step {
    /// Send this, then say [`Pacer::done`].
    Send(Arc<DeviceView>),
    /// Nothing before this instant; None: before something happens.
    Wait(Option<Instant>),
}

#[derive(Debug)]
pub(super) struct Pacer {
    devices: BTreeMap<String, Entry>,
    bucket: Bucket,
    in_flight: usize,
    /// The server is busy or away until then.
    pause: Option<Instant>,
    /// Such refusals in a row.
    refusals: u32,
    /// What was said of it last.
    said: Option<String>,
}

#[derive(Debug)]
struct Entry {
    newest: Arc<DeviceView>,
    sent: Option<Arc<DeviceView>>,
    flying: Option<(Arc<DeviceView>, Waiting)>,
    /// Since when `newest` is not what was sent.
    waiting: Option<Waiting>,
    not_before: Option<Instant>,
    failures: u32,
    said: Option<String>,
    /// It is not there any more; only a write of it is still under way.
    gone: bool,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    since: Instant,
    urgent: bool,
}

impl Waiting {
    /// Smaller goes first.
    fn rank(&self) -> (Instant, bool) {
        (if self.urgent { self.since } else { self.since + AHEAD }, !self.urgent)
    }
}

impl Pacer {
    pub(super) fn new(writes_per_second: f64, now: Instant) -> Self {
        let bucket = Bucket::new(writes_per_second, now);
        Self { devices: BTreeMap::new(), bucket, in_flight: 0, pause: None, refusals: 0, said: None }
    }
    pub(super) fn set_rate(&mut self, writes_per_second: f64, now: Instant) {
        self.bucket.set_rate(writes_per_second, now);
    }
    /// All devices as they are now, by uid; what is not there any more is forgotten.
    pub(super) fn observe(&mut self, views: &BTreeMap<String, Arc<DeviceView>>, now: Instant) {
        // While a write is under way its device is remembered: should it come back, the next write must not overtake this one.
        self.devices.retain(|uid, entry| views.contains_key(uid) || entry.leave());
        for (uid, view) in views {
            self.devices.entry(uid.clone()).or_insert_with(|| Entry::new(view.clone())).observe(view, now);
        }
    }
    pub(super) fn next(&mut self, now: Instant) -> Step {
        let limit = if self.refusals > 0 { 1 } else { IN_FLIGHT };
        if self.in_flight >= limit {
            return Step::Wait(None);
        }
        if let Some(pause) = self.pause.filter(|pause| *pause > now) {
            return Step::Wait(Some(pause));
        }
        let first =
            self.devices.values_mut().filter_map(|e| Some((e.ready(now)?.rank(), e))).min_by_key(|(rank, _)| *rank);
        let Some((_, entry)) = first else { return Step::Wait(self.earliest()) };
        if let Err(later) = self.bucket.take(cost(&entry.newest), now) {
            return Step::Wait(Some(later));
        }
        let Some(view) = entry.fly() else { return Step::Wait(None) };
        self.in_flight += 1;
        Step::Send(view)
    }
    /// What became of a write. Returns what is worth a line in the log.
    pub(super) fn done(
        &mut self,
        uid: &str,
        result: Result<(), &Refusal>,
        now: Instant,
        random: f64,
    ) -> Option<String> {
        self.in_flight = self.in_flight.saturating_sub(1);
        let of_server = match result {
            Ok(()) => {
                (self.refusals, self.pause) = (0, None);
                over(&mut self.said)
            }
            Err(refusal) if refusal.is_the_servers() => {
                self.rest(refusal.after(), now, random);
                say(&mut self.said, refusal)
            }
            Err(_) => None,
        };
        let news = of_server.or(self.devices.get_mut(uid)?.land(result, now, random));
        if self.devices.get(uid).is_some_and(|entry| entry.gone) {
            self.devices.remove(uid);
        }
        news
    }
    /// All that is not sent, whatever the budget says, once nothing is under way: the last words before the process ends.
    pub(super) fn last_words(&mut self) -> Vec<Arc<DeviceView>> {
        let mut waiting: Vec<_> = self.devices.values_mut().filter_map(|e| Some((e.waiting?.rank(), e))).collect();
        waiting.sort_by_key(|(rank, _)| *rank);
        waiting.into_iter().filter(|(_, e)| e.failures == 0).filter_map(|(_, e)| e.fly()).collect()
    }
    /// Devices whose newest state is not sent, and since when the oldest of them waits.
    pub(super) fn waiting(&self) -> (usize, Option<Instant>) {
        let since = || self.devices.values().filter_map(|e| e.waiting.map(|w| w.since));
        (since().count(), since().min())
    }

    fn earliest(&self) -> Option<Instant> {
        self.devices.values().filter(|e| e.waiting.is_some() && e.flying.is_none()).filter_map(|e| e.not_before).min()
    }
    /// Several writes that fail at once are one failure of the server.
    fn rest(&mut self, after: Option<Duration>, now: Instant, random: f64) {
        if self.pause.is_some_and(|pause| pause > now) {
            return;
        }
        self.refusals = self.refusals.saturating_add(1);
        let own = backoff(self.refusals, AWAY.0, AWAY.1, random);
        // A little later than asked for: a fleet was told the same number of seconds.
        let asked = after.map_or(Duration::ZERO, |after| after.mul_f64(1.0 + 0.25 * random.clamp(0.0, 1.0)));
        self.pause = Some(now + own.max(asked));
    }
}

impl Entry {
    fn new(newest: Arc<DeviceView>) -> Self {
        Self { newest, sent: None, flying: None, waiting: None, not_before: None, failures: 0, said: None, gone: false }
    }
    /// Whether it has to be kept for a while.
    fn leave(&mut self) -> bool {
        (self.gone, self.waiting) = (true, None);
        self.flying.is_some()
    }
    fn observe(&mut self, view: &Arc<DeviceView>, now: Instant) {
        let back = std::mem::take(&mut self.gone);
        let told = self.told();
        if !back && Arc::ptr_eq(&self.newest, view) && (self.waiting.is_some() || told.is_some()) {
            return;
        }
        let differs = told.is_none_or(|told| told.snapshot != view.snapshot);
        let urgent = told.is_none_or(|told| is_urgent(told, view));
        if !same_device(&self.newest.device, &view.device) {
            (self.not_before, self.failures) = (None, 0); // the slice changed: what was refused may be right now
        }
        self.newest = view.clone();
        let since = self.waiting.map_or(now, |w| w.since);
        self.waiting = differs.then_some(Waiting { since, urgent });
    }
    /// What the server knows once what is under way has arrived.
    fn told(&self) -> Option<&DeviceView> {
        self.flying.as_ref().map(|(view, _)| view).or(self.sent.as_ref()).map(AsRef::as_ref)
    }
    fn ready(&self, now: Instant) -> Option<Waiting> {
        self.waiting.filter(|_| self.flying.is_none() && self.not_before.is_none_or(|at| at <= now))
    }
    fn fly(&mut self) -> Option<Arc<DeviceView>> {
        let waiting = self.waiting.take()?;
        self.flying = Some((self.newest.clone(), waiting));
        Some(self.newest.clone())
    }
    fn land(&mut self, result: Result<(), &Refusal>, now: Instant, random: f64) -> Option<String> {
        let (view, was) = self.flying.take()?;
        let refusal = match result {
            Ok(()) => {
                (self.sent, self.not_before, self.failures) = (Some(view), None, 0);
                return over(&mut self.said);
            }
            Err(refusal) => refusal,
        };
        let urgent = was.urgent || self.waiting.is_some_and(|w| w.urgent);
        self.waiting = (self.unsent() && !self.gone).then_some(Waiting { since: was.since, urgent });
        let (first, most) = match refusal {
            Refusal::Busy { .. } | Refusal::Unreachable { .. } => return None, // not the device's fault
            Refusal::Forbidden(_) | Refusal::NotFound(_) => NOT_OURS,
            Refusal::Invalid { .. } => NOT_TAKEN,
        };
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now + backoff(self.failures, first, most, random));
        say(&mut self.said, refusal)
    }
    fn unsent(&self) -> bool {
        self.sent.as_ref().is_none_or(|sent| sent.snapshot != self.newest.snapshot)
    }
}

/// A trouble that lasts is told once, and once that it is over.
fn say(said: &mut Option<String>, refusal: &Refusal) -> Option<String> {
    let text = refusal.to_string();
    let news = said.as_ref() != Some(&text);
    *said = Some(text.clone());
    news.then_some(text)
}
fn over(said: &mut Option<String>) -> Option<String> {
    said.take().map(|_| "status is written again".into())
}

/// What somebody may be waiting for: the answer to an edit, or a change of health.
fn is_urgent(told: &DeviceView, view: &DeviceView) -> bool {
    let (old, new) = (told.snapshot.head(), view.snapshot.head());
    let quick = |c: &Condition| (c.type_.clone(), c.status.clone(), c.reason.clone());
    !Arc::ptr_eq(old, new)
        && (old.pending != new.pending
            || old.applied != new.applied
            || !old.conditions.iter().map(quick).eq(new.conditions.iter().map(quick)))
}
fn cost(view: &DeviceView) -> f64 {
    (view.snapshot.reported() as f64 / PROPERTIES_PER_WRITE).max(1.0)
}

#[cfg(test)]
#[path = "pacer_tests.rs"]
mod tests;
