//! The operator of Pollux: from Devices, `DeviceModels`, Channels and `MapperClasses` to one `DaemonSet` per class, and to
//! `DeviceSlices` that tell each mapper what it shall do. Level-triggered; every reconcile is five steps in five files:
//! dereference (IO or memory), validate (pure), build (pure), apply (IO), status (IO).
mod apply;
mod channel;
pub mod class;
mod cli;
pub mod client;
pub mod conditions;
mod device;
pub mod events;
pub mod http;
pub mod intent;
pub mod leader;
pub mod mapper;
pub mod metrics;
mod owner;
pub mod place;
pub mod queue;
pub mod revisions;
mod run;
mod self_test;
#[cfg(test)]
mod testing;
pub mod world;

pub use cli::{Args, Command, DeviceName, LogFormat, POLICIES, SelfTest};
pub use run::run;
pub use self_test::self_test;

use std::sync::Arc;

/// By this name the operator owns what it writes.
pub const FIELD_MANAGER: &str = "pollux-operator";
/// When to look again at a Device of which an older version is known than the one in force.
pub(crate) const BEHIND: std::time::Duration = std::time::Duration::from_secs(2);

/// What a reconcile works with.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) client: kube::Client,
    pub(crate) world: Arc<world::World>,
    pub(crate) metrics: Arc<metrics::Metrics>,
    pub(crate) events: events::Events,
    /// Who owns what is made for mappers.
    pub(crate) owner: Arc<owner::Ownership>,
    /// Status writes per second of the whole fleet.
    pub(crate) budget: f64,
}

/// Why a reconcile failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The API server said no, or nothing.
    #[error("{}", describe(.0))]
    Kube(#[from] kube::Error),
    /// The operator built something that it does not know: a mistake in it.
    #[error("no way to apply an object of kind {0:?}")]
    Kind(String),
    /// The API server does not take these entries, or what they name, however often they are sent; and why.
    #[error("{} entries are refused", .0.len())]
    Refused(Vec<(pollux_crds::SliceDevice, String)>),
}

impl Error {
    /// For metrics.
    pub(crate) fn result(&self) -> &'static str {
        match self {
            Self::Kube(kube::Error::Api(status)) if status.code == 409 => "conflict",
            _ => "error",
        }
    }
}

/// One line, where kube's own text shows the whole answer twice.
fn describe(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("{} ({})", status.message, status.code),
        other => other.to_string(),
    }
}
