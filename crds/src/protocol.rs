//! The unions of protocols. Exactly one member is set: a CEL rule says so, in words that a person understands.
use crate::{
    BleBinding, BleChannel, BleDevice, FreeForm, ModbusBinding, ModbusChannel, ModbusDevice, OpcUaBinding,
    OpcUaChannel, OpcUaDevice,
};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// How a device is reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.modbus), has(self.opcua), has(self.ble), has(self.custom)].filter(x, x).size() == 1").message("exactly one of modbus, opcua, ble, custom must be set"))]
pub struct Protocol {
    /// Modbus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modbus: Option<ModbusDevice>,
    /// OPC UA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opcua: Option<OpcUaDevice>,
    /// Bluetooth LE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ble: Option<BleDevice>,
    /// A protocol of your own: free-form, judged by its mapper. `spec.mapperClass` names the mapper.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom: Option<FreeForm>,
}

/// How a bus, gateway, server, adapter or broker is reached that devices share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.modbus), has(self.opcua), has(self.ble)].filter(x, x).size() == 1").message("exactly one of modbus, opcua, ble must be set"))]
pub struct ChannelProtocol {
    /// A Modbus gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modbus: Option<ModbusChannel>,
    /// An OPC UA server, and who we are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opcua: Option<OpcUaChannel>,
    /// A Bluetooth adapter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ble: Option<BleChannel>,
}

/// Where a property stands on the wire.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.modbus), has(self.opcua), has(self.ble), has(self.custom)].filter(x, x).size() == 1").message("exactly one of modbus, opcua, ble, custom must be set"))]
pub struct Binding {
    /// Modbus table and address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modbus: Option<ModbusBinding>,
    /// OPC UA node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opcua: Option<OpcUaBinding>,
    /// Bluetooth LE characteristic or advertisement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ble: Option<BleBinding>,
    /// Free-form, judged by the mapper of a protocol of your own. Strings may contain `${parameter}` and `${name}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom: Option<FreeForm>,
}

/// The name of a custom protocol in [`Protocol`] and [`Binding`].
pub const CUSTOM: &str = "custom";

impl Protocol {
    /// Which member is set: `modbus`, `opcua`, `ble` or `custom`.
    pub fn name(&self) -> Option<&'static str> {
        one([self.modbus.is_some(), self.opcua.is_some(), self.ble.is_some(), self.custom.is_some()])
    }
    /// Name of the Channel that it goes through.
    pub fn channel(&self) -> Option<&str> {
        let modbus = || self.modbus.as_ref().and_then(|modbus| modbus.channel.as_deref());
        let opcua = || self.opcua.as_ref().and_then(|opcua| opcua.channel.as_deref());
        modbus().or_else(opcua).or_else(|| self.ble.as_ref().and_then(|ble| ble.channel.as_deref()))
    }
}
impl Binding {
    /// Which member is set: `modbus`, `opcua`, `ble` or `custom`.
    pub fn name(&self) -> Option<&'static str> {
        one([self.modbus.is_some(), self.opcua.is_some(), self.ble.is_some(), self.custom.is_some()])
    }
}

/// The name of the only member that is set.
fn one(set: [bool; 4]) -> Option<&'static str> {
    let names = ["modbus", "opcua", "ble", CUSTOM].into_iter();
    let mut found = names.zip(set).filter(|(_, set)| *set).map(|(name, _)| name);
    found.next().filter(|_| found.next().is_none())
}
