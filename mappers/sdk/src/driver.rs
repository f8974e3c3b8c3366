//! The contract between a driver and the engine. A driver moves bytes; when, how often, how many at once, retry, quality
//! and conditions are the engine's.
use crate::{ConfigError, DriverError, ErrorKind, Fault, Instant, PointFault, Port, Samples, Value, Written};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use std::{
    collections::{BTreeMap, HashMap},
    fmt::Display,
    future::Future,
    hash::Hash,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

/// A field protocol: pure translation of configuration, and `connect`. One value serves the whole process.
pub trait Protocol: Sized + Send + Sync + 'static {
    /// The protocol's name: `spec.protocol.<NAME>` and `binding.<NAME>`. Of a protocol of your own: what its MapperClass is
    /// called; there both blocks stand under `custom`.
    const NAME: &'static str;
    /// `spec.protocol.<NAME>` of a Device: where it is and what is its own (unit id, time-outs).
    type Device: DeserializeOwned + JsonSchema + Send + Sync;
    /// `binding.<NAME>` of one property.
    type Address: DeserializeOwned + JsonSchema + Send + Sync;
    /// What one [`Link`] serves: serial port, gateway, session and identity, adapter, broker and identity.
    /// Devices with an equal endpoint share the link. Names of Secrets belong to it, their contents do not. `Display` is
    /// the resource (metric label); unequal endpoints of one resource (two baud rates on a port) are a conflict.
    type Endpoint: Clone + Eq + Hash + Display + Send + Sync + 'static;
    /// One device, compiled: numbers instead of names, and what is learned of it (holes, caps; in a lock of its own).
    /// Outlives links; made anew only when protocol or binding change. A new desired value is not even seen here.
    type Unit: Send + Sync + 'static;
    /// What `read` needs beside the points of one exchange: function, range, offsets. `()` if nothing.
    type Request: Send + Sync + 'static;
    /// What goes wrong on the wire.
    type Error: DriverError;
    /// One open endpoint.
    type Link: Link<Self>;

    /// Pure. Errors name the field.
    fn endpoint(&self, device: &Self::Device) -> Result<Self::Endpoint, ConfigError>;

    /// Pure. The Secrets that `connect` reads, by the names that the configuration gives them: the link gets the contents of these
    /// alone, and is dialled anew when they change and not when others do. Default: all that the mapper has.
    fn secrets(&self, endpoint: &Self::Endpoint) -> Option<Vec<String>> {
        let _ = endpoint;
        None
    }

    /// Pure. Reports all errors at once. Refuses a `read_group` that cannot be read in one request, naming it.
    fn prepare(
        &self,
        device: &Self::Device,
        points: &[Point<'_, Self::Address>],
    ) -> Result<Self::Unit, Vec<ConfigError>>;

    /// Pure. Covers each of `due` (positions in `points` of `prepare`, ascending) by exactly one exchange, in the order of
    /// sending; members of one `read_group` stand in one exchange. An exchange is one request and its answer: it is what
    /// a write may have to wait for. A protocol that can only be pushed to answers with nothing. The engine keeps a
    /// bounded number of results until the unit is prepared or attached anew or a read answers [`Done::Replan`].
    fn plan(&self, unit: &Self::Unit, due: &[usize]) -> Vec<Exchange<Self::Request>>;

    /// A line of `check`. Default: the engine lists the properties.
    fn describe(&self, unit: &Self::Unit, exchange: &Exchange<Self::Request>) -> Option<String> {
        let _ = (unit, exchange);
        None
    }

    /// Pure. What this exchange costs of the link's time, from configuration, before any was timed: for the load of the link and
    /// for `check`. Default: not known.
    fn cost(&self, unit: &Self::Unit, exchange: &Exchange<Self::Request>) -> Option<Duration> {
        let _ = (unit, exchange);
        None
    }
    /// Differs whenever `plan` or `knowledge` may answer otherwise than before: looked at after each piece of work of the unit, so
    /// it must cost nothing. Default: only [`Done::Replan`] says so.
    fn generation(&self, unit: &Self::Unit) -> u64 {
        let _ = unit;
        0
    }
    /// What is known of the device beside its values: asked for after each attach, after each [`Done::Replan`], and when
    /// `generation` differs. Default: nothing.
    fn knowledge(&self, unit: &Self::Unit) -> Knowledge {
        let _ = unit;
        Knowledge::default()
    }
    /// What [`Knowledge::kept`] of an earlier life of this unit was, with the same wiring; right after `prepare`. What does not fit
    /// is ignored. Null: forget all that was learned.
    fn recall(&self, unit: &Self::Unit, kept: &serde_json::Value) {
        let _ = (unit, kept);
    }
    /// Pure. What the device would report if this value were written to this point: encoded into the device's own format
    /// and decoded again. Two values are equal when this makes them equal, and what the format cannot hold is refused here,
    /// before anything is sent. Default: the value itself.
    fn encoded(&self, unit: &Self::Unit, point: usize, value: &Value) -> Result<Value, PointFault> {
        let _ = (unit, point);
        Ok(value.clone())
    }

    /// Pure. How exact the numbers of a point are on the wire, so that a float32 of 21.3 is printed as 21.3.
    fn precision(&self, unit: &Self::Unit, point: usize) -> Precision {
        let _ = (unit, point);
        Precision::Double
    }

    /// Pure. How long this piece of work may take, where `timeout` is what the Device grants one request: a write that reads
    /// first, or a call of several steps, has more than one. Not less than `timeout`, an hour at most. Default: `timeout`.
    fn patience(&self, unit: &Self::Unit, job: Job<'_, Self::Request>, timeout: Duration) -> Duration {
        let _ = (unit, job);
        timeout
    }

    /// Opens the endpoint. Bounded and retried by the engine. Dropping the link closes it.
    fn connect(
        &self,
        endpoint: &Self::Endpoint,
        cx: &Cx,
    ) -> impl Future<Output = Result<Self::Link, Self::Error>> + Send;

    /// The same as [`Protocol::identity`], where it can be told without opening the endpoint: one that is opened under another name
    /// already may be opened by nobody else. Default: it cannot.
    fn recognize(&self, endpoint: &Self::Endpoint) -> Option<String> {
        let _ = endpoint;
        None
    }

    /// What the resource behind the link really is (device number of a port, address of an adapter), so that two
    /// endpoints that are aliases of it meet. Default: not known.
    fn identity(&self, link: &Self::Link) -> Option<String> {
        let _ = link;
        None
    }
}

/// One open endpoint. All methods take `&self`: the engine polls up to [`Limits`] exchanges and `run` at once, from one
/// task. It never drops a future of a link that it goes on using, so nothing here need be cancel-safe; in return an
/// exchange ends by `until`, and one that overruns it by the grace costs the link.
pub trait Link<P: Protocol>: Send + Sync + 'static {
    /// Asked before each exchange, so it may be learned. Default: one at a time, as a bus wants it.
    fn limits(&self) -> Limits {
        Limits::default()
    }

    /// Before a unit's first exchange on this link, as the probe of one taken for dead, and whenever its turn for a radio
    /// slot comes: resolve names, subscribe, connect. Points passed to [`Port::pushes`] are not polled. Keep `port` to
    /// deliver them from `run` or from a task. When it fails it has given back what it took.
    fn attach(
        &self,
        unit: &Arc<P::Unit>,
        port: Port,
        until: Instant,
    ) -> impl Future<Output = Result<(), Fault<P::Error>>> + Send {
        let _ = (unit, port, until);
        async { Ok(()) }
    }

    /// The unit was removed, changed, taken for dead, or its turn is over: forget it and its port, free its slot; none of
    /// its exchanges is under way. It cannot fail: when it returns, the slot is free. What the port says later is ignored.
    fn detach(&self, unit: &Arc<P::Unit>, until: Instant) -> impl Future<Output = ()> + Send {
        let _ = (unit, until);
        async {}
    }

    /// One exchange. Puts samples or a fault per point into `out` (several of one point where it has events); what is
    /// there when an error is returned is kept.
    fn read(
        &self,
        unit: &P::Unit,
        exchange: &Exchange<P::Request>,
        until: Instant,
        out: &mut Samples,
    ) -> impl Future<Output = Result<Done, Fault<P::Error>>> + Send;

    /// Values (position in `points` of `prepare`, value) that the caller submitted as one group, never more, encoded and
    /// range-checked in the device's own type. Sent at most once: no retry in here. Before the first byte of a value
    /// leaves, [`Written::sending`]; when the device acknowledged it, [`Written::done`]; when it said no,
    /// [`Written::refused`]. The marks outlive this future, so that a link that dies leaves the truth behind.
    /// `Fault::Point` refuses all that is under way. The engine reads back at once.
    fn write(
        &self,
        unit: &P::Unit,
        values: &[(usize, Value)],
        until: Instant,
        out: &mut Written,
    ) -> impl Future<Output = Result<(), Fault<P::Error>>> + Send;

    /// A command of the model (OPC UA method). It takes its turn as a write does. Default: refused.
    fn call(
        &self,
        unit: &P::Unit,
        command: &str,
        arguments: &Value,
        until: Instant,
    ) -> impl Future<Output = Result<Value, Fault<P::Error>>> + Send {
        let _ = (unit, command, arguments, until);
        async { Err(Fault::Point(PointFault::new(ErrorKind::Config, "this protocol has no commands"))) }
    }

    /// Answers so far that came after their request was given up. Never less than before. Default: none are noticed.
    fn late_answers(&self) -> u64 {
        0
    }

    /// Polled as long as the link is used; returns when it is dead. Pump a library's event loop here. A link that can heal
    /// itself says `down` on every port, tries for a bounded time, then says `up` or returns. Default: never returns.
    fn run(&self) -> impl Future<Output = P::Error> + Send {
        std::future::pending()
    }
}

