//! Which Secrets a device names, and what is wrong with them. Pure; the operator asks it before it copies them, and a mapper for
//! its files, so that laptop and cluster say the same.
use crate::{BleDevice, ChannelProtocol, FieldError, ModbusDevice, ModbusTls, OpcUaDevice, Protocol, SliceDevice};
use std::{borrow::Cow, collections::BTreeMap};

/// Label by which the owner of a Secret lets mappers have it.
pub const SECRET_LABEL: &str = "pollux.rs/for";
/// Value of [`SECRET_LABEL`].
pub const SECRET_LABEL_VALUE: &str = "mappers";
/// Keys with names that are given: cert-manager's, and those of a Secret of type kubernetes.io/basic-auth.
const SECRET_KEYS: [&str; 5] = [CERTIFICATE, PRIVATE_KEY, AUTHORITY, USER_NAME, PASSWORD];
/// Most bytes of a key whose name a device chooses.
const MAX_CHOSEN: usize = 64;
/// Most bytes of one key.
pub const MAX_SECRET_KEY: usize = 64 * 1024;

/// Key of a certificate with its chain, PEM.
pub const CERTIFICATE: &str = "tls.crt";
/// Key of the certificate's private key, PEM.
pub const PRIVATE_KEY: &str = "tls.key";
/// Key of the certificates by which the other side is verified, PEM.
pub const AUTHORITY: &str = "ca.crt";
/// Key of a user's name.
pub const USER_NAME: &str = "username";
/// Key of a user's password.
pub const PASSWORD: &str = "password";

/// A Secret that a device names, in the device's namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretRef {
    /// Field that names it.
    pub field: &'static str,
    /// Its name.
    pub name: String,
    /// Keys that it must have.
    pub keys: Vec<SecretKey>,
    /// So many digits each of these must have; None: any number of bytes.
    digits: Option<usize>,
}

/// Name of a key of a Secret: a given one, or one that a device chose.
pub type SecretKey = Cow<'static, str>;

/// Whether a protocol may read a key of so many bytes; no other is ever copied.
pub fn is_readable(key: &str, bytes: usize) -> bool {
    SECRET_KEYS.contains(&key) || bytes <= MAX_CHOSEN && !key.contains('.')
}

/// Bytes of each key of a Secret.
pub type SecretKeys = BTreeMap<String, usize>;

/// The Secrets that a device names; `protocol` has its Channel merged in. A custom protocol names none.
pub fn secrets(protocol: &Protocol) -> Vec<SecretRef> {
    let mut protocol = protocol.clone();
    let refs = named(&mut protocol).into_iter();
    refs.map(|Named { field, keys, name, digits }| SecretRef { field, keys, name: name.clone(), digits }).collect()
}
/// The Secrets that a Channel names.
pub fn channel_secrets(protocol: &ChannelProtocol) -> Vec<SecretRef> {
    let modbus = protocol.modbus.clone().map(|shared| ModbusDevice { tls: shared.tls, ..ModbusDevice::default() });
    let opcua = protocol.opcua.clone().map(|shared| OpcUaDevice::default().in_channel(shared));
    secrets(&Protocol { modbus, opcua, ..Protocol::default() }) // a Bluetooth adapter needs none
}

