//! The Kubernetes objects of Pollux (`pollux.rs/v1alpha1`), and the pure logic that the operator and every mapper share:
//! schemas, names, and [`resolve`]. No clock, no IO, no async runtime.

// KubeSchema expands a copy of each type in a private scope, of which this lint then complains.
#![allow(unreachable_pub)]
// Each printcolumn(…) has the same keys, which clippy takes for a slip.
#![allow(clippy::duplicated_attributes)]
#![deny(missing_docs)]

mod ble;
mod channel;
mod command;
mod condition;
mod conflicts;
mod desired;
mod device;
mod device_model;
mod device_model_revision;
mod device_slice;
mod effective;
mod expression;
mod json_text;
mod mapper_class;
mod modbus;
mod names;
#[cfg(feature = "offline")]
pub mod offline;
mod opcua;
mod parameters;
mod property;
mod protocol;
mod resolve;
mod resource;
mod schema;
mod secrets;
mod span;
mod value;
mod wire;

pub use ble::*;
pub use channel::*;
pub use command::*;
pub use condition::*;
pub use conflicts::*;
pub use desired::*;
pub use device::*;
pub use device_model::*;
pub use device_model_revision::*;
pub use device_slice::*;
pub use effective::*;
pub use expression::*;
pub use json_text::*;
pub use mapper_class::*;
pub use modbus::*;
pub use names::*;
pub use opcua::*;
pub use property::*;
pub use protocol::*;
pub use resolve::*;
pub use resource::*;
pub use schema::manifests;
pub use secrets::*;
pub use span::*;
pub use value::*;

/// API group of all kinds.
pub const GROUP: &str = "pollux.rs";
/// Version of all kinds.
pub const VERSION: &str = "v1alpha1";
/// Namespace in which mappers, slices and revisions live.
pub const MAPPERS_NAMESPACE: &str = "pollux-mappers";
/// Annotation on a Device: a new text means "write every desired value again" (the one way to say so).
pub const REWRITE_ANNOTATION: &str = "pollux.rs/rewrite";
/// Annotation on a Device: the node that it names will not come back; the device is placed anew without its release, while no Ready
/// mapper of the class is there to be asked.
pub const FORCE_RELEASE_ANNOTATION: &str = "pollux.rs/force-release";
