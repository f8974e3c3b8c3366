//! What is known of one property: its last reading, the value that is shown, and how good it is. There are a hundred thousand of
//! them in a mapper, so what most do not have stands beside.
use super::{Moment, Now, Raw, meaning::Meaning, quality::Grade, role::Role};
use crate::{
    PointFault, Precision, Quality, Value,
    columns::differ,
    convert::{self, Cell},
    port::Number,
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
pub(super) struct Point {
    /// The last reading; of what is no number, the value stands beside.
    bits: u64,
    /// Since when the value holds: when the reading came that is another one than that before.
    since_ms: i64,
    /// Last good reading, in ns.
    fresh_at: u64,
    /// When that was asked for, in ns.
    asked_at: u64,
    rare: Option<Box<Rare>>,
    kind: Kind,
    quality: Quality,
    made: Made,
    shown: Where,
    grade: Grade,
    pub(super) role: Role,
    /// The words that the grade refers to are others.
    reworded: bool,
    /// The configuration or the exponent changed: the reading is to be converted again.
    pub(super) outdated: bool,
}
const _: () = assert!(size_of::<Point>() == 48);

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
    /// The last good value, where the reading does not tell it.
    kept: Cell,
    /// Readings asked for before this are not decided upon, in ns: it was written to.
    epoch: u64,
}

/// What the reading was made into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    /// Nothing was heard of it since the start.
    Unheard,
    /// If anything was heard, a fault.
    Nothing,
    Value,
    /// It is no good value.
    Reason,
}

/// Where the last good value is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Where {
    /// In the reading, which is so exact on the wire.
    Reading(Precision),
    /// Beside, if there is one.
    Beside,
}

impl Default for Point {
    fn default() -> Self {
        Self {
            bits: 0,
            since_ms: 0,
            fresh_at: 0,
            asked_at: 0,
            rare: None,
            kind: Kind::None,
            quality: Quality::Bad,
            made: Made::Unheard,
            shown: Where::Beside,
            grade: Grade::NotRead,
            role: Role::Watched,
            reworded: false,
            outdated: false,
        }
    }
}

