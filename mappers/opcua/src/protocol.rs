//! OPC UA as the engine sees it: configuration to sessions, units and plans; and `connect`.
use crate::{error::Error, link::Link, settings::Settings, unit::Unit};
use pollux_crds::{OpcUaBinding, OpcUaDevice};
use pollux_mapper::{ConfigError, Cx, Exchange, Point, Protocol};

/// Nodes of one Read until the session says what the server takes.
const READ: usize = 1000;

/// The protocol.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpcUa;

impl Protocol for OpcUa {
    const NAME: &'static str = "opcua";
    type Device = OpcUaDevice;
    type Address = OpcUaBinding;
    type Endpoint = Settings;
    type Unit = Unit;
    type Request = ();
    type Error = Error;
    type Link = Link;

    fn endpoint(&self, device: &OpcUaDevice) -> Result<Settings, ConfigError> {
        Settings::new(device)
    }

    fn secrets(&self, endpoint: &Settings) -> Option<Vec<String>> {
        Some(endpoint.secrets())
    }

    fn prepare(&self, device: &OpcUaDevice, points: &[Point<'_, OpcUaBinding>]) -> Result<Unit, Vec<ConfigError>> {
        Unit::new(device, points)
    }

    fn plan(&self, unit: &Unit, due: &[usize]) -> Vec<Exchange<()>> {
        let known: Vec<usize> = due.iter().copied().filter(|at| *at < unit.items().len()).collect();
        known.chunks(READ).map(|points| Exchange { points: points.to_vec(), request: () }).collect()
    }

    async fn connect(&self, endpoint: &Settings, cx: &Cx) -> Result<Link, Error> {
        Link::open(endpoint, cx).await
    }
}
