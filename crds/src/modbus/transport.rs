//! The ways to a Modbus device: TCP, serial line, serial line behind a TCP server, TCP under TLS.
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Modbus TCP: where the gateway or device listens (MODBUS Messaging on TCP/IP V1.0b).
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

/// Modbus RTU frames, with their CRC, over a TCP connection: what a plain serial device server passes on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModbusRtuOverTcp {
    /// Host name or IP address, such as plc-1, 10.0.0.5 or 2001:db8::5.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9:]([-A-Za-z0-9.:%]*[A-Za-z0-9:])?$')").message("must be a host name or an IP address, such as plc-1, 10.0.0.5 or 2001:db8::5"))]
    pub host: String,
    /// TCP port of the device server, such as 4001.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
}

/// Modbus/TCP Security: TLS 1.2 or newer, both sides with a certificate (MODBUS/TCP Security V3.6). The server reads what the
/// client may do from the role in its certificate.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModbusTls {
    /// Host name or IP address, such as plc-1, 10.0.0.5 or 2001:db8::5.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9:]([-A-Za-z0-9.:%]*[A-Za-z0-9:])?$')").message("must be a host name or an IP address, such as plc-1, 10.0.0.5 or 2001:db8::5"))]
    pub host: String,
    /// TCP port; 802 where none is given.
    #[serde(default = "default_tls_port")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// Name of a Secret in the same namespace, labelled pollux.rs/for=mappers, as cert-manager writes it: tls.crt and tls.key,
    /// the client's certificate with its role; ca.crt, by which the server is verified.
    #[schemars(length(min = 1, max = 180), regex(pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub secret: String,
    /// Name or IP address that the server's certificate must have, where it is not that of `host`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[A-Za-z0-9:]([-A-Za-z0-9.:]*[A-Za-z0-9:])?$"))]
    pub server_name: Option<String>,
    /// Takes any server for the right one, and needs no ca.crt: whoever stands in between can read and write. For commissioning
    /// only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insecure_skip_verify: Option<bool>,
}
fn default_tls_port() -> i32 {
    802
}

/// A serial line (MODBUS over Serial Line V1.02, mode RTU), eight data bits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModbusRtu {
    /// The port on the node; a stable path such as /dev/serial/by-id/usb-FTDI_FT232R_A1B2C3-if00-port0 is found again after it
    /// was plugged in elsewhere.
    #[schemars(length(min = 1, max = 255), regex(pattern = "^/dev/[A-Za-z0-9._/:@+-]+$"))]
    pub path: String,
    /// Bits per second, 300 to 4000000; 19200 where none is given, as the standard has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 300, max = 4_000_000))]
    pub baud_rate: Option<i32>,
    /// Even (default, as the standard has it), Odd or None.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parity: Option<ModbusParity>,
    /// 1 or 2; default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2))]
    pub stop_bits: Option<i32>,
    /// The kernel switches the direction of an RS-485 transceiver, where its driver can. Adapters that do so themselves, as
    /// most on USB, need nothing here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rs485: Option<ModbusRs485>,
}

/// Parity of a serial line; default Even. None: no parity bit. Even, Odd: one parity bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, Default)]
pub enum ModbusParity {
    /// No parity bit.
    None,
    /// The standard's.
    #[default]
    Even,
    /// Odd.
    Odd,
}

/// Direction of an RS-485 transceiver, switched by the kernel over RTS (Linux TIOCSRS485).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
pub struct ModbusRs485 {
    /// Level of RTS while sending: High (default) or Low.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rts: Option<ModbusRts>,
    /// Milliseconds between RTS and the first bit, 0 to 100; default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub delay_before_send: Option<i32>,
    /// Milliseconds between the last bit and RTS, 0 to 100; default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub delay_after_send: Option<i32>,
    /// Switches the bus termination on, where the hardware has one to switch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminate: Option<bool>,
}

/// Level of RTS while sending; default High. High: set. Low: cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, Default)]
pub enum ModbusRts {
    /// Set while sending.
    #[default]
    High,
    /// Cleared while sending.
    Low,
}

impl ModbusRtu {
    /// The standard's default (Serial Line V1.02, 3.2).
    pub const BAUD_RATE: i32 = 19_200;
}
