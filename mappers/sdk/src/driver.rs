//! The contract between a driver and the engine. A driver moves bytes; when, how often, how many at once, retry, quality
//! and conditions are the engine's.
use crate::{
    Call, ConfigError, Cx, DriverError, ErrorKind, Fault, Instant, Job, Limits, LinkCounters, PointFault, Port,
    Samples, Value, Written, arbiter::Hold,
};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use std::{collections::BTreeMap, fmt::Display, future::Future, hash::Hash, sync::Arc, time::Duration};

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

    /// Pure. What the unit has of a slot of its link while it is attached, where there are slots ([`Limits::attached`]). Default: it takes
    /// turns.
    fn hold(&self, unit: &Self::Unit) -> Hold {
        let _ = unit;
        Hold::Turns
    }

    /// Pure. Units that this endpoint attaches at once, from configuration ([`Limits::attached`] of its link), for `check`. Default: not
    /// limited.
    fn slots(&self, endpoint: &Self::Endpoint) -> Option<usize> {
        let _ = endpoint;
        None
    }

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
    /// Differs whenever `plan` or `knowledge` may answer otherwise than before: looked at after each piece of work of the unit, and after
    /// what it pushes, so it must cost nothing. Default: only [`Done::Replan`] says so.
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
    /// its exchanges is under way. It cannot fail: when it returns, the slot is free. What the port says later of one that was removed or changed
    /// is ignored; of one whose turn is over it counts until the next begins, for a radio may hear it all the while.
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

    /// A command of the model (OPC UA method). It takes its turn as a write does, and is sent at most once. Default: refused.
    fn call(
        &self,
        unit: &P::Unit,
        call: &Call,
        until: Instant,
    ) -> impl Future<Output = Result<Value, Fault<P::Error>>> + Send {
        let _ = (unit, call, until);
        async { Err(Fault::Point(PointFault::new(ErrorKind::Config, "this protocol has no commands"))) }
    }

    /// What the link counts from its dial on; never less than before. Default: nothing.
    fn counters(&self) -> LinkCounters {
        LinkCounters::default()
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

    /// The last words to the other end, where it would keep something for us else (a session of OPC UA): nothing is under way, `run` is
    /// polled no longer, and the link is dropped then. Not called on one that was found dead before; one that dies meanwhile may be asked all the
    /// same. It has three seconds. Default: none.
    fn close(&self) -> impl Future<Output = ()> + Send {
        async {}
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
    /// False: it is only written, and never in `due`. An event is readable too, and told by pushes alone.
    pub readable: bool,
    /// False: it is only read.
    pub writable: bool,
    /// Each value of it is something that happened, and counts. It is never in `due`, and what a read says of it is ignored: a driver says
    /// [`pushes`](crate::Port::pushes) or [`hears`](crate::Port::hears) of it when it is attached, and pushes what happens; where it cannot, the
    /// point says so by itself. What stood there before somebody listened is [`stood`](crate::Samples::stood), and a fault that is
    /// over without another event is [`quiet`](crate::Port::quiet).
    pub event: bool,
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
