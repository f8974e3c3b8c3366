//! The twin of one device: what it shall be, what it last said, and what is to be written next. A state machine without
//! clock, IO or threads: the runtime tells it what happened and does what [`Twin::step`] says. The rules are those of
//! design §3; `tests/twin_rules` holds it to them.
//!
//! Order of calls: any number of inputs, then [`Twin::step`], then [`Twin::report`]; again at [`Twin::wake`].
mod conditions;
mod configure;
mod exponent;
mod meaning;
mod point;
mod quality;
mod record;
mod report;
mod role;
mod step;
mod summary;
mod terms;
mod write;

pub use record::{Entry, Record, State};
pub(crate) use terms::Moment;
pub use terms::{Action, Format, Now, Raw};

use crate::{ErrorKind, Knowledge, PointFault, Value, WriteReply, Wrote, port::Number};
use conditions::Conditions;
use exponent::Exponents;
use meaning::Meaning;
use point::{Point, bounded};
use pollux_crds::{EffectiveDevice, Mode, Note, Writes};
use quality::{Formula, Grade};
use report::{FIRST_VALUES, Reporter};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use write::Wanted;

/// While nothing was heard of the device, the first report waits this long.
const FIRST_WORD: Duration = Duration::from_secs(30);
/// After a connect the engine reads all by itself; this long it is waited for.
const OWN_READING: Duration = Duration::from_secs(1);

/// Lines of what was learned, and characters of each, that status has room for.
const LINES: usize = 64;
const LINE: usize = 256;

/// Whether the device answers, as far as the engine told.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Link {
    Unknown,
    Up,
    Down { kind: ErrorKind, message: String },
    Refused { reason: String, message: String },
}

/// A write under way.
#[derive(Debug)]
struct Flight {
    ticket: u64,
    name: String,
    edit: u64,
    wiring: String,
    /// What the record said before.
    prior: Option<Entry>,
}

/// The twin of one device.
#[derive(Debug)]
pub struct Twin {
    device: Arc<EffectiveDevice>,
    writes: Writes,
    record: Record,
    /// The record differs from what the runtime was told to save.
    unsaved: bool,
    /// Why it is not on the disk.
    not_saved: Option<String>,
    link: Link,
    /// Its link is asked for more than it can carry; what would make it fit.
    overload: Option<String>,
    /// One for each property.
    points: Box<[Point]>,
    exponents: Exponents,
    /// Readings asked for before this are not decided upon.
    epoch: Duration,
    /// Some readings are to be converted again.
    outdated: bool,
    formulas: Vec<Formula>,
    /// In the order of the model's properties.
    wanted: Vec<Wanted>,
    flight: Option<Flight>,
    tickets: u64,
    edits: u64,
    conditions: Conditions,
    reporter: Reporter,
    /// Something was told that conditions depend on.
    touched: bool,
    /// When the next value may have become stale.
    stale_check: Option<Duration>,
    /// The shortest age at which a value of it does.
    soonest_stale: Option<Duration>,
    /// When the next write or reading is due.
    write_check: Option<Duration>,
    /// When the first report is made, complete or not.
    first_by: Duration,
    /// The generation that was acted upon before, while the configuration is an older one: nothing is written by it.
    ahead: Option<i64>,
    /// The text of the annotation, while the configuration is older than the one that was acted upon last.
    outlived: Option<String>,
    /// Why a newer edit is not in force.
    edit_refused: Option<String>,
    /// What the driver knows of the device beside its values, as it stands in status.
    learned: Vec<Note>,
    identification: BTreeMap<String, String>,
    wake: Option<Duration>,
}

impl Twin {
    /// A twin that starts. `record`: what the disk holds of this device.
    pub fn new(device: Arc<EffectiveDevice>, record: Option<Record>, writes: Writes, now: Now) -> Self {
        let ahead = |record: &Record| record.generation > device.generation;
        let record = record.filter(|record| ahead(record) || !record.is_outdated(&device));
        let known = record.is_some();
        let ahead = record.as_ref().filter(|record| ahead(record)).map(|record| record.generation);
        let outlived = record.as_ref().and_then(|record| record.outlived(&device));
        let mut twin = Self {
            record: record.unwrap_or_else(|| Record::from_api(&device)),
            unsaved: !known,
            not_saved: None,
            writes,
            link: Link::Unknown,
            overload: None,
            points: vec![Point::default(); device.properties.len()].into(),
            exponents: Exponents::all(&device),
            epoch: now.mono,
            outdated: false,
            formulas: Formula::all(&device),
            wanted: vec![],
            flight: None,
            tickets: 0,
            edits: 0,
            conditions: Conditions::new(now.unix_ms),
            reporter: Reporter::default(),
            touched: true,
            stale_check: None,
            soonest_stale: None,
            write_check: None,
            first_by: now.mono + FIRST_WORD,
            ahead,
            outlived,
            edit_refused: None,
            learned: vec![],
            identification: BTreeMap::new(),
            wake: Some(now.mono),
            device,
        };
        twin.desire(now);
        twin.cast();
        twin.grade_all(now);
        twin.say(now);
        twin
    }
    /// The device that it is the twin of.
    pub fn device(&self) -> &Arc<EffectiveDevice> {
        &self.device
    }

