//! Encryption of BTHome (bthome.io/encryption): AES-CCM with a key of 128 bits, a nonce of 13 bytes and a tag of 4.
use super::{Info, UUID};
use crate::Error;
use aes::Aes128;
use ccm::aead::{AeadInPlace, KeyInit};
use ccm::{
    Ccm,
    consts::{U4, U13},
};
use std::{fmt, str::FromStr};

/// Counter and tag, at the end of the data.
const TRAILER: usize = 8;
/// An advertisement of the extended kind carries no more in one AD structure.
const LONGEST: usize = 254;

/// A key, as 32 hexadecimal digits. It is never shown.
#[derive(Clone)]
pub struct Key(Ccm<Aes128, U4, U13>);

/// A payload that the key opened.
#[derive(Clone)]
pub struct Opened {
    /// Of the sender; whether it is new is for `Replay` to say, before anything of the payload is believed.
    pub counter: u32,
    /// Of the advertisement.
    pub info: Info,
    bytes: [u8; LONGEST],
    length: usize,
}

impl Opened {
    /// The objects, for `read`.
    pub fn payload(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl FromStr for Key {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        let characters = text.chars().count();
        if characters != 32 {
            return Err(Error::Key(characters));
        }
        let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let bits = digits.then(|| u128::from_str_radix(text, 16).ok()).flatten().ok_or(Error::KeyDigits)?;
        Ok(Self(Ccm::new(&bits.to_be_bytes().into())))
    }
}

impl Key {
    /// Decrypts service data that this device sent; the address in the order in which it is written. Data in the clear is refused: with a
    /// key at hand it may be anybody's.
    pub fn open(&self, address: [u8; 6], data: &[u8]) -> Result<Opened, Error> {
        let (info, rest) = Info::of(data)?;
        if !info.encrypted {
            return Err(Error::NotEncrypted);
        }
        let (what, got) = ("an encrypted BTHome advertisement", data.len());
        let length = rest.len().checked_sub(TRAILER).filter(|length| *length > 0);
        let length = length.ok_or(Error::TooShort { what, needed: TRAILER + 2, got })?;
        let (sealed, trailer) = rest.split_at_checked(length).unwrap_or_default();
        let too_long = Error::TooLong { what, needed: LONGEST + TRAILER + 1, got };
        let (Some((counter, tag)), true) = (trailer.split_first_chunk::<4>(), length <= LONGEST) else {
            return Err(too_long);
        };
        let Some(tag) = tag.first_chunk::<4>() else { return Err(too_long) };

        let mut bytes = [0; LONGEST];
        let Some(plain) = bytes.get_mut(..length) else { return Err(too_long) };
        plain.copy_from_slice(sealed);
        let nonce = nonce(address, data.first().copied().unwrap_or_default(), *counter);
        let opened = self.0.decrypt_in_place_detached(&nonce.into(), &[], plain, &(*tag).into());
        opened.map_err(|_| Error::Integrity)?;
        Ok(Opened { counter: u32::from_le_bytes(*counter), info, bytes, length })
    }
}

fn nonce(address: [u8; 6], info: u8, counter: [u8; 4]) -> [u8; 13] {
    let mut nonce = [0; 13];
    let uuid = UUID.as_u16().unwrap_or_default().to_le_bytes();
    let parts = address.into_iter().chain(uuid).chain([info]).chain(counter);
    nonce.iter_mut().zip(parts).for_each(|(byte, part)| *byte = part);
    nonce
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}
impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("counter", &self.counter)
            .field("payload", &self.payload())
            .finish_non_exhaustive()
    }
}
