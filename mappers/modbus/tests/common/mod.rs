//! What several tests need: bindings in a line, and a peer whose every byte a test decides.
#![allow(dead_code, reason = "each test takes what it needs")]
#![allow(clippy::panic, reason = "tests")]
pub(crate) mod cable;
pub(crate) mod cli;
pub(crate) mod drive;
pub(crate) mod peer;

use pollux_crds::{
    ModbusBinding, ModbusDataType, ModbusDevice, ModbusParity, ModbusRtu, ModbusRtuOverTcp, ModbusTable, ModbusTcp,
};
use pollux_mapper::{Interval, Point, Slot, Value};
use pollux_modbus::{Modbus, Unit};
use std::{net::SocketAddr, path::Path, time::Duration};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

pub(crate) fn bits(table: ModbusTable, address: i32) -> ModbusBinding {
    ModbusBinding { table: Some(table), address: Some(address), ..ModbusBinding::default() }
}
pub(crate) fn registers(table: ModbusTable, address: i32, kind: ModbusDataType) -> ModbusBinding {
    ModbusBinding { data_type: Some(kind), ..bits(table, address) }
}
pub(crate) fn device(address: SocketAddr, unit_id: i32) -> ModbusDevice {
    let tcp = ModbusTcp { host: address.ip().to_string(), port: address.port().into() };
    ModbusDevice { tcp: Some(tcp), unit_id, ..ModbusDevice::default() }
}
/// The same with RTU frames.
pub(crate) fn device_of_rtu_over_tcp(address: SocketAddr, unit_id: i32) -> ModbusDevice {
    let (host, port) = (address.ip().to_string(), address.port().into());
    ModbusDevice { rtu_over_tcp: Some(ModbusRtuOverTcp { host, port }), unit_id, ..ModbusDevice::default() }
}
/// On a serial port, which in tests is a pty.
pub(crate) fn device_on(port: &Path, unit_id: i32) -> ModbusDevice {
    let rtu = ModbusRtu {
        path: port.to_str().expect("UTF-8").to_owned(),
        baud_rate: Some(115_200),
        parity: Some(ModbusParity::None), // a pty has none
        stop_bits: None,
        rs485: None,
    };
    ModbusDevice { rtu: Some(rtu), unit_id, ..ModbusDevice::default() }
}
pub(crate) fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 502))
}

/// Points named p0, p1, …; `group` of each.
pub(crate) fn unit(
    unit_id: i32,
    bindings: &[(ModbusBinding, bool, Option<&str>)],
) -> Result<Unit, Vec<pollux_mapper::ConfigError>> {
    unit_of(&device(anywhere(), unit_id), bindings)
}
pub(crate) fn unit_of(
    device: &ModbusDevice,
    bindings: &[(ModbusBinding, bool, Option<&str>)],
) -> Result<Unit, Vec<pollux_mapper::ConfigError>> {
    let names: Vec<String> = (0..bindings.len()).map(|n| format!("p{n}")).collect();
    let points: Vec<Point<'_, ModbusBinding>> = bindings
        .iter()
        .zip(&names)
        .zip(0..)
        .map(|(((address, writable, read_group), name), slot)| Point {
            slot: Slot(slot),
            name,
            address,
            readable: true,
            writable: *writable,
            event: false,
            interval: Interval::Every(Duration::from_secs(1)),
            read_group: *read_group,
        })
        .collect();
    pollux_mapper::Protocol::prepare(&Modbus, device, &points)
}

/// The next request: transaction, unit, PDU. Read by hand, so that a test does not believe the codec about itself.
pub(crate) async fn request(peer: &mut (impl AsyncRead + Unpin)) -> (u16, u8, Vec<u8>) {
    let mut header = [0; 7];
    peer.read_exact(&mut header).await.expect("a header");
    assert_eq!(header[2..4], [0, 0], "protocol id");
    let mut pdu = vec![0; usize::from(u16::from_be_bytes([header[4], header[5]])) - 1];
    peer.read_exact(&mut pdu).await.expect("a PDU");
    (u16::from_be_bytes([header[0], header[1]]), header[6], pdu)
}

pub(crate) fn frame(id: u16, unit: u8, pdu: &[u8]) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    let length = u8::try_from(pdu.len() + 1).expect("short");
    [&[high, low, 0, 0, 0, length, unit], pdu].concat()
}

pub(crate) async fn answer(peer: &mut (impl AsyncWrite + Unpin), id: u16, unit: u8, pdu: &[u8]) {
    peer.write_all(&frame(id, unit, pdu)).await.expect("the other side listens");
}

pub(crate) fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

/// With the CRC of RTU, bit by bit as the standard describes it (Serial Line V1.02, 6.2.2).
pub(crate) fn rtu(body: &[u8]) -> Vec<u8> {
    let mut crc = 0xFFFF_u16;
    for byte in body {
        crc ^= u16::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xA001 } else { crc >> 1 };
        }
    }
    [body, &crc.to_le_bytes()].concat()
}
