//! Modbus TCP for Pollux. From the bottom: `frame` (bytes), `transaction` (which answer is whose), `wire` (one connection);
//! beside them `values`, `plan`, `learned`, `unit`, `write`, all pure; `link` and `protocol` are what the engine sees.
mod error;
pub mod frame;
pub mod learned;
mod link;
pub mod plan;
mod protocol;
pub mod transaction;
mod unit;
pub mod values;
mod wire;
pub mod write;

pub use error::Error;
pub use link::Link;
pub use protocol::{Endpoint, Modbus};
pub use unit::{Item, Unit};
pub use wire::Wire;
