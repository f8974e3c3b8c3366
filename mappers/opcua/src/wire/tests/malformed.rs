//! Frames that may not come end the link, with words; in each mode of security. Made by hand.
use super::*;
use crate::error::Error;
use MessageSecurityMode::{None as Plain, Sign, SignAndEncrypt};

/// The liar's first channel and its token.
const CHANNEL: u32 = 1;
const TOKEN: u32 = 2;

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}
fn sized(kind: [u8; 4], size: u32, rest: &[u8]) -> Vec<u8> {
    [&kind[..], &size.to_le_bytes(), rest].concat()
}
fn frame(kind: [u8; 4], rest: &[u8]) -> Vec<u8> {
    sized(kind, u32::try_from(8 + rest.len()).expect("small"), rest)
}
fn message(channel: u32, token: u32, rest: &[u8]) -> Vec<u8> {
    frame(*b"MSGF", &[words(&[channel, token]), rest.to_vec()].concat())
}
fn opn(policy: SecurityPolicy, certificate: &[u8], cipher: &[u8]) -> Vec<u8> {
    let mut rest = words(&[CHANNEL]);
    let thumbprint = own().cert.thumbprint();
    for part in [policy.to_uri().as_bytes(), certificate, thumbprint.value()] {
        rest.extend_from_slice(&u32::try_from(part.len()).expect("small").to_le_bytes());
        rest.extend_from_slice(part);
    }
    rest.extend_from_slice(cipher);
    frame(*b"OPNF", &rest)
}
/// Anybody can encrypt for our public key.
fn for_us(bytes: usize) -> Vec<u8> {
    let mut out = vec![0; 256];
    let key = own().cert.public_key().expect("it has one");
    SecurityPolicy::Basic256Sha256.asymmetric_encrypt(&key, &vec![7; bytes], &mut out).expect("it fits");
    out
}

/// Name, bytes, what the link's end says.
fn frames(mode: MessageSecurityMode) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let server = identity().0.as_byte_string();
    let mut all = vec![
        ("a message of 4 bytes", sized(*b"MSGF", 4, &words(&[CHANNEL, TOKEN])), "frame of 4 bytes"),
        ("a message of 20 bytes", message(CHANNEL, TOKEN, &words(&[1])), "20 bytes"),
        ("4 GiB", sized(*b"MSGF", u32::MAX, &vec![9; 1 << 20]), "4294967295 bytes"),
        ("a frame larger than agreed", sized(*b"MSGC", 65_536 + 16, &[9; 1024]), "65552 bytes"),
        ("a message of another channel", message(77, TOKEN, &[9; 48]), "another channel"),
        ("an acknowledgement again", frame(*b"ACKF", &words(&[0, 65_536, 65_536, 0, 0])), "unexpected frame"),
        ("our Hello", frame(*b"HELF", &words(&[0, 65_536, 65_536, 0, 0, u32::MAX])), "unexpected frame"),
        ("the end of a channel", frame(*b"CLOF", &words(&[CHANNEL, TOKEN, 99, 99])), "unexpected frame"),
        ("an opening in parts", frame(*b"OPNC", &[9; 48]), "unexpected frame"),
        ("letters", b"GET / HTTP/1.1\r\n".to_vec(), "unexpected frame"),
        ("an opening that was not asked for", opn(SecurityPolicy::None, &[], &words(&[900, 900])), ""),
        ("an opening cut short", frame(*b"OPNF", &words(&[CHANNEL, 1000, 0, 0, 0, 0])), "cut short"),
    ];
    if mode != Plain {
        let policy = SecurityPolicy::Basic256Sha256;
        all.extend([
            ("noise", message(CHANNEL, TOKEN, &[9; 48]), "not secured as it must be"),
            ("an unknown token", message(CHANNEL, 77, &[9; 48]), "not secured as it must be"),
            ("an opening of 10 bytes for us", opn(policy, server.as_ref(), &for_us(10)), "not secured"),
            ("an opening of half a block", opn(policy, server.as_ref(), &[9; 100]), "whole blocks"),
            ("an opening of nothing", opn(policy, server.as_ref(), &[]), "whole blocks"),
            ("an opening by nobody", opn(policy, &[0x30, 3, 1, 1, 0], &for_us(10)), "another certificate"),
            ("an opening without policy", opn(SecurityPolicy::None, &[], &[]), "another policy"),
        ]);
    }
    if mode == SignAndEncrypt {
        all.push(("half a block", message(CHANNEL, TOKEN, &[9; 49]), "whole blocks"));
    }
    all
}

async fn each(mode: MessageSecurityMode) {
    for (name, bytes, text) in frames(mode) {
        let liar =
            if mode == Plain { liar(|_| vec![Say::Good]).await } else { secured_liar(|_| vec![Say::Good]).await };
        let how = if mode == Plain { How::plain() } else { How::secured(mode) };
        let wire = how.open(&liar).await.expect("it opens");
        liar.inject(&bytes);
        let end = ended(&wire).await;
        assert!(matches!(end, Error::Nonsense(_) | Error::Security(_)), "{mode:?}, {name}: {end}");
        assert!(end.to_string().contains(text), "{mode:?}, {name}: {end}");
        drop(wire);
        let next = if mode == Plain { How::plain() } else { How::secured(mode) }.open(&liar).await;
        next.expect("the next link is as good as the first");
    }
}

#[tokio::test]
async fn in_clear() {
    each(Plain).await;
}
#[tokio::test]
async fn signed() {
    each(Sign).await;
}
#[tokio::test]
async fn encrypted() {
    each(SignAndEncrypt).await;
}

#[tokio::test]
async fn a_wrong_opening_is_no_channel() {
    let server = identity().0.as_byte_string();
    let policy = SecurityPolicy::Basic256Sha256;
    for bytes in [
        opn(policy, server.as_ref(), &for_us(10)),
        opn(policy, server.as_ref(), &[9; 100]),
        opn(policy, server.as_ref(), &[]),
        opn(policy, &[], &for_us(100)),
        opn(SecurityPolicy::None, &[], &words(&[1, 1])),
        message(0, 0, &[9; 48]),
    ] {
        let liar = secured_liar(move |_| vec![Say::Frame(bytes.clone())]).await;
        let refused = How::secured(SignAndEncrypt).open(&liar).await.expect_err("no channel");
        assert!(matches!(refused, Error::Nonsense(_) | Error::Security(_)), "{refused}");
    }
}
