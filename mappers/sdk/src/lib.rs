//! SDK for Pollux mappers. A field protocol is two traits, [`Protocol`] and [`Link`]; when, how often and how many at
//! once, retry, quality and conditions are the engine's. `driver` is the contract, `arbiter` decides (pure), `engine`
//! does, `columns` holds.
#![deny(missing_docs)]

pub mod api;
mod app;
mod arbiter;
mod call;
pub mod cli;
mod columns;
mod config;
mod control;
pub mod convert;
mod driver;
mod engine;
mod fault;
mod few;
mod figures;
mod hub;
mod limits;
mod load;
pub mod metrics;
mod outbox;
mod port;
mod queue;
pub mod report;
mod runtime;
mod secrets;
mod snapshot;
pub mod source;
mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod twin;
mod value;
mod written;

pub use app::{App, Exit, Out, Screen, Stopped, run};
pub use arbiter::{Arbiter, Hold, Outcome, Plan, Work};
pub use call::Call;
pub use columns::{Change, Columns, Fresh, Quiet, Standing};
pub use config::{NodeConfig, Origin, Refusal};
pub use control::{Control, ControlError, Request, control};
pub use driver::{Done, Exchange, Interval, Knowledge, Link, Point, Precision, Protocol, Slot};
pub use engine::{
    CallError, Command, Counter, Counters, DeviceKey, DeviceSpec, Engine, LINK_LASTED, Layout, OFFLINE_AFTER,
    PointSpec, Stats, Write,
};
pub use fault::{ConfigError, DriverError, ErrorKind, Fault, PointFault};
pub use figures::Figures;
pub use hub::{DeviceView, Happening, Hub, Missed, Word};
pub use limits::{Cx, Job, Limits, LinkCounters};
pub use load::Load;
pub use outbox::{Connected, Known, LinkState, News, Status, Telemetry, TelemetryOut, telemetry};
pub use port::{Port, Quality, Samples};
pub use queue::{NotSent, QueueReceiver, QueueSender, WeakQueueSender, queue};
pub use runtime::{EngineStats, Engines};
pub use secrets::Secrets;
pub use snapshot::Snapshot;
pub use store::{Loaded, Store, StoreError};
/// The clock of `until`: tokio's, so that tests can pause it.
pub use tokio::time::Instant;
pub use value::{Value, printable};
pub use written::{WriteReply, Written, Wrote};

/// What a driver needs, at one stroke.
pub mod prelude {
    pub use crate::{
        Call, ConfigError, Cx, Done, DriverError, ErrorKind, Exchange, Fault, Instant, Interval, Limits, Link, Point,
        PointFault, Port, Precision, Protocol, Quality, Samples, Slot, Value, Written,
    };
}
