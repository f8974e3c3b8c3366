//! A device's address (Core specification, Vol 6 Part B 1.3).
use std::{fmt, str::FromStr};

/// Six bytes, as people write them: the most significant first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address(pub [u8; 6]);

/// Not AA:BB:CC:DD:EE:FF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be six bytes such as AA:BB:CC:DD:EE:FF")]
pub struct NotAnAddress;

impl Address {
    /// With another character between the bytes: BlueZ writes `_` in paths.
    pub(crate) fn parse(text: &str, between: char) -> Result<Self, NotAnAddress> {
        let mut bytes = [0; 6];
        let mut parts = text.split(between);
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2 && part.bytes().all(|c| c.is_ascii_hexdigit()));
            *byte = part.and_then(|part| u8::from_str_radix(part, 16).ok()).ok_or(NotAnAddress)?;
        }
        parts.next().map_or(Ok(Self(bytes)), |_| Err(NotAnAddress))
    }
}

impl FromStr for Address {
    type Err = NotAnAddress;
    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        Self::parse(text, ':')
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02X}", if at == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_is_written_and_nothing_else_is() {
        let one: Address = "c0:ff:EE:00:01:02".parse().unwrap();
        assert_eq!(one.to_string(), "C0:FF:EE:00:01:02");
        assert_eq!(one.to_string().parse(), Ok(one));
        assert_eq!(Address::parse("C0_FF_EE_00_01_02", '_'), Ok(one));
        for wrong in
            ["", "C0:FF:EE:00:01", "C0:FF:EE:00:01:02:03", "C0:FF:EE:00:01:+2", "C0-FF-EE-00-01-02", "C0:FF:EE:00:01:2"]
        {
            assert_eq!(wrong.parse::<Address>(), Err(NotAnAddress), "{wrong}");
        }
    }
}
