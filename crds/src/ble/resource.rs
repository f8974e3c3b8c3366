//! One Bluetooth adapter: what devices share without saying so.
use super::BleDevice;
use crate::Resource;
use std::collections::BTreeMap;

/// Default of `connections`.
const CONNECTIONS: i32 = 5;

/// What a device with its Channel merged in opens: an adapter. Which one `hci0`, an address and "the best" mean, and whether they
/// mean one, only the node can tell.
pub(crate) fn resource(device: &BleDevice) -> Resource {
    let adapter = match device.adapter.as_deref() {
        None => "best adapter".to_owned(),
        Some(index) if index.starts_with("hci") => index.to_owned(),
        Some(address) => address.to_ascii_uppercase(),
    };
    let settings = BTreeMap::from([("connections", device.connections.unwrap_or(CONNECTIONS).to_string())]);
    Resource { key: format!("ble {adapter}"), settings }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    #[allow(clippy::needless_pass_by_value)] // json!(…) is
    fn of(ble: Json) -> Resource {
        resource(&serde_json::from_value(ble).unwrap())
    }

    #[test]
    fn one_adapter_is_one_resource_and_what_differs_is_named() {
        let plain = of(json!({"adapter": "aa:bb:cc:dd:ee:ff", "name": "a"}));
        let full = of(json!({"adapter": "AA:BB:CC:DD:EE:FF", "name": "b", "connections": 5}));
        assert_eq!((plain.key.as_str(), &plain), ("ble AA:BB:CC:DD:EE:FF", &full));
        assert_eq!(plain.endpoint(), "AA:BB:CC:DD:EE:FF");
        let other = of(json!({"adapter": "AA:BB:CC:DD:EE:FF", "name": "b", "connections": 3}));
        assert_eq!(other.differs(&plain).as_deref(), Some("connections 3, not 5"));
    }

    #[test]
    fn times_are_each_devices_own() {
        let slow =
            json!({"name": "a", "timeout": "1m", "connectTimeout": "2m", "heardWithin": "1h", "offlineAfter": 9});
        assert_eq!(of(slow), of(json!({"name": "b"})));
        assert_eq!(of(json!({"name": "b"})).endpoint(), "best adapter");
        assert_eq!(of(json!({"name": "b", "adapter": "hci1"})).endpoint(), "hci1");
    }
}
