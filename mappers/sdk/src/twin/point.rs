//! What is known of one property: its last reading, the value that is shown, and how good it is. There are a hundred thousand of
//! them in a mapper, so what most do not have stands beside.
use super::{Format, Now, Raw, exponent::Scale, quality::Grade};
use crate::{
    PointFault, Quality, Value,
    convert::{self, Cell},
    snapshot::Shown,
    value::{Kind, join, split},
};
use pollux_crds::EffectiveProperty;
use std::{borrow::Cow, time::Duration};

/// A device's clock is believed if it is no further off than this.
const CLOCK_OFF: i64 = 5 * 60 * 1000;
/// Longest words of a fault, in characters.
const WORDS: usize = 200;

#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "no two of them hang together")]
pub(super) struct Point {
    /// The last reading; of what is no number, the value stands beside.
    bits: u64,
    /// The last good value.
    value: Cell,
    /// Since when it holds.
    since_ms: i64,
    /// Unix ms of the device; 0: it has no clock.
    device_ms: i64,
    /// Last good reading, in ns.
    fresh_at: u64,
    /// When that was asked for, in ns.
    asked_at: u64,
    rare: Option<Box<Rare>>,
    kind: Kind,
    quality: Quality,
    made: Made,
    grade: Grade,
    /// The words that the grade refers to are others.
    reworded: bool,
    /// Something was heard of it since the start, if only a fault.
    pub(super) heard: bool,
    /// The configuration or the exponent changed: the reading is to be converted again.
    pub(super) outdated: bool,
    /// It holds the exponent of others.
    pub(super) is_exponent: bool,
}
const _: () = assert!(size_of::<Point>() == 72);

/// What few points have.
#[derive(Debug, Clone, Default, PartialEq)]
struct Rare {
    fault: Option<Box<str>>,
    /// When the last fault was asked for, in ns.
    failed_at: u64,
    /// Why the reading is no good value, or what a computed value lacks.
    reason: Cow<'static, str>,
    /// The reading, where it is no number.
    other: Option<Value>,
    /// Readings asked for before this are not decided upon, in ns: it was written to.
    epoch: u64,
}

/// What the reading was made into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    Nothing,
    Value,
    /// It is no good value.
    Reason,
}

impl Default for Point {
    fn default() -> Self {
        Self {
            bits: 0,
            value: Cell::None,
            since_ms: 0,
            device_ms: 0,
            fresh_at: 0,
            asked_at: 0,
            rare: None,
            kind: Kind::None,
            quality: Quality::Bad,
            made: Made::Nothing,
            grade: Grade::NotRead,
            reworded: false,
            heard: false,
            outdated: false,
            is_exponent: false,
        }
    }
}

