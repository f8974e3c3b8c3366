//! A DeviceModel and a Device of one that was chosen. Pure.
use super::{YAML, model::Made, names::object};
use crate::{address::Address, air::Heard};
use pollux_crds::{BleConnection, BleDevice, BlePairing, BleSecret, Interval, Span};
use serde_json::json;

/// How long a name is at most: the model has it too.
const LONGEST: usize = 63;
/// Who sends when something happens may be silent for so long.
const SELDOM: Span = Span::from_secs(24 * 3600);

/// What is to be written of it.
#[derive(Debug, Clone)]
pub(super) struct Chosen<'a> {
    pub(super) address: Address,
    pub(super) heard: &'a Heard,
    /// By the name that it advertises, though its address may change.
    pub(super) by_name: bool,
    pub(super) adapter: Option<&'a str>,
    /// What it is to be called.
    pub(super) name: Option<&'a str>,
    pub(super) node: Option<&'a str>,
    /// Where its keys are to be.
    pub(super) secret: &'a str,
    /// How often what does not notify is read.
    pub(super) interval: Span,
}

/// How it is spoken with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// It is listened to; encrypted or not.
    Heard {
        /// It encrypts what it sends.
        encrypted: bool,
    },
    /// It is connected.
    Connected {
        /// It is to be paired first; with a passkey or without.
        paired: Option<bool>,
    },
}

impl Chosen<'_> {
    /// What its objects are called.
    pub(super) fn called(&self) -> String {
        let heard = self.heard.name.as_deref().and_then(|name| object(name, LONGEST));
        let given = self.name.map(str::to_owned).or(heard);
        given.unwrap_or_else(|| format!("ble-{}", self.address.to_string().replace(':', "").to_ascii_lowercase()))
    }
    /// DeviceModel and Device.
    pub(super) fn documents(&self, way: Way, made: &Made) -> String {
        let name = self.called();
        let mut model = json!({"properties": made.properties});
        if let (Way::Connected { .. }, Some(model)) = (way, model.as_object_mut()) {
            model.insert("defaults".into(), json!({"interval": Interval::Every(self.interval)}));
        }
        let mut device = json!({"model": name, "mode": "Monitor", "protocol": {"ble": self.device(way, &name)}});
        if let (Some(node), Some(device)) = (self.node, device.as_object_mut()) {
            device.insert("nodeName".into(), node.into());
        }
        format!("{}---\n{}", YAML.object("DeviceModel", &name, &model), YAML.object("Device", &name, &device))
    }
    fn device(&self, way: Way, name: &str) -> BleDevice {
        let secret = |key: &str| BleSecret { secret: self.secret.to_owned(), key: key.to_owned() };
        let named = self.heard.name.clone().filter(|_| self.by_name);
        let device = BleDevice {
            adapter: self.adapter.map(str::to_owned),
            address: named.is_none().then(|| self.address.to_string()),
            name: named,
            ..BleDevice::default()
        };
        match way {
            Way::Heard { encrypted } => {
                let seldom = self.heard.formats.values().any(|(_, spoken)| spoken.seldom);
                BleDevice {
                    connection: Some(BleConnection::Never),
                    bind_key_from: encrypted.then(|| secret(name)),
                    heard_within: seldom.then_some(SELDOM),
                    ..device
                }
            }
            Way::Connected { paired } => BleDevice {
                pairing: paired.map(|_| BlePairing::Required),
                passkey_from: paired.filter(|passkey| *passkey).map(|_| secret(name)),
                ..device
            },
        }
    }
}
