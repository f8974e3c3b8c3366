//! What of a certificate its owner wants to know and a TLS library does not tell (RFC 5280, 4.1): until when it is valid, and the
//! role in it (MODBUS/TCP Security V3.6, 8.3). Any bytes may come in.
use std::borrow::Cow;

/// Contents octets of OID 1.3.6.1.4.1.50316.802.1.
const ROLE: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0x89, 0x0c, 0x86, 0x22, 0x01];

const OID: u8 = 0x06;
const OCTET_STRING: u8 = 0x04;
const UTF8_STRING: u8 = 0x0c;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
/// `[0]`: version, `[3]`: extensions.
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;

/// What is known of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Last moment at which it is valid, such as 2026-05-01 12:00:00 UTC.
    pub not_after: Option<String>,
    pub role: Role,
}

/// What its owner may do, in the server's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    Is(String),
    /// The extension is there, and holds no UTF8String.
    Unreadable,
    None,
}

impl Certificate {
    /// Of a certificate in DER.
    pub fn of(der: &[u8]) -> Self {
        let nothing = Self { not_after: None, role: Role::None };
        read(der).unwrap_or(nothing)
    }
}

fn read(der: &[u8]) -> Option<Certificate> {
    let mut certificate = Der(Der(der).expect(SEQUENCE)?);
    let mut signed = Der(certificate.expect(SEQUENCE)?);
    let first = signed.next()?;
    if first.0 == VERSION {
        signed.next()?; // the serial number
    }
    signed.next()?; // algorithm
    signed.next()?; // issuer
    let mut validity = Der(signed.expect(SEQUENCE)?);
    validity.next()?;
    let not_after = validity.next().and_then(time);
    let role = std::iter::from_fn(|| signed.next()).find(|(tag, _)| *tag == EXTENSIONS).and_then(|(_, all)| role(all));
    Some(Certificate { not_after, role: role.unwrap_or(Role::None) })
}

/// The role among the extensions.
fn role(all: &[u8]) -> Option<Role> {
    let mut extensions = Der(Der(all).expect(SEQUENCE)?);
    let value = std::iter::from_fn(|| extensions.next()).find_map(|(_, extension)| {
        let mut extension = Der(extension);
        let ours = extension.expect(OID)? == ROLE;
        // Between them may stand whether it is critical.
        std::iter::from_fn(|| extension.next()).find(|(tag, _)| ours && *tag == OCTET_STRING).map(|(_, value)| value)
    })?;
    let text = Der(value).expect(UTF8_STRING).and_then(|text| std::str::from_utf8(text).ok());
    Some(text.map_or(Role::Unreadable, |text| Role::Is(text.to_owned())))
}

/// `YYMMDDhhmmssZ` or `YYYYMMDDhhmmssZ`. Of two digits those from 50 on are of the last century.
fn time((tag, text): (u8, &[u8])) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let full: Cow<'_, str> = match tag {
        UTC_TIME => format!("{}{text}", if text < "50" { "20" } else { "19" }).into(),
        GENERALIZED_TIME => text.into(),
        _ => return None,
    };
    let digits = full.len() == 14 && full.bytes().all(|digit| digit.is_ascii_digit());
    let part = |from: usize, to: usize| full.get(from..to).unwrap_or_default();
    digits.then(|| {
        format!("{}-{}-{} {}:{}:{} UTC", part(0, 4), part(4, 6), part(6, 8), part(8, 10), part(10, 12), part(12, 14))
    })
}

