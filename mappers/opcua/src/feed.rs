//! What the server pushes of one device, to its port: values as they come, keep-alives, and what of it is not there any more.
use crate::{
    error::Code,
    read::deliver,
    session::{Handle, Sink},
    unit::Unit,
    wire::Sample,
};
use opcua::types::SubStatusCode;
use pollux_mapper::{ErrorKind, Instant, PointFault, Port, Samples, Slot};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::Notify;

/// When what is gone is looked for again: at first, and at most.
const FIRST: Duration = Duration::from_secs(1);
const LAST: Duration = Duration::from_mins(1);

/// Of an event.
const NOT_WATCHED: PointFault = PointFault {
    kind: ErrorKind::Config,
    text: Cow::Borrowed(
        "the server does not watch it, and an Event is not polled: what happens between two readings is lost",
    ),
};

/// One device that is attached.
#[derive(Debug)]
pub(crate) struct Feed {
    pub unit: Arc<Unit>,
    pub port: Port,
    state: Mutex<State>,
    /// Whoever mends is told.
    wake: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    /// Points that are watched.
    watched: BTreeMap<usize, Handle>,
    /// Points that are read in cycles, and are there: what they have to say of the device, the reads say.
    read: BTreeSet<usize>,
    /// Those that are watched of which the server says that their device does not answer it.
    silent: BTreeSet<usize>,
    /// When a node that is read had its device last.
    there: Option<Instant>,
    /// Why the device is down, where the server says so.
    gone: Option<Code>,
    /// The session is being mended.
    healing: bool,
    /// All is to be found anew.
    anew: bool,
    /// Points to be found again.
    lost: BTreeSet<usize>,
    /// Points that are read for as long as the server refuses to publish.
    parked: BTreeSet<usize>,
    /// Points of which a value was pushed that cannot be decoded: they are read in this session.
    alone: BTreeSet<usize>,
    /// What was said of the device last, up or down.
    said: Option<bool>,
    notes: Notes,
    /// When that is tried next, and how long it is waited after that.
    next: Option<Instant>,
    delay: Duration,
    /// Keeps its memory.
    samples: Samples,
}

/// What is said of points, in words.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// The server does not watch them.
    pub refused: BTreeMap<usize, String>,
    /// It does not apply their dead-band.
    pub unfiltered: BTreeMap<usize, String>,
    /// Events: it does not tell one that is equal to the last.
    pub alike: BTreeMap<usize, String>,
}

/// What is to be mended of a device.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Everything.
    Anew,
    /// These points.
    Lost(Vec<usize>),
}

/// The node itself is not there.
pub(crate) fn is_lost(code: Code) -> bool {
    let code = SubStatusCode::from_value(code.0 & 0xFFFF_0000);
    matches!(code, Some(SubStatusCode::BadNodeIdUnknown | SubStatusCode::BadNodeIdInvalid))
}

