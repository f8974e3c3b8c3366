//! What one session is: server, security and who we are there. Devices with equal settings share it.
use pollux_crds::{
    OpcUaDevice, OpcUaEndpointUrl, OpcUaIdentity, OpcUaLimits, OpcUaSecurity, OpcUaSession, OpcUaSubscription, Span,
    host_and_port,
};
use pollux_mapper::ConfigError;
use std::fmt;

/// Default of `connectTimeout`.
const CONNECT_TIMEOUT: Span = Span::from_secs(10);

/// A server and who we are there; the engine's endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Settings {
    /// Name or address, in small letters.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// From its `/` on; empty: none.
    pub path: String,
    /// As it was given.
    pub url: String,
    /// Which address the server is told.
    pub endpoint_url: OpcUaEndpointUrl,
    /// What the server must be.
    pub application_uri: Option<String>,
    /// Policy, mode, certificates.
    pub security: OpcUaSecurity,
    /// None: anonymous.
    pub identity: Option<OpcUaIdentity>,
    /// For all of connecting.
    pub connect_timeout: Span,
    /// How long it outlives its connection.
    pub session: OpcUaSession,
    /// How values come.
    pub subscription: OpcUaSubscription,
    /// What fits.
    pub limits: OpcUaLimits,
}

impl Settings {
    /// Of a device with its Channel merged in.
    pub fn new(device: &OpcUaDevice) -> Result<Self, ConfigError> {
        let missing = || ConfigError::device("url must be set: the Channel is not merged in");
        let url = device.url.clone().ok_or_else(missing)?;
        let wrong = || ConfigError::device("url must be opc.tcp://HOST[:PORT][/PATH], such as opc.tcp://plc-1:4840");
        let (host, port, path) = host_and_port(&url).ok_or_else(wrong)?;
        let path = path.to_owned();
        Ok(Self {
            host,
            port,
            path,
            url,
            endpoint_url: device.endpoint_url.unwrap_or_default(),
            application_uri: device.application_uri.clone(),
            security: device.security.clone().unwrap_or_default(),
            identity: device.identity.clone(),
            connect_timeout: device.connect_timeout.unwrap_or(CONNECT_TIMEOUT),
            session: device.session.clone().unwrap_or_default(),
            subscription: device.subscription.clone().unwrap_or_default(),
            limits: device.limits.clone().unwrap_or_default(),
        })
    }
    /// Names of the Secrets that connecting reads.
    pub fn secrets(&self) -> Vec<String> {
        let OpcUaSecurity { certificate, trust, .. } = &self.security;
        let own = certificate.iter().map(|own| &own.secret);
        let trust = trust.iter().filter_map(|trust| trust.secret.as_ref());
        let identity = self.identity.iter().flat_map(|who| who.user.iter().chain(&who.certificate));
        own.chain(trust).chain(identity.map(|who| &who.secret)).cloned().collect()
    }
}

/// The resource: one server as one user. Two that differ in anything else are in conflict.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, path, identity, .. } = self;
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        write!(f, "opc.tcp://{host}:{port}{path} as ")?;
        match identity {
            Some(OpcUaIdentity { user: Some(user), .. }) => write!(f, "user {}", user.secret),
            Some(OpcUaIdentity { certificate: Some(own), .. }) => write!(f, "certificate {}", own.secret),
            _ => f.write_str("anonymous"),
        }
    }
}
