//! Modbus TCP for Pollux. From the bottom: `frame` (bytes), `transaction` (which answer is whose), `wire` (one connection);
//! beside them `values`, `rules`, `plan`, `learned`, `unit`, `write`, all pure; `link` and `protocol` are what the engine sees.
//! `cli` is for people: commands that need no YAML.
pub mod cli;
mod endpoint;
mod error;
mod format;
pub mod frame;
mod kept;
pub mod learned;
mod link;
pub mod plan;
mod protocol;
mod review;
pub mod rules;
mod serial;
mod silence;
mod stop;
mod stream;
pub mod tls;
mod told;
pub mod transaction;
mod unit;
pub mod values;
mod wire;
pub mod write;

pub use endpoint::{Endpoint, Host, MAX_PIPELINE, Pacing, Transport};
pub use error::Error;
pub use format::format;
pub use kept::Why;
pub use link::Link;
pub use protocol::Modbus;
pub use review::{LONGEST_REVIEW, REVIEW};
pub use stream::{Dialled, Io, Stream, dial};
pub use told::Told;
pub use unit::{Item, Unit};
pub use wire::Wire;
