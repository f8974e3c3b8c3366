//! RTU frames (MODBUS over Serial Line V1.02): unit, PDU, CRC. Nothing in them says how long they are or whose answer they
//! bring: both is known from what was asked. What else is on the line (noise, other masters, other units) is stepped over.
use super::{IllegalRequest, Request, Shape, request};
use std::time::Duration;

/// Unit, 253 bytes of PDU, CRC.
pub const MAX_FRAME: usize = 256;
/// Unit, function, exception or count, CRC.
pub(super) const MIN_FRAME: usize = 5;

/// CRC-16 of the standard, low byte first on the line.
pub fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| crc >> 8 ^ TABLE[usize::from(crc.to_le_bytes()[0] ^ byte)])
}

const TABLE: [u16; 256] = {
    let (mut table, mut at) = ([0; 256], 0_u16);
    while at < 256 {
        let (mut crc, mut bit) = (at, 0);
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xA001 } else { crc >> 1 };
            bit += 1;
        }
        table[at as usize] = crc;
        at += 1;
    }
    table
};

/// Appends one whole frame. Where it is refused, `out` may have a part of it.
pub fn encode(unit: u8, request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), IllegalRequest> {
    let start = out.len();
    out.push(unit);
    request::encode(request, out)?;
    let crc = crc(out.get(start..).unwrap_or_default());
    out.extend_from_slice(&crc.to_le_bytes());
    Ok(())
}

/// How long the line is silent between frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Before each request.
    pub gap: Duration,
    /// Until a line on which something went wrong is taken for silent.
    pub settle: Duration,
    /// What a character takes on its way; zero where that is not known.
    pub character: Duration,
}

/// What the line is silent for at least after something went wrong: USB adapters hand bytes on every 16 ms.
const ADAPTERS: Duration = Duration::from_millis(20);
/// The same behind a TCP server, which packs bytes as it likes.
const PACKED: Duration = Duration::from_millis(50);

impl Timing {
    /// 3.5 characters of `bits` bits each; above 19,200 baud 1.75 ms, as the standard has it.
    pub fn serial(baud: u32, bits: u32) -> Self {
        let character = Duration::from_secs(1) * bits / baud.max(1);
        let gap = match baud {
            0..=19_200 => Duration::from_secs(1) * 7 * bits / (2 * baud.max(1)),
            _ => Duration::from_micros(1750),
        };
        Self { gap, settle: gap.max(ADAPTERS), character }
    }
    /// Behind a TCP server, which keeps the gap itself, and whose line may have any rate.
    pub const fn over_tcp() -> Self {
        Self { gap: Duration::ZERO, settle: PACKED, character: Duration::ZERO }
    }
    /// What a request of so many bytes and its answer are on their way, from the first byte to the last.
    pub fn on_wire(&self, request: usize, answer: Shape) -> Duration {
        let characters = request + 1 + answer.longest() + 2;
        self.character * u32::try_from(characters).unwrap_or(u32::MAX)
    }
}

/// With the right CRC at its end.
pub(crate) fn is_whole(frame: &[u8]) -> bool {
    let (body, sum) = frame.split_at(frame.len().saturating_sub(2));
    frame.len() >= MIN_FRAME - 1 && sum == crc(body).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::borrow::Cow;

    /// Bit by bit, as the standard describes it (Serial Line V1.02, 6.2.2).
    fn slow_crc(bytes: &[u8]) -> u16 {
        let mut crc = 0xFFFF_u16;
        for byte in bytes {
            crc ^= u16::from(*byte);
            for _ in 0..8 {
                crc = if crc & 1 == 1 { (crc >> 1) ^ 0xA001 } else { crc >> 1 };
            }
        }
        crc
    }
    #[test]
    fn crcs_are_those_of_published_frames() {
        for (body, sum) in [
            (&[0x01, 0x03, 0x00, 0x00, 0x00, 0x0A][..], [0xC5, 0xCD]),
            (&[0x11, 0x03, 0x00, 0x6B, 0x00, 0x03], [0x76, 0x87]),
            (&[0x02, 0x07], [0x41, 0x12]), // the example of the standard
        ] {
            assert_eq!(crc(body).to_le_bytes(), sum, "{body:02x?}");
        }
    }

    #[test]
    fn requests_are_published_frames() {
        let coils = [true, false, true, true, false, false, true, true, true, false];
        let table: [(Request<'_>, &[u8]); 9] = [
            (Request::ReadCoils(0x13, 0x25), &[0x11, 0x01, 0x00, 0x13, 0x00, 0x25, 0x0E, 0x84]),
            (Request::ReadDiscreteInputs(0xC4, 0x16), &[0x11, 0x02, 0x00, 0xC4, 0x00, 0x16, 0xBA, 0xA9]),
            (Request::ReadHoldingRegisters(0x6B, 3), &[0x11, 0x03, 0x00, 0x6B, 0x00, 0x03, 0x76, 0x87]),
            (Request::ReadInputRegisters(8, 1), &[0x11, 0x04, 0x00, 0x08, 0x00, 0x01, 0xB2, 0x98]),
            (Request::WriteSingleCoil(0xAC, true), &[0x11, 0x05, 0x00, 0xAC, 0xFF, 0x00, 0x4E, 0x8B]),
            (Request::WriteSingleRegister(1, 3), &[0x11, 0x06, 0x00, 0x01, 0x00, 0x03, 0x9A, 0x9B]),
            (
                Request::WriteMultipleCoils(0x13, Cow::Borrowed(&coils)),
                &[0x11, 0x0F, 0x00, 0x13, 0x00, 0x0A, 0x02, 0xCD, 0x01, 0xBF, 0x0B],
            ),
            (
                Request::WriteMultipleRegisters(1, Cow::Borrowed(&[0x000A, 0x0102])),
                &[0x11, 0x10, 0x00, 0x01, 0x00, 0x02, 0x04, 0x00, 0x0A, 0x01, 0x02, 0xC6, 0xF0],
            ),
            (
                Request::MaskWriteRegister(4, 0x00F2, 0x0025),
                &[0x11, 0x16, 0x00, 0x04, 0x00, 0xF2, 0x00, 0x25, 0x66, 0xE2],
            ),
        ];
        for (request, expected) in table {
            let mut out = vec![];
            encode(17, &request, &mut out).expect("legal");
            assert_eq!(out, expected, "{request:?}");
        }
    }

    #[test]
    fn silence_between_frames_is_that_of_the_standard() {
        let gap = |baud| Timing::serial(baud, 11).gap.as_micros();
        assert_eq!([gap(9600), gap(19_200), gap(38_400), gap(115_200)], [4010, 2005, 1750, 1750]);
        assert_eq!(Timing::serial(300, 11).settle, Timing::serial(300, 11).gap);
    }

    /// 8 characters there, 255 back, of 11 bits each.
    #[test]
    fn a_long_read_takes_its_time_on_a_slow_line() {
        let most = Shape::Read { function: 3, bytes: 250 };
        assert_eq!(Timing::serial(1200, 11).on_wire(8, most).as_millis(), 2410);
        assert_eq!(Timing::serial(115_200, 10).on_wire(8, most).as_micros(), 22_829);
        assert_eq!(Timing::over_tcp().on_wire(8, most), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn the_table_is_the_standards_polynomial(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(crc(&bytes), slow_crc(&bytes));
        }
    }
}
