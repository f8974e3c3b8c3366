//! Requests to bytes. Nothing leaves that the standard forbids: a device may answer an illegal length with silence.
use tokio_modbus::Request;

pub const MAX_READ_BITS: u16 = 2000;
pub const MAX_READ_REGISTERS: u16 = 125;
pub const MAX_WRITE_BITS: u16 = 1968;
pub const MAX_WRITE_REGISTERS: u16 = 123;
const DIAGNOSTICS: u8 = 8;
/// The kind of function 43 that reads device identification.
pub(super) const MEI_IDENTIFICATION: u8 = 14;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IllegalRequest {
    #[error("{count} values from address {address} in one request, must be 1..={most}")]
    Quantity { address: u16, count: usize, most: u16 },
    #[error("{count} values from address {address} reach beyond address 65535")]
    Beyond { address: u16, count: usize },
    #[error("function {0} is not one of 1 to 6, 8, 15, 16, 22, 43")]
    Function(u8),
}

/// Return Query Data (8/0): changes nothing, and its answer repeats the mark.
pub fn query_data(mark: u16) -> Request<'static> {
    let [high, low] = mark.to_be_bytes();
    Request::Custom(DIAGNOSTICS, vec![0, 0, high, low].into())
}

/// Appends the PDU: function code and body, at most 253 bytes. Where it is refused, `out` may have a part of it.
pub fn encode(request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), IllegalRequest> {
    out.push(request.function_code().value());
    body(request, out)
}

/// Lengths that legal quantities keep below 256.
fn byte(length: usize) -> u8 {
    u8::try_from(length).unwrap_or(u8::MAX)
}

fn body(request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), IllegalRequest> {
    match request {
        Request::ReadCoils(at, count) | Request::ReadDiscreteInputs(at, count) => {
            range(*at, usize::from(*count), MAX_READ_BITS, out)
        }
        Request::ReadHoldingRegisters(at, count) | Request::ReadInputRegisters(at, count) => {
            range(*at, usize::from(*count), MAX_READ_REGISTERS, out)
        }
        Request::WriteSingleCoil(at, on) => {
            pair(*at, if *on { 0xFF00 } else { 0 }, out);
            Ok(())
        }
        Request::WriteSingleRegister(at, word) => {
            pair(*at, *word, out);
            Ok(())
        }
        Request::WriteMultipleCoils(at, coils) => {
            range(*at, coils.len(), MAX_WRITE_BITS, out)?;
            push_block(&pack(coils), out);
            Ok(())
        }
        Request::WriteMultipleRegisters(at, words) => {
            range(*at, words.len(), MAX_WRITE_REGISTERS, out)?;
            push_block(&words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>(), out);
            Ok(())
        }
        Request::MaskWriteRegister(at, and, or) => {
            pair(*at, *and, out);
            out.extend_from_slice(&or.to_be_bytes());
            Ok(())
        }
        Request::Custom(DIAGNOSTICS, data) if data.len() == 4 => {
            out.extend_from_slice(data);
            Ok(())
        }
        Request::ReadDeviceIdentification(code, object) => {
            out.extend_from_slice(&[MEI_IDENTIFICATION, code.value(), *object]);
            Ok(())
        }
        other => Err(IllegalRequest::Function(other.function_code().value())),
    }
}

fn pair(first: u16, second: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(&first.to_be_bytes());
    out.extend_from_slice(&second.to_be_bytes());
}

fn range(address: u16, count: usize, most: u16, out: &mut Vec<u8>) -> Result<(), IllegalRequest> {
    let quantity = u16::try_from(count).ok().filter(|quantity| (1..=most).contains(quantity));
    let quantity = quantity.ok_or(IllegalRequest::Quantity { address, count, most })?;
    if usize::from(address) + count > 0x1_0000 {
        return Err(IllegalRequest::Beyond { address, count });
    }
    pair(address, quantity, out);
    Ok(())
}

fn push_block(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(byte(bytes.len()));
    out.extend_from_slice(bytes);
}

/// Eight to a byte, the first in the lowest bit.
fn pack(coils: &[bool]) -> Vec<u8> {
    let pack = |eight: &[bool]| eight.iter().rev().fold(0_u8, |byte, on| byte << 1 | u8::from(*on));
    coils.chunks(8).map(pack).collect()
}

