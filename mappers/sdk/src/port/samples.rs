//! What is said of points in one exchange or one push.
use super::{Number, Quality};
use crate::{
    PointFault, Slot, Value,
    value::{join, split},
};
use std::borrow::Cow;

/// What is no plain number: text, bytes, JSON, a fault, or how an event stands.
#[derive(Debug, Clone)]
pub(crate) struct Other {
    /// So many numbers stand before it where it is kept.
    pub after: usize,
    pub slot: Slot,
    pub quality: Quality,
    pub time: i64,
    /// The protocol's word for why it is Uncertain.
    pub reason: Option<Cow<'static, str>>,
    pub said: Said,
}

/// What it is.
#[derive(Debug, Clone)]
pub(crate) enum Said {
    /// A value.
    Value(Value),
    /// One that stood there before anybody listened: of an event it is none.
    Stood(Value),
    /// Why there is no value.
    Fault(PointFault),
    /// Of an event: nothing is wrong with it, and nothing happened.
    Quiet,
}

impl Other {
    pub(crate) fn new(slot: Slot, quality: Quality, said: Said) -> Self {
        Self { after: 0, slot, quality, time: 0, reason: None, said }
    }
}

/// Values of one exchange. Reused by the engine: no allocation once it has grown. One point may have several.
#[derive(Debug, Default)]
pub struct Samples {
    pub(crate) numbers: Vec<Number>,
    pub(crate) others: Vec<Other>,
}

impl Samples {
    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.numbers.clear();
        self.others.clear();
    }
    /// A good value, of now.
    #[inline]
    pub fn put(&mut self, slot: Slot, value: impl Into<Value>) {
        self.put_at(slot, value, 0, Quality::Good);
    }
    /// `time`: Unix ms of the device; 0: stamped by the engine.
    #[inline]
    pub fn put_at(&mut self, slot: Slot, value: impl Into<Value>, time: i64, quality: Quality) {
        match split(value.into()) {
            Ok((kind, bits)) => self.numbers.push(Number { bits, time, slot, kind, quality }),
            Err(value) => {
                self.push(Other { time, ..Other::new(slot, quality, Said::Value(value)) });
            }
        }
    }
    /// The same of one that is not Good, in the protocol's word for why (`UncertainLastUsableValue`).
    pub fn put_with(
        &mut self,
        slot: Slot,
        value: impl Into<Value>,
        time: i64,
        quality: Quality,
        reason: impl Into<Cow<'static, str>>,
    ) {
        if quality == Quality::Good {
            return self.put_at(slot, value, time, quality);
        }
        let reason = Some(reason.into());
        self.push(Other { time, reason, ..Other::new(slot, quality, Said::Value(value.into())) });
    }
    /// A value that stood there before anybody listened, such as the first one of a subscription. Of a point of kind Event it is the last
    /// that happened, with its time, and does not happen now; of others it is a value. `reason`: why it is not Good.
    pub fn stood(
        &mut self,
        slot: Slot,
        value: impl Into<Value>,
        time: i64,
        quality: Quality,
        reason: Option<Cow<'static, str>>,
    ) {
        let reason = reason.filter(|_| quality != Quality::Good);
        self.push(Other { time, reason, ..Other::new(slot, quality, Said::Stood(value.into())) });
    }
    /// The device has no value for this point, and says why.
    pub fn fault(&mut self, slot: Slot, fault: PointFault) {
        self.fault_at(slot, fault, 0);
    }
    /// `time`: Unix ms of the device; 0: stamped by the engine.
    pub fn fault_at(&mut self, slot: Slot, fault: PointFault, time: i64) {
        self.push(Other { time, ..Other::new(slot, Quality::Bad, Said::Fault(fault)) });
    }
    fn push(&mut self, other: Other) {
        self.others.push(Other { after: self.numbers.len(), ..other });
    }
    /// Without those of other slots.
    pub(super) fn keep(&mut self, own: impl Fn(Slot) -> bool) {
        if self.numbers.iter().all(|number| own(number.slot)) {
            return self.others.retain(|other| own(other.slot));
        }
        for other in &mut self.others {
            other.after = self.numbers.iter().take(other.after).filter(|number| own(number.slot)).count();
        }
        self.numbers.retain(|number| own(number.slot));
        self.others.retain(|other| own(other.slot));
    }
    /// How many there are.
    pub fn len(&self) -> usize {
        self.numbers.len() + self.others.len()
    }
    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// What was put, numbers first. For tests of a driver, and for commands that read once.
    pub fn readings(&self) -> impl Iterator<Item = (Slot, Result<Value, PointFault>, Quality)> {
        let numbers =
            self.numbers.iter().filter_map(|n| join(n.kind, n.bits).map(|value| (n.slot, Ok(value), n.quality)));
        let others = self.others.iter().filter_map(|o| match &o.said {
            Said::Value(value) | Said::Stood(value) => Some((o.slot, Ok(value.clone()), o.quality)),
            Said::Fault(fault) => Some((o.slot, Err(fault.clone()), o.quality)),
            Said::Quiet => None,
        });
        numbers.chain(others)
    }
}
