//! What twins and the runtime tell each other.
use super::{Record, point::nanos};
use crate::{PointFault, Precision, Quality, Value};
use std::{borrow::Cow, time::Duration};

/// Two clocks: one for waits, which never jumps, and one for stamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Since some moment of this process.
    pub mono: Duration,
    /// Unix time in milliseconds.
    pub unix_ms: i64,
}

/// When some numbers came, as a point has it.
#[derive(Debug)]
pub(crate) struct Moment {
    pub(crate) now: Now,
    /// In ns, as `now.mono` is here.
    pub(super) fresh_at: u64,
    pub(super) asked_at: u64,
}

impl Moment {
    pub(crate) fn new(asked_at: Duration, now: Now) -> Self {
        Self { now, fresh_at: nanos(now.mono), asked_at: nanos(asked_at) }
    }
}

/// One reading in the device's own terms.
#[derive(Debug, Clone, PartialEq)]
pub struct Raw {
    /// The value.
    pub value: Value,
    /// How far the device itself believes it.
    pub quality: Quality,
    /// The protocol's word for why it is Uncertain; None: it has none.
    pub reason: Option<Cow<'static, str>>,
    /// Unix ms of the device; 0: it has no clock.
    pub device_time_ms: i64,
}

/// What only the driver knows of a property, by position in the device's properties.
pub trait Format {
    /// What the device would report if this raw value were written.
    fn encoded(&self, property: usize, raw: &Value) -> Result<Value, PointFault>;
    /// How exact numbers are on the wire.
    fn precision(&self, property: usize) -> Precision;
}

/// What the runtime shall do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Save the record; when it is on the disk, send the values. [`Twin::wrote`] or [`Twin::save_failed`] answers.
    Write {
        /// Names this write in the answer.
        ticket: u64,
        /// Position of the property and raw value; these only.
        values: Vec<(usize, Value)>,
        /// Must be on the disk before the first byte leaves.
        record: Record,
    },
    /// Read these properties now.
    Read {
        /// Positions of properties.
        properties: Vec<usize>,
    },
    /// Save the record; nothing waits for it. [`Twin::saved`] answers, as often as it is tried.
    Save {
        /// What is to be saved.
        record: Record,
    },
}
