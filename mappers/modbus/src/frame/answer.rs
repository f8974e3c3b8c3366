//! What an answer must look like, known before it comes: nothing is taken for an answer that does not fit its request.
use super::{ProtocolError, hex};
use tokio_modbus::{ExceptionCode, Request};

/// The one form an answer may have, besides an exception.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Function, and how many bytes of data.
    Read { function: u8, bytes: u8 },
    /// A write repeats four bytes: address, and value (5, 6) or quantity (15, 16).
    Echo { function: u8, expected: [u8; 4] },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Registers, big-endian, or bits, eight to a byte from the lowest.
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
            _ => Self::Echo { function, expected: pdu.get(1..5).and_then(|at| at.try_into().ok()).unwrap_or_default() },
        }
    }

    fn function(self) -> u8 {
        match self {
            Self::Read { function, .. } | Self::Echo { function, .. } => function,
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
            (Self::Echo { expected, .. }, [_, got @ ..]) if *got == expected => Ok(Answer::Written),
            (Self::Echo { expected, .. }, [function, got @ ..]) if got.len() == expected.len() => {
                Err(ProtocolError::WrongEcho { function: *function, expected: hex(&expected), got: hex(got) })
            }
            (Self::Echo { .. }, _) => Err(wrong_length(5)),
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
