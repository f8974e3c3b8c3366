//! One device, compiled: its nodes by name, and where their values go; beside that what is known of it at the server of now. That
//! outlives a link, for values are judged by their node's type while there is none too.
use crate::{
    happened::Past,
    limits::{self, Operation},
    places::{Place, Places},
    wire::Sample,
};
use opcua::types::NumericRange;
use pollux_crds::{OpcUaBinding, OpcUaDeadband, OpcUaDelivery, OpcUaDevice, OpcUaNode, OpcUaSampling};
use pollux_mapper::{ConfigError, Interval, Knowledge, Point, Slot};
use serde_json::Value as Json;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

/// Sampling of what is read once: so seldom that it is a keep-alive at most.
const SELDOM: Duration = Duration::from_hours(1);
/// How long a node that answered is proof at most that its device is there.
const LONGEST: Duration = Duration::from_mins(1);
/// The Objects folder.
const OBJECTS: &str = "i=85";
/// Nodes of one Read or Write until a session says what the server takes.
const MANY: usize = 1000;

/// One device.
#[derive(Debug)]
pub struct Unit {
    root: OpcUaNode,
    items: Vec<Item>,
    round: Duration,
    /// Tells one from another, whatever their names.
    id: u64,
    read: AtomicUsize,
    write: AtomicUsize,
    told: Mutex<Told>,
    /// What was heard of its events, by point.
    past: Mutex<BTreeMap<usize, Past>>,
    /// What its server was seen to refuse is to be forgotten.
    forgets: AtomicBool,
    /// Of what `plan` and `knowledge` answer.
    changes: AtomicU64,
}

/// What the server of now says and takes.
#[derive(Debug, Default)]
struct Told {
    places: Option<Arc<Places>>,
    kept: Json,
    remarks: BTreeMap<&'static str, String>,
}

/// One point of it.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a word of the point's or of its binding")]
pub struct Item {
    /// Where its values go.
    pub slot: Slot,
    /// The property's name.
    pub name: String,
    /// The node.
    pub node: OpcUaNode,
    /// A part of it, where it is an array.
    pub range: NumericRange,
    /// That part is one element.
    pub element: bool,
    /// How often it is sampled.
    pub interval: Duration,
    /// It is read, and not subscribed.
    pub polled: bool,
    /// What the server shall not send.
    pub deadband: Option<OpcUaDeadband>,
    /// Values that the server keeps.
    pub queue: Option<u32>,
    /// It is read at all.
    pub readable: bool,
    /// Each of its values is something that happened: it is not read.
    pub event: bool,
    /// It is read together with the others of this name.
    pub group: Option<String>,
}

impl Item {
    /// It is read when its device is attached, and not in cycles.
    pub(crate) fn once(&self) -> bool {
        self.interval == SELDOM
    }
}

