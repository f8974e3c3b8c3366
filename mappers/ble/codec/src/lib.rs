//! What of Bluetooth LE needs no radio, no clock and no cluster: assigned numbers and their names (`assigned`, `company`, `uuid`), formats of
//! one value (`format`), the layouts of the SIG's characteristics (`characteristic`), and what sensors tell in advertisements (`advert`).
//!
//! No input makes any of it panic, and a number is decoded without allocating.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod advert;
pub mod assigned;
pub mod characteristic;
mod company;
mod error;
mod field;
pub mod format;
mod near;
mod number;
mod uuid;
mod value;

pub use company::Company;
pub use error::Error;
pub use field::{FieldInfo, ValueKind};
pub use format::{Bits, ByteOrder, DataType, Format};
pub use uuid::{Malformed, Uuid};
pub use value::{Decoded, NoValue, Value};
