//! What one radio is: an adapter, and how many connections it may hold. Devices with equal settings share it.
use pollux_crds::{BleDevice, Resource, resource_key};
use pollux_mapper::ConfigError;
use std::{
    fmt,
    hash::{Hash, Hasher},
};

/// Default of `connections`.
const CONNECTIONS: usize = 5;

/// An adapter; the engine's endpoint.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What is opened and how, defaults filled in: by this alone two are equal, as the operator sees it.
    resource: Resource,
    /// `hci0` or an address; none: the best there is.
    pub adapter: Option<String>,
    /// Connections at once.
    pub connections: usize,
}

impl Settings {
    /// Of a device with its Channel merged in.
    pub fn new(device: &BleDevice) -> Result<Self, ConfigError> {
        let protocol = pollux_crds::Protocol { ble: Some(device.clone()), ..pollux_crds::Protocol::default() };
        let resource = resource_key(&protocol).ok_or_else(|| ConfigError::device("the Channel is not merged in"))?;
        let connections = device.connections.and_then(|count| usize::try_from(count).ok()).unwrap_or(CONNECTIONS);
        Ok(Self { resource, adapter: device.adapter.clone(), connections: connections.max(1) })
    }
}

impl PartialEq for Settings {
    fn eq(&self, other: &Self) -> bool {
        self.resource == other.resource
    }
}
impl Eq for Settings {}
impl Hash for Settings {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.resource.key.hash(state);
    }
}
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.resource.endpoint())
    }
}
