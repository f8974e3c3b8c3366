//! The mapper's part of status, and when it is worth a write.
use super::{
    Entry, Link, Now, Twin, Wanted,
    conditions::{self, BINDING_CHANGED, UNKNOWN_WRITTEN, Word, seconds},
    point::{Point, bounded},
    record::State,
    summary::{self, Shows},
    write::Verdict,
};
use crate::{
    convert::Cell,
    snapshot::{Doubt, Head, Shown, Snapshot, same_head, word},
};
use pollux_crds::{
    Applied, Condition, DeviceStatus, EffectiveDevice, EffectiveProperty, Mode, OVERLOADED, Pending, PropertyType,
    Writes,
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// After the device is there, the first report waits for all values, but no longer than this.
pub(super) const FIRST_VALUES: Duration = Duration::from_secs(10);
/// Names in a message.
const NAMES: usize = 5;

/// What was reported last, and what is waiting.
#[derive(Debug, Default)]
pub(super) struct Reporter {
    last: Option<Snapshot>,
    /// The values that it had, by position of the properties that are in force now.
    pub(super) values: Arc<[Shown]>,
    /// How many they were.
    count: usize,
    /// The conditions' edition and the generation that they were said of.
    said_of: Option<(u32, i64)>,
    /// When a report last had other values. One for a condition's sake only does not make a value wait.
    valued_at: Duration,
    /// Something changed that is worth a write at once.
    pub(super) at_once: bool,
    /// When the value that changed beyond its dead-band may be written.
    pub(super) soon: Option<Duration>,
    /// The shortest time between two reports that a property allows.
    pub(super) soonest: Duration,
}

impl Reporter {
    /// Nothing was reported yet.
    pub(super) fn is_new(&self) -> bool {
        self.last.is_none()
    }
    /// What was reported last of a property.
    pub(super) fn value(&self, position: usize) -> Shown {
        self.values.get(position).cloned().unwrap_or_default()
    }
    /// The next report is made as soon as it may be, whatever number changes.
    pub(super) fn is_settled(&self) -> bool {
        self.at_once || self.soon.is_some_and(|soon| soon <= self.valued_at + self.soonest)
    }
    /// A value is another one.
    pub(super) fn changed(&mut self, (position, property): (usize, &EffectiveProperty), new: &Cell) {
        if self.at_once || !property.is_reported() {
            return;
        }
        let Some(old) = self.values.get(position).map(|shown| &shown.value).filter(|old| old.is_some()) else {
            self.at_once = true;
            return;
        };
        let at = self.valued_at + property.report.min_interval.duration();
        let at_once = property.type_ == PropertyType::Boolean && !property.is_event();
        if !at_once && self.soon.is_some_and(|soon| soon <= at) {
            return; // sooner than that it will not be
        }
        if !(property.is_event() || old.beyond(new, property.report.deadband)) {
            return;
        }
        if at_once {
            self.at_once = true;
            return;
        }
        self.soon = Some(at);
    }
    /// More than values within their dead-bands.
    fn is_worth(&self, device: &EffectiveDevice, new: &Snapshot) -> bool {
        let Some(old) = &self.last else { return true };
        let differs = |((property, old), new): ((&EffectiveProperty, &Shown), &Shown)| {
            (property.is_event() && old.since_ms != new.since_ms)
                || old.value.is_some() != new.value.is_some()
                || old.value.beyond(&new.value, property.report.deadband)
        };
        !same_head(old.head(), new.head())
            || !old.doubts_as(new)
            || self.count != new.reported()
            || device.properties.iter().zip(&*self.values).zip(&**new.values()).any(differs)
    }
}

impl Twin {
    /// The newest state, whether or not it is worth a write.
    pub fn snapshot(&self) -> Snapshot {
        let known = self.device.properties.iter().zip(&self.points);
        let shown = |(property, point): (&EffectiveProperty, &Point)| {
            if point.role.is_reported() || property.is_reported() { point.shown(property) } else { Shown::default() }
        };
        let doubted = |(position, point): (usize, &Point)| {
            let told = self.device.properties.get(position).is_some_and(|p| p.is_shown() && !p.report.never);
            let position = u32::try_from(position).ok()?;
            told.then(|| Doubt { position, quality: point.grade().quality(), reason: point.reason_kept() })
        };
        let not_good = self.points.iter().enumerate().filter(|(_, point)| !point.grade().is_good());
        let pending = |position| self.open_of(position).map(|wanted| &wanted.value);
        let summary = summary::line(&self.device, &self.points, pending).map(Arc::from);
        let (values, doubts) = (known.map(shown).collect(), not_good.filter_map(doubted).collect());
        Snapshot::new(self.device.clone(), self.head(), values, doubts, summary)
    }
    /// What changes seldom: that of the last report, if it is the same.
    fn head(&self) -> Arc<Head> {
        let acknowledged = |(name, entry): (&String, &Entry)| {
            let applied = || Applied { value: entry.value.clone(), binding: entry.wiring.clone() };
            (entry.state == State::Acknowledged).then(|| (name.clone(), applied()))
        };
        let head = Head {
            pending: self.pending(),
            applied: self.record.values.iter().filter_map(acknowledged).collect(),
            identification: self.identification.clone(),
            learned: self.learned.clone(),
            conditions: self.conditions_now(),
        };
        let last = self.reporter.last.as_ref().map(Snapshot::head).filter(|last| ***last == head);
        last.cloned().unwrap_or_else(|| Arc::new(head))
    }
    fn conditions_now(&self) -> Arc<[Condition]> {
        let last = self.reporter.last.as_ref().filter(|_| self.reporter.said_of == Some(self.said_of()));
        last.map_or_else(|| self.conditions.list(self.device.generation), |last| last.head().conditions.clone())
    }
    fn said_of(&self) -> (u32, i64) {
        (self.conditions.edition(), self.device.generation)
    }
    /// The newest state as people know it.
    pub fn status(&self) -> DeviceStatus {
        self.snapshot().status()
    }
    /// Some when something is worth a status write. Call after `step`.
    pub fn report(&mut self, now: Now) -> Option<Snapshot> {
        if self.waits_for_first_values(now.mono) {
            return None;
        }
        let first = self.reporter.last.is_none();
        let soon = self.reporter.soon.is_some_and(|at| now.mono >= at);
        if !first && !self.reporter.at_once && !soon {
            return None;
        }
        let snapshot = self.snapshot();
        let worth = self.reporter.is_worth(&self.device, &snapshot);
        (self.reporter.at_once, self.reporter.soon) = (false, None);
        self.rewake();
        if !worth {
            return None;
        }
        if self.reporter.values != *snapshot.values() {
            self.reporter.valued_at = now.mono;
        }
        (self.reporter.values, self.reporter.count) = (snapshot.values().clone(), snapshot.reported());
        self.reporter.last = Some(snapshot.clone());
        self.reporter.said_of = Some(self.said_of());
        Some(snapshot)
    }
    fn waits_for_first_values(&self, now: Duration) -> bool {
        let off = self.device.mode == Mode::Off;
        self.reporter.last.is_none()
            && !off
            && match &self.link {
                Link::Unknown => now < self.first_by,
                Link::Up => {
                    let unheard =
                        |(p, point): (&EffectiveProperty, &Point)| p.is_read() && !p.is_event() && !point.is_heard();
                    now < self.first_by && self.device.properties.iter().zip(&self.points).any(unheard)
                }
                Link::Down { .. } | Link::Refused { .. } => false,
            }
    }
    fn pending(&self) -> BTreeMap<String, Pending> {
        let open = self.wanted.iter().filter(|wanted| self.is_open(wanted));
        open.filter_map(|wanted| {
            let name = &self.device.properties.get(wanted.property)?.name;
            let pending = Pending {
                value: wanted.value.clone(),
                since: seconds(wanted.since_ms),
                attempts: wanted.attempts,
                error: self.why_open(wanted).map(|why| bounded(&why, 1000)),
            };
            Some((name.clone(), pending))
        })
        .collect()
    }
    /// Not confirmed, and not just waiting for the reading that will confirm what was acknowledged before.
    fn is_open(&self, wanted: &Wanted) -> bool {
        let acknowledged = || {
            let property = self.device.properties.get(wanted.property)?;
            let entry = self.record.values.get(&property.name)?;
            Some(entry.state == State::Acknowledged && entry.wiring == property.wiring)
        };
        match wanted.verdict {
            Verdict::Confirmed => false,
            Verdict::NoReading => wanted.unverified() || acknowledged() != Some(true),
            _ => true,
        }
    }
    fn open_of(&self, position: usize) -> Option<&Wanted> {
        self.wanted.iter().find(|w| w.property == position && self.is_open(w))
    }
    fn why_open(&self, wanted: &Wanted) -> Option<String> {
        let point = self.points.get(wanted.property);
        match wanted.verdict {
            Verdict::UnknownWritten => Some(match &wanted.error {
                Some(error) => format!("{UNKNOWN_WRITTEN} ({error})"),
                None => UNKNOWN_WRITTEN.into(),
            }),
            Verdict::Held => self.held().map(|(_, why)| format!("not written: {why}")),
            Verdict::Drifted => {
                Some("the device was changed by others; enforce is OnChange, so it is not written again".into())
            }
            Verdict::BindingChanged => Some(BINDING_CHANGED.into()),
            Verdict::NoReading => {
                if wanted.waiting.is_some() {
                    return wanted.waiting.clone();
                }
                let fault = point.and_then(Point::fault);
                let fault = fault.map_or_else(|| "no answer".to_owned(), |fault| format!("cannot be read: {fault}"));
                let unverified = wanted.unverified().then(|| format!("acknowledged, and not read back since: {fault}"));
                wanted.error.clone().or(unverified).or(point.and_then(Point::fault).map(|_| fault))
            }
            _ => wanted.error.clone(),
        }
    }
    /// Why nothing is written: reason and words.
    pub(super) fn held(&self) -> Option<(&'static str, String)> {
        match (self.device.mode, self.writes, self.ahead) {
            (Mode::Control, Writes::Enabled, None) => None,
            (Mode::Control, Writes::Enabled, Some(acted)) => Some((
                "Outdated",
                format!(
                    "generation {} from the disk is older than {acted}, which was acted upon; waiting for the API server",
                    self.device.generation
                ),
            )),
            (Mode::Control, Writes::Disabled, _) => {
                Some(("WritesDisabled", "writes are disabled for this mapper".into()))
            }
            (mode, ..) => Some(("Monitor", format!("mode is {mode:?}"))),
        }
    }

    /// Its link is asked for more than it can carry, and what would make it fit; None: it is not.
    pub fn overloaded(&mut self, warning: Option<&str>, now: Now) {
        if self.overload.as_deref() != warning {
            (self.overload, self.touched) = (warning.map(str::to_owned), true);
            self.say(now);
            self.wake = Some(now.mono);
        }
    }
    pub(super) fn say_connected(&mut self, now: Now) {
        let urgent = matches!(self.link, Link::Refused { .. });
        let word = match (&self.link, self.device.mode) {
            (Link::Refused { reason, message }, _) => Word::new("False", reason.clone(), message.clone()),
            (_, Mode::Off) => Word::new("Unknown", "Off", "mode is Off: the device is not asked"),
            (Link::Unknown, _) => Word::new("Unknown", "Starting", "nothing was heard of the device yet"),
            (Link::Up, _) => match &self.overload {
                None => Word::new("True", "Answers", "the device answers"),
                Some(why) => Word::new("True", OVERLOADED, format!("the device answers, but its line is {why}")),
            },
            (Link::Down { kind, message }, _) => Word::new("False", kind.as_str(), message.clone()),
        };
        self.conditions.connected(word, urgent, now);
    }
    pub(super) fn say_healthy(&mut self, now: Now) {
        let judged = || self.device.properties.iter().zip(&self.points).filter(|(p, _)| p.is_shown());
        let poor = || judged().filter(|(_, point)| !point.grade().is_good());
        let starting = self.link == Link::Unknown || (self.link == Link::Up && now.mono < self.first_by);
        let (all, bad) = (judged().count(), poor().count());
        let word = if self.device.mode == Mode::Off {
            Word::new("Unknown", "Off", "mode is Off: the device is not asked")
        } else if bad == 0 {
            Word::new("True", "Good", format!("{all} properties are Good"))
        } else if starting && poor().all(|(_, point)| point.reason().ends_with("NotRead")) {
            Word::new("Unknown", "NotRead", "not every property was read yet")
        } else {
            let item = |(property, point): (&EffectiveProperty, &Point)| {
                format!("{} {} ({})", property.name, word(point.grade().quality()), point.reason())
            };
            let one = poor().all(|(_, point)| point.reason() == "NotConnected");
            let list: Vec<String> = poor().take(NAMES).map(item).collect();
            let more = if bad > NAMES { ", …" } else { "" };
            let text = format!("{bad} of {all} properties are not Good: {}{more}", list.join(", "));
            Word::new("False", if one { "NotConnected" } else { "NotGood" }, text)
        };
        self.conditions.healthy(word, now.unix_ms);
    }
    pub(super) fn say_in_sync(&mut self, now: Now) {
        let word = if let Some(why) = &self.edit_refused {
            Word::new("False", "ConfigError", why.clone())
        } else if self.device.mode == Mode::Off {
            Word::new("Unknown", "Off", "mode is Off: the device is not asked")
        } else if self.wanted.is_empty() {
            Word::new("True", "NothingDesired", "nothing is desired")
        } else {
            let worst = self.wanted.iter().map(|w| w.verdict).max().unwrap_or(Verdict::Confirmed);
            let (status, reason, text) = conditions::in_sync(worst, self.held());
            let names = if worst == Verdict::Confirmed { String::new() } else { format!(" {}", self.names_of(worst)) };
            let lost = |why: &String| format!("; a restart may forget it, its record cannot be saved: {why}");
            let not_saved = self.not_saved.as_ref().map(lost).unwrap_or_default();
            Word::new(status, reason, format!("{text}{names}{not_saved}"))
        };
        self.conditions.in_sync(word, now.unix_ms);
    }
    fn names_of(&self, verdict: Verdict) -> String {
        let these: Vec<&Wanted> = self.wanted.iter().filter(|w| w.verdict == verdict).collect();
        let item = |wanted: &&Wanted| {
            let name = self.device.properties.get(wanted.property).map_or("", |p| p.name.as_str());
            let told = matches!(verdict, Verdict::Refused | Verdict::NotSticking | Verdict::Writing);
            match wanted.waiting.as_ref().or(wanted.error.as_ref().filter(|_| told)) {
                Some(error) => format!("{name} ({error})"),
                None => name.to_owned(),
            }
        };
        let list: Vec<String> = these.iter().take(NAMES).map(item).collect();
        format!("{}{}", list.join(", "), if these.len() > NAMES { ", …" } else { "" })
    }
}
