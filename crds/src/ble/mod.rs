//! What Bluetooth LE needs in a Device, a Channel and a binding (Bluetooth Core Specification, Vol 3, Parts C, F and G).
mod binding;
mod resource;
mod source;
mod times;
pub(crate) mod wire;

use crate::{Span, secrets::Named};
pub use binding::*;
use kube::KubeSchema;
pub(crate) use resource::resource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
pub use source::*;

/// How one Bluetooth LE device is reached: which it is, by which adapter, and how it is spoken with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.address), has(self.name)].filter(x, x).size() == 1").message("exactly one of address, name must be set"))]
#[x_kube(validation = Rule::new("!has(self.channel) || !(has(self.adapter) || has(self.connections))").message("adapter and connections stand in the Channel: its devices share one adapter"))]
#[x_kube(validation = Rule::new("!has(self.adapter) || self.adapter.matches('^(hci[0-9]{1,3}|([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2})$')").message("must be hci0, hci1 and so on, or the adapter's address such as AA:BB:CC:DD:EE:FF").field_path(".adapter"))]
#[x_kube(validation = Rule::new("!has(self.address) || self.address.contains('${') || self.address.matches('^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$')").message("must be six bytes in hexadecimal digits with colons between, such as AA:BB:CC:DD:EE:FF").field_path(".address"))]
#[x_kube(validation = Rule::new("!has(self.passkeyFrom) || !has(self.pairing) || self.pairing != 'Never'").message("passkeyFrom goes with pairing WhenAsked or Required").field_path(".passkeyFrom"))]
#[x_kube(validation = Rule::new("!has(self.connection) || self.connection != 'Never' || !(has(self.pairing) && self.pairing == 'Required' || has(self.passkeyFrom) || has(self.timeout) || has(self.connectTimeout))").message("pairing Required, passkeyFrom, timeout and connectTimeout need a connection: it must be WhenDue or Held").field_path(".connection"))]
pub struct BleDevice {
    /// Name of a Channel in the Device's namespace: the adapter that devices share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub channel: Option<String>,
    /// The node's adapter, as hci0 or by its address, for a device without a Channel; default the best that the node has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 4, max = 17))]
    pub adapter: Option<String>,
    /// Connections that the adapter holds at once, 1 to 32; default 5, and what it refuses is learned. More devices take turns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 32))]
    pub connections: Option<i32>,
    /// The device's address, such as AA:BB:CC:DD:EE:FF; of one that changes its address, that of its bond (identity address). May
    /// contain `${parameter}` and `${name}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub address: Option<String>,
    /// Name that the device advertises, letter by letter, instead of its address. Where two have it, neither is taken. May contain
    /// `${parameter}` and `${name}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 248))]
    pub name: Option<String>,
    /// Whether the link is paired, and so encrypted; default WhenAsked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pairing: Option<BlePairing>,
    /// The passkey of six digits that the device shows or has printed on it. With it a pairing without one is refused; default:
    /// pairing without a passkey (just works).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passkey_from: Option<BleSecret>,
    /// The key by which the device encrypts what it advertises, 32 hexadecimal digits (BTHome); for a device that does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bind_key_from: Option<BleSecret>,
    /// Whether and how long it is connected; default WhenDue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<BleConnection>,
    /// How long an answer may take, 10ms to 1m; default 5s, or the Channel's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "times::timeout")]
    pub timeout: Option<Span>,
    /// How long connecting may take, until the device's services are known, 1s to 2m; default 20s, or the Channel's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "times::connect_timeout")]
    pub connect_timeout: Option<Span>,
    /// Connects and requests without an answer, in a row, until Connected is False; default 3, or the Channel's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub offline_after: Option<i32>,
    /// Within which time a device that is only listened to must have been heard to be Connected, 1s to 24h; default 1m. One with
    /// characteristics too, where this is set: also between its connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "times::heard_within")]
    pub heard_within: Option<Span>,
}

/// A Bluetooth adapter, and how its devices share it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.adapter) || self.adapter.matches('^(hci[0-9]{1,3}|([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2})$')").message("must be hci0, hci1 and so on, or the adapter's address such as AA:BB:CC:DD:EE:FF").field_path(".adapter"))]
pub struct BleChannel {
    /// The node's adapter, as hci0 or by its address; default the best that the node has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 4, max = 17))]
    pub adapter: Option<String>,
    /// Connections that the adapter holds at once, 1 to 32; default 5, and what it refuses is learned. More devices take turns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 32))]
    pub connections: Option<i32>,
    /// How long an answer may take, 10ms to 1m; default 5s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "times::timeout")]
    pub timeout: Option<Span>,
    /// How long connecting may take, until the device's services are known, 1s to 2m; default 20s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "times::connect_timeout")]
    pub connect_timeout: Option<Span>,
    /// Connects and requests without an answer, in a row, until a device's Connected is False; default 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub offline_after: Option<i32>,
}

