//! The bytes of Modbus, without any IO: PDUs of functions 1 to 6, 8/0, 15, 16, 22 and 43/14 with their exceptions; MBAP and RTU framing.
//! Requests and codes are tokio-modbus' public types; its codec is private, and it takes an answer for whatever was asked last.
mod answer;
mod exception;
pub mod identity;
pub mod mbap;
mod request;
pub mod rtu;
pub mod scan;

pub use answer::{Answer, Length, Shape};
pub use exception::{describe as describe_exception, is_gateway, is_refused_range};
pub use mbap::{Decoder, Frame, MAX_FRAME};
pub use request::{
    IllegalRequest, MAX_READ_BITS, MAX_READ_REGISTERS, MAX_WRITE_BITS, MAX_WRITE_REGISTERS,
    describe as describe_request, encode as encode_pdu, query_data,
};
pub use tokio_modbus::{ExceptionCode, FunctionCode, Request, prelude::ReadCode};

/// Why what came in is not Modbus TCP, or not an answer to what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// The second field of the header is always 0 (Modbus Messaging on TCP/IP, 3.1.3).
    #[error("this is not Modbus TCP: protocol id {id:#06x}, must be 0; received {seen}")]
    ProtocolId { id: u16, seen: String },
    /// Unit id and at least a function code; at most 253 bytes of PDU.
    #[error("length {length} in the header, must be 2..=254; received {seen}")]
    FrameLength { length: u16, seen: String },
    #[error("answer to transaction {id}, which was never asked")]
    UnknownTransaction { id: u16 },
    #[error("answer from unit {got} to a request to unit {asked}")]
    WrongUnit { asked: u8, got: u8 },
    #[error("answer with function {got} to a request with function {asked}")]
    WrongFunction { asked: u8, got: u8 },
    #[error("answer of {got} bytes to function {function}, must be {expected}; received {seen}")]
    WrongLength { function: u8, expected: usize, got: usize, seen: String },
    #[error("device identification whose lengths do not add up; received {seen}")]
    Identification { seen: String },
    /// A write is acknowledged by repeating its address and its value or quantity.
    #[error("the acknowledgement of function {function} says {got}, must be {expected}")]
    WrongEcho { function: u8, expected: String, got: String },
}

/// At most the first twelve bytes: enough to recognise a protocol by, short enough for a condition's message.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const SHOWN: usize = 12;
    let mut text = bytes.iter().take(SHOWN).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    if bytes.len() > SHOWN {
        text.push_str(" …");
    }
    text
}