impl Feed {
    pub(crate) fn new(unit: Arc<Unit>, port: Port, wake: Arc<Notify>) -> Arc<Self> {
        let state = Mutex::new(State { delay: FIRST, ..State::default() });
        Arc::new(Self { unit, port, state, wake })
    }
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn slot(&self, at: usize) -> Option<Slot> {
        self.unit.items().get(at).map(|item| item.slot)
    }
    /// The server watches it from now on.
    pub(crate) fn watch(&self, at: usize, handle: Handle) {
        if let Some(slot) = self.slot(at) {
            self.port.pushes(slot);
        }
        let mut state = self.state();
        state.watched.insert(at, handle);
        state.read.remove(&at);
        state.lost.remove(&at);
        state.parked.remove(&at);
    }
    /// They are about to be subscribed to: the first that is heard of each is what stands there.
    pub(crate) fn begin(&self, points: impl Iterator<Item = usize>) {
        points.for_each(|at| self.unit.begins(at));
    }
    /// It is read. `lost`: it is looked for again.
    pub(crate) fn poll(&self, at: usize, lost: bool) {
        match self.unit.items().get(at) {
            Some(item) if item.event => {
                self.port.pushes(item.slot);
                self.port.fault(item.slot, NOT_WATCHED);
            }
            Some(item) => self.port.polls(item.slot),
            None => {}
        }
        let mut state = self.state();
        state.watched.remove(&at);
        state.silent.remove(&at);
        if lost {
            state.lose(at);
        } else {
            state.lost.remove(&at);
            self.reads(&mut state, at);
        }
        self.wake.notify_one();
    }
    fn reads(&self, state: &mut State, at: usize) {
        if self.unit.items().get(at).is_some_and(|item| item.readable && !item.event && !item.once()) {
            state.read.insert(at);
        }
    }
    /// It is read until the server publishes again.
    pub(crate) fn park(&self, at: usize) {
        self.poll(at, false);
        self.state().parked.insert(at);
    }
    /// The server may publish again: what is read for that is looked for.
    pub(crate) fn unpark(&self) {
        let mut state = self.state();
        for at in std::mem::take(&mut state.parked) {
            state.lose(at);
        }
    }
    /// What is pushed of it spoils what stands behind it.
    pub(crate) fn is_alone(&self, at: usize) -> bool {
        self.state().alone.contains(&at)
    }
    /// The nodes of these points are not there: they are looked for again.
    pub(crate) fn lose(&self, points: &[usize]) {
        let mut state = self.state();
        for at in points {
            state.lose(*at);
        }
        self.wake.notify_one();
    }
    /// Something is watched whose device is there.
    pub(crate) fn hears(&self) -> bool {
        let state = self.state();
        state.known().any(|at| !state.silent.contains(at))
    }
    /// Of what was read just now, some has its device, or none. True: some had it in the last round of reads.
    pub(crate) fn answers(&self, there: bool) -> bool {
        let (mut state, now) = (self.state(), Instant::now());
        if there {
            state.there = Some(now);
        }
        state.there.is_some_and(|last| now.saturating_duration_since(last) <= self.unit.round())
    }
    /// What is said of these points from now on; what is said of all, of each kind.
    pub(crate) fn note(&self, points: &[usize], new: Notes) -> [Vec<String>; 3] {
        let Notes { refused, unfiltered, alike } = &mut self.state().notes;
        [(refused, new.refused), (unfiltered, new.unfiltered), (alike, new.alike)].map(|(lines, new)| {
            lines.retain(|at, _| !points.contains(at));
            lines.extend(new);
            lines.values().cloned().collect()
        })
    }
    /// What is watched of these points, and is not any more: to be given back.
    pub(crate) fn give_back(&self, points: &[usize]) -> Vec<Handle> {
        let mut state = self.state();
        for at in points {
            state.silent.remove(at);
        }
        points.iter().filter_map(|at| state.watched.remove(at)).collect()
    }
    /// All that is watched, at the end.
    pub(crate) fn end(&self) -> Vec<Handle> {
        let mut state = self.state();
        state.next = None;
        std::mem::take(&mut state.watched).into_values().collect()
    }
    /// When there is something to be mended.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.state().next
    }
    /// What it is; it counts as tried.
    pub(crate) fn flaw(&self, now: Instant) -> Option<Flaw> {
        let mut state = self.state();
        state.next.filter(|next| *next <= now)?;
        state.next = Some(now + state.delay);
        state.delay = (state.delay * 2).min(LAST);
        if state.anew {
            return Some(Flaw::Anew);
        }
        let lost: Vec<usize> = state.lost.iter().copied().collect();
        if lost.is_empty() {
            state.next = None;
        }
        (!lost.is_empty()).then_some(Flaw::Lost(lost))
    }
    /// All of it was found anew.
    pub(crate) fn is_back(&self) {
        let mut state = self.state();
        (state.anew, state.healing) = (false, false);
        state.say(&self.port);
    }
    /// Says what follows from what was heard while it was not yet known what is watched.
    pub(crate) fn settle(&self) {
        self.state().say(&self.port);
    }
}

