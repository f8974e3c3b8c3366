//! OPC UA for Pollux. From the bottom: `wire` (one secure channel), `security` (certificates, trust, identities), `session` (one session,
//! its subscriptions, and how both are mended); beside them `types` and `values`, pure but for reading definitions; `protocol`, `link` and
//! `unit` are what the engine sees. `cli` is for people: commands that need no YAML. Of async-opcua only types, codec, ciphers and chunker
//! are used, not its client (docs/adr: own transport).
pub mod cli;
mod error;
#[cfg(test)]
#[path = "../tests/liar/mod.rs"]
mod liar;
#[cfg_attr(not(test), expect(dead_code, reason = "the driver, which uses it, comes next"))]
mod limits;
mod link;
mod protocol;
#[expect(unused_imports, reason = "the session, which uses it, comes next")]
mod security;
#[expect(dead_code, reason = "the driver, which uses it, comes next")]
mod session;
mod settings;
#[cfg_attr(not(test), expect(dead_code, reason = "the driver, which uses it, comes next"))]
mod types;
mod unit;
#[cfg_attr(not(test), expect(dead_code, unused_imports, reason = "the driver, which uses it, comes next"))]
mod values;
#[expect(dead_code, unused_imports, reason = "the session, which uses it, comes next")]
mod wire;

pub use error::{Code, Error};
pub use link::Link;
pub use protocol::OpcUa;
pub use settings::Settings;
pub use unit::Unit;
