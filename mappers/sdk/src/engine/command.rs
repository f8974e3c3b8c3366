//! What the engine is told from outside, and what it answers.
use super::{Counters, Fresh};
use crate::{
    Call, Change, ConfigError, Cx, ErrorKind, Fault, Instant, Interval, Link, PointFault, Protocol, Slot, Value,
    WriteReply, Written,
};
use std::{fmt, sync::Arc, time::Duration};
use tokio::sync::oneshot;

/// What the caller calls a device: never reused by it for another, stable over changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceKey(pub u64);

/// Failures in a row after which a device is not Connected, where nothing else is configured.
pub const OFFLINE_AFTER: u32 = 3;

/// One point of a device.
#[derive(Debug, Clone)]
pub struct PointSpec<A> {
    /// The property's name, for messages.
    pub name: String,
    /// `binding.<NAME>`.
    pub address: A,
    /// When it is read.
    pub interval: Interval,
    /// False: never read.
    pub readable: bool,
    /// False: never written.
    pub writable: bool,
    /// Kind Event: every value counts.
    pub event: bool,
    /// Members of one group are read in one request, at the shortest of their intervals.
    pub read_group: Option<String>,
}

/// One device. Desired values are not in here at all: they come as [`Write`].
pub struct DeviceSpec<P: Protocol> {
    /// What the caller calls it.
    pub key: DeviceKey,
    /// Its name, for messages and to spread cycles.
    pub name: String,
    /// The hash of all that `prepare` sees (protocol block; name, binding, interval, access, group of each point). While
    /// it stays, the unit stays, whatever else changes.
    pub wiring: u64,
    /// `spec.protocol.<NAME>`.
    pub config: P::Device,
    /// Its points, in the order that positions mean; shared with devices that have the same.
    pub points: Arc<[PointSpec<P::Address>]>,
    /// For one exchange.
    pub timeout: Duration,
    /// Failures in a row after which it is not Connected.
    pub offline_after: u32,
}

impl<P: Protocol> fmt::Debug for DeviceSpec<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceSpec").field("key", &self.key).field("name", &self.name).finish_non_exhaustive()
    }
}

/// A device as the engine has it.
pub struct Layout<P: Protocol> {
    /// The unit, for what is asked of it beside the wire ([`Protocol::encoded`], [`Protocol::precision`]).
    pub unit: Arc<P::Unit>,
    /// The row of its first point.
    pub base: Slot,
    /// How many points it has.
    pub slots: u32,
    /// What its changes carry; those of the configuration before carry another.
    pub generation: u16,
    /// How often the device was prepared.
    pub prepared: u32,
    /// When each of its points was last heard.
    pub fresh: Fresh,
}

impl<P: Protocol> Clone for Layout<P> {
    fn clone(&self) -> Self {
        Self { unit: self.unit.clone(), fresh: self.fresh.clone(), ..*self }
    }
}

impl<P: Protocol> fmt::Debug for Layout<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { base, slots, generation, prepared, .. } = self;
        write!(f, "Layout({base:?}+{slots}, generation {generation}, prepared {prepared})")
    }
}

/// Values that belong together: they go to the driver in one call, or not at all. Answered always, value by value: `NotSent`
/// after ten seconds in the queue.
#[derive(Debug)]
pub struct Write {
    /// Which device.
    pub device: DeviceKey,
    /// Position in its points, value.
    pub values: Vec<(usize, Value)>,
    /// What became of each.
    pub reply: oneshot::Sender<WriteReply>,
}

/// What an engine is told. A reply that is dropped unanswered means that the engine has ended.
pub enum Command<P: Protocol> {
    /// Adds a device, or gives it its newest configuration. Refused as a whole: the last valid one stays.
    Apply {
        /// The device. Boxed, for a queue takes room for many of the largest command.
        spec: Box<DeviceSpec<P>>,
        /// Where its values stand, or all that is wrong with it.
        reply: oneshot::Sender<Result<Layout<P>, Vec<ConfigError>>>,
    },
    /// Takes a device away. Its waiting writes are answered `NotSent`; nothing is written.
    Remove {
        /// Which device.
        device: DeviceKey,
        /// When it is detached and nothing of it is under way: from here on the wire is silent.
        reply: oneshot::Sender<()>,
    },
    /// Values to be written.
    Write(Write),
    /// Takes back the writes and calls of a device that wait for their turn: they are answered `NotSent`.
    Withdraw {
        /// Which device.
        device: DeviceKey,
        /// From here on none of them leaves; one that is under way goes on.
        reply: oneshot::Sender<()>,
    },
    /// A command of the model.
    Call {
        /// Which device.
        device: DeviceKey,
        /// What is to be done.
        call: Call,
        /// Its result, or why there is none.
        reply: oneshot::Sender<Result<Value, CallError>>,
    },
    /// Reads points now, before anything else of this device.
    ReadNow {
        /// Which device.
        device: DeviceKey,
        /// Positions in its points; none: all that can be read.
        points: Vec<usize>,
        /// Their readings, begun after this was asked; only what was ever heard is among them. Or why there are none.
        reply: oneshot::Sender<Result<Vec<Change>, PointFault>>,
    },
    /// What [`Knowledge::kept`](crate::Knowledge::kept) of an earlier life of a device was: for the unit that the next `Apply`
    /// prepares.
    Recall {
        /// Which device.
        device: DeviceKey,
        /// As the driver gave it.
        kept: serde_json::Value,
    },
    /// What was learned of a device is forgotten; its next plans are made anew.
    Forget {
        /// Which device.
        device: DeviceKey,
    },
    /// New surroundings. The link is dialled anew if the rotation differs; what is under way ends before.
    Context(Arc<Cx>),
}

