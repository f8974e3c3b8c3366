//! The times of a Device and a Channel, and within which bounds they are.
use super::{BleChannel, BleDevice};
use crate::{
    Span,
    span::{Bounds, Time},
};
use schemars::{Schema, SchemaGenerator};

const TIMEOUT: Bounds = Bounds(Span::from_millis(10), Span::from_secs(60));
const CONNECT_TIMEOUT: Bounds = Bounds(Span::from_secs(1), Span::from_secs(120));
const HEARD_WITHIN: Bounds = Bounds(Span::from_secs(1), Span::from_secs(24 * 3600));

impl BleDevice {
    /// The times that it gives itself.
    pub(crate) fn times(&self) -> Vec<Time> {
        times(self.timeout, self.connect_timeout, self.heard_within)
    }
}
impl BleChannel {
    /// The times that it gives a Device which has none of its own there.
    pub(crate) fn times_for(&self, device: &BleDevice) -> Vec<Time> {
        times(
            self.timeout.filter(|_| device.timeout.is_none()),
            self.connect_timeout.filter(|_| device.connect_timeout.is_none()),
            None,
        )
    }
}

fn times(timeout: Option<Span>, connect_timeout: Option<Span>, heard_within: Option<Span>) -> Vec<Time> {
    let all = [
        ("timeout", timeout, TIMEOUT),
        ("connectTimeout", connect_timeout, CONNECT_TIMEOUT),
        ("heardWithin", heard_within, HEARD_WITHIN),
    ];
    all.into_iter().filter_map(|(field, time, bounds)| Some((field, time?, bounds))).collect()
}

/// Schema of `timeout`.
pub(super) fn timeout(_: &mut SchemaGenerator) -> Schema {
    TIMEOUT.schema()
}
/// Schema of `connectTimeout`.
pub(super) fn connect_timeout(_: &mut SchemaGenerator) -> Schema {
    CONNECT_TIMEOUT.schema()
}
/// Schema of `heardWithin`.
pub(super) fn heard_within(_: &mut SchemaGenerator) -> Schema {
    HEARD_WITHIN.schema()
}