impl Unit {
    /// All errors at once.
    pub fn new(device: &OpcUaDevice, points: &[Point<'_, OpcUaBinding>]) -> Result<Self, Vec<ConfigError>> {
        static UNITS: AtomicU64 = AtomicU64::new(0);
        let root = device.root.as_deref().unwrap_or(OBJECTS).parse::<OpcUaNode>();
        let root = root.map_err(|error| ConfigError::device(format!("root: {error}")));
        let reads = device.subscription.as_ref().and_then(|how| how.mode) == Some(OpcUaDelivery::Poll);
        let (mut items, mut errors) = (vec![], vec![]);
        for (at, point) in points.iter().enumerate() {
            match item(point, reads) {
                Ok(item) => items.push(item),
                Err(text) => errors.push(ConfigError::point(at, text)),
            }
        }
        let limits = device.limits.as_ref();
        let cap = |wanted: Option<i32>| wanted.and_then(|most| usize::try_from(most).ok()).unwrap_or(MANY).max(1);
        let (read, write) = (cap(limits.and_then(|limits| limits.read)), cap(limits.and_then(|limits| limits.write)));
        errors.extend(too_large(&items, read));
        match root {
            Ok(root) if errors.is_empty() => Ok(Self {
                root,
                round: round(&items),
                items,
                id: UNITS.fetch_add(1, Relaxed),
                read: read.into(),
                write: write.into(),
                told: Mutex::default(),
                past: Mutex::default(),
                forgets: AtomicBool::new(false),
                changes: AtomicU64::new(0),
            }),
            Ok(_) => Err(errors),
            Err(error) => Err(std::iter::once(error).chain(errors).collect()),
        }
    }
    /// Where browse paths begin.
    pub fn root(&self) -> &OpcUaNode {
        &self.root
    }
    /// By position in `points` of `prepare`.
    pub fn items(&self) -> &[Item] {
        &self.items
    }
    /// The read group of one of them.
    pub(crate) fn group(&self, at: usize) -> Option<&str> {
        self.items.get(at)?.group.as_deref()
    }
    fn past(&self) -> MutexGuard<'_, BTreeMap<usize, Past>> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// It is subscribed to: what comes first of it stands there.
    pub(crate) fn begins(&self, at: usize) {
        if self.items.get(at).is_some_and(|item| item.event) {
            self.past().entry(at).or_default().begin();
        }
    }
    /// It is no event, or happened; else it stood there.
    pub(crate) fn happens(&self, at: usize, sample: &Sample) -> bool {
        let event = self.items.get(at).is_some_and(|item| item.event);
        !event || self.past().entry(at).or_default().happens(sample)
    }
    /// In this time each that is read in cycles was read.
    pub(crate) fn round(&self) -> Duration {
        self.round
    }
    /// Another for each unit of this process.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }
    /// Nodes of one request.
    pub(crate) fn cap(&self, operation: Operation) -> usize {
        let cap = if operation == Operation::Write { &self.write } else { &self.read };
        cap.load(Relaxed).max(1)
    }
    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Where its points stand at the server of now, or stood last.
    pub(crate) fn places(&self) -> Option<Arc<Places>> {
        self.told().places.clone()
    }
    /// They stand there now.
    pub(crate) fn set_places(&self, places: Arc<Places>) {
        self.told().places = Some(places);
    }
    /// One of them is otherwise, unless they are others by now.
    pub(crate) fn change_place(&self, of: &Arc<Places>, at: usize, change: impl FnOnce(&mut Place)) {
        let mut told = self.told();
        let Some(places) = told.places.as_ref().filter(|now| Arc::ptr_eq(now, of)) else { return };
        let mut points = places.points.clone();
        if let Some(place) = points.get_mut(at) {
            change(place);
        }
        told.places = Some(Arc::new(Places { points, ..**places }));
    }
    /// What this server takes, and what it was seen to refuse.
    pub(crate) fn learn(&self, limits: &limits::Learned) {
        let read = self.read.swap(limits.cap(Operation::Read), Relaxed);
        self.write.store(limits.cap(Operation::Write), Relaxed);
        let kept = limits.kept();
        let mut told = self.told();
        if told.kept != kept || read != limits.cap(Operation::Read) {
            told.kept = kept;
            self.changes.fetch_add(1, Relaxed);
        }
    }
    /// What an earlier life learned; what does not fit is ignored. Null: all is forgotten, by the session too.
    pub(crate) fn recall(&self, kept: &Json) {
        self.forgets.store(kept.is_null(), Relaxed);
        self.told().kept = limits::known(kept);
        self.changes.fetch_add(1, Relaxed);
    }
    /// Once for each time that it was to forget.
    pub(crate) fn forgets(&self) -> bool {
        self.forgets.swap(false, Relaxed)
    }
    /// What is kept.
    pub(crate) fn kept(&self) -> Json {
        self.told().kept.clone()
    }
    /// A line for people, one of each subject; None: there is nothing to say of it.
    pub(crate) fn remark(&self, subject: &'static str, line: Option<String>) {
        let mut told = self.told();
        if told.remarks.get(subject) == line.as_ref() {
            return;
        }
        match line {
            Some(line) => told.remarks.insert(subject, line),
            None => told.remarks.remove(subject),
        };
        self.changes.fetch_add(1, Relaxed);
    }
    /// Differs whenever a plan, or what is known, may differ.
    pub(crate) fn generation(&self) -> u64 {
        self.changes.load(Relaxed)
    }
    /// What is known of it beside its values.
    pub(crate) fn knowledge(&self) -> Knowledge {
        let told = self.told();
        let learned = limits::in_words(&told.kept).into_iter().chain(told.remarks.values().cloned()).collect();
        Knowledge { kept: told.kept.clone(), learned, ..Knowledge::default() }
    }
}

/// Read groups of which it is sure already that no request holds them.
fn too_large(items: &[Item], cap: usize) -> Vec<ConfigError> {
    let mut sizes = BTreeMap::<&str, (usize, usize)>::new();
    for (at, item) in items.iter().enumerate().filter(|(_, item)| item.readable) {
        if let Some(group) = &item.group {
            sizes.entry(group).or_insert((at, 0)).1 += 1;
        }
    }
    let large = sizes.into_iter().filter(|(_, (_, size))| *size > cap);
    large
        .map(|(group, (at, size))| {
            ConfigError::point(at, format!("readGroup {group} has {size} nodes, one Read takes {cap} (limits.read)"))
        })
        .collect()
}

/// Twice the longest cycle, for one that is late.
fn round(items: &[Item]) -> Duration {
    let cycles = items.iter().filter(|item| item.readable && !item.event && !item.once()).map(|item| item.interval);
    cycles.max().unwrap_or_default().saturating_mul(2).min(LONGEST)
}

fn item(point: &Point<'_, OpcUaBinding>, reads: bool) -> Result<Item, String> {
    let binding = point.address;
    if let Some((field, message)) = binding.flaws().into_iter().next() {
        return Err(format!("binding.opcua{field}: {message}"));
    }
    let node = binding.node().map_err(|(field, message)| format!("binding.opcua{field}: {message}"))?;
    let range = range(binding.index_range.as_deref().unwrap_or_default())?;
    Ok(Item {
        slot: point.slot,
        name: point.name.to_owned(),
        node,
        element: is_element(&range),
        range,
        interval: match point.interval {
            Interval::Every(interval) => interval,
            Interval::OnConnect => SELDOM,
        },
        // What is read once, or together with others, is read.
        polled: reads
            || binding.sampling == Some(OpcUaSampling::Poll)
            || (point.interval == Interval::OnConnect && !point.event)
            || point.read_group.is_some(),
        deadband: binding.deadband.clone().filter(|_| !point.event), // each counts
        queue: binding.queue_size.and_then(|size| u32::try_from(size).ok()),
        readable: point.readable,
        event: point.event,
        group: point.read_group.map(str::to_owned),
    })
}

/// Part 4, 7.27: in each dimension one index, or two of which the second is larger.
fn range(text: &str) -> Result<NumericRange, String> {
    let rises = |range: &NumericRange| !matches!(range, NumericRange::Range(first, last) if first >= last);
    let range = text.parse::<NumericRange>().ok().filter(|range| match range {
        NumericRange::MultipleRanges(ranges) => ranges.iter().all(rises),
        one => rises(one),
    });
    range.ok_or_else(|| {
        format!("binding.opcua.indexRange is {text}, must be 3, 0:9 (the second larger), or one of these per dimension")
    })
}
fn is_element(range: &NumericRange) -> bool {
    match range {
        NumericRange::Index(_) => true,
        NumericRange::MultipleRanges(ranges) => ranges.iter().all(|range| matches!(range, NumericRange::Index(_))),
        NumericRange::None | NumericRange::Range(..) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_ranges_are_of_elements_or_of_parts() {
        for (text, element) in [("", false), ("3", true), ("0:9", false), ("0,1", true), ("0:1,2", false)] {
            assert_eq!(range(text).map(|range| is_element(&range)), Ok(element), "{text}");
        }
        for text in ["1:1", "5:2", "0:1,3:2", "x", "1:", "4294967296"] {
            assert!(range(text).is_err(), "{text}");
        }
    }
}