/// "fc 16 holding 10..12": last address included, as people count registers.
pub fn describe(request: &Request<'_>) -> String {
    let (table, at, count) = match request {
        Request::ReadCoils(at, count) => ("coil", *at, usize::from(*count)),
        Request::ReadDiscreteInputs(at, count) => ("discrete", *at, usize::from(*count)),
        Request::ReadInputRegisters(at, count) => ("input", *at, usize::from(*count)),
        Request::ReadHoldingRegisters(at, count) => ("holding", *at, usize::from(*count)),
        Request::WriteSingleCoil(at, _) => ("coil", *at, 1),
        Request::WriteMultipleCoils(at, coils) => ("coil", *at, coils.len()),
        Request::WriteSingleRegister(at, _) | Request::MaskWriteRegister(at, ..) => ("holding", *at, 1),
        Request::WriteMultipleRegisters(at, words) => ("holding", *at, words.len()),
        _ => ("unknown", 0, 0),
    };
    let function = request.function_code().value();
    match count {
        0 | 1 => format!("fc {function} {table} {at}"),
        _ => format!("fc {function} {table} {at}..{}", usize::from(at) + count - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;
    use tokio_modbus::prelude::ReadCode;

    fn framed(id: u16, unit: u8, request: &Request<'_>) -> Result<Vec<u8>, IllegalRequest> {
        let mut out = vec![];
        crate::frame::mbap::encode(id, unit, request, &mut out).map(|()| out)
    }

    /// Frames written down by hand from the tables of the standard (V1.1b3, section 6).
    #[test]
    fn requests_are_the_bytes_of_the_standard() {
        let coils = [true, false, true, true, false, false, true, true, true, false];
        let table: [(Request<'_>, &[u8]); 11] = [
            (query_data(0xA537), &[0, 7, 0, 0, 0, 6, 17, 8, 0x00, 0x00, 0xA5, 0x37]),
            (
                Request::MaskWriteRegister(4, 0x00F2, 0x0025),
                &[0, 7, 0, 0, 0, 8, 17, 22, 0x00, 0x04, 0x00, 0xF2, 0x00, 0x25],
            ),
            (Request::ReadDeviceIdentification(ReadCode::Basic, 0), &[0, 7, 0, 0, 0, 5, 17, 43, 14, 1, 0]),
            (Request::ReadCoils(0x13, 0x25), &[0, 7, 0, 0, 0, 6, 17, 1, 0x00, 0x13, 0x00, 0x25]),
            (Request::ReadDiscreteInputs(0xC4, 0x16), &[0, 7, 0, 0, 0, 6, 17, 2, 0x00, 0xC4, 0x00, 0x16]),
            (Request::ReadHoldingRegisters(0x6B, 3), &[0, 7, 0, 0, 0, 6, 17, 3, 0x00, 0x6B, 0x00, 0x03]),
            (Request::ReadInputRegisters(8, 1), &[0, 7, 0, 0, 0, 6, 17, 4, 0x00, 0x08, 0x00, 0x01]),
            (Request::WriteSingleCoil(0xAC, true), &[0, 7, 0, 0, 0, 6, 17, 5, 0x00, 0xAC, 0xFF, 0x00]),
            (Request::WriteSingleRegister(1, 3), &[0, 7, 0, 0, 0, 6, 17, 6, 0x00, 0x01, 0x00, 0x03]),
            (
                Request::WriteMultipleCoils(0x13, Cow::Borrowed(&coils)),
                &[0, 7, 0, 0, 0, 9, 17, 15, 0x00, 0x13, 0x00, 0x0A, 0x02, 0xCD, 0x01],
            ),
            (
                Request::WriteMultipleRegisters(1, Cow::Borrowed(&[0x000A, 0x0102])),
                &[0, 7, 0, 0, 0, 11, 17, 16, 0x00, 0x01, 0x00, 0x02, 0x04, 0x00, 0x0A, 0x01, 0x02],
            ),
        ];
        for (request, expected) in table {
            assert_eq!(framed(7, 17, &request).as_deref(), Ok(expected), "{request:?}");
        }
    }

    #[test]
    fn what_the_standard_forbids_never_leaves() {
        let words = vec![0; 124];
        let illegal = [
            (Request::ReadCoils(0, 2001), "2001 values from address 0 in one request, must be 1..=2000"),
            (Request::ReadHoldingRegisters(0, 126), "126 values from address 0 in one request, must be 1..=125"),
            (Request::ReadInputRegisters(0, 0), "0 values from address 0 in one request, must be 1..=125"),
            (Request::ReadInputRegisters(65535, 2), "2 values from address 65535 reach beyond address 65535"),
            (
                Request::WriteMultipleRegisters(5, words.into()),
                "124 values from address 5 in one request, must be 1..=123",
            ),
            (Request::ReportServerId, "function 17 is not one of 1 to 6, 8, 15, 16, 22, 43"),
        ];
        for (request, expected) in illegal {
            assert_eq!(framed(1, 1, &request).map_err(|error| error.to_string()), Err(expected.to_owned()));
        }
        assert!(framed(1, 1, &Request::ReadCoils(0, 2000)).is_ok());
        assert!(framed(1, 1, &Request::ReadHoldingRegisters(65411, 125)).is_ok());
    }
}
