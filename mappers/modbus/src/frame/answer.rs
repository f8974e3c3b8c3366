//! What an answer must look like, known before it comes: nothing is taken for an answer that does not fit its request.
use super::{
    ProtocolError, hex,
    identity::{self, FUNCTION as IDENTIFICATION},
};
use tokio_modbus::{ExceptionCode, Request};

/// Of any PDU (Application Protocol V1.1b3, 4.1).
const LONGEST: usize = 253;

/// The one form an answer may have, besides an exception.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Function, and how many bytes of data.
    Read { function: u8, bytes: u8 },
    /// A write repeats address and value (5, 6), address and quantity (15, 16), or address and both masks (22), a diagnostic its
    /// data (8): `length` bytes.
    Echo { function: u8, length: u8, expected: [u8; 6] },
    /// Device identification (43/14): as long as its objects are.
    Identification { code: u8 },
}

/// How long a PDU is, told by its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    Known(usize),
    /// Its beginning is not there yet.
    Open,
    /// It is no answer of this shape.
    Never,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Registers, big-endian, or bits, eight to a byte from the lowest; of identification, what follows the function code.
    Data(Box<[u8]>),
    Written,
    Exception(ExceptionCode),
}

impl Shape {
    /// `pdu`: the request as [`super::encode_pdu`] made it, so that quantities are legal.
    pub fn of(request: &Request<'_>, pdu: &[u8]) -> Self {
        let function = request.function_code().value();
        match request {
            Request::ReadCoils(_, count) | Request::ReadDiscreteInputs(_, count) => {
                Self::Read { function, bytes: u8::try_from(count.div_ceil(8)).unwrap_or(u8::MAX) }
            }
            Request::ReadHoldingRegisters(_, count) | Request::ReadInputRegisters(_, count) => {
                Self::Read { function, bytes: u8::try_from(count.saturating_mul(2)).unwrap_or(u8::MAX) }
            }
            Request::ReadDeviceIdentification(code, _) => Self::Identification { code: code.value() },
            _ => {
                let length = if function == 22 { 6 } else { 4 };
                let mut expected = [0; 6];
                let repeated = pdu.iter().skip(1).take(length.into());
                expected.iter_mut().zip(repeated).for_each(|(to, from)| *to = *from);
                Self::Echo { function, length, expected }
            }
        }
    }

    pub fn function(self) -> u8 {
        match self {
            Self::Read { function, .. } | Self::Echo { function, .. } => function,
            Self::Identification { .. } => IDENTIFICATION,
        }
    }

    /// Whether the answer repeats the whole request, so that an echo of it by the wiring looks the same.
    pub fn is_echo(self) -> bool {
        matches!(self, Self::Echo { function: 5 | 6 | 8 | 22, .. })
    }

    /// Bytes of the longest PDU that it may be.
    pub fn longest(self) -> usize {
        match self {
            Self::Read { bytes, .. } => 2 + usize::from(bytes),
            Self::Echo { length, .. } => 1 + usize::from(length),
            Self::Identification { .. } => LONGEST,
        }
    }

    /// `pdu`: what is there of it so far. For framing that says no lengths.
    pub fn length(self, pdu: &[u8]) -> Length {
        let asked = self.function();
        match (self, pdu) {
            (_, []) | (Self::Read { .. }, [_]) if pdu.first().is_none_or(|function| *function == asked) => Length::Open,
            (_, [function, ..]) if *function == asked | 0x80 => Length::Known(2),
            (_, [function, ..]) if *function != asked => Length::Never,
            (Self::Read { bytes, .. }, [_, count, ..]) if *count == bytes => Length::Known(2 + usize::from(bytes)),
            (Self::Read { .. }, _) => Length::Never,
            (Self::Echo { length, .. }, _) => Length::Known(1 + usize::from(length)),
            (Self::Identification { code }, pdu) => identity::length(code, pdu),
        }
    }

