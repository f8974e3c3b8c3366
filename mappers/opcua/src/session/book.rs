//! The subscriptions of a session and their items, as we know them. Pure: what is asked of the server stands in `subscribe` and `pump`.
use super::{
    Item, Sink,
    sequence::{Sequence, Step},
};
use crate::wire::{Published, Sample};
use opcua::types::StatusCode;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;

/// Bits of a handle that say where its item stands; the rest tell it from those that stood there before.
const PLACE: u32 = 20;
/// Values that the server dropped because its queue was full: info type DataValue, bit Overflow (Part 4, 7.39.1).
const OVERFLOW: u32 = 0x480;

/// Messages in a row that are taken for a repetition.
const AGAIN: u32 = 3;

/// One item that is watched.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    pub(super) item: Item,
    sink: u32,
    /// Its subscription, by our number.
    pub(super) of: u32,
    /// The server's number of it; None: not there yet.
    pub(super) id: Option<u32>,
    /// With its dead-band, if it has one.
    pub(super) filtered: bool,
}

/// One subscription.
#[derive(Debug)]
pub(super) struct Subscription {
    /// The server's number of it.
    pub(super) id: u32,
    /// Publishing interval that was asked for.
    pub(super) wanted: Duration,
    /// What the server made of it.
    pub(super) publishing: Duration,
    /// How often it speaks at least.
    pub(super) keep_alive: Duration,
    pub(super) handles: BTreeSet<u32>,
    pub(super) sequence: Sequence,
    /// When it spoke last, or was made.
    pub(super) heard: Instant,
    /// It came from another session and has not spoken since.
    pub(super) carried: bool,
    /// Messages in a row that were there before, by their numbers.
    pub(super) again: u32,
    /// It is to be made anew: it is gone at the server, or something of it was lost.
    pub(super) broken: bool,
    /// The server's number of the one whose place it took.
    before: Option<u32>,
    /// It has that one's number, and has not spoken yet: what comes may be the other's.
    fresh: bool,
    /// Keys by sink, for `alive`; made when they are asked for.
    keys: Option<Keys>,
}
type Keys = Arc<[(Arc<dyn Sink>, Vec<u64>)]>;

/// One and the same.
pub(super) fn same(one: &Arc<dyn Sink>, other: &Arc<dyn Sink>) -> bool {
    std::ptr::addr_eq(Arc::as_ptr(one), Arc::as_ptr(other))
}

impl Subscription {
    pub(super) fn new(id: u32, wanted: Duration, publishing: Duration, keep_alive: Duration, now: Instant) -> Self {
        let (handles, sequence, keys) = Default::default();
        Self {
            id,
            wanted,
            publishing,
            keep_alive,
            handles,
            sequence,
            heard: now,
            carried: false,
            again: 0,
            broken: false,
            before: None,
            fresh: false,
            keys,
        }
    }
}

impl Subscription {
    /// Another takes its place, with the same items.
    fn replaced_by(&mut self, made: Self) {
        let (handles, keys, fresh) = (std::mem::take(&mut self.handles), self.keys.take(), made.id == self.id);
        *self = Self { handles, keys, before: Some(self.id), fresh, ..made };
    }
}

/// What came for one sink, in its order.
pub(super) type Batch = (Arc<dyn Sink>, Vec<(u64, Sample)>);

/// What a message holds, sorted by whom it is for.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    pub(super) batches: Vec<Batch>,
    /// Items whose node is not there any more.
    pub(super) absent: Vec<u32>,
    /// Values that the server says it dropped.
    pub(super) lost: u64,
}

