//! RTU frames (MODBUS over Serial Line V1.02): unit, PDU, CRC. Nothing in them says how long they are or whose answer they
//! bring: both is known from what was asked. What else is on the line (noise, other masters, other units) is stepped over.
use super::{Answer, IllegalRequest, Length, ProtocolError, Request, Shape, request};
use std::time::Duration;

/// Unit, 253 bytes of PDU, CRC.
pub const MAX_FRAME: usize = 256;
/// Unit, function, exception or count, CRC.
const MIN_FRAME: usize = 5;
/// Kept of what is no whole frame; older bytes give way.
const KEPT: usize = 4 * MAX_FRAME;

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
}

/// What the line is silent for at least after something went wrong: USB adapters hand bytes on every 16 ms.
const ADAPTERS: Duration = Duration::from_millis(20);
/// The same behind a TCP server, which packs bytes as it likes.
const PACKED: Duration = Duration::from_millis(50);

impl Timing {
    /// 3.5 characters of `bits` bits each; above 19,200 baud 1.75 ms, as the standard has it.
    pub fn serial(baud: u32, bits: u32) -> Self {
        let gap = match baud {
            0..=19_200 => Duration::from_secs(1) * 7 * bits / (2 * baud.max(1)),
            _ => Duration::from_micros(1750),
        };
        Self { gap, settle: gap.max(ADAPTERS) }
    }
    /// Behind a TCP server, which keeps the gap itself.
    pub const fn over_tcp() -> Self {
        Self { gap: Duration::ZERO, settle: PACKED }
    }
}

/// What is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Awaited<'a> {
    pub unit: u8,
    pub shape: Shape,
    /// The whole request, by which its echo is told.
    pub sent: &'a [u8],
    /// False: an exception of this function may be another request's.
    pub exceptions: bool,
}

/// Why the answer that came cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongCrc;

/// Collects bytes, and finds the answer among them.
#[derive(Debug, Default)]
pub struct Scanner {
    buffer: Vec<u8>,
    /// This line brings back what is sent, before any answer.
    echoes: bool,
    /// Whether it does is known.
    known: bool,
    seen: Seen,
}

/// What else came since the request was sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    pub echo: bool,
    /// Whole frames of others, or for others.
    pub foreign: bool,
    /// From our unit and function, but not our answer.
    pub mismatch: Option<ProtocolError>,
    /// Bytes that belong to no whole frame.
    pub noise: bool,
}

enum Frame {
    Whole(usize),
    Open,
    No,
}

enum Ours {
    Answer(Answer, usize),
    Mismatch(ProtocolError, usize),
    /// Whole by its length, and nothing follows.
    Wrong,
    Open,
    No,
}

impl Scanner {
    /// A request leaves: what came before is none of its answer.
    pub fn begin(&mut self) {
        self.buffer.clear();
        self.seen = Seen::default();
    }

    /// Whether this line was found to bring back what is sent.
    pub fn echoes(&self) -> bool {
        self.echoes
    }

    /// Whether an answer that repeats its request can be told from an echo of it.
    pub fn tells_echoes(&self) -> bool {
        self.known
    }

    /// What came instead of the answer; and whether it ends in what may be the beginning of the answer.
    pub fn seen(&mut self, awaited: &Awaited<'_>) -> (Seen, bool) {
        let half = matches!(ours(&self.buffer, awaited), Ours::Open) && !self.buffer.is_empty();
        self.seen.noise |= !self.buffer.is_empty() && !half;
        let nothing = self.seen == Seen::default() && !half;
        self.known |= self.seen.echo || (nothing && !awaited.shape.is_echo() && !awaited.sent.is_empty());
        (std::mem::take(&mut self.seen), half)
    }

    pub fn push(&mut self, bytes: &[u8]) {
        let bytes = bytes.get(bytes.len().saturating_sub(KEPT)..).unwrap_or_default();
        let over = (self.buffer.len() + bytes.len()).saturating_sub(KEPT);
        self.buffer.drain(..over.min(self.buffer.len()));
        self.buffer.extend_from_slice(bytes);
    }

