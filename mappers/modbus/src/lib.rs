//! Modbus TCP for Pollux.
pub mod frame;
pub mod transaction;