/// Elements of DER, one after the other: tag, content.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match usize::from(*first) {
            short @ 0..0x80 => (short, rest),
            long => {
                let (bytes, rest) = rest.split_at_checked(long & 0x7f)?;
                let length = (1..=3).contains(&bytes.len()).then_some(bytes)?;
                (length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
            }
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, content))
    }
    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn element(tag: u8, content: &[&[u8]]) -> Vec<u8> {
        let content = content.concat();
        let length = u8::try_from(content.len()).unwrap();
        let long: &[u8] = if length < 0x80 { &[] } else { &[0x81] };
        [&[tag], long, &[length], &content].concat()
    }
    /// As RFC 5280 has it, by hand; keys and names are left empty, for nobody looks at them.
    fn certificate(not_after: (u8, &str), extensions: &[Vec<u8>]) -> Vec<u8> {
        let empty = element(SEQUENCE, &[]);
        let extensions: Vec<&[u8]> = extensions.iter().map(Vec::as_slice).collect();
        let validity =
            [element(UTC_TIME, &[b"250101000000Z"]), element(not_after.0, &[not_after.1.as_bytes()])].concat();
        let signed = [
            element(VERSION, &[&[2, 1, 2]]),
            vec![2, 1, 7],
            empty.clone(),
            empty.clone(),
            element(SEQUENCE, &[&validity]),
            empty.clone(),
            empty.clone(),
            element(EXTENSIONS, &[&element(SEQUENCE, &extensions)]),
        ];
        element(SEQUENCE, &[&element(SEQUENCE, &[&signed.concat()]), &empty, &[3, 1, 0]])
    }
    /// The OID as the standard prints it, encoded by its rules: seven bits to the byte, the first two arcs in one.
    fn oid() -> Vec<u8> {
        let arcs = [43_u32, 6, 1, 4, 1, 50_316, 802, 1];
        let base_128 = |arc: &u32| {
            let mut bytes = vec![u8::try_from(arc & 0x7f).unwrap()];
            let mut rest = arc >> 7;
            while rest > 0 {
                bytes.insert(0, u8::try_from(rest & 0x7f).unwrap() | 0x80);
                rest >>= 7;
            }
            bytes
        };
        element(OID, &[&arcs.iter().flat_map(base_128).collect::<Vec<_>>()])
    }
    fn extension(value: &[u8]) -> Vec<u8> {
        element(SEQUENCE, &[&oid(), &[1, 1, 0xff], &element(OCTET_STRING, &[value])])
    }

    #[test]
    fn role_and_end_are_read_and_other_extensions_passed_over() {
        let other = element(SEQUENCE, &[&element(OID, &[&[0x55, 0x1d, 0x13]]), &element(OCTET_STRING, &[&[0x30, 0]])]);
        let long = "x".repeat(100);
        for role in ["Operator", "Bedienung Süd", "", &long] {
            let of = Certificate::of(&certificate(
                (UTC_TIME, "260501120000Z"),
                &[other.clone(), extension(&element(UTF8_STRING, &[role.as_bytes()]))],
            ));
            assert_eq!(of.role, Role::Is(role.into()));
            assert_eq!(of.not_after.as_deref(), Some("2026-05-01 12:00:00 UTC"));
        }
        let far = Certificate::of(&certificate((GENERALIZED_TIME, "20991231235959Z"), &[other]));
        assert_eq!((far.not_after.as_deref(), far.role), (Some("2099-12-31 23:59:59 UTC"), Role::None));
        let printable = Certificate::of(&certificate((UTC_TIME, "991231235959Z"), &[extension(&[0x13, 1, b'x'])]));
        assert_eq!(
            (printable.not_after.as_deref(), printable.role),
            (Some("1999-12-31 23:59:59 UTC"), Role::Unreadable)
        );
    }

    proptest! {
        #[test]
        fn any_bytes_may_come(noise in proptest::collection::vec(any::<u8>(), 0..300), at in 0..200_usize, byte: u8) {
            let nothing = Certificate { not_after: None, role: Role::None };
            let of = Certificate::of(&noise);
            prop_assert!(of == nothing || noise.first() == Some(&SEQUENCE));
            // One that is right but for a byte, or ends too early, is read or not; nothing worse.
            let mut whole = certificate((UTC_TIME, "260501120000Z"), &[extension(&element(UTF8_STRING, &[b"Operator"]))]);
            prop_assert_eq!(Certificate::of(&whole[..at.min(whole.len() - 1)]), nothing);
            let at = at % whole.len();
            whole[at] = byte;
            Certificate::of(&whole);
        }
    }
}