/// Where a value goes: a row of the engine's columns. The slots of one device are consecutive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub u32);

/// When a point is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Interval {
    /// Polled; for a protocol that pushes, the sampling period.
    Every(Duration),
    /// Once after each attach, and when it is asked for.
    OnConnect,
}

/// One point of a device, as `prepare` sees it.
#[derive(Debug)]
pub struct Point<'a, A> {
    /// Where its values go.
    pub slot: Slot,
    /// The property's name, for messages.
    pub name: &'a str,
    /// `binding.<NAME>`.
    pub address: &'a A,
    /// False: it is only written, and never in `due`.
    pub readable: bool,
    /// False: it is only read.
    pub writable: bool,
    /// When it is read.
    pub interval: Interval,
    /// Points of one group are read in one request or not at all.
    pub read_group: Option<&'a str>,
}

/// How exact a number is on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Precision {
    /// A 64-bit float.
    #[default]
    Double,
    /// A 32-bit float.
    Single,
    /// A 16-bit float.
    Half,
    /// An integer: exact.
    Integer,
}

/// What is known of a device beside its values.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Knowledge {
    /// What shall survive a restart, in the driver's own form; Null: nothing.
    pub kept: serde_json::Value,
    /// The same for people, a line each: `status.learned`.
    pub learned: Vec<String>,
    /// Who the device says it is: `status.identification`.
    pub identification: BTreeMap<String, String>,
}