    /// The answer, where it is whole.
    pub fn find(&mut self, awaited: &Awaited<'_>) -> Option<Result<Answer, WrongCrc>> {
        self.strip_echo(awaited);
        // `kept`: what lies before is of no more use. `aligned`: so far all was whole frames or noise.
        let (mut at, mut kept, mut aligned) = (0, 0, true);
        while let Some(rest) = self.buffer.get(at..).filter(|rest| !rest.is_empty()) {
            match ours(rest, awaited) {
                Ours::Answer(answer, length) => {
                    self.buffer.drain(..at + length);
                    self.known |= answer != Answer::Written || !awaited.shape.is_echo();
                    return Some(Ok(answer));
                }
                Ours::Mismatch(error, length) => {
                    self.seen.mismatch = Some(error);
                    at += length;
                    if aligned {
                        kept = at;
                    }
                    continue;
                }
                Ours::Wrong if aligned && !awaited.sent.starts_with(rest) => {
                    self.buffer.clear();
                    return Some(Err(WrongCrc));
                }
                Ours::Open => aligned = false,
                Ours::Wrong | Ours::No => {}
            }
            if aligned {
                match foreign(rest) {
                    Frame::Whole(length) => {
                        (at, self.seen.foreign) = (at + length, true);
                        kept = at;
                        continue;
                    }
                    Frame::Open => aligned = false,
                    Frame::No => (kept, self.seen.noise) = (at + 1, true),
                }
            }
            at += 1;
        }
        self.buffer.drain(..kept);
        None
    }

    /// Answers that repeat their request (5, 6, 22) cannot be told from an echo, unless the line is known for it.
    fn strip_echo(&mut self, awaited: &Awaited<'_>) {
        let looked_for = !self.seen.echo && (self.echoes || !awaited.shape.is_echo());
        if looked_for && !awaited.sent.is_empty() && self.buffer.starts_with(awaited.sent) {
            self.buffer.drain(..awaited.sent.len());
            (self.echoes, self.seen.echo) = (true, true);
        }
    }
}

fn ours(rest: &[u8], awaited: &Awaited<'_>) -> Ours {
    let Some((unit, pdu)) = rest.split_first() else { return Ours::Open };
    if *unit != awaited.unit {
        return Ours::No;
    }
    let length = match awaited.shape.length(pdu) {
        Length::Known(length) => length + 3,
        Length::Open => return Ours::Open,
        Length::Never => return Ours::No,
    };
    let Some(frame) = rest.get(..length) else { return Ours::Open };
    if !is_whole(frame) {
        return if rest.len() == length { Ours::Wrong } else { Ours::No };
    }
    match awaited.shape.read(frame.get(1..length - 2).unwrap_or_default()) {
        Ok(Answer::Exception(_)) if !awaited.exceptions => Ours::No,
        Ok(answer) => Ours::Answer(answer, length),
        Err(error) => Ours::Mismatch(error, length),
    }
}

fn is_whole(frame: &[u8]) -> bool {
    let (body, sum) = frame.split_at(frame.len().saturating_sub(2));
    frame.len() >= MIN_FRAME - 1 && sum == crc(body).to_le_bytes()
}

