//! What two devices share without saying so: one port, gateway or server, opened by both.
use crate::{BleDevice, ChannelProtocol, ModbusDevice, ModbusRtu, OpcUaDevice, Protocol, Span, ble, opcua};
use std::collections::BTreeMap;

/// A resource that a device opens, and how. One resource is opened once; who asks for other settings is refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Resource {
    /// What is opened, such as `modbus tcp 10.0.0.5:502`. Names that mean one thing may still differ (a host name and its
    /// address): that only the node can tell.
    pub key: String,
    /// Field → value that must be the same for all who open it; what is left out stands here with its default.
    pub settings: BTreeMap<&'static str, String>,
}

/// Default of `connectTimeout`.
const CONNECT_TIMEOUT: Span = Span::from_secs(5);

/// What a device opens. `protocol` has its Channel merged in. None where the YAML cannot tell: a custom protocol, or no
/// transport.
pub fn resource_key(protocol: &Protocol) -> Option<Resource> {
    if let Some(opcua) = &protocol.opcua {
        return opcua::resource(opcua);
    }
    if let Some(ble) = &protocol.ble {
        // Its Channel, which is not merged in, says which adapter.
        return ble.channel.is_none().then(|| ble::resource(ble));
    }
    let modbus = protocol.modbus.as_ref()?;
    let (key, mut settings) = opened(modbus)?;
    settings.insert("connectTimeout", modbus.connect_timeout.unwrap_or(CONNECT_TIMEOUT).to_string());
    Some(Resource { key, settings })
}

/// What a Channel opens, whoever uses it.
pub fn channel_resource(protocol: &ChannelProtocol) -> Option<Resource> {
    if let Some(shared) = &protocol.opcua {
        return opcua::resource(&OpcUaDevice::default().in_channel(shared.clone()));
    }
    if let Some(shared) = &protocol.ble {
        return Some(ble::resource(&BleDevice::default().in_channel(shared.clone())));
    }
    let shared = protocol.modbus.clone()?;
    let modbus = ModbusDevice {
        tcp: shared.tcp,
        rtu: shared.rtu,
        rtu_over_tcp: shared.rtu_over_tcp,
        tls: shared.tls,
        connect_timeout: shared.connect_timeout,
        ..ModbusDevice::default()
    };
    resource_key(&Protocol { modbus: Some(modbus), ..Protocol::default() })
}

/// One port of one host is one resource, whatever is spoken there: who speaks otherwise is in conflict with it.
fn opened(modbus: &ModbusDevice) -> Option<(String, BTreeMap<&'static str, String>)> {
    // IPv6 addresses have colons of their own.
    let socket = |host: &str, port: i32| {
        let host = host.to_ascii_lowercase();
        if host.contains(':') { format!("modbus tcp [{host}]:{port}") } else { format!("modbus tcp {host}:{port}") }
    };
    let plain = |transport: &str| BTreeMap::from([("transport", transport.to_owned())]);
    if let Some(tcp) = &modbus.tcp {
        return Some((socket(&tcp.host, tcp.port), plain("tcp")));
    }
    if let Some(over) = &modbus.rtu_over_tcp {
        return Some((socket(&over.host, over.port), plain("rtuOverTcp")));
    }
    if let Some(tls) = &modbus.tls {
        let mut settings = plain("tls");
        settings.insert("secret", tls.secret.clone());
        settings.insert("serverName", tls.server_name.clone().unwrap_or_else(|| tls.host.to_ascii_lowercase()));
        settings.insert("insecureSkipVerify", tls.insecure_skip_verify.unwrap_or_default().to_string());
        return Some((socket(&tls.host, tls.port), settings));
    }
    let rtu = modbus.rtu.as_ref()?;
    let line = BTreeMap::from([
        ("baudRate", rtu.baud_rate.unwrap_or(ModbusRtu::BAUD_RATE).to_string()),
        ("parity", format!("{:?}", rtu.parity.unwrap_or_default())),
        ("stopBits", rtu.stop_bits.unwrap_or(1).to_string()),
    ]);
    Some((format!("modbus rtu {}", rtu.path), line))
}

