//! The driver on a Bluetooth stack by script, on a clock that is wound by hand: what is to happen at a moment that no real adapter hits.
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]
mod adverts;
mod both;
mod checks;
mod conformance;
mod left;
#[path = "../rig/mod.rs"]
mod rig;
#[path = "../script/mod.rs"]
mod script;
mod sealed;
mod turns;
mod writes;

use serde_json::{Value as Json, json};

/// A byte of the characteristic with this handle.
fn byte(handle: u16) -> Json {
    json!({"characteristic": script::uuid(handle), "dataType": "uint8"})
}
/// The same, and it is read even if it could notify.
fn polled(handle: u16) -> Json {
    json!({"characteristic": script::uuid(handle), "dataType": "uint8", "notify": "Never"})
}