/// One request and its answer. `points` are positions in `points` of `prepare`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange<R> {
    /// What it reads.
    pub points: Vec<usize>,
    /// What the driver needs beside them.
    pub request: R,
}

/// How a read ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// Each point of the exchange has a sample or a fault.
    Ok,
    /// `plan` would now answer otherwise: the engine asks again, for these points at once.
    Replan,
}

/// What a link can carry. Made by [`Limits::default`] or [`Limits::at_once`], so that more of it may be asked one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Exchanges under way at once on the link.
    pub in_flight: usize,
    /// Exchanges under way at once for one unit.
    pub per_unit: usize,
    /// Units attached at once (slots of a radio). The engine attaches and detaches for it: longest waiting first.
    pub attached: Option<usize>,
    /// All wait for one that is silent: a suspect is given less than its whole time-out.
    pub bus: bool,
    /// An answer says neither which request it belongs to nor what it is of: one that comes too late would pass for the next of
    /// its form. A unit that was silent is left alone for its whole time-out from when it was given up; others go first.
    pub nameless: bool,
}

/// A bus: one at a time.
impl Default for Limits {
    fn default() -> Self {
        Self { in_flight: 1, per_unit: 1, attached: None, bus: true, nameless: false }
    }
}

impl Limits {
    /// So many exchanges at once, one for each unit; no bus, and no slots.
    #[must_use]
    pub const fn at_once(in_flight: usize) -> Self {
        Self { in_flight, per_unit: 1, attached: None, bus: false, nameless: false }
    }
    /// So many exchanges at once for one unit.
    #[must_use]
    pub const fn per_unit(self, per_unit: usize) -> Self {
        Self { per_unit, ..self }
    }
    /// So many units attached at once.
    #[must_use]
    pub const fn attached(self, slots: Option<usize>) -> Self {
        Self { attached: slots, ..self }
    }
    /// Whether all wait for one that is silent.
    #[must_use]
    pub const fn bus(self, bus: bool) -> Self {
        Self { bus, ..self }
    }
    /// Whether an answer that comes too late could pass for another's.
    #[must_use]
    pub const fn nameless(self, nameless: bool) -> Self {
        Self { nameless, ..self }
    }
}

/// A piece of work on a link, as [`Protocol::patience`] judges it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Job<'a, R> {
    /// [`Link::attach`].
    Attach,
    /// [`Link::detach`].
    Detach,
    /// [`Link::read`].
    Read(&'a Exchange<R>),
    /// [`Link::write`]: position in `points` of `prepare`, value.
    Write(&'a [(usize, Value)]),
    /// [`Link::call`].
    Call(&'a str),
}

/// What a driver may ask of its surroundings while connecting.
#[derive(Clone, Default)]
pub struct Cx {
    /// Contents of Secrets: the name that the configuration gives one (in a cluster and in files `namespace.name`), a dot, the key.
    pub secrets: HashMap<String, Vec<u8>>,
    /// The mapper's folder for what is learned; none: nothing is kept.
    pub state_dir: Option<PathBuf>,
    /// Differs whenever the contents of the secrets do: a link of another rotation is dialled anew.
    pub rotation: u64,
}

/// Never shows a secret.
impl std::fmt::Debug for Cx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cx")
            .field("secrets", &self.secrets.len())
            .field("state_dir", &self.state_dir)
            .field("rotation", &self.rotation)
            .finish()
    }
}
