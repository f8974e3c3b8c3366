//! A boiler line behind Modbus TCP. `boiler` is the physics, `map` its registers, `server` answers with tokio-modbus'
//! server, so that our own client is tested against code that is not ours.
mod boiler;
mod map;
mod options;
mod server;

pub use boiler::{Boiler, BurnerState, Mode};
pub use options::Options;
pub use server::{Dead, Line, WriteRecord, serve};