impl Point {
    pub(super) fn take(&mut self, result: Result<Raw, PointFault>, asked_at: Duration, now: Now) {
        self.heard = true;
        match result {
            Ok(raw) if raw.quality == Quality::Bad => self.fail("Bad", asked_at),
            Ok(raw) => {
                self.fresh_at = nanos(now.mono);
                self.asked_at = nanos(asked_at);
                self.change_rare(|rare| (rare.fault, rare.failed_at) = (None, 0)); // so that nothing is left of it
                self.read(raw);
            }
            Err(fault) => self.fail(&fault.text, asked_at),
        }
    }
    fn read(&mut self, raw: Raw) {
        let Raw { value, quality, device_time_ms } = raw;
        (self.quality, self.device_ms) = (quality, device_time_ms);
        let (kind, bits, other) = match split(value) {
            Ok((kind, bits)) => (kind, bits, None),
            Err(other) => (Kind::Other, 0, Some(other)),
        };
        let old = self.rare.as_ref().and_then(|rare| rare.other.as_ref());
        self.outdated |= self.made == Made::Nothing || (self.kind, self.bits, old) != (kind, bits, other.as_ref());
        (self.kind, self.bits) = (kind, bits);
        match other {
            Some(other) => self.rare().other = Some(other),
            None => self.change_rare(|rare| rare.other = None),
        }
    }
    fn fail(&mut self, why: &str, asked_at: Duration) {
        let why = bounded(why, WORDS);
        let rare = self.rare();
        rare.failed_at = nanos(asked_at);
        if rare.fault.as_deref() != Some(&*why) {
            rare.fault = Some(why.into());
            self.reworded = true;
        }
    }
    /// Read again, unchanged.
    pub(super) fn confirm(&mut self, asked_at: Duration) {
        if self.fault().is_none() && self.is_read() {
            self.asked_at = self.asked_at.max(nanos(asked_at));
            self.fresh_at = self.fresh_at.max(nanos(asked_at));
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
        let Some(raw) = self.raw() else { return false };
        let made = |scale| convert::cell(property, &raw, format.precision(position), scale).map_err(|reason| reason.0);
        match scale.map_err(Cow::Owned).and_then(made) {
            Ok(value) => {
                self.made = Made::Value;
                self.because("".into());
                self.show(value, stamp(self.device_ms, now))
            }
            Err(reason) => {
                self.made = Made::Reason;
                self.because(reason);
                false
            }
        }
    }
    pub(super) fn show(&mut self, value: Cell, since_ms: i64) -> bool {
        let new = self.value != value;
        if new {
            (self.value, self.since_ms) = (value, since_ms);
        }
        new
    }
    /// Why its value is none, or not good; empty: it is.
    pub(super) fn because(&mut self, reason: Cow<'static, str>) {
        if reason.is_empty() {
            return self.change_rare(|rare| rare.reason = reason);
        }
        let rare = self.rare();
        if rare.reason != reason {
            rare.reason = reason;
            self.reworded = true;
        }
    }
    /// How good it is, while the device answers.
    pub(super) fn assess(&self, property: &EffectiveProperty, now: Duration) -> Grade {
        match self.made {
            _ if self.fault().is_some() => Grade::Fault,
            _ if !self.is_read() => Grade::NotRead,
            _ if self.stale_at(property).is_some_and(|at| nanos(now) >= at) => Grade::Stale,
            Made::Nothing => Grade::NotRead,
            Made::Reason => Grade::NoValue,
            Made::Value if self.quality == Quality::Uncertain => Grade::Uncertain,
            Made::Value => Grade::Good,
        }
    }
    /// True: that is news.
    pub(super) fn graded(&mut self, grade: Grade) -> bool {
        let reworded = std::mem::take(&mut self.reworded) && grade.has_words();
        let news = self.grade != grade || reworded;
        self.grade = grade;
        news
    }
    pub(super) fn grade(&self) -> Grade {
        self.grade
    }
    /// Why it is not Good.
    pub(super) fn reason(&self) -> &str {
        match self.grade {
            Grade::Fault => self.fault().unwrap_or_default(),
            Grade::NoValue | Grade::Computed(_) => self.rare.as_ref().map_or("", |rare| &rare.reason),
            plain => plain.word(),
        }
    }
    /// The same, to be kept.
    pub(super) fn reason_kept(&self) -> Cow<'static, str> {
        match self.grade {
            Grade::Fault => self.fault().unwrap_or_default().to_owned().into(),
            Grade::NoValue | Grade::Computed(_) => self.rare.as_ref().map_or("".into(), |rare| rare.reason.clone()),
            plain => plain.word().into(),
        }
    }
    /// In ns.
    pub(super) fn stale_at(&self, property: &EffectiveProperty) -> Option<u64> {
        let after = property.stale_after.filter(|_| self.is_read())?;
        Some(self.fresh_at.saturating_add(nanos(after.duration())))
    }
    /// When the reading was asked for that a write may be decided upon. An implausible value is one too. `epoch`: what was asked for
    /// before is too old, whatever property it is of.
    pub(super) fn decidable(&self, up: bool, epoch: Duration) -> Option<Duration> {
        let asked_at = Duration::from_nanos(self.asked_at);
        let fits = self.is_read() && self.fault().is_none() && asked_at >= self.epoch(epoch);
        (up && fits && self.grade != Grade::Stale).then_some(asked_at)
    }
    pub(super) fn failed_since(&self, epoch: Duration) -> bool {
        let failed = self.rare.as_ref().filter(|rare| rare.fault.is_some());
        failed.is_some_and(|rare| Duration::from_nanos(rare.failed_at) >= self.epoch(epoch))
    }
    /// Its own, if that is later.
    pub(super) fn epoch(&self, epoch: Duration) -> Duration {
        self.rare.as_ref().map_or(epoch, |rare| epoch.max(Duration::from_nanos(rare.epoch)))
    }
    /// It was written to: readings from before say nothing any more.
    pub(super) fn written(&mut self, now: Duration) {
        let rare = self.rare();
        rare.epoch = rare.epoch.max(nanos(now));
    }
    pub(super) fn fault(&self) -> Option<&str> {
        self.rare.as_ref()?.fault.as_deref()
    }
    fn is_read(&self) -> bool {
        self.kind != Kind::None
    }
    /// The last reading.
    pub(super) fn raw(&self) -> Option<Value> {
        match self.kind {
            Kind::Other => self.rare.as_ref()?.other.clone(),
            kind => join(kind, self.bits),
        }
    }
    pub(super) fn value(&self) -> &Cell {
        &self.value
    }
    pub(super) fn shown(&self) -> Shown {
        Shown { value: self.value.clone(), since_ms: self.since_ms }
    }
    pub(super) fn shown_text(&self) -> String {
        let text = self.value.value().map_or_else(|| "another value".into(), |value| super::summary::text(&value));
        bounded(&text, 80)
    }
    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_with(Box::default)
    }
    /// Takes something from what stands beside, and all of it when nothing is left.
    fn change_rare(&mut self, change: impl FnOnce(&mut Rare)) {
        if let Some(rare) = &mut self.rare {
            change(rare);
            if **rare == Rare::default() {
                self.rare = None;
            }
        }
    }
}

/// 584 years of them fit.
#[inline]
pub(super) fn nanos(time: Duration) -> u64 {
    time.as_secs().saturating_mul(1_000_000_000).saturating_add(time.subsec_nanos().into())
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