    /// The meaning of a PDU, or why it is no answer to the request of this shape.
    pub fn read(self, pdu: &[u8]) -> Result<Answer, ProtocolError> {
        let asked = self.function();
        let wrong_length =
            |expected| ProtocolError::WrongLength { function: asked, expected, got: pdu.len(), seen: hex(pdu) };
        match (self, pdu) {
            (_, &[function, code]) if function == asked | 0x80 => Ok(Answer::Exception(ExceptionCode::new(code))),
            (_, &[function, ..]) if function == asked | 0x80 => Err(wrong_length(2)),
            (_, &[got, ..]) if got != asked => Err(ProtocolError::WrongFunction { asked, got }),
            (Self::Read { bytes, .. }, [_, count, data @ ..])
                if *count == bytes && data.len() == usize::from(bytes) =>
            {
                Ok(Answer::Data(data.into()))
            }
            (Self::Read { bytes, .. }, _) => Err(wrong_length(2 + usize::from(bytes))),
            (Self::Echo { length, expected, .. }, [function, got @ ..]) => {
                let expected = expected.get(..usize::from(length)).unwrap_or_default();
                match got {
                    got if got == expected => Ok(Answer::Written),
                    got if got.len() == expected.len() => {
                        let (expected, got) = (hex(expected), hex(got));
                        Err(ProtocolError::WrongEcho { function: *function, expected, got })
                    }
                    _ => Err(wrong_length(1 + expected.len())),
                }
            }
            (Self::Echo { length, .. }, []) => Err(wrong_length(1 + usize::from(length))),
            (Self::Identification { code }, pdu) => match identity::length(code, pdu) {
                Length::Known(length) if length == pdu.len() => {
                    Ok(Answer::Data(pdu.get(1..).unwrap_or_default().into()))
                }
                _ => Err(ProtocolError::Identification { seen: hex(pdu) }),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(request: &Request<'_>, pdu: &[u8]) -> Result<Answer, String> {
        let mut sent = vec![];
        super::super::encode_pdu(request, &mut sent).map_err(|error| error.to_string())?;
        Shape::of(request, &sent).read(pdu).map_err(|error| error.to_string())
    }

    #[test]
    fn answers_of_the_standard_are_understood() {
        let data = |bytes: &[u8]| Ok(Answer::Data(bytes.into()));
        assert_eq!(read(&Request::ReadCoils(0x13, 19), &[1, 3, 0xCD, 0x6B, 0x05]), data(&[0xCD, 0x6B, 0x05]));
        assert_eq!(read(&Request::ReadHoldingRegisters(0x6B, 2), &[3, 4, 2, 0x2B, 0, 0]), data(&[2, 0x2B, 0, 0]));
        assert_eq!(read(&Request::WriteSingleCoil(0xAC, true), &[5, 0, 0xAC, 0xFF, 0]), Ok(Answer::Written));
        let words = Request::WriteMultipleRegisters(1, vec![10, 258].into());
        assert_eq!(read(&words, &[16, 0, 1, 0, 2]), Ok(Answer::Written));
        assert_eq!(
            read(&Request::ReadInputRegisters(0, 1), &[0x84, 2]),
            Ok(Answer::Exception(ExceptionCode::IllegalDataAddress))
        );
    }

    #[test]
    fn what_does_not_fit_the_request_is_no_answer() {
        let two = Request::ReadHoldingRegisters(0, 2);
        let table: [(&Request<'_>, &[u8], &str); 7] = [
            (&two, &[4, 4, 0, 0, 0, 0], "answer with function 4 to a request with function 3"),
            (&two, &[0x84, 2], "answer with function 132 to a request with function 3"),
            (&two, &[3, 2, 0, 0], "answer of 4 bytes to function 3, must be 6; received 03 02 00 00"),
            (&two, &[3, 2, 0, 0, 0, 0], "answer of 6 bytes to function 3, must be 6; received 03 02 00 00 00 00"),
            (&two, &[0x83], "answer of 1 bytes to function 3, must be 2; received 83"),
            (
                &Request::WriteSingleRegister(1, 3),
                &[6, 0, 1, 0, 4],
                "the acknowledgement of function 6 says 00 01 00 04, must be 00 01 00 03",
            ),
            (
                &Request::WriteSingleRegister(1, 3),
                &[6, 0, 1],
                "answer of 3 bytes to function 6, must be 5; received 06 00 01",
            ),
        ];
        for (request, pdu, expected) in table {
            assert_eq!(read(request, pdu), Err(expected.to_owned()));
        }
    }

    proptest! {
        #[test]
        fn no_pdu_panics(pdu in prop::collection::vec(any::<u8>(), 0..260), count in 1_u16..=125) {
            let request = Request::ReadHoldingRegisters(0, count);
            if let Ok(Answer::Data(data)) = read(&request, &pdu) {
                prop_assert_eq!(data.len(), usize::from(count) * 2);
            }
        }
    }
}
