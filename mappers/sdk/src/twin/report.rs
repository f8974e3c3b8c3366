//! The mapper's part of status, and when it is worth a write.
use super::{
    Link, Now, Twin, Wanted,
    conditions::{self, BINDING_CHANGED, UNKNOWN_WRITTEN, Word, seconds, timestamp},
    point::bounded,
    quality::word,
    record::State,
    summary::{self, Shows},
    write::Verdict,
};
use crate::convert;
use pollux_crds::{Applied, DeviceStatus, Mode, OVERLOADED, Pending, PropertyType, Value, Writes};
use std::{collections::BTreeMap, time::Duration};

/// After the device is there, the first report waits for all values, but no longer than this.
pub(super) const FIRST_VALUES: Duration = Duration::from_secs(10);
/// Names in a message.
const NAMES: usize = 5;

/// What was reported last, and what is waiting.
#[derive(Debug, Default)]
pub(super) struct Reporter {
    /// Without the values, which their points keep: maps of a thousand names are not copied for each report.
    last: Option<DeviceStatus>,
    /// How many values it had.
    count: usize,
    last_at: Duration,
    /// Something changed that is worth a write at once.
    pub(super) at_once: bool,
    /// When the value that changed beyond its dead-band may be written.
    pub(super) soon: Option<Duration>,
}

impl Reporter {
    /// Nothing was reported yet.
    pub(super) fn is_new(&self) -> bool {
        self.last.is_none()
    }
    /// A value changed; `old` was reported last.
    pub(super) fn changed(&mut self, property: &pollux_crds::EffectiveProperty, old: Option<&Value>, new: &Value) {
        if !property.is_reported() {
            return;
        }
        let Some(old) = old else {
            self.at_once = true;
            return;
        };
        if !beyond(property, old, new) {
            return;
        }
        if property.type_ == PropertyType::Boolean {
            self.at_once = true;
            return;
        }
        let at = self.last_at + property.report.min_interval.duration();
        self.soon = Some(self.soon.map_or(at, |soon| soon.min(at)));
    }
}

/// All but what follows from values.
fn without_values(status: &DeviceStatus) -> DeviceStatus {
    let DeviceStatus { uid, quality, quality_reason, pending, applied, identification, learned, conditions, .. } =
        status;
    DeviceStatus {
        uid: uid.clone(),
        quality: quality.clone(),
        quality_reason: quality_reason.clone(),
        pending: pending.clone(),
        applied: applied.clone(),
        identification: identification.clone(),
        learned: learned.clone(),
        conditions: conditions.clone(),
        ..DeviceStatus::default() // what the operator writes, and values with their times and the line that shows them
    }
}

fn beyond(property: &pollux_crds::EffectiveProperty, old: &Value, new: &Value) -> bool {
    match (convert::number_of(old), convert::number_of(new)) {
        (Some(a), Some(b)) if property.report.deadband > 0.0 => (a - b).abs() > property.report.deadband,
        _ => old != new,
    }
}

