//! A stream of bytes to frames: transaction id, protocol id (0), length, unit id, PDU.
//! Memory is one frame, whatever comes in; what is not Modbus TCP is told by its first six bytes.
use super::{IllegalRequest, ProtocolError, Request, hex, request};
use std::mem;

/// Six bytes that are not counted, and at most 254 that are.
pub const MAX_FRAME: usize = 260;
const PREFIX: usize = 6;

/// One whole frame. `pdu` has at least its function code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    pub transaction: u16,
    pub unit: u8,
    pub pdu: &'a [u8],
}

/// Appends one whole frame: header and PDU. Where it is refused, `out` may have a part of it.
pub fn encode(transaction: u16, unit: u8, request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), IllegalRequest> {
    let start = out.len();
    out.extend_from_slice(&transaction.to_be_bytes());
    out.extend_from_slice(&[0, 0, 0, 0, unit]);
    request::encode(request, out)?;
    // At most 254: a legal PDU has at most 253 bytes.
    let length = u8::try_from(out.len() - start - PREFIX).unwrap_or(u8::MAX);
    if let Some(low) = out.get_mut(start + PREFIX - 1) {
        *low = length;
    }
    Ok(())
}

/// Where the PDU begins in a frame.
pub const PDU: usize = PREFIX + 1;

/// Tells frames in a stream. Most come whole, and then nothing is kept: there are many connections.
#[derive(Debug, Default)]
pub struct Decoder {
    /// A frame that came in parts.
    part: Vec<u8>,
    /// It is whole, and was told.
    told: bool,
}

impl Decoder {
    /// Takes from `input` no more than completes the frame at hand. `None`: `input` is used up, more is needed.
    /// After an error the position in the stream is unknown, and the stream is of no more use.
    pub fn feed<'a, 'b: 'a>(&'a mut self, input: &mut &'b [u8]) -> Result<Option<Frame<'a>>, ProtocolError> {
        if mem::take(&mut self.told) {
            self.part = vec![];
        }
        if self.part.is_empty()
            && let Some(whole) = whole(input)?
            && let Some((taken, rest)) = input.split_at_checked(whole)
        {
            *input = rest;
            return Ok(frame(taken));
        }
        self.take(PREFIX, input);
        let Some(whole) = whole(&self.part)? else { return Ok(None) };
        self.take(whole, input);
        if self.part.len() < whole {
            return Ok(None);
        }
        self.told = true;
        Ok(frame(&self.part))
    }

    /// Bytes of a frame that is not whole yet.
    pub fn pending(&self) -> usize {
        if self.told { 0 } else { self.part.len() }
    }

    fn take(&mut self, upto: usize, input: &mut &[u8]) {
        let count = upto.saturating_sub(self.part.len()).min(input.len());
        let (taken, rest) = input.split_at(count);
        self.part.extend_from_slice(taken);
        *input = rest;
    }
}

/// How long the frame is that begins here. None: too little is there to tell.
fn whole(bytes: &[u8]) -> Result<Option<usize>, ProtocolError> {
    let Some(prefix @ [_, _, p0, p1, l0, l1]) = bytes.first_chunk::<PREFIX>() else { return Ok(None) };
    let (id, length) = (u16::from_be_bytes([*p0, *p1]), u16::from_be_bytes([*l0, *l1]));
    if id != 0 {
        return Err(ProtocolError::ProtocolId { id, seen: hex(prefix) });
    }
    if !(2..=254).contains(&length) {
        return Err(ProtocolError::FrameLength { length, seen: hex(prefix) });
    }
    Ok(Some(PREFIX + usize::from(length)))
}

fn frame(bytes: &[u8]) -> Option<Frame<'_>> {
    let [high, low, _, _, _, _, unit, pdu @ ..] = bytes else { return None };
    Some(Frame { transaction: u16::from_be_bytes([*high, *low]), unit: *unit, pdu })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frames(chunks: &[&[u8]]) -> Result<Vec<(u16, u8, Vec<u8>)>, ProtocolError> {
        let mut decoder = Decoder::default();
        let mut out = vec![];
        for mut chunk in chunks.iter().copied() {
            while let Some(frame) = decoder.feed(&mut chunk)? {
                out.push((frame.transaction, frame.unit, frame.pdu.to_vec()));
            }
        }
        Ok(out)
    }

    #[test]
    fn two_frames_in_one_segment_and_one_frame_in_many_read_the_same() {
        let bytes = [0, 1, 0, 0, 0, 5, 9, 3, 2, 0, 7, 0, 2, 0, 0, 0, 3, 8, 0x83, 2];
        let expected = vec![(1, 9, vec![3, 2, 0, 7]), (2, 8, vec![0x83, 2])];
        assert_eq!(frames(&[&bytes]).as_ref(), Ok(&expected));
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(frames(&single).as_ref(), Ok(&expected));
    }

    #[test]
    fn another_protocol_is_told_by_its_first_six_bytes() {
        assert_eq!(
            frames(&[b"HTTP/1.1 400 Bad Request"]).map_err(|error| error.to_string()),
            Err("this is not Modbus TCP: protocol id 0x5450, must be 0; received 48 54 54 50 2f 31".into())
        );
        for length in [0_u16, 1, 255, 65535] {
            let [high, low] = length.to_be_bytes();
            let seen = format!("00 01 00 00 {high:02x} {low:02x}");
            let error = Err(ProtocolError::FrameLength { length, seen });
            assert_eq!(frames(&[&[0, 1, 0, 0, high, low, 1, 3, 2, 0, 0]]), error);
        }
    }

    proptest! {
        #[test]
        fn no_input_panics_or_fills_more_than_a_frame(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..600), 0..6)) {
            let mut decoder = Decoder::default();
            for chunk in &chunks {
                let mut input = chunk.as_slice();
                loop {
                    let before = input.len();
                    let got = decoder.feed(&mut input);
                    let Ok(Some(frame)) = got else { break };
                    prop_assert!((1..=253).contains(&frame.pdu.len()));
                    prop_assert!(input.len() < before);
                }
                prop_assert!(decoder.pending() <= MAX_FRAME);
            }
        }

        #[test]
        fn however_a_stream_is_cut_its_frames_are_the_same(
            pdus in prop::collection::vec((any::<u16>(), any::<u8>(), prop::collection::vec(any::<u8>(), 1..=253)), 1..4),
            size in 1_usize..300,
        ) {
            let mut stream = vec![];
            for (id, unit, pdu) in &pdus {
                stream.extend(id.to_be_bytes());
                stream.extend([0, 0, 0, u8::try_from(pdu.len() + 1).unwrap_or(0), *unit]);
                stream.extend(pdu);
            }
            let chunks: Vec<&[u8]> = stream.chunks(size).collect();
            prop_assert_eq!(frames(&chunks), Ok(pdus));
        }
    }
}
