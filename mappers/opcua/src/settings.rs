//! What one session is: server, security and who we are there. Devices with equal settings share it.
use pollux_crds::{
    OpcUaDevice, OpcUaEndpointUrl, OpcUaIdentity, OpcUaLimits, OpcUaSecurity, OpcUaSession, OpcUaSubscription,
    Resource, Span, host_and_port, resource_key,
};
use pollux_mapper::ConfigError;
use std::{
    fmt,
    hash::{Hash, Hasher},
};

/// Default of `connectTimeout`.
const CONNECT_TIMEOUT: Span = Span::from_secs(10);

/// A server and who we are there; the engine's endpoint.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What is opened and how, defaults filled in: by this alone two are equal, as the operator sees it.
    resource: Resource,
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
        let protocol = pollux_crds::Protocol { opcua: Some(device.clone()), ..pollux_crds::Protocol::default() };
        Ok(Self {
            resource: resource_key(&protocol).ok_or_else(wrong)?,
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

/// The resource: one server as one user. Two that differ in anything else are in conflict.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.resource.endpoint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    fn of(more: &Json) -> Settings {
        let mut device = json!({"url": "opc.tcp://plc-1"});
        device.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Settings::new(&serde_json::from_value(device).unwrap()).unwrap()
    }

    #[test]
    fn what_is_written_out_equals_its_default_and_all_else_differs() {
        let plain = of(&json!({}));
        for same in [
            json!({"url": "opc.tcp://PLC-1:4840"}),
            json!({"endpointUrl": "Configured", "connectTimeout": "10s"}),
            json!({"security": {"mode": "SignAndEncrypt", "policy": "Best", "insecure": false, "checkHostName": true}}),
            json!({"session": {"timeout": "60s", "healWithin": "30s"}}),
            json!({"subscription": {"mode": "Auto", "keepAlive": "5s", "minPublishingInterval": "100ms", "items": 5000}}),
            json!({"limits": {"read": 10000, "write": 1000, "messageSize": 16_777_216}}),
        ] {
            assert_eq!(of(&same), plain, "{same}");
            assert_eq!(of(&same).to_string(), "opc.tcp://plc-1:4840 as anonymous");
        }
        for other in [
            json!({"url": "opc.tcp://plc-1/ua"}),
            json!({"url": "opc.tcp://plc-1:4841"}),
            json!({"endpointUrl": "Advertised"}),
            json!({"applicationUri": "urn:plc"}),
            json!({"security": {"mode": "Sign"}}),
            json!({"security": {"trust": {"onFirstUse": true}}}),
            json!({"security": {"checkHostName": false}}),
            json!({"identity": {"user": {"secret": "alice"}}}),
            json!({"connectTimeout": "9s"}),
            json!({"session": {"healWithin": "0s"}}),
            json!({"subscription": {"mode": "Poll"}}),
            json!({"subscription": {"publishRequests": 4}}),
            json!({"limits": {"arrayLength": 10}}),
        ] {
            assert_ne!(of(&other), plain, "{other}");
        }
    }
}
