//! The unions of protocols. Exactly one member is set: a CEL rule says so, in words that a person understands.
use crate::{FreeForm, ModbusBinding, ModbusChannel, ModbusDevice};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// How a device is reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.modbus), has(self.custom)].filter(x, x).size() == 1").message("exactly one of modbus, custom must be set"))]
pub struct Protocol {
    /// Modbus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modbus: Option<ModbusDevice>,
    /// A protocol of your own: free-form, judged by its mapper. `spec.mapperClass` names the mapper.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom: Option<FreeForm>,
}

/// How a bus, gateway, server, adapter or broker is reached that devices share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.modbus)").message("modbus must be set"))]
pub struct ChannelProtocol {
    /// A Modbus gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modbus: Option<ModbusChannel>,
}

/// Where a property stands on the wire.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.modbus), has(self.custom)].filter(x, x).size() == 1").message("exactly one of modbus, custom must be set"))]
pub struct Binding {
    /// Modbus table and address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modbus: Option<ModbusBinding>,
    /// Free-form, judged by the mapper of a protocol of your own. Strings may contain `${parameter}` and `${name}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom: Option<FreeForm>,
}

/// The name of a custom protocol in [`Protocol`] and [`Binding`].
pub const CUSTOM: &str = "custom";

impl Protocol {
    /// Which member is set: `modbus` or `custom`.
    pub fn name(&self) -> Option<&'static str> {
        match self {
            Self { modbus: Some(_), custom: None } => Some("modbus"),
            Self { modbus: None, custom: Some(_) } => Some(CUSTOM),
            _ => None,
        }
    }
}
impl Binding {
    /// Which member is set: `modbus` or `custom`.
    pub fn name(&self) -> Option<&'static str> {
        match self {
            Self { modbus: Some(_), custom: None } => Some("modbus"),
            Self { modbus: None, custom: Some(_) } => Some(CUSTOM),
            _ => None,
        }
    }
}
