//! Frames (Part 6, 6.7 and 7.1): where one ends, which may come, and what stands in front of an OPN answer. Pure.
use super::limits::CHUNK;
use crate::error::{Code, Error, Result};
use bytes::{Bytes, BytesMut};
use opcua::{crypto::SecurityPolicy, types::MessageSecurityMode};

/// Longest words of a server that are kept, in bytes.
const WORDS: usize = 200;
/// Bytes in front of the body of a MSG frame: frame header 8, channel 4, token 4, sequence 4, request 4.
pub(super) const MSG_BODY: usize = 24;

/// What may come now.
#[derive(Debug, Clone, Copy)]
pub(super) enum Expect {
    /// After Hello.
    Acknowledge,
    /// On a channel in that mode.
    Channel(MessageSecurityMode),
}

/// Cuts the next whole frame off; its size is judged as soon as its 8 bytes are there, so that nothing is kept for one that is too
/// large.
pub(super) fn next(buffer: &mut BytesMut, expect: Expect) -> Result<Option<Bytes>> {
    let Some((kind, rest)) = buffer.split_first_chunk::<4>() else { return Ok(None) };
    let Some(size) = rest.first_chunk::<4>() else { return Ok(None) };
    let size = usize::try_from(u32::from_le_bytes(*size)).unwrap_or(usize::MAX);
    let (least, most) = bounds(*kind, size, expect)?;
    if !(least..=most).contains(&size) {
        return Err(Error::Nonsense(format!("a frame of {size} bytes, allowed are {least} to {most}")));
    }
    if buffer.len() < size {
        buffer.reserve(size - buffer.len());
        return Ok(None);
    }
    Ok(Some(buffer.split_to(size).freeze()))
}

fn bounds(kind: [u8; 4], size: usize, expect: Expect) -> Result<(usize, usize)> {
    match (&kind, expect) {
        (b"ERRF", _) => Ok((16, 16 + 4096)),
        (b"ACKF", Expect::Acknowledge) => Ok((28, 28)),
        (b"OPNF", Expect::Channel(_)) => Ok((32, 16 * 1024)),
        (b"MSGF" | b"MSGC" | b"MSGA", Expect::Channel(mode)) => match mode {
            MessageSecurityMode::SignAndEncrypt if !size.is_multiple_of(16) => {
                Err(Error::Nonsense(format!("an encrypted frame of {size} bytes, which are not whole blocks")))
            }
            MessageSecurityMode::SignAndEncrypt => Ok((64, CHUNK)),
            MessageSecurityMode::Sign => Ok((56, CHUNK)),
            _ => Ok((MSG_BODY, CHUNK)),
        },
        (other, _) => Err(Error::Nonsense(format!("an unexpected frame {:?}", String::from_utf8_lossy(other)))),
    }
}

/// Four bytes as a number; a frame that is shorter was refused before.
pub(super) fn word(frame: &[u8], at: usize) -> Result<u32> {
    let bytes = frame.get(at..).and_then(|rest| rest.first_chunk::<4>());
    bytes.map(|bytes| u32::from_le_bytes(*bytes)).ok_or_else(|| Error::Nonsense("a frame cut short".to_owned()))
}

/// What an OPN answer must say before anything of it is decrypted: our policy, the endpoint's own certificate, whole blocks of our key.
pub(super) fn asymmetric(frame: &[u8], policy: SecurityPolicy, sender: &[u8], block: usize) -> Result<()> {
    let mut rest = frame.get(12..).unwrap_or_default();
    let mut next = || {
        let (size, tail) = rest.split_first_chunk::<4>()?;
        let (value, tail) = tail.split_at_checked(usize::try_from(i32::from_le_bytes(*size)).unwrap_or(0))?;
        rest = tail;
        Some(value)
    };
    let (Some(uri), Some(certificate), Some(_)) = (next(), next(), next()) else {
        return Err(Error::Nonsense("an OPN answer cut short".to_owned()));
    };
    if uri != policy.to_uri().as_bytes() {
        return Err(Error::Security("the server opened the channel under another policy than asked for".to_owned()));
    }
    if policy == SecurityPolicy::None {
        return Ok(());
    }
    if certificate != sender {
        let text = "the server opened the channel with another certificate than its endpoint's (a chain in front of it is not taken)";
        return Err(Error::Security(text.to_owned()));
    }
    if rest.is_empty() || block == 0 || !rest.len().is_multiple_of(block) {
        return Err(Error::Nonsense("an OPN answer that is not whole blocks".to_owned()));
    }
    Ok(())
}

/// The server's ERR frame.
pub(super) fn ended(frame: &[u8]) -> Error {
    let text = String::from_utf8_lossy(frame.get(16..).unwrap_or_default()).into_owned();
    let text = text.chars().filter(|c| !c.is_control());
    Error::Ended { code: Code(word(frame, 8).unwrap_or_default()), text: text.take(WORDS).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(bytes: &[u8], mode: MessageSecurityMode) -> Result<Option<Bytes>> {
        next(&mut BytesMut::from(bytes), Expect::Channel(mode))
    }

    #[test]
    fn a_frame_is_judged_by_its_first_eight_bytes() {
        let none = MessageSecurityMode::None;
        assert_eq!(cut(b"MSGF\x18\0\0", none), Ok(None));
        assert_eq!(cut(b"MSGF\x18\0\0\0", none), Ok(None));
        for bytes in [&b"MSGF\xFF\xFF\xFF\xFF"[..], b"MSGF\x04\0\0\0", b"HELF\x20\0\0\0", b"ACKF\x1C\0\0\0"] {
            assert!(matches!(cut(bytes, none), Err(Error::Nonsense(_))), "{bytes:?}");
        }
        assert!(cut(b"MSGF\x41\0\0\0", MessageSecurityMode::SignAndEncrypt).is_err());
        assert!(cut(b"MSGF\x14\0\0\0", MessageSecurityMode::Sign).is_err());
    }
}
