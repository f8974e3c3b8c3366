//! What Modbus needs in a Device, a Channel and a binding (MODBUS Application Protocol V1.1b3, Messaging on TCP/IP V1.0b).
use crate::Span;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Modbus TCP: where the gateway or device listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModbusTcp {
    /// Host name or IP address, such as plc-1, 10.0.0.5 or 2001:db8::5.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9:]([-A-Za-z0-9.:%]*[A-Za-z0-9:])?$')").message("must be a host name or an IP address, such as plc-1, 10.0.0.5 or 2001:db8::5"))]
    pub host: String,
    /// TCP port; 502 where none is given.
    #[serde(default = "default_port")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
}
fn default_port() -> i32 {
    502
}

/// How one Modbus device is reached: through a Channel that devices share, or by a transport of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.channel), has(self.tcp)].filter(x, x).size() == 1").message("exactly one of channel, tcp must be set"))]
pub struct ModbusDevice {
    /// Name of a Channel in the Device's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub channel: Option<String>,
    /// Modbus TCP, for a device that has its connection for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<ModbusTcp>,
    /// Unit id (slave address) behind the gateway, 0 to 255; 1 where none is given.
    #[serde(default = "default_unit")]
    #[schemars(range(min = 0, max = 255))]
    pub unit_id: i32,
    /// How long an answer may take, 10ms to 1m; default 1s, or the Channel's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// How long opening the connection may take, 10ms to 1m; default 5s, or the Channel's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<Span>,
    /// Requests without an answer, in a row, until Connected is False; default 3, or the Channel's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub offline_after: Option<i32>,
}
fn default_unit() -> i32 {
    1
}

/// A Modbus gateway, opened once however many devices stand behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModbusChannel {
    /// Modbus TCP.
    pub tcp: ModbusTcp,
    /// How long an answer may take, 10ms to 1m; default 1s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// How long opening the connection may take, 10ms to 1m; default 5s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<Span>,
    /// Requests without an answer, in a row, until a device's Connected is False; default 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub offline_after: Option<i32>,
}

/// Where a property stands on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.table in ['coil', 'discrete'] ? !has(self.dataType) && !has(self.byteOrder) && !has(self.bit) && !has(self.length) : (has(self.dataType) != has(self.bit))").message("coil and discrete take an address only; holding and input need dataType, or bit (0 to 15)"))]
#[x_kube(validation = Rule::new("has(self.length) == (has(self.dataType) && self.dataType == 'string')").message("length (in registers) goes with dataType string, and only with it"))]
#[x_kube(validation = Rule::new("!has(self.byteOrder) || (has(self.dataType) && self.dataType != 'string')").message("byteOrder goes with a numeric dataType"))]
pub struct ModbusBinding {
    /// Table: coil (functions 1, 5, 15), discrete (2), holding (3, 6, 16) or input (4).
    pub table: ModbusTable,
    /// Address in the request, from 0: register 40001 of a data sheet is holding 0.
    #[schemars(range(min = 0, max = 65535))]
    pub address: i32,
    /// How registers are read as a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_type: Option<ModbusDataType>,
    /// Order of the bytes of a value, A being its most significant; default ABCD. 64-bit values follow the same
    /// pattern: ABCDEFGH, BADCFEHG, GHEFCDAB, HGFEDCBA. 16-bit values: ABCD and CDAB are plain, BADC and DCBA swapped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub byte_order: Option<ByteOrder>,
    /// One bit of a register, 0 being the least significant. Written by reading the register, changing the bit and writing
    /// it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 15))]
    pub bit: Option<i32>,
    /// Length of a string, in registers of two characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 123))]
    pub length: Option<i32>,
}

/// The four tables of a Modbus device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ModbusTable {
    /// One bit, read and written.
    Coil,
    /// One bit, read only.
    Discrete,
    /// One 16-bit register, read only.
    Input,
    /// One 16-bit register, read and written.
    Holding,
}

/// How registers are read as a value. int16, uint16: one register, signed and unsigned. int32, uint32: two. int64, uint64:
/// four. float32: IEEE 754 single, two registers. float64: double, four. string: UTF-8 text of `length` registers, two
/// characters each, up to the first NUL and without trailing spaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ModbusDataType {
    /// Signed, one register.
    Int16,
    /// Unsigned, one register.
    Uint16,
    /// Signed, two registers.
    Int32,
    /// Unsigned, two registers.
    Uint32,
    /// Signed, four registers.
    Int64,
    /// Unsigned, four registers.
    Uint64,
    /// IEEE 754 single, two registers.
    Float32,
    /// IEEE 754 double, four registers.
    Float64,
    /// UTF-8 text, two characters a register, trailing NUL and spaces dropped.
    String,
}

/// Order of the bytes of a value, A being its most significant; default ABCD. ABCD: big endian, the standard's. BADC: bytes
/// swapped in each register. CDAB: registers swapped ("word swap"). DCBA: little endian. 64-bit values follow the same pattern:
/// ABCDEFGH, BADCFEHG, GHEFCDAB, HGFEDCBA. 16-bit values: ABCD and CDAB are plain, BADC and DCBA swapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, Default)]
#[serde(rename_all = "UPPERCASE")]
pub enum ByteOrder {
    /// Big endian, the standard's.
    #[default]
    Abcd,
    /// Bytes swapped in each register.
    Badc,
    /// Registers swapped ("word swap").
    Cdab,
    /// Little endian.
    Dcba,
}
