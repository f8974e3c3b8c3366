//! What OPC UA needs in a Device, a Channel, a binding and a command (OPC UA 1.05, Parts 3, 4 and 6).
mod binding;
mod node;
mod resource;
mod security;
mod session;
mod times;

use crate::{Span, secrets::Named};
pub use binding::*;
use kube::KubeSchema;
pub use node::*;
pub(crate) use resource::resource;
use schemars::JsonSchema;
pub use security::*;
use serde::{Deserialize, Serialize};
pub use session::*;

/// How one OPC UA device is reached: through a Channel whose session devices share, or by a server of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.channel), has(self.url)].filter(x, x).size() == 1").message("exactly one of channel, url must be set"))]
#[x_kube(validation = Rule::new("!has(self.channel) || !(has(self.endpointUrl) || has(self.applicationUri) || has(self.security) || has(self.identity) || has(self.connectTimeout) || has(self.session) || has(self.subscription) || has(self.limits))").message("endpointUrl, applicationUri, security, identity, connectTimeout, session, subscription and limits stand in the Channel: its devices share one session"))]
#[x_kube(validation = Rule::new("!has(self.url) || self.url.matches('^opc[.]tcp://(\\\\[[0-9A-Fa-f:.%]+\\\\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?(/[A-Za-z0-9._~!&()*+,;=:@%/-]*)?$')").message("must be opc.tcp://HOST[:PORT][/PATH], such as opc.tcp://plc-1:4840").field_path(".url"))]
#[x_kube(validation = Rule::new("!has(self.root) || self.root.contains('${') || self.root.startsWith('/') || self.root.matches('^(nsu=[^;]+;|ns=[0-9]{1,5};)?(i=[0-9]{1,10}|s=.+|g=[0-9A-Fa-f-]{36}|b=[A-Za-z0-9+/]+=*)$')").message("must be a node id such as ns=2;s=Line7, or a browse path from Objects such as /2:Line7").field_path(".root"))]
pub struct OpcUaDevice {
    /// Name of a Channel in the Device's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub channel: Option<String>,
    /// Where the server listens, such as opc.tcp://plc-1:4840, for a device that has its session for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 11, max = 512))]
    pub url: Option<String>,
    /// Where the browse paths of bindings and commands begin, and the object of commands that name none: a node id, or a browse
    /// path from the Objects folder. Strings may contain `${parameter}` and `${name}`. Default i=85, the Objects folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub root: Option<String>,
    /// How long an answer may take, 10ms to 1m; default 5s, or the Channel's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "times::timeout")]
    pub timeout: Option<Span>,
    /// Requests without an answer, in a row, until Connected is False; default 3, or the Channel's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub offline_after: Option<i32>,
    /// Which host and port are dialled and named to the server; default Configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_url: Option<OpcUaEndpointUrl>,
    /// ApplicationUri that the server must have; default any. Its certificate must say the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub application_uri: Option<String>,
    /// How the connection is secured; default the strongest policy that the server offers, signed and encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security: Option<OpcUaSecurity>,
    /// Who we are to the server; default anonymous.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<OpcUaIdentity>,
    /// How long opening the connection may take, 10ms to 1m; default 10s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "times::timeout")]
    pub connect_timeout: Option<Span>,
    /// How long the session outlives its connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<OpcUaSession>,
    /// How values come: subscribed or read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<OpcUaSubscription>,
    /// What fits into one request and one answer; default what the server says, and what is learned of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<OpcUaLimits>,
}

/// An OPC UA server and who we are there: one session, however many devices stand behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.url.matches('^opc[.]tcp://(\\\\[[0-9A-Fa-f:.%]+\\\\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?(/[A-Za-z0-9._~!&()*+,;=:@%/-]*)?$')").message("must be opc.tcp://HOST[:PORT][/PATH], such as opc.tcp://plc-1:4840").field_path(".url"))]
pub struct OpcUaChannel {
    /// Where the server listens, such as opc.tcp://plc-1:4840.
    #[schemars(length(min = 11, max = 512))]
    pub url: String,
    /// How long an answer may take, 10ms to 1m; default 5s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "times::timeout")]
    pub timeout: Option<Span>,
    /// Requests without an answer, in a row, until a device's Connected is False; default 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub offline_after: Option<i32>,
    /// Which host and port are dialled and named to the server; default Configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_url: Option<OpcUaEndpointUrl>,
    /// ApplicationUri that the server must have; default any. Its certificate must say the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub application_uri: Option<String>,
    /// How the connection is secured; default the strongest policy that the server offers, signed and encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security: Option<OpcUaSecurity>,
    /// Who we are to the server; default anonymous.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<OpcUaIdentity>,
    /// How long opening the connection may take, 10ms to 1m; default 10s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "times::timeout")]
    pub connect_timeout: Option<Span>,
    /// How long the session outlives its connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<OpcUaSession>,
    /// How values come: subscribed or read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<OpcUaSubscription>,
    /// What fits into one request and one answer; default what the server says, and what is learned of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<OpcUaLimits>,
}

/// Which host and port are dialled and named to the server, whose own description may name a host that cannot be reached from
/// here (NAT, containers); default Configured. Configured: url, for both. Advertised: what the server's endpoint says, for both.
/// Dial: url is dialled, and the server is told the address that it advertises, as some servers want it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, Default)]
pub enum OpcUaEndpointUrl {
    /// `url`, for both.
    #[default]
    Configured,
    /// What the server's endpoint says, for both.
    Advertised,
    /// `url` is dialled, the advertised address is named.
    Dial,
}

impl OpcUaDevice {
    /// The Channel's fields, and of its own those that a device of a session may have.
    #[must_use]
    pub(crate) fn in_channel(self, shared: OpcUaChannel) -> Self {
        // Each field by its name: a new one of a Channel must not be forgotten here.
        let OpcUaChannel {
            url,
            timeout,
            offline_after,
            endpoint_url,
            application_uri,
            security,
            identity,
            connect_timeout,
            session,
            subscription,
            limits,
        } = shared;
        Self {
            channel: None,
            url: Some(url),
            root: self.root,
            timeout: self.timeout.or(timeout),
            offline_after: self.offline_after.or(offline_after),
            endpoint_url,
            application_uri,
            security,
            identity,
            connect_timeout,
            session,
            subscription,
            limits,
        }
    }
    /// Fields of its own that only its Channel may give; for objects that are older than the rule.
    pub(crate) fn is_beside_channel(&self) -> bool {
        self.url.is_some()
            || self.endpoint_url.is_some()
            || self.application_uri.is_some()
            || self.security.is_some()
            || self.identity.is_some()
            || self.connect_timeout.is_some()
            || self.session.is_some()
            || self.subscription.is_some()
            || self.limits.is_some()
    }
    /// Names of Secrets in it.
    pub(crate) fn secrets_mut(&mut self) -> Vec<Named<'_>> {
        let (security, identity) = (self.security.as_mut(), self.identity.as_mut());
        security
            .into_iter()
            .flat_map(OpcUaSecurity::secrets_mut)
            .chain(identity.into_iter().flat_map(OpcUaIdentity::secrets_mut))
            .collect()
    }
}