/// A frame of anybody: a request or an answer of any function whose lengths are known, with a right CRC.
fn foreign(rest: &[u8]) -> Frame {
    let byte = |at: usize| rest.get(at).copied().map(usize::from);
    let Some(function) = rest.get(1) else { return Frame::Open };
    let lengths = match function {
        1..=4 => [Some(8), Some(byte(2).map_or(MIN_FRAME, |count| count + 5))],
        5 | 6 => [Some(8), None],
        15 | 16 => [Some(8), Some(byte(6).map_or(9, |count| count + 9))],
        22 => [Some(10), None],
        43 => [Some(7), None],
        0x80.. => [Some(MIN_FRAME), None],
        _ => return Frame::No,
    };
    let mut open = false;
    for length in lengths.into_iter().flatten() {
        match rest.get(..length) {
            Some(frame) if is_whole(frame) => return Frame::Whole(length),
            Some(_) => {}
            None => open |= length <= MAX_FRAME,
        }
    }
    if open { Frame::Open } else { Frame::No }
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
    fn framed(body: &[u8]) -> Vec<u8> {
        [body, &slow_crc(body).to_le_bytes()].concat()
    }
    fn awaited(shape: Shape) -> Awaited<'static> {
        Awaited { unit: 17, shape, sent: &[], exceptions: true }
    }
    const THREE: Shape = Shape::Read { function: 3, bytes: 6 };
    const ANSWER: [u8; 11] = [0x11, 0x03, 0x06, 0xAE, 0x41, 0x56, 0x52, 0x43, 0x40, 0x49, 0xAD];

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

    #[test]
    fn a_wrong_crc_is_told_at_once() {
        let mut scanner = Scanner::default();
        let mut bytes = ANSWER;
        bytes[4] ^= 1;
        scanner.push(&bytes);
        assert_eq!(scanner.find(&awaited(THREE)), Some(Err(WrongCrc)));
    }

    #[test]
    fn an_exception_ends_the_wait_by_its_five_bytes() {
        let mut scanner = Scanner::default();
        scanner.push(&framed(&[17, 0x83, 2]));
        let found = scanner.find(&awaited(THREE));
        assert!(matches!(found, Some(Ok(Answer::Exception(code))) if u8::from(code) == 2), "{found:?}");
    }

    /// Frames of others, whole or cut off, and bytes that are none.
    fn clutter() -> impl Strategy<Value = Vec<u8>> {
        let others = prop::sample::select(vec![
            framed(&[5, 3, 0, 0, 0, 3]),
            framed(&[5, 3, 6, 1, 2, 3, 4, 5, 6]),
            framed(&[17, 3, 2, 1, 2]), // ours, of another length
            framed(&[6, 16, 0, 0, 0, 1, 2, 0, 9]),
            framed(&[6, 16, 0, 0, 0, 1]),
            framed(&[7, 0x84, 2]),
        ]);
        let noise = prop::collection::vec(any::<u8>(), 0..12);
        prop_oneof![others.clone(), noise, (others, 1_usize..4).prop_map(|(frame, cut)| frame[..cut].to_vec())]
    }

    proptest! {
        #[test]
        fn the_table_is_the_standards_polynomial(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(crc(&bytes), slow_crc(&bytes));
        }

        #[test]
        fn whatever_comes_before_and_however_it_is_cut_the_answer_is_found(
            before in prop::collection::vec(clutter(), 0..5), size in 1_usize..20,
        ) {
            let mut scanner = Scanner::default();
            let stream = [before.concat(), ANSWER.to_vec()].concat();
            let mut found = vec![];
            for chunk in stream.chunks(size) {
                scanner.push(chunk);
                found.extend(scanner.find(&awaited(THREE)));
            }
            // Noise that begins as our answer does may be taken for one with a wrong CRC; it is never taken for a right one.
            prop_assert!(found.iter().flatten().all(|answer| *answer == Answer::Data(ANSWER[3..9].into())), "{:?}", found);
            prop_assert!(found.last().is_some());
        }

        #[test]
        fn no_input_panics_or_fills_more_than_its_bound(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..600), 0..8)) {
            let mut scanner = Scanner::default();
            for chunk in &chunks {
                scanner.push(chunk);
                while scanner.find(&awaited(THREE)).is_some() {}
                prop_assert!(scanner.buffer.len() <= KEPT);
            }
            scanner.seen(&awaited(Shape::Identification { code: 1 }));
        }
    }
}
