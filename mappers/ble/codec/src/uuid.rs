//! UUIDs, and the arithmetic of the Bluetooth base UUID (Core Specification, Vol 3 Part B 2.5.1).
use std::{fmt, str::FromStr};

/// 00000000-0000-1000-8000-00805F9B34FB: a number of 16 or 32 bits is added to its first 32.
const BASE: u128 = 0x0000_0000_0000_1000_8000_0080_5F9B_34FB;
/// Where the dashes stand in the long form.
const DASHES: [usize; 4] = [8, 13, 18, 23];

/// A UUID of a service, a characteristic or a descriptor. Shown as short as it can be: `2A6E`, `0001ABCD`, or in full in small letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(u128);

/// A text that is no UUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no UUID: it has 4, 8 or, with dashes, 32 hexadecimal digits, as 2A6E or 0000180f-0000-1000-8000-00805f9b34fb")]
pub struct Malformed;

impl Uuid {
    /// That of an assigned number of 16 bits.
    pub const fn short(number: u16) -> Self {
        Self::medium(number as u32)
    }
    /// That of a number of 32 bits.
    pub const fn medium(number: u32) -> Self {
        Self(BASE | (number as u128) << 96)
    }
    /// All 128 bits.
    pub const fn from_u128(bits: u128) -> Self {
        Self(bits)
    }
    /// All 128 bits.
    pub const fn as_u128(self) -> u128 {
        self.0
    }
    /// All its digits, in small letters, as BlueZ writes it.
    pub fn in_full(self) -> String {
        let mut text = format!("{:032x}", self.0);
        for at in DASHES {
            text.insert(at, '-');
        }
        text
    }
    /// Its number, where it is the base UUID plus 32 bits.
    pub fn as_u32(self) -> Option<u32> {
        let number = u32::try_from(self.0 >> 96).ok()?;
        (Self::medium(number) == self).then_some(number)
    }
    /// Its number, where it is the base UUID plus 16 bits.
    pub fn as_u16(self) -> Option<u16> {
        u16::try_from(self.as_u32()?).ok()
    }
}

impl FromStr for Uuid {
    type Err = Malformed;
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let digits = |text: &str| {
            let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
            digits.then(|| u128::from_str_radix(text, 16).ok()).flatten().ok_or(Malformed)
        };
        let bare = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
        match (bare.len(), text.len()) {
            (4 | 8, _) => Ok(Self(BASE | digits(bare)? << 96)),
            (_, 36) if DASHES.iter().all(|&at| text.as_bytes().get(at) == Some(&b'-')) => {
                let bare = text.replace('-', "");
                if bare.len() == 32 { Ok(Self(digits(&bare)?)) } else { Err(Malformed) }
            }
            _ => Err(Malformed),
        }
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(number) = self.as_u16() {
            return write!(f, "{number:04X}");
        }
        if let Some(number) = self.as_u32() {
            return write!(f, "{number:08X}");
        }
        f.write_str(&self.in_full())
    }
}
impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uuid({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &str = "0000180f-0000-1000-8000-00805f9b34fb";

    #[test]
    fn all_forms_of_a_number_are_one_uuid_and_shown_at_their_shortest() {
        for text in ["180F", "180f", "0x180F", "0000180F", LONG, &LONG.to_uppercase()] {
            let uuid: Uuid = text.parse().unwrap();
            assert_eq!((uuid, uuid.as_u16(), uuid.to_string().as_str()), (Uuid::short(0x180F), Some(0x180F), "180F"));
            assert_eq!(uuid.in_full(), LONG);
        }
        assert_eq!("0001abcd".parse::<Uuid>().unwrap().to_string(), "0001ABCD");
        assert_eq!("0001abcd".parse::<Uuid>().unwrap().as_u16(), None);
    }

    #[test]
    fn a_uuid_of_a_vendor_keeps_all_its_digits() {
        // The Nordic UART service: as published by its maker.
        let text = "6e400001-b5a3-f393-e0a9-e50e24dcca9e";
        let uuid: Uuid = text.parse().unwrap();
        assert_eq!((uuid.to_string().as_str(), uuid.as_u32()), (text, None));
        assert_eq!(Uuid::from_u128(uuid.as_u128()), uuid);
        // One digit of the base differs: it is not short.
        assert_eq!("0000180f-0000-1000-8000-00805f9b34fc".parse::<Uuid>().unwrap().as_u16(), None);
    }

    #[test]
    fn what_is_no_uuid_is_refused() {
        let wrong = ["", "2A6", "2A6G", "+2A6", "0x", "2A6E0", "6e400001b5a3f393e0a9e50e24dcca9e", "０００１"];
        for text in
            wrong.into_iter().chain(["6e40000-1b5a3-f393-e0a9-e50e24dcca9e", "6e400001-b5a3-f393-e0a9-e50e24dcca-e"])
        {
            assert_eq!(text.parse::<Uuid>(), Err(Malformed), "{text}");
        }
    }
}
