//! The times of a Device and a Channel, and within which bounds they are: in the schema, so that the API server refuses others, and
//! in `resolve`, for objects that are older than that.
use crate::{
    ModbusBusyRetry, ModbusChannel, ModbusDevice, ModbusPacing, Span,
    span::{Bounds, Time},
};
use schemars::{Schema, SchemaGenerator};

const TIMEOUT: Bounds = Bounds(Span::from_millis(10), Span::from_secs(60));
const AFTER_CONNECT: Bounds = Bounds(Span::from_millis(0), Span::from_secs(60));
const BETWEEN_REQUESTS: Bounds = Bounds(Span::from_millis(0), Span::from_secs(10));
const CLOSE_AFTER_IDLE: Bounds = Bounds(Span::from_secs(1), Span::from_secs(24 * 3600));
const BUSY_DELAY: Bounds = Bounds(Span::from_millis(10), Span::from_secs(10));

impl ModbusDevice {
    /// The times that it gives itself.
    pub(crate) fn times(&self) -> Vec<Time> {
        times(self.timeout, self.connect_timeout, self.pacing.as_ref(), self.busy_retry.as_ref())
    }
}
impl ModbusChannel {
    /// The times that it gives a Device which has none of its own there.
    pub(crate) fn times_for(&self, device: &ModbusDevice) -> Vec<Time> {
        times(
            self.timeout.filter(|_| device.timeout.is_none()),
            self.connect_timeout.filter(|_| device.connect_timeout.is_none()),
            self.pacing.as_ref().filter(|_| device.pacing.is_none()),
            self.busy_retry.as_ref().filter(|_| device.busy_retry.is_none()),
        )
    }
}

fn times(
    timeout: Option<Span>,
    connect_timeout: Option<Span>,
    pacing: Option<&ModbusPacing>,
    busy: Option<&ModbusBusyRetry>,
) -> Vec<Time> {
    let all = [
        ("timeout", timeout, TIMEOUT),
        ("connectTimeout", connect_timeout, TIMEOUT),
        ("pacing.afterConnect", pacing.and_then(|pacing| pacing.after_connect), AFTER_CONNECT),
        ("pacing.betweenRequests", pacing.and_then(|pacing| pacing.between_requests), BETWEEN_REQUESTS),
        ("pacing.closeAfterIdle", pacing.and_then(|pacing| pacing.close_after_idle), CLOSE_AFTER_IDLE),
        ("busyRetry.delay", busy.and_then(|busy| busy.delay), BUSY_DELAY),
    ];
    all.into_iter().filter_map(|(field, time, bounds)| Some((field, time?, bounds))).collect()
}

/// Schema of `timeout` and `connectTimeout`.
pub(super) fn timeout(_: &mut SchemaGenerator) -> Schema {
    TIMEOUT.schema()
}
/// Schema of `pacing.afterConnect`.
pub(super) fn after_connect(_: &mut SchemaGenerator) -> Schema {
    AFTER_CONNECT.schema()
}
/// Schema of `pacing.betweenRequests`.
pub(super) fn between_requests(_: &mut SchemaGenerator) -> Schema {
    BETWEEN_REQUESTS.schema()
}
/// Schema of `pacing.closeAfterIdle`.
pub(super) fn close_after_idle(_: &mut SchemaGenerator) -> Schema {
    CLOSE_AFTER_IDLE.schema()
}
/// Schema of `busyRetry.delay`.
pub(super) fn busy_delay(_: &mut SchemaGenerator) -> Schema {
    BUSY_DELAY.schema()
}