    /// A property was read, or could not be. `asked_at`: when its exchange began; what was asked for before a write was
    /// answered is no word on that write.
    pub fn sample(
        &mut self,
        property: usize,
        result: Result<Raw, PointFault>,
        asked_at: Duration,
        format: &dyn Format,
        now: Now,
    ) {
        let (scale, precision) = (self.scale(property), format.precision(property));
        let (Some(point), Some(effective)) = (self.points.get_mut(property), self.device.properties.get(property))
        else {
            return;
        };
        let role = point.role;
        if point.take(result, &Meaning { property: effective, scale, precision }, asked_at, now) {
            self.reporter.changed((property, effective), &point.value(effective));
            self.moved(property, role);
        }
        self.grade(property, now.mono);
    }
    /// A number was read, in the usual case: true if it was that one, else it is a [`sample`](Self::sample).
    /// [`look_for_stale`](Self::look_for_stale) follows. `settled`: [`is_settled`](Self::is_settled), as it was before the first of them.
    #[inline]
    pub(crate) fn number(&mut self, property: usize, number: &Number, moment: &Moment, settled: &mut bool) -> bool {
        let Some(moved) = self.points.get_mut(property).and_then(|point| point.take_number(number, moment)) else {
            return false;
        };
        if moved
            && !*settled
            && let (Some(point), Some(effective)) = (self.points.get(property), self.device.properties.get(property))
        {
            self.reporter.changed((property, effective), &point.value(effective));
            *settled = self.reporter.is_settled();
        }
        true
    }
    /// The next report is made as soon as it may be, whatever number changes.
    pub(crate) fn is_settled(&self) -> bool {
        self.reporter.is_settled()
    }
    /// Readings came that become stale some day: looked at no later than the first of them may be.
    pub(crate) fn look_for_stale(&mut self, now: Now) {
        let latest = self.soonest_stale.map(|after| now.mono + after);
        self.stale_check = self.stale_check.into_iter().chain(latest).min();
    }
    /// A property was read again, unchanged.
    pub fn confirmed(&mut self, property: usize, asked_at: Duration, now: Now) {
        if let Some(point) = self.points.get_mut(property) {
            point.confirm(asked_at);
            if !point.grade().is_good() {
                self.grade(property, now.mono);
            }
        }
    }
    /// A property is so still, as its source says, which has not read it for that: not stale, and no word on a write.
    pub fn still(&mut self, property: usize, at: Duration, now: Now) {
        if let Some(point) = self.points.get_mut(property) {
            point.still(at);
            if !point.grade().is_good() {
                self.grade(property, now.mono);
            }
        }
    }
    /// Nothing is wrong with a property of kind Event, and nothing happened: what it said last stands.
    pub fn quiet(&mut self, property: usize, now: Now) {
        let event = self.device.properties.get(property).is_some_and(pollux_crds::EffectiveProperty::is_event);
        if let Some(point) = self.points.get_mut(property).filter(|point| event && point.fault().is_some()) {
            point.quiet();
            self.grade(property, now.mono);
            self.wake = Some(now.mono);
        }
    }
    /// What it said last was so since then, which may be long ago.
    pub(crate) fn happened_at(&mut self, property: usize, unix_ms: i64, now: Now) {
        if let Some(point) = self.points.get_mut(property) {
            point.since(unix_ms, now);
        }
    }
    /// Whether the device answers. It is read before anything is written. Told again that it does, it was away in between.
    pub fn connected(&mut self, word: Result<(), (ErrorKind, String)>, now: Now) {
        let link = match word {
            Ok(()) => Link::Up,
            Err((kind, message)) => Link::Down { kind, message },
        };
        if link == Link::Up {
            self.first_by = self.first_by.min(now.mono + FIRST_VALUES).max(now.mono);
            self.read_first(now.mono, now.mono + OWN_READING);
            self.wake = Some(now.mono);
        }
        if self.link == link {
            return;
        }
        self.link_is(link, now);
    }
    /// What the device said last, as the driver gave it.
    pub fn raw(&self, property: usize) -> Option<Value> {
        self.points.get(property)?.raw()
    }
    /// The value that its newest reading was made into, and when it was so; None: into none that is good.
    pub(crate) fn newest(&self, position: usize) -> Option<(pollux_crds::Value, i64)> {
        let (point, property) = (self.points.get(position)?, self.device.properties.get(position)?);
        let shown = point.shown(property);
        shown.value.value().filter(|_| point.is_valued()).map(|value| (value, shown.since_ms))
    }
    /// It cannot be driven as it is configured: EndpointConflict, ConfigError. Nothing of it is under way.
    pub fn refused(&mut self, reason: &str, message: &str, now: Now) {
        self.interrupt(now.mono);
        self.link_is(Link::Refused { reason: reason.into(), message: message.into() }, now);
    }
    /// A newer edit is not in force, and why; None: none is.
    pub fn edit_refused(&mut self, why: Option<String>, now: Now) {
        self.edit_refused = why;
        self.touched = true;
        self.say(now);
        self.wake = Some(now.mono);
    }
    /// What the driver knows of the device beside its values.
    pub fn known(&mut self, knowledge: &Knowledge, now: Now) {
        let learned = knowledge.learned.iter().take(LINES).map(|line| Note(bounded(line, LINE))).collect();
        let objects = knowledge.identification.iter().take(LINES);
        let identification = objects.map(|(name, text)| (bounded(name, LINE), bounded(text, LINE))).collect();
        if self.learned != learned || self.identification != identification {
            (self.learned, self.identification) = (learned, identification);
            (self.touched, self.wake) = (true, Some(now.mono));
        }
    }
    /// It is no longer driven where it was: the answer to a write under way will never come.
    pub fn parted(&mut self, now: Now) {
        self.interrupt(now.mono);
        self.link_is(Link::Unknown, now);
    }
    fn link_is(&mut self, link: Link, now: Now) {
        self.link = link;
        self.touched = true;
        self.grade_all(now);
        self.say(now);
        self.wake = Some(now.mono);
    }
    fn interrupt(&mut self, now: Duration) {
        if let Some(flight) = self.flight.take() {
            self.land(&flight, &Wrote::Unknown, "the connection was given up", now);
        }
    }

