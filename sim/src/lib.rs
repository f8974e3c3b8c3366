//! A boiler line behind Modbus TCP. `boiler` is the physics, `map` its registers, `server` answers with tokio-modbus'
//! server, so that our own client is tested against code that is not ours. `meters` are energy meters instead,
//! `registers` a plain device.
mod boiler;
mod map;
mod meters;
mod options;
mod registers;
mod server;

pub use boiler::{Boiler, BurnerState, Mode};
pub use meters::{Meters, serve_meters};
pub use options::Options;
pub use registers::{Registers, Table};
pub use server::{Dead, Framing, Line, WriteRecord, serve, serve_registers};
