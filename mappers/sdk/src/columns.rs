//! The newest value of each point, one row per slot. One writer: the endpoint's task. Dead-bands are not here: the twin
//! must see every change, and sinks have their own.
use crate::{
    DeviceKey, ErrorKind, Instant, PointFault, Quality, Slot, Value, few,
    figures::Figures,
    port::Number,
    value::{Kind, join},
};
use std::{
    borrow::Cow,
    collections::{BTreeMap, VecDeque},
    time::SystemTime,
};

mod alive;
mod event;
mod fresh;
mod other;
mod words;
pub use event::{Quiet, Standing};
pub use fresh::Fresh;

const DIRTY: u8 = 1; // the status side has not seen its newest state
const EVENT: u8 = 2; // every value counts, none is equal to the last
const FAULTED: u8 = 4; // its newest state is a fault, which stands in `faults`
const WORDED: u8 = 8; // why it is Uncertain stands in `words`
const UNTOLD: u8 = 16; // its newest value is none that happened, or was lost as such: the status side has not seen it
const QUIET: u8 = 32; // since its newest value, a fault of it ended
const STOOD: u8 = 64; // while it is taken in: it stood there before anybody listened
const DIRTY_KEPT: usize = 1024; // room that is kept, in marks
const FAULT_TEXT: usize = 512; // bytes of a fault's words that are kept: a device must not fill our memory
const VACANT: Row = Row { bits: 0, time: 0, block: u32::MAX, kind: Kind::None, quality: Quality::Bad, flags: 0 };
const NOT_FINITE: PointFault = PointFault { kind: ErrorKind::Protocol, text: Cow::Borrowed("not a finite number") };

/// 24 bytes; with its entry in [`Fresh`] a point costs 32.
#[derive(Debug, Clone, Copy)]
struct Row {
    bits: u64,
    time: i64,
    block: u32,
    kind: Kind,
    quality: Quality,
    flags: u8,
}
const _: () = assert!(size_of::<Row>() == 24);

/// The rows of one device.
#[derive(Debug)]
struct Block {
    base: u32,
    device: DeviceKey,
    generation: u16,
    fresh: Fresh,
}

/// The newest state of one point.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Whose point it is.
    pub device: DeviceKey,
    /// Its position in the device's points.
    pub point: u32,
    /// Of the device's layout: a change of another generation is of a configuration that is gone.
    pub generation: u16,
    /// How far the value can be believed.
    pub quality: Quality,
    /// The protocol's word for why it is Uncertain, where it has one.
    pub reason: Option<Cow<'static, str>>,
    /// Unix ms: the device's own where it has one, else when it arrived.
    pub time: i64,
    /// The value, or why there is none.
    pub value: Result<Value, PointFault>,
}

/// The moment of a batch: wall clock for stamps, ticks for freshness.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    unix: i64,
    tick: u64,
}

/// Rows, and what does not fit into one.
#[derive(Debug)]
pub struct Columns {
    start: Instant,
    /// Whether each change is told, or only where it stands.
    tells: bool,
    rows: Vec<Row>,
    free: Vec<(u32, u32)>,
    blocks: Vec<Option<Block>>,
    generation: u16,
    texts: BTreeMap<Slot, Value>,
    faults: BTreeMap<Slot, PointFault>,
    words: BTreeMap<Slot, Cow<'static, str>>,
    dirty: Vec<Slot>,
    /// What happened, in order, for the status side; and how much of it was lost, for there was no room.
    happened: VecDeque<Change>,
    missed: u64,
    /// Events of which the status side is to see how they stand when it has seen all that happened.
    unsettled: Vec<Slot>,
}

