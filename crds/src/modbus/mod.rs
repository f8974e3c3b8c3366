//! What Modbus needs in a Device, a Channel and a binding (MODBUS Application Protocol V1.1b3).
mod binding;
mod check;
mod group;
mod place;
mod times;
mod transport;

use crate::Span;
pub use binding::*;
pub(crate) use group::read_cap;
pub use group::{GroupMember, ReadGroup, read_groups};
use kube::KubeSchema;
pub use place::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
pub use transport::*;

/// How one Modbus device is reached: through a Channel that devices share, or by a transport of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.channel), has(self.tcp), has(self.rtu), has(self.rtuOverTcp), has(self.tls)].filter(x, x).size() == 1").message("exactly one of channel, tcp, rtu, rtuOverTcp, tls must be set"))]
#[x_kube(validation = Rule::new("!(has(self.rtu) || has(self.rtuOverTcp)) || (self.unitId >= 1 && self.unitId <= 247)").message("unitId must be 1 to 247 on a serial line").field_path(".unitId"))]
#[x_kube(validation = Rule::new("!(has(self.rtu) || has(self.rtuOverTcp)) || !has(self.pipeline) || self.pipeline == 1").message("pipeline goes with tcp and tls: a serial line carries one request at a time").field_path(".pipeline"))]
pub struct ModbusDevice {
    /// Name of a Channel in the Device's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub channel: Option<String>,
    /// Modbus TCP, for a device that has its connection for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<ModbusTcp>,
    /// A serial port of the node, for a device that has it for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtu: Option<ModbusRtu>,
    /// A serial line behind a TCP server that passes bytes on as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtu_over_tcp: Option<ModbusRtuOverTcp>,
    /// Modbus/TCP Security.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ModbusTls>,
    /// Unit id (slave address): 0 to 255 on TCP and TLS, 1 to 247 on serial lines; 1 where none is given.
    #[serde(default = "default_unit")]
    #[schemars(range(min = 0, max = 255))]
    pub unit_id: i32,
    /// How long an answer may take, 10ms to 1m; default 1s, or the Channel's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "times::timeout")]
    pub timeout: Option<Span>,
    /// How long opening the connection may take, 10ms to 1m; default 5s, or the Channel's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "times::timeout")]
    pub connect_timeout: Option<Span>,
    /// Requests without an answer, in a row, until Connected is False; default 3, or the Channel's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub offline_after: Option<i32>,
    /// Requests under way at once, on TCP and TLS; default 1, or the Channel's. Many gateways lose the second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 64))]
    pub pipeline: Option<i32>,
    /// Pauses that the device or gateway needs; default none, or the Channel's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pacing: Option<ModbusPacing>,
    /// How often a read without an answer is repeated at once; default 0, or the Channel's. It is asked again in its next cycle
    /// in any case; a write is never repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10))]
    pub retries: Option<i32>,
    /// What follows exceptions 5 (acknowledge) and 6 (device busy); default three more times after 100ms each, or the Channel's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busy_retry: Option<ModbusBusyRetry>,
    /// What fits into one request; default the standard's, or the Channel's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<ModbusLimits>,
    /// What a request costs, for the plan of reads; default by the transport, or the Channel's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<ModbusCost>,
    /// Which functions write; default Auto.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_function: Option<WriteFunction>,
    /// Added to every address of the model, -65535 to 65535; default 0. Minus one where a map counts from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -65535, max = 65535))]
    pub address_offset: Option<i32>,
    /// Addresses that are never read along.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub avoid: Vec<ModbusAvoid>,
    /// Asks the device who it is (function 43/14) when it connects, and shows it in status.identification; default false, because
    /// some devices do not survive a function that they do not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identify: Option<bool>,
}
fn default_unit() -> i32 {
    1
}

