//! Finds the answer to a request among all that is on a line.
use super::{
    Answer, Length, ProtocolError, Shape,
    rtu::{MAX_FRAME, MIN_FRAME, is_whole},
};

/// Kept of what is no whole frame; older bytes give way.
const KEPT: usize = 4 * MAX_FRAME;

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

impl Awaited<'_> {
    /// Whether these bytes begin as an echo does.
    fn is_echo(&self, bytes: &[u8]) -> bool {
        !self.sent.is_empty() && bytes.starts_with(self.sent)
    }
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

/// A late answer to an earlier request that was met on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Late {
    /// Of the whole frame.
    pub length: usize,
    /// As [`Awaited::exceptions`], from here on.
    pub exceptions: bool,
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
        self.find_beside(awaited, |_| None)
    }

    /// The same; each whole frame that is not ours is shown to `late` first, with all that follows it.
    pub fn find_beside(
        &mut self,
        awaited: &Awaited<'_>,
        late: impl FnMut(&[u8]) -> Option<Late>,
    ) -> Option<Result<Answer, WrongCrc>> {
        self.strip_echo(awaited);
        self.scan(Some(*awaited), late)
    }

    /// Where nothing is awaited.
    pub fn pass(&mut self, late: impl FnMut(&[u8]) -> Option<Late>) {
        drop(self.scan(None, late));
    }

    fn scan(
        &mut self,
        mut awaited: Option<Awaited<'_>>,
        mut late: impl FnMut(&[u8]) -> Option<Late>,
    ) -> Option<Result<Answer, WrongCrc>> {
        // `kept`: what lies before is of no more use. `aligned`: so far all was whole frames or noise.
        let (mut at, mut kept, mut aligned) = (0, 0, true);
        while let Some(rest) = self.buffer.get(at..).filter(|rest| !rest.is_empty()) {
            // Behind a late answer. Of a line that is not known for it, it may be another master's request.
            if aligned && self.echoes && !self.seen.echo && awaited.is_some_and(|one| one.is_echo(rest)) {
                at += awaited.map_or(0, |one| one.sent.len());
                (kept, self.seen.echo) = (at, true);
                continue;
            }
            match awaited.as_ref().map_or(Ours::No, |awaited| ours(rest, awaited)) {
                Ours::Answer(answer, length) => {
                    self.buffer.drain(..at + length);
                    self.known |= answer != Answer::Written || awaited.is_some_and(|one| !one.shape.is_echo());
                    return Some(Ok(answer));
                }
                Ours::Mismatch(error, length) => {
                    match known(rest, &mut awaited, &mut late) {
                        Some(_) => self.seen.foreign = true,
                        None => self.seen.mismatch = Some(error),
                    }
                    at += length;
                    if aligned {
                        kept = at;
                    }
                    continue;
                }
                Ours::Wrong if aligned && awaited.is_some_and(|one| !one.sent.starts_with(rest)) => {
                    self.buffer.clear();
                    self.known |= awaited.is_some_and(|one| !one.shape.is_echo()); // an echo comes first
                    return Some(Err(WrongCrc));
                }
                Ours::Open => aligned = false,
                Ours::Wrong | Ours::No => {}
            }
            if aligned {
                match known(rest, &mut awaited, &mut late).map_or_else(|| foreign(rest), Frame::Whole) {
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

    /// Answers that repeat their request (5, 6, 8, 22) cannot be told from an echo, unless the line is known for it.
    fn strip_echo(&mut self, awaited: &Awaited<'_>) {
        let looked_for = !self.seen.echo && (self.echoes || !awaited.shape.is_echo());
        if looked_for && awaited.is_echo(&self.buffer) {
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

/// How long the late answer is that `late` takes this for.
fn known(
    rest: &[u8],
    awaited: &mut Option<Awaited<'_>>,
    late: &mut impl FnMut(&[u8]) -> Option<Late>,
) -> Option<usize> {
    let Late { length, exceptions } = late(rest)?;
    if let Some(awaited) = awaited {
        awaited.exceptions = exceptions;
    }
    Some(length)
}

/// A frame of anybody: a request or an answer of any function whose lengths are known, with a right CRC.
fn foreign(rest: &[u8]) -> Frame {
    let byte = |at: usize| rest.get(at).copied().map(usize::from);
    let Some(function) = rest.get(1) else { return Frame::Open };
    let lengths = match function {
        1..=4 => [Some(8), Some(byte(2).map_or(MIN_FRAME, |count| count + 5))],
        5 | 6 | 8 => [Some(8), None],
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
    use crate::frame::rtu::crc;
    use proptest::prelude::*;

    fn framed(body: &[u8]) -> Vec<u8> {
        [body, &crc(body).to_le_bytes()].concat()
    }
    fn awaited(shape: Shape) -> Awaited<'static> {
        Awaited { unit: 17, shape, sent: &[], exceptions: true }
    }
    const THREE: Shape = Shape::Read { function: 3, bytes: 6 };
    const ANSWER: [u8; 11] = [0x11, 0x03, 0x06, 0xAE, 0x41, 0x56, 0x52, 0x43, 0x40, 0x49, 0xAD];

    #[test]
    fn a_wrong_crc_is_told_at_once() {
        let mut scanner = Scanner::default();
        let mut bytes = ANSWER;
        bytes[4] ^= 1;
        scanner.push(&bytes);
        assert_eq!(scanner.find(&awaited(THREE)), Some(Err(WrongCrc)));
    }

    /// Both in one chunk, as an adapter hands them on.
    #[test]
    fn an_echo_behind_a_late_answer_is_no_acknowledgement() {
        let mut scanner = Scanner { echoes: true, known: true, ..Scanner::default() };
        let sent = framed(&[17, 6, 0, 1, 0, 3]);
        let shape = Shape::Echo { function: 6, length: 4, expected: [0, 1, 0, 3, 0, 0] };
        let awaited = Awaited { unit: 17, shape, sent: &sent, exceptions: true };
        scanner.push(&[&ANSWER[..], &sent].concat());
        assert_eq!(scanner.find(&awaited), None, "its echo alone");
        scanner.push(&sent);
        assert_eq!(scanner.find(&awaited), Some(Ok(Answer::Written)));
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

    /// Noise and the beginning of the answer make a frame of somebody by chance: for one place in 65,536 the CRC is right.
    fn is_swallowed(stream: &[u8]) -> bool {
        let answer = stream.len() - ANSWER.len();
        (0..answer).any(|at| matches!(foreign(&stream[at..]), Frame::Whole(length) if at + length > answer))
    }

    #[test]
    fn a_frame_that_noise_makes_with_the_beginning_of_the_answer_is_taken_for_one() {
        let stream = [&[36, 130, 159][..], &ANSWER].concat();
        assert!(is_swallowed(&stream), "an exception of unit 36, with a right CRC");
        let mut scanner = Scanner::default();
        scanner.push(&stream);
        assert_eq!(scanner.find(&awaited(THREE)), None, "nobody can tell");
        scanner.begin();
        scanner.push(&ANSWER);
        assert!(
            matches!(scanner.find(&awaited(THREE)), Some(Ok(Answer::Data(_)))),
            "the request that is sent again is answered"
        );
        assert!(!is_swallowed(&[&framed(&[7, 0x84, 2])[..], &ANSWER].concat()));
    }

    proptest! {
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
            prop_assert!(found.last().is_some() || is_swallowed(&stream), "{:02x?}", stream);
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
