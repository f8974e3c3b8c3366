//! What is known of one property: its last reading, the value that is shown, and how good it is.
use super::{Format, Now, Raw, exponent::Scale, quality::Grade};
use crate::{PointFault, Quality, Value, convert};
use pollux_crds::{EffectiveProperty, Value as Twin};
use std::time::Duration;

/// A device's clock is believed if it is no further off than this.
const CLOCK_OFF: i64 = 5 * 60 * 1000;

#[derive(Debug, Clone, Default)]
pub(super) struct Point {
    reading: Option<(Raw, Duration)>,
    fault: Option<String>,
    /// When the last fault was asked for.
    failed_at: Option<Duration>,
    converted: Option<Result<Quality, String>>,
    /// Something was heard of it since the start, if only a fault.
    pub(super) heard: bool,
    /// Last good reading.
    pub(super) fresh_at: Duration,
    /// Readings asked for before this are not decided upon.
    pub(super) epoch: Duration,
    pub(super) value: Option<Shown>,
    /// The value that was reported last.
    pub(super) reported: Option<Twin>,
    pub(super) grade: Grade,
    /// The configuration or the exponent changed: the reading is to be converted again.
    pub(super) outdated: bool,
    /// Position of the property that holds its exponent.
    pub(super) exponent: Option<usize>,
    /// It holds the exponent of others.
    pub(super) is_exponent: bool,
}

/// The last good value, and since when it holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shown {
    pub(super) value: Twin,
    pub(super) since_ms: i64,
}

impl Point {
    pub(super) fn new(epoch: Duration) -> Self {
        Self { epoch, ..Self::default() }
    }
    pub(super) fn take(&mut self, result: Result<Raw, PointFault>, asked_at: Duration, now: Now) {
        self.heard = true;
        match result {
            Ok(raw) if raw.quality == Quality::Bad => self.fail("Bad", asked_at),
            Ok(raw) => {
                self.fault = None;
                self.fresh_at = now.mono;
                self.reading = Some((raw, asked_at));
                self.outdated = true;
            }
            Err(fault) => self.fail(&fault.text, asked_at),
        }
    }
    fn fail(&mut self, why: &str, asked_at: Duration) {
        (self.fault, self.failed_at) = (Some(bounded(why, 200)), Some(asked_at));
    }
    /// Read again, unchanged.
    pub(super) fn confirm(&mut self, asked_at: Duration) {
        if self.fault.is_none()
            && let Some((_, asked)) = &mut self.reading
        {
            *asked = (*asked).max(asked_at);
            self.fresh_at = self.fresh_at.max(asked_at);
        }
    }
    /// Makes the shown value of the reading; true if it is another one.
    pub(super) fn convert(
        &mut self,
        (position, property): (usize, &EffectiveProperty),
        scale: Scale,
        format: &dyn Format,
        now: Now,
    ) -> bool {
        self.outdated = false;
        let Some((raw, _)) = &self.reading else { return false };
        let from_raw = |scale| convert::from_raw_scaled(property, &raw.value, format.precision(position), scale);
        match scale.and_then(|scale| from_raw(scale).map_err(|reason| reason.0)) {
            Ok(value) => {
                self.converted = Some(Ok(raw.quality));
                let stamp = stamp(raw.device_time_ms, now);
                self.show(value, stamp)
            }
            Err(reason) => {
                self.converted = Some(Err(reason));
                false
            }
        }
    }
    pub(super) fn show(&mut self, value: Twin, since_ms: i64) -> bool {
        let new = self.value.as_ref().is_none_or(|old| old.value != value);
        if new {
            self.value = Some(Shown { value, since_ms });
        }
        new
    }
    /// How good it is, while the device answers.
    pub(super) fn assess(&self, property: &EffectiveProperty, now: Duration) -> Grade {
        if let Some(fault) = &self.fault {
            return Grade::bad(fault.clone());
        }
        if self.reading.is_none() {
            return Grade::bad("NotRead");
        }
        if self.stale_at(property).is_some_and(|at| now >= at) {
            return Grade::bad("Stale");
        }
        match &self.converted {
            Some(Err(reason)) => Grade::bad(reason.clone()),
            Some(Ok(Quality::Uncertain)) => Grade { quality: Quality::Uncertain, reason: "Uncertain".into() },
            Some(Ok(_)) => Grade::GOOD,
            None => Grade::bad("NotRead"),
        }
    }
    pub(super) fn stale_at(&self, property: &EffectiveProperty) -> Option<Duration> {
        self.reading.as_ref()?;
        property.stale_after.map(|after| self.fresh_at + after.duration())
    }
    /// When the reading was asked for that a write may be decided upon. An implausible value is one too.
    pub(super) fn decidable(&self, up: bool) -> Option<Duration> {
        let (_, asked_at) = self.reading.as_ref()?;
        (up && self.fault.is_none() && *asked_at >= self.epoch && self.grade.reason != "Stale").then_some(*asked_at)
    }
    pub(super) fn failed_since_epoch(&self) -> bool {
        self.fault.is_some() && self.failed_at.is_some_and(|at| at >= self.epoch)
    }
    pub(super) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }
    pub(super) fn raw(&self) -> Option<&Value> {
        self.reading.as_ref().map(|(raw, _)| &raw.value)
    }
    pub(super) fn shown_text(&self) -> String {
        let text =
            self.value.as_ref().map_or_else(|| "another value".into(), |shown| super::summary::text(&shown.value));
        bounded(&text, 80)
    }
}

/// The device's time where it is believable, else ours.
fn stamp(device_ms: i64, now: Now) -> i64 {
    let near = device_ms != 0 && device_ms.abs_diff(now.unix_ms) <= CLOCK_OFF.unsigned_abs();
    if near { device_ms } else { now.unix_ms }
}

/// At most so many characters.
pub(super) fn bounded(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        None => text.to_owned(),
        Some(_) => text.chars().take(characters.saturating_sub(1)).chain(['…']).collect(),
    }
}