impl Point {
    /// The usual case, in as little time as can be: a number again where a good one was, which nobody but reports wants to know
    /// of, and which can only be good too. Some: it was taken; whether it is another one.
    #[inline]
    pub(super) fn take_number(&mut self, number: &Number, moment: &Moment) -> Option<bool> {
        let Number { bits, kind, quality, time, .. } = *number;
        let again = self.made == Made::Value && self.grade.is_good() && !self.outdated && self.rare.is_none();
        let alike = kind == self.kind && quality == Quality::Good && self.tells();
        if !(again && alike && self.role.takes(kind, bits)) {
            return None;
        }
        (self.fresh_at, self.asked_at) = (moment.fresh_at, moment.asked_at);
        let moved = differ(kind, bits, self.bits);
        self.bits = bits;
        if moved {
            self.since_ms = stamp(time, moment.now);
        }
        Some(moved)
    }
    /// A reading, or why there is none. True: the value is another one.
    pub(super) fn take(
        &mut self,
        result: Result<Raw, PointFault>,
        meaning: &Meaning<'_>,
        asked_at: Duration,
        now: Now,
    ) -> bool {
        if self.made == Made::Unheard {
            self.made = Made::Nothing;
        }
        match result {
            Ok(raw) if raw.quality == Quality::Bad => self.fail("Bad", asked_at),
            Ok(raw) => {
                (self.fresh_at, self.asked_at) = (nanos(now.mono), nanos(asked_at));
                self.change_rare(|rare| (rare.fault, rare.failed_at) = (None, 0)); // so that nothing is left of it
                self.quality = raw.quality;
                let doubt = raw.reason.filter(|_| raw.quality == Quality::Uncertain).unwrap_or_default();
                let counts = meaning.property.is_event();
                let moved = self.made == Made::Nothing || counts || !self.holds(&raw.value);
                if moved || self.outdated {
                    return self.read((raw.value, doubt), meaning, moved, stamp(raw.device_time_ms, now));
                }
                if self.made == Made::Value {
                    self.because(doubt);
                }
            }
            Err(fault) => self.fail(&fault.text, asked_at),
        }
        false
    }
    /// The last reading means something else by now. True: the value is another one.
    pub(super) fn convert(&mut self, meaning: &Meaning<'_>, now: Now) -> bool {
        self.outdated = false;
        let doubt = self.rare.as_ref().filter(|_| self.made == Made::Value).map(|rare| rare.reason.clone());
        self.raw().is_some_and(|raw| self.read((raw, doubt.unwrap_or_default()), meaning, false, now.unix_ms))
    }
    /// With the protocol's word for why it is in doubt; empty: it is not, or there is none.
    fn read(&mut self, reading: (Value, Cow<'static, str>), meaning: &Meaning<'_>, moved: bool, since_ms: i64) -> bool {
        let (raw, doubt) = reading;
        self.outdated = false;
        let value = match meaning.cell(&raw) {
            Ok(value) => value,
            Err(reason) => {
                self.keep(meaning.property);
                self.store(raw);
                self.made = Made::Reason;
                self.because(reason);
                return false;
            }
        };
        let told_by_reading = self.made == Made::Value && self.tells();
        let another = moved && told_by_reading && self.raw().as_ref() != Some(&raw); // −0 is no other value than 0
        let new = another || moved && meaning.property.is_event() || self.value(meaning.property) != value;
        self.store(raw);
        self.made = Made::Value;
        self.because(doubt);
        if meaning.is_shared() {
            self.beside(value);
        } else {
            self.shown = Where::Reading(meaning.precision);
            self.change_rare(|rare| rare.kept = Cell::None);
        }
        if new {
            self.since_ms = since_ms;
        }
        new
    }
    /// Bit by bit, as what was written is compared: there −0 is not 0.
    fn holds(&self, raw: &Value) -> bool {
        match self.kind {
            Kind::Other => self.rare.as_ref().is_some_and(|rare| rare.other.as_ref() == Some(raw)),
            kind => split(raw.clone()).is_ok_and(|new| new == (kind, self.bits)),
        }
    }
    fn store(&mut self, raw: Value) {
        match split(raw) {
            Ok((kind, bits)) => {
                (self.kind, self.bits) = (kind, bits);
                self.change_rare(|rare| rare.other = None);
            }
            Err(other) => {
                (self.kind, self.bits) = (Kind::Other, 0);
                self.rare().other = Some(other);
            }
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
    /// So still, without having been read.
    pub(super) fn still(&mut self, at: Duration) {
        if self.fault().is_none() && self.is_read() {
            self.fresh_at = self.fresh_at.max(nanos(at));
        }
    }
    /// Nothing is wrong with it, though nothing was read.
    pub(super) fn quiet(&mut self) {
        self.change_rare(|rare| (rare.fault, rare.failed_at) = (None, 0));
    }
    /// By the device's own word, unless that is of a time to come.
    pub(super) fn since(&mut self, unix_ms: i64, now: Now) {
        if unix_ms > 0 && unix_ms <= now.unix_ms.saturating_add(CLOCK_OFF) {
            self.since_ms = unix_ms;
        }
    }
    /// It is computed of others. True: the value is another one.
    pub(super) fn computed(&mut self, value: Cell, now: Now) -> bool {
        self.made = Made::Value;
        let new = self.rare.as_ref().is_none_or(|rare| rare.kept != value);
        if new {
            self.beside(value);
            self.since_ms = now.unix_ms;
        }
        new
    }
    /// The last good value stays what it is, whatever becomes of the reading and of the property.
    pub(super) fn keep(&mut self, property: &EffectiveProperty) {
        if self.tells() {
            let value = self.value(property);
            self.beside(value);
        }
    }
    fn beside(&mut self, value: Cell) {
        self.shown = Where::Beside;
        self.rare().kept = value;
    }
    fn tells(&self) -> bool {
        matches!(self.shown, Where::Reading(_))
    }
    /// Something was heard of it since the start, if only a fault.
    pub(super) fn is_heard(&self) -> bool {
        self.made != Made::Unheard
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
            // Nothing happened yet, and nothing is wrong with that.
            Made::Unheard | Made::Nothing if property.is_event() => Grade::Good,
            _ if !self.is_read() => Grade::NotRead,
            _ if self.stale_at(property).is_some_and(|at| nanos(now) >= at) => Grade::Stale,
            Made::Unheard | Made::Nothing => Grade::NotRead,
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
            Grade::Uncertain => self.doubt().map_or(Grade::Uncertain.word(), |word| word),
            plain => plain.word(),
        }
    }
    /// The protocol's word for why it is Uncertain.
    fn doubt(&self) -> Option<&Cow<'static, str>> {
        self.rare.as_ref().map(|rare| &rare.reason).filter(|word| !word.is_empty())
    }
    /// The same, to be kept.
    pub(super) fn reason_kept(&self) -> Cow<'static, str> {
        match self.grade {
            Grade::Fault => self.fault().unwrap_or_default().to_owned().into(),
            Grade::NoValue | Grade::Computed(_) => self.rare.as_ref().map_or("".into(), |rare| rare.reason.clone()),
            Grade::Uncertain => self.doubt().cloned().unwrap_or(Grade::Uncertain.word().into()),
            plain => plain.word().into(),
        }
    }
    /// When it was read last.
    #[inline]
    pub(super) fn read_at(&self) -> Option<Duration> {
        self.is_read().then(|| Duration::from_nanos(self.fresh_at))
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
    /// The last good value.
    #[inline]
    pub(super) fn value(&self, property: &EffectiveProperty) -> Cell {
        match self.shown {
            Where::Reading(Precision::Single) if self.kind == Kind::Float && self.role.is_plain() => {
                Cell::single(f64::from_bits(self.bits))
            }
            shown => self.made_value(shown, property),
        }
    }
    fn made_value(&self, shown: Where, property: &EffectiveProperty) -> Cell {
        match shown {
            Where::Beside => self.rare.as_ref().map(|rare| rare.kept.clone()).unwrap_or_default(),
            Where::Reading(precision) => {
                let cell = |raw| convert::cell(property, &raw, precision, property.scale).ok();
                self.raw().and_then(cell).unwrap_or_default()
            }
        }
    }
    pub(super) fn shown(&self, property: &EffectiveProperty) -> Shown {
        Shown { value: self.value(property), since_ms: self.since_ms }
    }
    /// The reading was made into a good value.
    pub(super) fn is_valued(&self) -> bool {
        self.made == Made::Value && self.fault().is_none()
    }
    pub(super) fn shown_text(&self, property: &EffectiveProperty) -> String {
        let value = self.value(property).value();
        bounded(&value.map_or_else(|| "another value".into(), |value| super::summary::text(&value)), 80)
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