impl Twin {
    /// The newest state, whether or not it is worth a write.
    pub fn status(&self, _now: Now) -> DeviceStatus {
        let mut status = DeviceStatus { uid: Some(self.device.uid.clone()), ..DeviceStatus::default() };
        for (property, point) in self.device.properties.iter().zip(&self.points) {
            if !property.is_shown() || property.report.never {
                continue;
            }
            let name = &property.name;
            if let Some(shown) = point.value.as_ref().filter(|_| property.is_reported()) {
                status.reported.insert(name.clone(), shown.value.clone());
                status.timestamps.insert(name.clone(), timestamp(shown.since_ms));
            }
            if !point.grade.is_good() {
                status.quality.insert(name.clone(), word(point.grade.quality).into());
                status.quality_reason.insert(name.clone(), point.grade.reason.clone().into_owned());
            }
        }
        status.pending = self.pending();
        let applied = self.record.values.iter().filter(|(_, entry)| entry.state == State::Acknowledged);
        status.applied = applied
            .map(|(name, e)| (name.clone(), Applied { value: e.value.clone(), binding: e.wiring.clone() }))
            .collect();
        let pending = |position| self.open_of(position).map(|wanted| &wanted.value);
        status.summary = summary::line(&self.device, &self.points, pending);
        (status.learned, status.identification) = (self.learned.clone(), self.identification.clone());
        status.conditions = self.conditions.list(self.device.generation);
        status
    }
    /// Some when something is worth a status write. Call after `step`.
    pub fn report(&mut self, now: Now) -> Option<DeviceStatus> {
        if self.waits_for_first_values(now.mono) {
            return None;
        }
        let first = self.reporter.last.is_none();
        let soon = self.reporter.soon.is_some_and(|at| now.mono >= at);
        if !first && !self.reporter.at_once && !soon {
            return None;
        }
        let status = self.status(now);
        let worth = first || self.worth(&status);
        (self.reporter.at_once, self.reporter.soon) = (false, None);
        self.rewake();
        if !worth {
            return None;
        }
        (self.reporter.last, self.reporter.last_at) = (Some(without_values(&status)), now.mono);
        self.reporter.count = status.reported.len();
        for (property, point) in self.device.properties.iter().zip(&mut self.points) {
            point.reported = status.reported.get(&property.name).cloned();
        }
        Some(status)
    }
    /// More than values within their dead-bands.
    fn worth(&self, new: &DeviceStatus) -> bool {
        let Some(old) = &self.reporter.last else { return true };
        let points = || self.device.properties.iter().zip(&self.points);
        *old != without_values(new)
            || self.reporter.count != new.reported.len()
            || points().any(|(property, point)| match (&point.reported, new.reported.get(&property.name)) {
                (Some(old), Some(new)) => beyond(property, old, new),
                (old, new) => old.is_some() != new.is_some(),
            })
    }
    fn waits_for_first_values(&self, now: Duration) -> bool {
        let off = self.device.mode == Mode::Off;
        self.reporter.last.is_none()
            && !off
            && match &self.link {
                Link::Unknown => now < self.first_by,
                Link::Up => {
                    let unheard =
                        |(p, point): (&pollux_crds::EffectiveProperty, &super::Point)| p.is_read() && !point.heard;
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
                let fault = point.and_then(super::Point::fault);
                let fault = fault.map_or_else(|| "no answer".to_owned(), |fault| format!("cannot be read: {fault}"));
                let unverified = wanted.unverified().then(|| format!("acknowledged, and not read back since: {fault}"));
                wanted.error.clone().or(unverified).or(point.and_then(super::Point::fault).map(|_| fault))
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
            (Link::Refused { reason, message }, _) => Word::new("False", reason, message),
            (_, Mode::Off) => Word::new("Unknown", "Off", "mode is Off: the device is not asked"),
            (Link::Unknown, _) => Word::new("Unknown", "Starting", "nothing was heard of the device yet"),
            (Link::Up, _) => match &self.overload {
                None => Word::new("True", "Answers", "the device answers"),
                Some(why) => Word::new("True", OVERLOADED, &format!("the device answers, but its line is {why}")),
            },
            (Link::Down { kind, message }, _) => Word::new("False", kind.as_str(), message),
        };
        self.conditions.connected(word, urgent, now);
    }
    pub(super) fn say_healthy(&mut self, now: Now) {
        let judged: Vec<_> = self.device.properties.iter().zip(&self.points).filter(|(p, _)| p.is_shown()).collect();
        let poor: Vec<_> = judged.iter().filter(|(_, point)| !point.grade.is_good()).collect();
        let starting = self.link == Link::Unknown || (self.link == Link::Up && now.mono < self.first_by);
        let word = if self.device.mode == Mode::Off {
            Word::new("Unknown", "Off", "mode is Off: the device is not asked")
        } else if poor.is_empty() {
            Word::new("True", "Good", &format!("{} properties are Good", judged.len()))
        } else if starting && poor.iter().all(|(_, point)| point.grade.reason.ends_with("NotRead")) {
            Word::new("Unknown", "NotRead", "not every property was read yet")
        } else {
            let item = |(property, point): &&(&pollux_crds::EffectiveProperty, &super::Point)| {
                format!("{} {} ({})", property.name, word(point.grade.quality), point.grade.reason)
            };
            let one = poor.iter().all(|(_, point)| point.grade.reason == "NotConnected");
            let list: Vec<String> = poor.iter().take(NAMES).map(item).collect();
            let more = if poor.len() > NAMES { ", …" } else { "" };
            let text = format!("{} of {} properties are not Good: {}{more}", poor.len(), judged.len(), list.join(", "));
            Word::new("False", if one { "NotConnected" } else { "NotGood" }, &text)
        };
        self.conditions.healthy(word, now.unix_ms);
    }
    pub(super) fn say_in_sync(&mut self, now: Now) {
        let word = if let Some(why) = &self.edit_refused {
            Word::new("False", "ConfigError", why)
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
            Word::new(status, reason, &format!("{text}{names}{not_saved}"))
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
