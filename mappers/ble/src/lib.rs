//! Bluetooth LE for Pollux. From the bottom: `radio`, the narrow side of a Bluetooth stack, and `bluez`, the one that Linux has; `point` and
//! `unit`, what is configured; `ear`, what is heard of one device; `feed`, its connection; `link` and `protocol`, what the engine sees. How bytes
//! are values is told
//! by the crate `pollux-ble-codec`.
mod address;
mod advertised;
mod air;
pub mod bluez;
pub mod cli;
mod counter;
mod ear;
mod error;
mod feed;
mod gather;
mod known;
mod link;
mod ours;
mod point;
mod press;
mod protocol;
pub mod radio;
mod settings;
mod unit;
mod write;

pub use address::{Address, NotAnAddress};
pub use air::Sighting;
pub use error::Error;
pub use link::{Link, Request};
pub use protocol::Ble;
pub use settings::Settings;
pub use unit::Unit;