impl<P: Protocol> fmt::Debug for Command<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Apply { spec, .. } => f.debug_tuple("Apply").field(spec).finish(),
            Self::Remove { device, .. } => f.debug_tuple("Remove").field(device).finish(),
            Self::Write(write) => f.debug_tuple("Write").field(write).finish(),
            Self::Withdraw { device, .. } => f.debug_tuple("Withdraw").field(device).finish(),
            Self::Call { device, call, .. } => f.debug_tuple("Call").field(device).field(&call.name).finish(),
            Self::ReadNow { device, points, .. } => f.debug_tuple("ReadNow").field(device).field(points).finish(),
            Self::Recall { device, .. } => f.debug_tuple("Recall").field(device).finish(),
            Self::Forget { device } => f.debug_tuple("Forget").field(device).finish(),
            Self::Context(cx) => f.debug_tuple("Context").field(cx).finish(),
        }
    }
}

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Certainly not done.
    #[error("not sent: {0}")]
    NotSent(PointFault),
    /// The device said no.
    #[error("{0}")]
    Refused(PointFault),
    /// It left and was not answered: may have been done.
    #[error("unknown whether it was done: {0}")]
    Unknown(PointFault),
}

/// What waits for its turn, or is under way. Dropped unanswered, each answers by itself.
pub(super) struct Order {
    pub expires: Instant,
    pub what: What,
}
pub(super) enum What {
    Write { values: Vec<(usize, Value)>, written: Written },
    Call { call: Call, answer: Answer },
}

pub(super) struct Answer {
    reply: Option<oneshot::Sender<Result<Value, CallError>>>,
    why: Option<PointFault>,
}
impl Answer {
    pub(super) fn new(reply: oneshot::Sender<Result<Value, CallError>>) -> Self {
        Self { reply: Some(reply), why: None }
    }
    fn give(&mut self, answer: Result<Value, CallError>) {
        if let Some(reply) = self.reply.take() {
            reply.send(answer).ok(); // who asked may have left
        }
    }
}
impl Drop for Answer {
    fn drop(&mut self) {
        let lost = || PointFault::new(ErrorKind::Unreachable, "the link was lost");
        let why = self.why.take().unwrap_or_else(lost);
        self.give(Err(CallError::Unknown(why)));
    }
}

impl Order {
    pub(super) fn not_sent(self, why: PointFault) {
        match self.what {
            What::Write { mut written, .. } => written.because(why),
            What::Call { mut answer, .. } => answer.give(Err(CallError::NotSent(why))),
        }
    }
    /// Why it will be left open, when it is dropped.
    pub(super) fn because(&mut self, why: PointFault) {
        match &mut self.what {
            What::Write { written, .. } => written.because(why),
            What::Call { answer, .. } => answer.why = Some(why),
        }
    }
    /// All its points are written anew by `later`. A group that is only partly covered stays whole, and goes before.
    pub(super) fn superseded_by(&self, later: &[(usize, Value)]) -> bool {
        let covered = |point: usize| later.iter().any(|(p, _)| *p == point);
        matches!(&self.what, What::Write { values, .. } if values.iter().all(|(point, _)| covered(*point)))
    }
    pub(super) async fn carry_out<P: Protocol>(
        &mut self,
        link: &P::Link,
        unit: &Arc<P::Unit>,
        until: Instant,
    ) -> Result<(), Fault<P::Error>> {
        match &mut self.what {
            What::Write { values, written } => {
                written.start();
                link.write(unit, values, until, written).await
            }
            What::Call { call, answer } => {
                let result = link.call(unit, call, until).await;
                answer.give(match &result {
                    Ok(value) => Ok(value.clone()),
                    Err(Fault::Point(fault)) => Err(CallError::Refused(fault.clone())),
                    Err(fault) => Err(CallError::Unknown(fault.to_point())),
                });
                result.map(|_| ())
            }
        }
    }
}

/// Where the results of a device's writes are counted: its own, and the endpoint's.
pub(super) type Tally = [Arc<Counters>; 2];