/// Whether the link is paired, and so encrypted; default WhenAsked. Never: what needs it is Bad. WhenAsked: when the device wants
/// it for what is read or written. Required: before anything else, and nothing is read or written over a link that is not encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, Default)]
pub enum BlePairing {
    /// The device's wish to pair is refused.
    Never,
    /// When the device wants it.
    #[default]
    WhenAsked,
    /// Before anything else.
    Required,
}

/// Whether and how long it is connected; default WhenDue. WhenDue: while something is due, and on while no other device waits for
/// its slot. Held: it keeps its slot, as long as the device is there. Never: it is only listened to; no characteristic can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, Default)]
pub enum BleConnection {
    /// While something is due.
    #[default]
    WhenDue,
    /// Always.
    Held,
    /// Advertisements only.
    Never,
}

/// A key of a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
pub struct BleSecret {
    /// Name of a Secret in the same namespace, labelled pollux.rs/for=mappers; without dots.
    #[schemars(length(min = 1, max = 120), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub secret: String,
    /// Which of its keys, so that one Secret serves many devices: letters, digits, - and _.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[-A-Za-z0-9_]+$"))]
    pub key: String,
}

/// Digits of a passkey.
const PASSKEY: usize = 6;
/// Hexadecimal digits of a bind key.
const BIND_KEY: usize = 32;

impl BleDevice {
    /// The Channel's fields, and the Device's own where both may give one.
    #[must_use]
    pub(crate) fn in_channel(self, shared: BleChannel) -> Self {
        // Each field by its name: a new one of a Channel must not be forgotten here.
        let BleChannel { adapter, connections, timeout, connect_timeout, offline_after } = shared;
        Self {
            channel: None,
            adapter,
            connections,
            timeout: self.timeout.or(timeout),
            connect_timeout: self.connect_timeout.or(connect_timeout),
            offline_after: self.offline_after.or(offline_after),
            ..self
        }
    }
    /// What does not go together, as (field below `spec.protocol.ble`, message); the rules say the same where the API server sees it.
    pub(crate) fn flaws(&self) -> Vec<(&'static str, &'static str)> {
        let never = self.connection == Some(BleConnection::Never);
        let connects = self.pairing == Some(BlePairing::Required) || self.passkey_from.is_some();
        let own = self.adapter.is_some() || self.connections.is_some();
        let all = [
            (self.address.is_some() == self.name.is_some(), "", "exactly one of address, name must be set"),
            (
                self.channel.is_some() && own,
                "",
                "adapter and connections stand in the Channel: its devices share one adapter",
            ),
            (
                self.passkey_from.is_some() && self.pairing == Some(BlePairing::Never),
                ".passkeyFrom",
                "passkeyFrom goes with pairing WhenAsked or Required",
            ),
            (
                never && (connects || self.timeout.is_some() || self.connect_timeout.is_some()),
                ".connection",
                "pairing Required, passkeyFrom, timeout and connectTimeout need a connection: it must be WhenDue or Held",
            ),
        ];
        all.into_iter().filter(|(wrong, ..)| *wrong).map(|(_, field, message)| (field, message)).collect()
    }
    /// Names of Secrets in it.
    pub(crate) fn secrets_mut(&mut self) -> Vec<Named<'_>> {
        let passkey = self.passkey_from.as_mut().map(|from| from.named("spec.protocol.ble.passkeyFrom", PASSKEY));
        let bind_key = self.bind_key_from.as_mut().map(|from| from.named("spec.protocol.ble.bindKeyFrom", BIND_KEY));
        passkey.into_iter().chain(bind_key).collect()
    }
}

impl BleSecret {
    fn named(&mut self, field: &'static str, digits: usize) -> Named<'_> {
        let Self { secret, key } = self;
        Named { field, keys: vec![key.clone().into()], name: secret, digits: Some(digits) }
    }
}

/// Whether a text is an address: six bytes in hexadecimal digits with colons between.
pub(crate) fn is_address(text: &str) -> bool {
    let byte = |part: &str| part.len() == 2 && part.bytes().all(|digit| digit.is_ascii_hexdigit());
    text.split(':').count() == 6 && text.split(':').all(byte)
}
/// Whether a text names an adapter: `hci0`, or an address.
pub(crate) fn is_adapter(text: &str) -> bool {
    let index = |rest: &str| (1..=3).contains(&rest.len()) && rest.bytes().all(|digit| digit.is_ascii_digit());
    text.strip_prefix("hci").is_some_and(index) || is_address(text)
}
