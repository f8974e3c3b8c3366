//! The times of a Device and a Channel, and within which bounds they are.
use super::{OpcUaChannel, OpcUaDevice, OpcUaSession, OpcUaSubscription};
use crate::{
    Span,
    span::{Bounds, Time},
};
use schemars::{Schema, SchemaGenerator};

const TIMEOUT: Bounds = Bounds(Span::from_millis(10), Span::from_secs(60));
const SESSION: Bounds = Bounds(Span::from_secs(10), Span::from_secs(3600));
const HEAL: Bounds = Bounds(Span::from_secs(0), Span::from_secs(600));
const PUBLISHING: Bounds = Bounds(Span::from_millis(10), Span::from_secs(3600));
const KEEP_ALIVE: Bounds = Bounds(Span::from_secs(1), Span::from_secs(600));

impl OpcUaDevice {
    /// The times that it gives itself.
    pub(crate) fn times(&self) -> Vec<Time> {
        times(self.timeout, self.connect_timeout, self.session.as_ref(), self.subscription.as_ref())
    }
}
impl OpcUaChannel {
    /// The times that it gives a Device which has none of its own there.
    pub(crate) fn times_for(&self, device: &OpcUaDevice) -> Vec<Time> {
        let timeout = self.timeout.filter(|_| device.timeout.is_none());
        times(timeout, self.connect_timeout, self.session.as_ref(), self.subscription.as_ref())
    }
}

fn times(
    timeout: Option<Span>,
    connect_timeout: Option<Span>,
    session: Option<&OpcUaSession>,
    subscription: Option<&OpcUaSubscription>,
) -> Vec<Time> {
    let all = [
        ("timeout", timeout, TIMEOUT),
        ("connectTimeout", connect_timeout, TIMEOUT),
        ("session.timeout", session.and_then(|s| s.timeout), SESSION),
        ("session.healWithin", session.and_then(|s| s.heal_within), HEAL),
        ("subscription.minPublishingInterval", subscription.and_then(|s| s.min_publishing_interval), PUBLISHING),
        ("subscription.keepAlive", subscription.and_then(|s| s.keep_alive), KEEP_ALIVE),
    ];
    all.into_iter().filter_map(|(field, time, bounds)| Some((field, time?, bounds))).collect()
}

/// Schema of `timeout` and `connectTimeout`.
pub(super) fn timeout(_: &mut SchemaGenerator) -> Schema {
    TIMEOUT.schema()
}
/// Schema of `session.timeout`.
pub(super) fn session_timeout(_: &mut SchemaGenerator) -> Schema {
    SESSION.schema()
}
/// Schema of `session.healWithin`.
pub(super) fn heal_within(_: &mut SchemaGenerator) -> Schema {
    HEAL.schema()
}
/// Schema of `subscription.minPublishingInterval`.
pub(super) fn publishing(_: &mut SchemaGenerator) -> Schema {
    PUBLISHING.schema()
}
/// Schema of `subscription.keepAlive`.
pub(super) fn keep_alive(_: &mut SchemaGenerator) -> Schema {
    KEEP_ALIVE.schema()
}
