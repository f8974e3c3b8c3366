//! What is subscribed, and who is told.
use crate::{error::Code, wire::Sample};
use opcua::types::{NodeId, NumericRange};
use pollux_crds::OpcUaDeadband;
use std::{fmt, future::Future, pin::Pin, time::Duration};

/// One variable to be watched.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    /// What its sink knows it by.
    pub key: u64,
    /// The node, in the server's numbers of now.
    pub node: NodeId,
    /// A part of it, where it is an array.
    pub range: NumericRange,
    /// How often the server samples it.
    pub interval: Duration,
    /// Values that the server keeps between two messages; None: as many as it samples, and one more.
    pub queue: Option<u32>,
    /// What the server shall not send.
    pub deadband: Option<OpcUaDeadband>,
    /// It shall send a value equal to the last too, where its source has another time for it.
    pub each: bool,
}

/// A watched item, to give it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Handle(pub(super) u32);

/// What became of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Watched {
    /// Its values come.
    Yes {
        /// To give it back.
        handle: Handle,
        /// The server took its dead-band, where it has one, and that each is sent.
        filtered: bool,
    },
    /// The server does not watch it, and says why; it is to be read.
    No(Code),
    /// The server publishes nothing at this time, and says why; it is to be read until it does.
    Parked(Code),
}

/// Who is told of the items of one [`subscribe`](super::Session::subscribe). Called while [`run`](super::Session::run) is polled, from its
/// task; it never blocks.
pub(crate) trait Sink: Send + Sync + fmt::Debug {
    /// Values, in the order in which the server had them; with them what the item is known by.
    fn samples(&self, batch: &mut dyn Iterator<Item = (u64, Sample)>);
    /// The server is there, and these have not changed but for what was told. About once a second, for as long as it says so.
    fn alive(&self, keys: &[u64]);
    /// The connection is broken and being mended.
    fn healing(&self, why: &str);
    /// It is mended. `kept`: the items go on. Else they are gone, for the server's ids and types may be others now: find them anew, and
    /// subscribe again.
    fn healed(&self, kept: bool);
    /// Its subscription is made anew: what comes of it first is what stands there.
    fn anew(&self, key: u64);
    /// This item is watched no longer, and must not be given back; it is to be read, and may be subscribed again.
    fn gone(&self, key: u64, why: Code);
    /// The same, for its value cannot be decoded. Pushed, it spoils what stands behind it in its message: it is not to be subscribed again
    /// in this session.
    fn undecodable(&self, key: u64);
    /// Resolves once there is room for more. Nothing is asked of the server before that, which then keeps it.
    fn room(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}