impl Resource {
    /// For people: `tcp://10.0.0.5:502`, `rtuOverTcp://10.0.0.5:4001`, `tls://10.0.0.5:802`, `rtu:/dev/ttyUSB0 19200 8E1`,
    /// `opc.tcp://plc-1:4840 as anonymous`, `hci0`.
    pub fn endpoint(&self) -> String {
        let setting = |field| self.settings.get(field).map_or("", String::as_str);
        if let Some(path) = self.key.strip_prefix("modbus rtu ") {
            let parity: String = setting("parity").chars().take(1).collect();
            return format!("rtu:{path} {} 8{parity}{}", setting("baudRate"), setting("stopBits"));
        }
        match self.key.strip_prefix("modbus tcp ") {
            Some(socket) => format!("{}://{socket}", setting("transport")),
            None => self.key.split_once(' ').map_or(&*self.key, |(_, endpoint)| endpoint).to_owned(),
        }
    }
    /// What differs: `connectTimeout 5s, not 2s`, where `self` has 5s and `other` 2s. None: nothing does.
    pub fn differs(&self, other: &Self) -> Option<String> {
        let absent = "(none)";
        let fields = self.settings.keys().chain(other.settings.keys()).collect::<std::collections::BTreeSet<_>>();
        let value = |r: &Self, field| r.settings.get(field).map_or(absent, String::as_str).to_owned();
        let differences: Vec<_> = fields
            .into_iter()
            .filter(|field| self.settings.get(*field) != other.settings.get(*field))
            .map(|field| format!("{field} {}, not {}", value(self, field), value(other, field)))
            .collect();
        (!differences.is_empty()).then(|| differences.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[allow(clippy::needless_pass_by_value)] // json!(…) is
    fn resource(modbus: serde_json::Value) -> Option<Resource> {
        resource_key(&serde_json::from_value(json!({ "modbus": modbus })).unwrap())
    }

    #[test]
    fn one_gateway_is_one_resource_however_it_is_written() {
        let plain = resource(json!({"tcp": {"host": "PLC-1"}, "unitId": 1}));
        let full = resource(json!({"tcp": {"host": "plc-1", "port": 502}, "unitId": 9, "connectTimeout": "5s"}));
        assert_eq!((plain.as_ref().map(|r| &*r.key), &plain), (Some("modbus tcp plc-1:502"), &full));
        assert_eq!(resource(json!({"tcp": {"host": "::1"}})).unwrap().key, "modbus tcp [::1]:502");
        assert_ne!(plain, resource(json!({"tcp": {"host": "plc-1", "port": 503}})));
    }

    #[test]
    fn settings_that_differ_are_named_with_both_values() {
        let first = resource(json!({"tcp": {"host": "a"}})).unwrap();
        let second = resource(json!({"tcp": {"host": "a"}, "connectTimeout": "2s"})).unwrap();
        assert_eq!(second.differs(&first).as_deref(), Some("connectTimeout 2s, not 5s"));
        assert_eq!(first.differs(&first.clone()), None);
    }

    #[test]
    fn an_endpoint_is_written_as_people_write_it() {
        let shown = |modbus| {
            let protocol = serde_json::from_value(json!({ "modbus": modbus })).unwrap();
            channel_resource(&protocol).unwrap().endpoint()
        };
        assert_eq!(shown(json!({"tcp": {"host": "PLC-1"}})), "tcp://plc-1:502");
        assert_eq!(shown(json!({"tcp": {"host": "2001:db8::5", "port": 503}})), "tcp://[2001:db8::5]:503");
        assert_eq!(shown(json!({"rtuOverTcp": {"host": "10.0.0.5", "port": 4001}})), "rtuOverTcp://10.0.0.5:4001");
        assert_eq!(shown(json!({"tls": {"host": "10.0.0.5", "secret": "s"}})), "tls://10.0.0.5:802");
        assert_eq!(shown(json!({"rtu": {"path": "/dev/ttyUSB0"}})), "rtu:/dev/ttyUSB0 19200 8E1");
        let slow = json!({"rtu": {"path": "/dev/ttyS1", "baudRate": 9600, "parity": "None", "stopBits": 2}});
        assert_eq!(shown(slow), "rtu:/dev/ttyS1 9600 8N2");
    }

    #[test]
    fn what_yaml_cannot_tell_is_none() {
        assert_eq!(resource(json!({"channel": "hall-2"})), None);
        assert_eq!(resource_key(&serde_json::from_value(json!({"custom": {"port": "/dev/x"}})).unwrap()), None);
    }
}
