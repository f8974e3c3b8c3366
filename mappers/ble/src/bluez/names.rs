//! How BlueZ calls things (its doc/org.bluez.*.rst).
use crate::address::Address;

pub(super) const BLUEZ: &str = "org.bluez";
pub(super) const ADAPTER: &str = "org.bluez.Adapter1";
pub(super) const DEVICE: &str = "org.bluez.Device1";
pub(super) const SERVICE: &str = "org.bluez.GattService1";
pub(super) const CHARACTERISTIC: &str = "org.bluez.GattCharacteristic1";
pub(super) const OBJECTS: &str = "org.freedesktop.DBus.ObjectManager";
pub(super) const PEER: &str = "org.freedesktop.DBus.Peer";
pub(super) const BUS: &str = "org.freedesktop.DBus";
pub(super) const BUS_PATH: &str = "/org/freedesktop/DBus";

/// Which object a path names: `/org/bluez/hci0/dev_AA_BB_CC_DD_EE_FF/service000a/char000b`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place<'p> {
    pub(super) device: Address,
    /// `service000a/char000b`; none: the device itself.
    pub(super) inner: Option<&'p str>,
}

impl<'p> Place<'p> {
    pub(super) fn of(path: &'p str, adapter: &str) -> Option<Self> {
        let rest = path.strip_prefix("/org/bluez/")?.strip_prefix(adapter)?.strip_prefix("/dev_")?;
        let (device, inner) = match rest.split_once('/') {
            Some((device, inner)) => (device, Some(inner)),
            None => (rest, None),
        };
        Some(Self { device: Address::parse(device, '_').ok()?, inner })
    }
}

/// The path of an adapter.
pub(super) fn adapter(name: &str) -> String {
    format!("/org/bluez/{name}")
}
/// The path of a device.
pub(super) fn device(adapter: &str, device: Address) -> String {
    format!("/org/bluez/{adapter}/dev_{}", device.to_string().replace(':', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_says_whose_it_is() {
        let address: Address = "C0:FF:EE:00:00:01".parse().unwrap();
        let path = device("hci0", address);
        assert_eq!(path, "/org/bluez/hci0/dev_C0_FF_EE_00_00_01");
        assert_eq!(Place::of(&path, "hci0"), Some(Place { device: address, inner: None }));
        let inner = format!("{path}/service000a/char000b");
        assert_eq!(Place::of(&inner, "hci0"), Some(Place { device: address, inner: Some("service000a/char000b") }));
        for other in
            ["/", "/org/bluez/hci0", "/org/bluez/hci10/dev_C0_FF_EE_00_00_01", "/org/bluez/hci1/dev_C0_FF_EE_00_00_01"]
        {
            assert_eq!(Place::of(other, "hci1").is_some(), other.contains("hci1/"), "{other}");
        }
    }
}