/// A name of a Secret where it stands.
pub(crate) struct Named<'a> {
    /// Field that names it.
    pub(crate) field: &'static str,
    /// Keys that it must have.
    pub(crate) keys: Vec<SecretKey>,
    /// Its name, which may be made a longer one.
    pub(crate) name: &'a mut String,
    /// So many digits each key must have; None: any number of bytes.
    pub(crate) digits: Option<usize>,
}
/// All names of Secrets in a block.
fn named(protocol: &mut Protocol) -> Vec<Named<'_>> {
    let tls = protocol.modbus.as_mut().and_then(|modbus| modbus.tls.as_mut()).map(of_tls);
    let opcua = protocol.opcua.iter_mut().flat_map(OpcUaDevice::secrets_mut);
    tls.into_iter().chain(opcua).chain(protocol.ble.iter_mut().flat_map(BleDevice::secrets_mut)).collect()
}
fn of_tls(tls: &mut ModbusTls) -> Named<'_> {
    let verified = !tls.insecure_skip_verify.unwrap_or_default();
    let keys = given(&[CERTIFICATE, PRIVATE_KEY]).into_iter().chain(verified.then_some(AUTHORITY.into())).collect();
    Named { field: "spec.protocol.modbus.tls.secret", keys, name: &mut tls.secret, digits: None }
}
/// Keys with names that are given.
pub(crate) fn given(keys: &[&'static str]) -> Vec<SecretKey> {
    keys.iter().copied().map(Cow::Borrowed).collect()
}

/// The block with another text for each name of a Secret.
pub(crate) fn with_secrets(protocol: &Protocol, change: impl Fn(&str) -> String) -> Protocol {
    let mut protocol = protocol.clone();
    for Named { name, .. } in named(&mut protocol) {
        *name = change(name);
    }
    protocol
}
/// The block with `namespace.name` for each name of a Secret: what the keys of its contents begin with where a driver gets them.
pub(crate) fn qualified(protocol: &Protocol, namespace: &str) -> Protocol {
    with_secrets(protocol, |name| qualified_secret(namespace, name))
}

/// `namespace.name`. A namespace has no dots.
pub fn qualified_secret(namespace: &str, name: &str) -> String {
    if namespace.is_empty() { name.into() } else { format!("{namespace}.{name}") }
}

/// By which name a driver finds the content of a key: `namespace.name.key`.
pub fn secret_key(namespace: &str, name: &str, key: &str) -> String {
    format!("{}.{key}", qualified_secret(namespace, name))
}

/// Whether labels let mappers have a Secret.
pub fn is_for_mappers(labels: &BTreeMap<String, String>) -> bool {
    labels.get(SECRET_LABEL).is_some_and(|value| value == SECRET_LABEL_VALUE)
}

/// That there is no such Secret, as who can see only those with the label says it.
pub fn no_secret(namespace: &str, name: &str) -> String {
    format!("no Secret {name:?} with label {SECRET_LABEL}={SECRET_LABEL_VALUE} in namespace {namespace}")
}

/// What is wrong with the Secrets that a device names. `find` gives what a Secret of the device's namespace has, or why it cannot
/// be had.
pub fn check_secrets(device: &SliceDevice, find: impl Fn(&SecretRef) -> Result<SecretKeys, String>) -> Vec<FieldError> {
    let wrong = |named: &SecretRef| {
        let field = named.place(device);
        let messages = match find(named) {
            Err(message) => vec![message],
            Ok(keys) => named.keys.iter().filter_map(|key| named.wrong_key(key, keys.get(&**key))).collect(),
        };
        messages.into_iter().map(|message| FieldError::new(field.clone(), message)).collect::<Vec<_>>()
    };
    secrets(&device.protocol.0).iter().flat_map(wrong).collect()
}

impl SecretRef {
    /// The field that names it, and whose: the Channel's where the Device has one, which shares its Secrets. What a Bluetooth device
    /// names is its own.
    pub fn place(&self, device: &SliceDevice) -> String {
        let channel = device.channel.as_ref().filter(|_| device.protocol.0.ble.is_none());
        format!("{}{}", channel.map(|name| format!("Channel {name}: ")).unwrap_or_default(), self.field)
    }
    fn wrong_key(&self, key: &str, size: Option<&usize>) -> Option<String> {
        let Self { name, digits, .. } = self;
        match (size, digits) {
            // A line's end behind them is no digit.
            (Some(size), Some(digits)) if size == digits || *size == digits + 1 => None,
            (Some(size), Some(digits)) => {
                Some(format!("key {key} of Secret {name:?} has {size} bytes, must be {digits} digits"))
            }
            (None, Some(digits)) => Some(format!("Secret {name:?} has no key {key} of {digits} digits")),
            (None | Some(0), None) => Some(format!("Secret {name:?} has no key {key}")),
            (Some(size), None) if *size > MAX_SECRET_KEY => {
                Some(format!("key {key} of Secret {name:?} has {size} bytes, at most {MAX_SECRET_KEY} are allowed"))
            }
            (Some(_), None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ResolvedProtocol;
    use serde_json::json;

    fn device(tls: &serde_json::Value, channel: Option<&str>) -> SliceDevice {
        let protocol = serde_json::from_value(json!({"modbus": {"tls": tls, "unitId": 1}})).unwrap();
        let channel = channel.map(Into::into);
        SliceDevice { protocol: ResolvedProtocol(protocol), channel, ..SliceDevice::default() }
    }
    fn told(device: &SliceDevice, keys: Result<&[(&str, usize)], &str>) -> Vec<String> {
        let find = |_: &SecretRef| match keys {
            Ok(keys) => Ok(keys.iter().map(|(key, size)| ((*key).to_owned(), *size)).collect()),
            Err(message) => Err(message.to_owned()),
        };
        check_secrets(device, find).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_secret_must_be_there_and_have_what_is_read_of_it() {
        let verified = device(&json!({"host": "plc", "secret": "plc-client"}), None);
        let trusting =
            device(&json!({"host": "plc", "secret": "plc-client", "insecureSkipVerify": true}), Some("hall"));
        let all = [("tls.crt", 1), ("tls.key", 1), ("ca.crt", 1), ("other", 0)];
        assert_eq!(told(&verified, Ok(&all)), Vec::<String>::new());
        assert_eq!(told(&trusting, Ok(&all[..2])), Vec::<String>::new(), "nobody is verified");
        assert_eq!(
            told(&verified, Ok(&[("tls.crt", 65_537), ("tls.key", 0)])),
            [
                "spec.protocol.modbus.tls.secret: key tls.crt of Secret \"plc-client\" has 65537 bytes, at most 65536 are allowed",
                "spec.protocol.modbus.tls.secret: Secret \"plc-client\" has no key tls.key",
                "spec.protocol.modbus.tls.secret: Secret \"plc-client\" has no key ca.crt",
            ]
        );
        assert_eq!(
            told(&trusting, Err(&no_secret("plant", "plc-client"))),
            [
                "Channel hall: spec.protocol.modbus.tls.secret: no Secret \"plc-client\" with label pollux.rs/for=mappers in \
              namespace plant"
            ]
        );
    }

    #[test]
    fn a_bluetooth_device_chooses_its_keys_which_have_so_many_digits_and_are_its_own() {
        let ble = json!({"name": "x", "passkeyFrom": {"secret": "locks", "key": "front"}, "bindKeyFrom": {"secret": "sensors", "key": "LOBBY_1"}});
        let protocol: Protocol = serde_json::from_value(json!({ "ble": ble })).unwrap();
        let channel = Some("hall".into());
        let device = SliceDevice { protocol: ResolvedProtocol(protocol.clone()), channel, ..SliceDevice::default() };
        // As many, or with a line's end behind them.
        for sizes in [[("front", 6), ("LOBBY_1", 32)], [("front", 7), ("LOBBY_1", 33)]] {
            assert_eq!(told(&device, Ok(&sizes)), Vec::<String>::new());
        }
        assert_eq!(
            told(&device, Ok(&[("front", 0), ("LOBBY_1", 16)])),
            [
                "spec.protocol.ble.passkeyFrom: key front of Secret \"locks\" has 0 bytes, must be 6 digits",
                "spec.protocol.ble.bindKeyFrom: key LOBBY_1 of Secret \"sensors\" has 16 bytes, must be 32 digits",
            ]
        );
        let missing = "spec.protocol.ble.passkeyFrom: Secret \"locks\" has no key front of 6 digits";
        assert_eq!(told(&device, Ok(&[("LOBBY_1", 32)])), [missing]);
        let own = qualified(&protocol, "plant").ble.unwrap().bind_key_from.unwrap();
        assert_eq!(format!("{}.{}", own.secret, own.key), secret_key("plant", "sensors", "LOBBY_1"));
        assert!(secret_key(&"n".repeat(63), &"s".repeat(120), &"k".repeat(63)).len() <= 253);
    }

    #[test]
    fn what_is_never_read_is_never_copied() {
        for (key, bytes, readable) in [
            ("tls.key", 64 * 1024, true),
            ("LOBBY_1", 64, true),
            ("LOBBY_1", 65, false),
            ("token.txt", 6, false),
            ("token", 900, false),
        ] {
            assert_eq!(is_readable(key, bytes), readable, "{key} {bytes}");
        }
    }

    #[test]
    fn nobody_else_names_a_secret() {
        for protocol in [json!({"modbus": {"tcp": {"host": "plc"}}}), json!({"custom": {"secret": "x"}})] {
            assert_eq!(secrets(&serde_json::from_value(protocol).unwrap()), []);
        }
    }

    #[test]
    fn a_driver_finds_contents_by_the_name_that_it_is_given() {
        let device = device(&json!({"host": "plc", "secret": "plc.client"}), None);
        let name = qualified(&device.protocol.0, "plant").modbus.unwrap().tls.unwrap().secret;
        assert_eq!(secret_key("plant", "plc.client", "tls.crt"), format!("{name}.tls.crt"));
        // Namespace, name and key at their longest are the key of a Secret still.
        assert!(secret_key(&"n".repeat(63), &"s".repeat(180), PRIVATE_KEY).len() <= 253);
    }
}