impl Columns {
    pub(crate) fn new(start: Instant, tells: bool) -> Self {
        let (rows, free, blocks, texts, faults, words, dirty, happened, unsettled) = Default::default();
        let (generation, missed) = (0, 0);
        Self { start, tells, rows, free, blocks, generation, texts, faults, words, dirty, happened, missed, unsettled }
    }
    pub(crate) fn now(&self) -> Now {
        let unix = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX));
        let tick = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        Now { unix, tick: tick.saturating_add(1) }
    }

    /// Rows for one device, consecutive, reusing what others gave back; true: an event. None: more than 2^32 points.
    pub(crate) fn add(
        &mut self,
        device: DeviceKey,
        events: impl ExactSizeIterator<Item = bool>,
    ) -> Option<(Slot, u16, Fresh)> {
        let count = u32::try_from(events.len()).ok()?;
        let base = self.find_room(count)?;
        self.generation = self.generation.wrapping_add(1);
        let fresh = Fresh::new(self.start, events.len());
        let block = Block { base, device, generation: self.generation, fresh: fresh.clone() };
        let number = self.blocks.iter().position(Option::is_none).unwrap_or(self.blocks.len());
        let id = u32::try_from(number).ok()?;
        match self.blocks.get_mut(number) {
            Some(place) => *place = Some(block),
            None => few::push(&mut self.blocks, Some(block)),
        }
        for (row, event) in self.rows.iter_mut().skip(base as usize).zip(events) {
            *row = Row { block: id, flags: if event { EVENT } else { 0 }, ..VACANT };
        }
        Some((Slot(base), self.generation, fresh))
    }
    fn find_room(&mut self, count: u32) -> Option<u32> {
        if let Some(at) = self.free.iter().position(|(_, len)| *len >= count) {
            let (base, len) = self.free.swap_remove(at);
            if len > count {
                self.free.push((base + count, len - count));
            }
            return Some(base);
        }
        let base = u32::try_from(self.rows.len()).ok()?;
        base.checked_add(count)?;
        self.rows.resize(self.rows.len() + count as usize, VACANT);
        Some(base)
    }
    /// The rows of a device's layout go back. By its block, for the rows of a device without points are its neighbour's.
    pub(crate) fn remove(&mut self, device: DeviceKey, generation: u16) {
        let its = |block: &Block| block.device == device && block.generation == generation;
        let found = self.blocks.iter_mut().find(|place| place.as_ref().is_some_and(its));
        let Some(Block { base, fresh, .. }) = found.and_then(Option::take) else { return };
        let count = u32::try_from(fresh.heard.len()).unwrap_or(u32::MAX); // as many as `add` gave
        if count > 0 {
            self.give_back(base, count);
        }
    }
    fn give_back(&mut self, base: u32, count: u32) {
        for slot in base..base.saturating_add(count) {
            self.texts.remove(&Slot(slot));
            self.faults.remove(&Slot(slot));
            self.words.remove(&Slot(slot));
        }
        for row in self.rows.iter_mut().skip(base as usize).take(count as usize) {
            *row = VACANT;
        }
        self.dirty.retain(|s| s.0.wrapping_sub(base) >= count);
        self.unsettled.retain(|s| s.0.wrapping_sub(base) >= count);
        self.free.push((base, count));
        self.free.sort_unstable();
        self.free.dedup_by(|next, kept| {
            let joins = kept.0 + kept.1 == next.0;
            if joins {
                kept.1 += next.1;
            }
            joins
        });
    }
    /// Rows there are, in use or free.
    pub fn len(&self) -> usize {
        self.rows.len()
    }
    /// No device ever had a point.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
    /// How far the newest state of a point can be believed.
    pub fn quality(&self, slot: Slot) -> Option<Quality> {
        self.rows.get(slot.0 as usize).map(|r| r.quality)
    }
    /// The newest value of a point, good or not.
    pub fn value(&self, slot: Slot) -> Option<Value> {
        let row = self.rows.get(slot.0 as usize)?;
        join(row.kind, row.bits).or_else(|| self.texts.get(&slot).cloned())
    }
    /// Why a point has no value now.
    pub fn fault_of(&self, slot: Slot) -> Option<&PointFault> {
        self.faults.get(&slot)
    }

    /// Numbers of one device, as they came: those that are where such a number was have the short way.
    pub(crate) fn ingest_all(&mut self, mut numbers: impl Iterator<Item = Number>, now: Now, out: &mut Vec<Change>) {
        while let Some(other) = self.renew(&mut numbers, now) {
            self.ingest(other, now, out);
        }
    }
    /// Takes them in up to the first that is not where a good number of its kind was, or whose change is to be told.
    fn renew(&mut self, numbers: &mut impl Iterator<Item = Number>, now: Now) -> Option<Number> {
        let Self { rows, blocks, dirty, tells, .. } = self;
        let (mut last, mut owner, mut unchanged) = (u32::MAX, None::<&Block>, false);
        let other = numbers.find(|n| {
            let Some(row) = rows.get_mut(n.slot.0 as usize) else { return true };
            if row.block != last {
                (last, owner) = (row.block, blocks.get(row.block as usize).and_then(Option::as_ref));
            }
            let alike = row.kind == n.kind && row.quality == n.quality && row.flags & (EVENT | FAULTED | WORDED) == 0;
            let sound = n.kind != Kind::Float || f64::from_bits(n.bits).is_finite();
            let moved = differ(n.kind, n.bits, row.bits);
            let (true, Some(block)) = (alike && sound && n.quality != Quality::Bad && !(moved && *tells), owner) else {
                return true;
            };
            (row.bits, row.time) = (n.bits, if n.time == 0 { now.unix } else { n.time });
            if !moved {
                unchanged = true;
            } else if row.flags & DIRTY == 0 {
                row.flags |= DIRTY;
                dirty.push(n.slot);
            }
            block.fresh.mark(n.slot.0.wrapping_sub(block.base), now.tick, row.flags & DIRTY != 0);
            false
        });
        if let Some(block) = owner.filter(|_| unchanged) {
            block.fresh.tell_unchanged();
        }
        other
    }
    #[inline]
    pub(crate) fn ingest(&mut self, n: Number, now: Now, out: &mut Vec<Change>) {
        self.ingest_doubted(n, None, now, out);
    }
    fn ingest_doubted(&mut self, n: Number, why: Option<Cow<'static, str>>, now: Now, out: &mut Vec<Change>) {
        if n.kind == Kind::Float && !f64::from_bits(n.bits).is_finite() {
            return self.fault(n.slot, NOT_FINITE, n.time, now, out);
        }
        let Some(row) = self.rows.get_mut(n.slot.0 as usize) else { return };
        let moved = row.kind != n.kind || row.flags & EVENT != 0 || differ(n.kind, n.bits, row.bits);
        if row.kind == Kind::Other {
            self.texts.remove(&n.slot);
        }
        (row.bits, row.kind) = (n.bits, n.kind);
        let moved = self.doubted(n.slot, why) || moved;
        if self.heard(n.slot, n.quality, n.time, moved, now) {
            self.report(n.slot, join(n.kind, n.bits).map(Ok), out);
        }
    }
    /// A value came. True: it moved or its quality turned.
    #[inline]
    fn heard(&mut self, slot: Slot, quality: Quality, time: i64, moved: bool, now: Now) -> bool {
        let Some(row) = self.rows.get_mut(slot.0 as usize) else { return false };
        let news = moved || row.quality != quality || row.flags & FAULTED != 0;
        if row.flags & FAULTED != 0 {
            self.faults.remove(&slot);
        }
        row.flags &= !(FAULTED | QUIET);
        row.quality = quality;
        row.time = if time == 0 { now.unix } else { time };
        if quality != Quality::Bad
            && let Some(Some(block)) = self.blocks.get(row.block as usize)
        {
            let untold = row.flags & EVENT == 0 && (news || row.flags & DIRTY != 0);
            block.fresh.mark(slot.0.wrapping_sub(block.base), now.tick, untold);
            if !news {
                block.fresh.tell_unchanged();
            }
        }
        news
    }
    pub(crate) fn fault(&mut self, slot: Slot, fault: PointFault, time: i64, now: Now, out: &mut Vec<Change>) {
        let Some(row) = self.rows.get_mut(slot.0 as usize) else { return };
        row.quality = Quality::Bad;
        if row.flags & EVENT == 0 {
            row.time = if time == 0 { now.unix } else { time }; // of an event it stays that of the last
        }
        row.flags = row.flags & !QUIET | FAULTED;
        let fault = bounded(fault);
        if self.faults.get(&slot) == Some(&fault) {
            return;
        }
        self.faults.insert(slot, fault.clone());
        self.report(slot, Some(Err(fault)), out);
    }
    /// The status side is to see its newest state.
    #[inline]
    fn mark(&mut self, slot: Slot) {
        if let Some(row) = self.rows.get_mut(slot.0 as usize)
            && row.flags & DIRTY == 0
        {
            row.flags |= DIRTY;
            self.dirty.push(slot);
        }
    }
    fn report(&mut self, slot: Slot, value: Option<Result<Value, PointFault>>, out: &mut Vec<Change>) {
        let Some(row) = self.rows.get(slot.0 as usize).copied() else { return };
        if row.flags & EVENT == 0 {
            self.mark(slot);
            if !self.tells {
                return;
            }
        }
        if row.flags & (EVENT | STOOD) == EVENT | STOOD {
            return self.unsettle(slot, UNTOLD);
        }
        let Some(change) = value.and_then(|value| self.change(slot, row, value)) else { return };
        if row.flags & EVENT != 0 {
            self.happens(slot, &change);
        }
        if self.tells {
            out.push(change);
        }
    }
    fn change(&self, slot: Slot, row: Row, value: Result<Value, PointFault>) -> Option<Change> {
        let block = self.blocks.get(row.block as usize)?.as_ref()?;
        Some(Change {
            device: block.device,
            point: slot.0.wrapping_sub(block.base),
            generation: block.generation,
            quality: row.quality,
            reason: self.words.get(&slot).filter(|_| row.flags & WORDED != 0).cloned(),
            time: row.time,
            value,
        })
    }
    /// The newest state of a point; None: nothing was ever heard of it.
    pub(crate) fn reading(&self, slot: Slot) -> Option<Change> {
        let row = *self.rows.get(slot.0 as usize)?;
        let value = match self.faults.get(&slot) {
            Some(fault) => Err(fault.clone()),
            None => Ok(self.value(slot)?),
        };
        self.change(slot, row, value)
    }
    /// Something of the points is to be taken.
    pub(crate) fn has_news(&self) -> bool {
        !(self.dirty.is_empty() && self.is_quiet())
    }
    /// Points changed, and nothing happened.
    pub(crate) fn only_dirty(&self) -> bool {
        !self.dirty.is_empty() && self.is_quiet()
    }
    fn is_quiet(&self) -> bool {
        !self.has_happened() && self.unsettled.is_empty()
    }
    /// How many points changed since they were last taken.
    pub(crate) fn dirty(&self) -> usize {
        self.dirty.len()
    }
    /// The newest state of points that changed since they were last taken, at most `most` of them: numbers, and what is none.
    pub(crate) fn take_dirty(&mut self, most: usize, numbers: &mut Figures, others: &mut Vec<Change>) {
        let count = most.min(self.dirty.len());
        let mut dirty = std::mem::take(&mut self.dirty);
        numbers.reserve(count);
        let Self { rows, blocks, .. } = self;
        let (mut last, mut owner, mut begun, mut rest) = (u32::MAX, None::<&Block>, u32::MAX, vec![]);
        for slot in dirty.drain(..count) {
            let Some(row) = rows.get_mut(slot.0 as usize) else { continue };
            row.flags &= !DIRTY;
            let Row { bits, time, kind, quality, flags, block } = *row;
            if block != last {
                (last, owner) = (block, blocks.get(block as usize).and_then(Option::as_ref));
            }
            let Some(owner) = owner else { continue };
            let point = slot.0.wrapping_sub(owner.base);
            owner.fresh.told(point);
            if flags & (FAULTED | WORDED) != 0 || matches!(kind, Kind::None | Kind::Other) {
                rest.push(slot);
                continue;
            }
            if block != begun {
                numbers.begin(owner.device, owner.generation);
                begun = block;
            }
            numbers.push(Number { bits, time, slot: Slot(point), kind, quality });
        }
        others.extend(rest.into_iter().filter_map(|slot| self.reading(slot)));
        if dirty.is_empty() {
            dirty.shrink_to(DIRTY_KEPT); // the first round touches every point; later ones few
        }
        self.dirty = dirty;
    }
}

/// Floats as numbers (−0 is 0), all else bit by bit: a 64-bit counter does not fit a float.
#[inline]
pub(crate) fn differ(kind: Kind, new: u64, old: u64) -> bool {
    let zeros = kind == Kind::Float && (new | old) << 1 == 0;
    new != old && !zeros
}

fn bounded(mut fault: PointFault) -> PointFault {
    if fault.text.len() > FAULT_TEXT {
        let end = fault.text.floor_char_boundary(FAULT_TEXT);
        fault.text.to_mut().truncate(end);
    }
    fault
}

#[cfg(test)]
mod tests;