/// A Modbus gateway or serial line, opened once however many devices stand behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.tcp), has(self.rtu), has(self.rtuOverTcp), has(self.tls)].filter(x, x).size() == 1").message("exactly one of tcp, rtu, rtuOverTcp, tls must be set"))]
#[x_kube(validation = Rule::new("!(has(self.rtu) || has(self.rtuOverTcp)) || !has(self.pipeline) || self.pipeline == 1").message("pipeline goes with tcp and tls: a serial line carries one request at a time").field_path(".pipeline"))]
pub struct ModbusChannel {
    /// Modbus TCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<ModbusTcp>,
    /// A serial port of the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtu: Option<ModbusRtu>,
    /// A serial line behind a TCP server that passes bytes on as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtu_over_tcp: Option<ModbusRtuOverTcp>,
    /// Modbus/TCP Security.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ModbusTls>,
    /// How long an answer may take, 10ms to 1m; default 1s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "times::timeout")]
    pub timeout: Option<Span>,
    /// How long opening the connection may take, 10ms to 1m; default 5s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "times::timeout")]
    pub connect_timeout: Option<Span>,
    /// Requests without an answer, in a row, until a device's Connected is False; default 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub offline_after: Option<i32>,
    /// Requests under way at once, on TCP and TLS; default 1. Many gateways lose the second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 64))]
    pub pipeline: Option<i32>,
    /// Pauses that the devices or the gateway need; default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pacing: Option<ModbusPacing>,
    /// How often a read without an answer is repeated at once; default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10))]
    pub retries: Option<i32>,
    /// What follows exceptions 5 (acknowledge) and 6 (device busy); default three more times after 100ms each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busy_retry: Option<ModbusBusyRetry>,
    /// What fits into one request; default the standard's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<ModbusLimits>,
    /// What a request costs, for the plan of reads; default by the transport.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<ModbusCost>,
}

/// Pauses that a device or gateway needs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
pub struct ModbusPacing {
    /// Between connecting and the first request, at most 1m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "times::after_connect")]
    pub after_connect: Option<Span>,
    /// Between an answer and the next request, at most 10s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "times::between_requests")]
    pub between_requests: Option<Span>,
    /// Closes the connection when nothing was asked for so long, 1s to 24h, and opens it for the next request: for gateways with
    /// few connections, or that close idle ones themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "times::close_after_idle")]
    pub close_after_idle: Option<Span>,
}

/// What follows exceptions 5 (acknowledge) and 6 (device busy).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
pub struct ModbusBusyRetry {
    /// How often the request is repeated, 0 to 10; default 3. A write is repeated after exception 6 only: 5 says that it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10))]
    pub times: Option<i32>,
    /// Pause before each, 10ms to 10s; default 100ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "times::busy_delay")]
    pub delay: Option<Span>,
}

/// What fits into one request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
pub struct ModbusLimits {
    /// Registers in one read; default 125.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 125))]
    pub registers: Option<i32>,
    /// Coils or discrete inputs in one read; default 2000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2000))]
    pub bits: Option<i32>,
    /// Registers in one write; default 123.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 123))]
    pub write_registers: Option<i32>,
    /// Coils in one write; default 1968.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1968))]
    pub write_bits: Option<i32>,
    /// Registers that nobody asked for, read along where that saves a request; default 16, 0 is never. Coils and discrete
    /// inputs: 16 times as many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 124))]
    pub gap: Option<i32>,
}

/// What a request costs, in microseconds: the plan of reads that costs least is taken.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
pub struct ModbusCost {
    /// Of one request and its answer, without data: 1 to 10000000.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub request_micros: i32,
    /// Of one register of data, or 16 bits: 0 to 1000000.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub register_micros: i32,
}

/// Which functions write; default Auto. Auto: 5 and 6 for one coil or register, 15 and 16 for more. Single: 5 and 6 only, one
/// after the other. Multiple: 15 and 16 only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, Default)]
pub enum WriteFunction {
    /// 5 and 6 for one, 15 and 16 for more.
    #[default]
    Auto,
    /// 5 and 6 only.
    Single,
    /// 15 and 16 only.
    Multiple,
}

/// Addresses that are never read along, both ends included.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
#[x_kube(validation = Rule::new("self.first <= self.last").message("first must not be above last"))]
pub struct ModbusAvoid {
    /// coil, discrete, input or holding.
    pub table: ModbusTable,
    /// First address, before addressOffset.
    #[schemars(range(min = 0, max = 65535))]
    pub first: i32,
    /// Last address.
    #[schemars(range(min = 0, max = 65535))]
    pub last: i32,
}

impl ModbusDevice {
    /// How many transports of its own are set; valid is one, or none beside a Channel.
    pub(crate) fn transports(&self) -> usize {
        let set = [self.tcp.is_some(), self.rtu.is_some(), self.rtu_over_tcp.is_some(), self.tls.is_some()];
        set.into_iter().filter(|set| *set).count()
    }
}