impl State {
    fn lose(&mut self, at: usize) {
        self.read.remove(&at);
        if self.lost.insert(at) {
            self.delay = FIRST;
            self.next = Some(self.next.map_or(Instant::now() + FIRST, |next| next.min(Instant::now() + FIRST)));
        }
    }
    /// True: somebody is to be told that it is lost.
    fn heard(&mut self, at: usize, code: Code) -> bool {
        if !code.is_bad() && self.silent.is_empty() && self.lost.is_empty() {
            return false;
        }
        if code.is_bad() && code.kind() == ErrorKind::Unreachable {
            self.silent.insert(at);
            self.gone = self.gone.or(Some(code));
            return false;
        }
        self.silent.remove(&at);
        if is_lost(code) {
            self.lose(at);
            return true;
        }
        self.lost.remove(&at);
        false
    }
    /// What is watched and there: what is not there has no device, and says nothing of it.
    fn known(&self) -> impl Iterator<Item = &usize> {
        self.watched.keys().filter(|at| !self.lost.contains(at))
    }
    /// Of what is read it is not known here: while the device is down nothing is.
    fn is_silent(&self) -> bool {
        let mut known = self.known().peekable();
        self.read.is_empty() && known.peek().is_some() && known.all(|at| self.silent.contains(at))
    }
    /// Only what is another word: at each, the engine reads all of the device.
    fn say(&mut self, port: &Port) {
        if self.healing || self.anew {
            return;
        }
        let gone = self.gone.filter(|_| self.is_silent());
        if self.silent.is_empty() {
            self.gone = None;
        }
        if self.said.replace(gone.is_none()) == Some(gone.is_none()) {
            return;
        }
        match gone {
            Some(code) => port.down(format!("the server does not reach it: {code}")),
            None => port.up(),
        }
    }
}

impl Sink for Feed {
    fn samples(&self, batch: &mut dyn Iterator<Item = (u64, Sample)>) {
        let Some(places) = self.unit.places() else { return };
        let mut state = self.state();
        let mut samples = std::mem::take(&mut state.samples);
        let (was_down, mut lost) = (state.gone.is_some(), false);
        for (key, sample) in batch {
            let at = usize::try_from(key).unwrap_or(usize::MAX);
            if let (Some(slot), Some(place)) = (self.slot(at), places.points.get(at)) {
                lost |= state.heard(at, Code(sample.status));
                let stood = !self.unit.happens(at, &sample);
                deliver(&mut samples, slot, place, &sample, stood);
            }
        }
        self.port.put_all(&mut samples); // what there is no room for the engine counts
        state.samples = samples;
        if was_down || state.gone.is_some() {
            state.say(&self.port);
        }
        if lost {
            self.wake.notify_one();
        }
    }
    fn alive(&self, keys: &[u64]) {
        let points = keys.iter().filter_map(|key| usize::try_from(*key).ok());
        self.port.alive(points.filter_map(|at| self.slot(at)));
    }
    fn healing(&self, why: &str) {
        let mut state = self.state();
        (state.healing, state.said) = (true, None);
        self.port.down(why);
    }
    fn healed(&self, kept: bool) {
        let mut state = self.state();
        state.healing = false;
        if kept {
            return state.say(&self.port);
        }
        state.anew = true;
        state.watched.clear();
        state.silent.clear();
        state.read.clear();
        state.parked.clear();
        state.alone.clear();
        (state.gone, state.next, state.delay) = (None, Some(Instant::now()), FIRST);
        self.wake.notify_one();
    }
    fn anew(&self, key: u64) {
        self.begin(usize::try_from(key).into_iter());
    }
    fn gone(&self, key: u64, why: Code) {
        let Ok(at) = usize::try_from(key) else { return };
        tracing::debug!(unit = self.unit.id(), at, %why, "it is watched no longer");
        self.poll(at, true);
        let mut state = self.state();
        if !is_lost(why) {
            self.reads(&mut state, at); // it is looked for, and there
        }
        if state.said.is_some() {
            state.say(&self.port); // of those that are left
        }
    }
    fn undecodable(&self, key: u64) {
        let Ok(at) = usize::try_from(key) else { return };
        self.state().alone.insert(at);
        self.poll(at, false);
    }
    fn room(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.port.room())
    }
}