    /// What became of a write.
    pub fn wrote(&mut self, ticket: u64, reply: &WriteReply, now: Now) {
        let Some(flight) = self.flight.take_if(|flight| flight.ticket == ticket) else { return };
        let why = reply.why.as_ref().map_or("no reason was given", |why| why.text.as_ref());
        self.land(&flight, reply.values.first().unwrap_or(&Wrote::Unknown), why, now.mono);
        self.wake = Some(now.mono);
    }
    /// It was taken back before it left, for something else is in force by now: that is decided upon anew.
    pub fn withdrawn(&mut self, ticket: u64, now: Now) {
        let Some(flight) = self.flight.take_if(|flight| flight.ticket == ticket) else { return };
        (self.touched, self.unsaved, self.wake) = (true, true, Some(now.mono));
        if let Some(wanted) = self.wanted.iter_mut().find(|w| w.name == flight.name && w.edit == flight.edit) {
            wanted.taken_back();
            self.record.restore(&flight.name, flight.prior);
        }
    }
    /// The record could not be saved, so nothing was sent.
    pub fn save_failed(&mut self, ticket: u64, why: impl std::fmt::Display, now: Now) {
        let Some(flight) = self.flight.take_if(|flight| flight.ticket == ticket) else { return };
        self.land(&flight, &Wrote::NotSent, &format!("not sent: its record cannot be saved: {why}"), now.mono);
        self.wake = Some(now.mono);
    }
    /// What became of a record that was to be saved; one that is not on the disk is tried again by the runtime.
    pub fn saved(&mut self, result: Result<(), String>, now: Now) {
        let why = result.err();
        if self.not_saved != why {
            (self.not_saved, self.touched) = (why, true);
            self.wake = Some(now.mono);
        }
    }
    fn land(&mut self, flight: &Flight, result: &Wrote, why: &str, now: Duration) {
        (self.touched, self.unsaved) = (true, true);
        let seed = self.seed(&flight.name);
        let Some((position, property)) = self.device.property(&flight.name) else { return };
        let sent = !matches!(result, Wrote::Refused(_) | Wrote::NotSent);
        if sent && let Some(point) = self.points.get_mut(position) {
            point.written(now);
        }
        let Some(wanted) = self.wanted.iter_mut().find(|w| w.property == position && w.edit == flight.edit) else {
            return; // set again meanwhile: that edit is decided upon by itself
        };
        match result {
            Wrote::Done => {
                wanted.acknowledged(property.verify, seed, now);
                let (value, wiring) = (wanted.value.clone(), flight.wiring.clone());
                let entry = Entry { value, wiring, state: State::Acknowledged };
                self.record.values.insert(flight.name.clone(), entry);
            }
            Wrote::Refused(fault) => {
                wanted.failed(fault.text.clone().into_owned(), true, true, seed, now);
                self.record.restore(&flight.name, flight.prior.clone());
            }
            Wrote::NotSent => {
                wanted.failed(why.to_owned(), false, false, seed, now);
                self.record.restore(&flight.name, flight.prior.clone());
            }
            Wrote::Unknown => wanted.failed(why.to_owned(), false, true, seed, now),
        }
    }
    /// Differs between devices and properties, and is the same in each run.
    fn seed(&self, name: &str) -> u64 {
        let bytes = self.device.uid.bytes().chain(name.bytes());
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }

    /// When `step` is to be called again if nothing happens before.
    pub fn wake(&self) -> Option<Duration> {
        self.wake
    }
    fn rewake(&mut self) {
        let first = self.reporter_first();
        let all = [self.stale_check, self.write_check, self.reporter.soon, self.conditions.held_until(), first];
        self.wake = all.into_iter().flatten().min();
    }
    fn off(&self) -> bool {
        self.device.mode == Mode::Off
    }
}

#[cfg(test)]
mod number_tests;