#[derive(Debug, Default)]
struct Place {
    generation: u32,
    watch: Option<Watch>,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Book {
    places: Vec<Place>,
    free: Vec<u32>,
    /// With the number of their items, and of those who make some for them.
    sinks: BTreeMap<u32, (Arc<dyn Sink>, usize)>,
    /// By our number: the server's is another after a restart.
    pub(super) subscriptions: BTreeMap<u32, Subscription>,
    next: u32,
    /// Acknowledgements that are under way, by Publish.
    flying: BTreeMap<u64, Vec<(u32, u32)>>,
}

impl Book {
    fn number(&mut self) -> u32 {
        self.next = self.next.wrapping_add(1);
        self.next
    }
    /// Somebody who is told, with items or without, until [`part`](Self::part).
    pub(super) fn meet(&mut self, sink: Arc<dyn Sink>) -> u32 {
        if let Some((number, (_, users))) = self.sinks.iter_mut().find(|(_, (one, _))| same(one, &sink)) {
            *users += 1;
            return *number;
        }
        let number = self.number();
        self.sinks.insert(number, (sink, 1));
        number
    }
    /// From here on only as long as one of his items is watched.
    pub(super) fn part(&mut self, sink: u32) {
        let Some((_, users)) = self.sinks.get_mut(&sink) else { return };
        *users = users.saturating_sub(1);
        if *users == 0 {
            self.sinks.remove(&sink);
        }
    }
    /// All who are told.
    pub(super) fn sinks(&self) -> Vec<Arc<dyn Sink>> {
        self.sinks.values().map(|(sink, _)| sink.clone()).collect()
    }
    /// A subscription that the server made.
    pub(super) fn open(&mut self, made: Subscription) -> u32 {
        let number = self.number();
        self.subscriptions.insert(number, made);
        number
    }
    /// One of this interval that takes more, and how many.
    pub(super) fn room(&self, wanted: Duration, most: usize) -> Option<(u32, usize)> {
        let fits = |(_, one): &(&u32, &Subscription)| one.wanted == wanted && !one.broken && one.handles.len() < most;
        let found = self.subscriptions.iter().find(fits);
        found.map(|(number, one)| (*number, most.saturating_sub(one.handles.len())))
    }
    /// An item that is to be watched. None: there are too many.
    pub(super) fn add(&mut self, of: u32, sink: u32, item: Item) -> Option<u32> {
        let subscription = self.subscriptions.get_mut(&of)?;
        let at = self.free.pop().or_else(|| {
            let at = u32::try_from(self.places.len()).ok().filter(|at| *at < 1 << PLACE)?;
            self.places.push(Place::default());
            Some(at)
        })?;
        let place = self.places.get_mut(usize::try_from(at).ok()?)?;
        let handle = (place.generation << PLACE) | at;
        place.watch = Some(Watch { item, sink, of, id: None, filtered: false });
        subscription.handles.insert(handle);
        subscription.keys = None;
        if let Some((_, users)) = self.sinks.get_mut(&sink) {
            *users += 1;
        }
        Some(handle)
    }
    fn place(&self, handle: u32) -> Option<&Place> {
        let at = usize::try_from(handle & ((1 << PLACE) - 1)).ok()?;
        self.places.get(at).filter(|place| place.generation == handle >> PLACE)
    }
    /// The item of a handle; None: it was given back.
    pub(super) fn watch(&self, handle: u32) -> Option<&Watch> {
        self.place(handle)?.watch.as_ref()
    }
    /// The server took it, or takes it no longer.
    pub(super) fn taken(&mut self, handle: u32, id: Option<u32>, filtered: bool) {
        let at = usize::try_from(handle & ((1 << PLACE) - 1)).unwrap_or(usize::MAX);
        let place = self.places.get_mut(at).filter(|place| place.generation == handle >> PLACE);
        if let Some(watch) = place.and_then(|place| place.watch.as_mut()) {
            (watch.id, watch.filtered) = (id, filtered);
        }
    }
    /// It is watched no longer: what it was, and whom it was for.
    pub(super) fn remove(&mut self, handle: u32) -> Option<(Watch, Arc<dyn Sink>)> {
        let at = handle & ((1 << PLACE) - 1);
        let place = self.places.get_mut(usize::try_from(at).ok()?)?;
        if place.generation != handle >> PLACE {
            return None;
        }
        let watch = place.watch.take()?;
        place.generation = (place.generation + 1) & (u32::MAX >> PLACE);
        self.free.push(at);
        if let Some(subscription) = self.subscriptions.get_mut(&watch.of) {
            subscription.handles.remove(&handle);
            subscription.keys = None;
        }
        let sink = self.sinks.get(&watch.sink)?.0.clone();
        self.part(watch.sink);
        Some((watch, sink))
    }
    /// All are gone, and who was told of them.
    pub(super) fn clear(&mut self) -> Vec<Arc<dyn Sink>> {
        let (sinks, handles) = (self.sinks(), self.handles());
        for handle in handles {
            self.remove(handle);
        }
        self.subscriptions.clear();
        sinks
    }
    pub(super) fn handles(&self) -> Vec<u32> {
        self.subscriptions.values().flat_map(|one| one.handles.iter().copied()).collect()
    }
    /// Our number of one that the server names. Of several it is one that is not broken: the server gave it the number of one that is gone.
    pub(super) fn of(&self, id: u32) -> Option<u32> {
        let named = self.subscriptions.iter().filter(|(_, one)| one.id == id);
        named.min_by_key(|(_, one)| one.broken).map(|(number, _)| *number)
    }
    /// Another took the place of the one of that number.
    pub(super) fn was(&self, id: u32) -> bool {
        self.subscriptions.values().any(|one| one.before == Some(id))
    }
    /// It spoke. None: there is none of this number, or no longer.
    pub(super) fn heard(&mut self, told: &Published, now: Instant) -> Option<(u32, Step)> {
        let number = self.of(told.subscription)?;
        let one = self.subscriptions.get_mut(&number)?;
        if one.fresh && told.sequence != 1 {
            return Some((number, Step::Known)); // it was said before this one was there, whose messages begin with 1
        }
        (one.heard, one.carried, one.fresh) = (now, false, false);
        let step = one.sequence.heard(told.sequence, told.data, &told.available);
        match step {
            Step::Known if told.data => {
                one.sequence.again(told.sequence);
                one.again += 1;
                one.broken |= one.again >= AGAIN; // it numbers them anew: what it says would be taken for old for ever
            }
            Step::Take => one.again = 0,
            _ => {}
        }
        Some((number, step))
    }
    /// What is said from here on is of those that are there now: or it cannot be told any more, for one's first message may be lost.
    pub(super) fn begin(&mut self) {
        self.subscriptions.values_mut().for_each(|one| one.fresh = false);
    }
    /// Another takes its place, with the same items; until they are at the server, it is to be made once more.
    pub(super) fn replace(&mut self, number: u32, made: Subscription) {
        // What they acknowledge is not of the one that has the number now.
        for acks in self.flying.values_mut() {
            acks.retain(|(id, _)| *id != made.id);
        }
        self.with(number, |one| {
            one.replaced_by(made);
            one.broken = true;
        });
    }
    /// Something of a subscription is to be done.
    pub(super) fn with(&mut self, number: u32, change: impl FnOnce(&mut Subscription)) {
        if let Some(one) = self.subscriptions.get_mut(&number) {
            change(one);
        }
    }
    /// It is gone at the server: made anew with what it has, or forgotten.
    pub(super) fn gone(&mut self, number: u32) {
        self.with(number, |one| one.broken = true);
        self.subscriptions.retain(|other, one| *other != number || !one.handles.is_empty());
    }
    /// Acknowledgements that go with this Publish.
    pub(super) fn take_acks(&mut self, publish: u64) -> Vec<(u32, u32)> {
        let mut acks = vec![];
        for (number, id) in self.subscriptions.iter().map(|(number, one)| (*number, one.id)).collect::<Vec<_>>() {
            let named = self.of(id) == Some(number); // else they would be another's
            if let Some(one) = self.subscriptions.get_mut(&number).filter(|_| named) {
                acks.extend(one.sequence.acks().into_iter().map(|ack| (id, ack)));
            }
        }
        self.flying.insert(publish, acks.clone());
        acks
    }
    /// How many are waited for.
    pub(super) fn flying(&self) -> usize {
        self.flying.len()
    }
    /// It was answered; if not, what it acknowledged is not.
    pub(super) fn landed(&mut self, publish: u64, answered: bool) {
        let acks = self.flying.remove(&publish).unwrap_or_default();
        if answered {
            return;
        }
        for (id, ack) in acks.into_iter().rev() {
            if let Some(number) = self.of(id) {
                self.with(number, |one| one.sequence.give_back(&[ack]));
            }
        }
    }
    /// None of them will be answered any more.
    pub(super) fn all_lost(&mut self) {
        while let Some(publish) = self.flying.keys().next_back().copied() {
            self.landed(publish, false);
        }
    }
    /// By whom they are for. What belongs to no item, or to one that is gone, is nobody's.
    pub(super) fn sort(&self, samples: Vec<Sample>) -> Sorted {
        let mut sorted = Sorted::default();
        let mut whose: Vec<u32> = vec![];
        for sample in samples {
            let Some(watch) = self.watch(sample.handle) else { continue };
            if sample.status & OVERFLOW == OVERFLOW {
                sorted.lost += 1;
            }
            if sample.status & 0xFFFF_0000 == StatusCode::BadNodeIdUnknown.bits() {
                sorted.absent.push(sample.handle);
            }
            // The last first: those of one sink mostly stand together.
            let at = whose.iter().rposition(|sink| *sink == watch.sink);
            if let Some((_, batch)) = at.and_then(|at| sorted.batches.get_mut(at)) {
                batch.push((watch.item.key, sample));
            } else if let Some((sink, _)) = self.sinks.get(&watch.sink) {
                whose.push(watch.sink);
                sorted.batches.push((sink.clone(), vec![(watch.item.key, sample)]));
            }
        }
        sorted
    }
    /// The keys of a subscription, sink by sink.
    pub(super) fn keys(&mut self, number: u32) -> Keys {
        let (places, sinks) = (&self.places, &self.sinks);
        let Some(one) = self.subscriptions.get_mut(&number) else { return Keys::default() };
        if let Some(keys) = &one.keys {
            return keys.clone();
        }
        let mut keys: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
        for handle in &one.handles {
            let at = usize::try_from(handle & ((1 << PLACE) - 1)).unwrap_or(usize::MAX);
            if let Some(watch) = places.get(at).and_then(|place| place.watch.as_ref()) {
                keys.entry(watch.sink).or_default().push(watch.item.key);
            }
        }
        let told = keys.into_iter().filter_map(|(sink, keys)| Some((sinks.get(&sink)?.0.clone(), keys)));
        let keys: Keys = told.collect();
        one.keys = Some(keys.clone());
        keys
    }
    /// Whom items are for, and what they are called there; those that are given back are left out.
    pub(super) fn told(&self, handles: &[u32]) -> Vec<(u32, Arc<dyn Sink>, u64)> {
        let told = |handle: &u32| {
            let watch = self.watch(*handle)?;
            Some((*handle, self.sinks.get(&watch.sink)?.0.clone(), watch.item.key))
        };
        handles.iter().filter_map(told).collect()
    }
}
