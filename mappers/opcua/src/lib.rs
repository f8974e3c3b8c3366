//! OPC UA for Pollux. From the bottom: `wire` (one secure channel), `security` (certificates, trust, identities), `session` (one session,
//! its subscriptions, and how both are mended); beside them `types` and `values`, pure but for reading definitions; `protocol`, `link` and
//! `unit` are what the engine sees. `cli` is for people: commands that need no YAML. Of async-opcua only types, codec, ciphers and chunker
//! are used, not its client (docs/adr: own transport).
mod attach;
mod browse;
mod call;
pub mod cli;
mod error;
mod feed;
mod happened;
mod kinds;
#[cfg(test)]
#[path = "../tests/liar/mod.rs"]
mod liar;
mod limits;
mod link;
#[cfg(test)]
mod peer;
mod places;
mod plan;
mod protocol;
mod read;
mod resolve;
mod security;
mod session;
mod settings;
mod types;
mod unit;
mod values;
mod wire;
mod write;

pub use error::{Code, Error};
pub use link::Link;
pub use protocol::OpcUa;
pub use read::Request;
pub use settings::Settings;
pub use unit::Unit;
