//! Modbus TCP for Pollux. From the bottom: `frame` (bytes), `transaction` (which answer is whose), `wire` (one connection);
//! beside them `values`, `plan`, `learned`, `unit`, `write`, all pure; `link` and `protocol` are what the engine sees.
mod endpoint;
mod error;
pub mod frame;
pub mod learned;
mod link;
pub mod plan;
mod protocol;
mod serial;
mod stream;
mod told;
pub mod transaction;
mod unit;
pub mod values;
mod wire;
pub mod write;

pub use endpoint::{Endpoint, Host, MAX_PIPELINE, Pacing, Transport};
pub use error::Error;
pub use link::Link;
pub use protocol::Modbus;
pub use stream::{Dialled, Io, Stream, dial};
pub use told::Told;
pub use unit::{Item, Unit};
pub use wire::Wire;
