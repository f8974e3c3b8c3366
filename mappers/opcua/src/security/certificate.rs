//! An X.509 certificate, as far as trust asks for it (RFC 5280; Part 6, 6.2). Any bytes may come in.
use jiff::Timestamp;
use ring::{digest, signature};
use std::{fmt::Write as _, net::IpAddr};
use x509_cert::{
    der::{Decode, asn1::ObjectIdentifier},
    ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName, name::GeneralName},
    spki::SubjectPublicKeyInfoOwned,
};

const RSA: &str = "1.2.840.113549.1.1.1";
const SERVER_AUTH: &str = "1.3.6.1.5.5.7.3.1";
const ANY_USAGE: &str = "2.5.29.37.0";
const P256: &str = "1.2.840.10045.3.1.7";
const P384: &str = "1.3.132.0.34";

/// A certificate that could be read.
#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    der: Vec<u8>,
    inner: x509_cert::Certificate,
}

impl Certificate {
    /// Of exactly one certificate in DER.
    pub(crate) fn of(der: &[u8]) -> Result<Self, &'static str> {
        let inner = x509_cert::Certificate::from_der(der).map_err(|_| "something that is no certificate")?;
        Ok(Self { der: der.to_vec(), inner })
    }
    pub(crate) fn der(&self) -> &[u8] {
        &self.der
    }
    /// SHA-1, as servers and tools show it.
    pub(crate) fn sha1(&self) -> String {
        hex(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &self.der).as_ref())
    }
    /// SHA-256.
    pub(crate) fn sha256(&self) -> String {
        hex(digest::digest(&digest::SHA256, &self.der).as_ref())
    }
    /// In words: CN=plc-1,O=Plant.
    pub(crate) fn subject(&self) -> String {
        shown(&self.inner.tbs_certificate.subject.to_string())
    }
    pub(crate) fn issuer(&self) -> String {
        shown(&self.inner.tbs_certificate.issuer.to_string())
    }
    pub(crate) fn not_after(&self) -> Option<Timestamp> {
        moment(self.inner.tbs_certificate.validity.not_after)
    }
    /// Why it is not valid at this moment.
    pub(crate) fn not_valid(&self, now: Timestamp) -> Option<String> {
        let (from, to) = (moment(self.inner.tbs_certificate.validity.not_before), self.not_after());
        match (from, to) {
            (Some(from), Some(_)) if now < from => {
                Some(format!("is valid from {from} on, and it is {now} by this node's clock"))
            }
            (Some(_), Some(to)) if now > to => {
                Some(format!("was valid until {to}, and it is {now} by this node's clock"))
            }
            (Some(_), Some(_)) => None,
            _ => Some("has no time of validity".to_owned()),
        }
    }
    /// URIs of its subjectAltName; the first is the ApplicationUri.
    pub(crate) fn uris(&self) -> Vec<String> {
        let uri = |name: &GeneralName| match name {
            GeneralName::UniformResourceIdentifier(uri) => Some(uri.to_string()),
            _ => None,
        };
        self.names().iter().filter_map(uri).collect()
    }
    /// Host names and addresses of its subjectAltName.
    pub(crate) fn hosts(&self) -> Vec<String> {
        let host = |name: &GeneralName| match name {
            GeneralName::DnsName(name) => Some(shown(name.as_str())),
            GeneralName::IpAddress(bytes) => {
                let bytes = bytes.as_bytes();
                let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
                four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok().map(|ip| ip.to_string())
            }
            _ => None,
        };
        self.names().iter().filter_map(host).collect()
    }
    /// It names this host.
    pub(crate) fn is_of(&self, host: &str) -> bool {
        let ip = host.parse::<IpAddr>().ok().map(|ip| ip.to_string());
        let host = ip.as_deref().unwrap_or(host);
        self.hosts().iter().any(|name| name.trim_end_matches('.').eq_ignore_ascii_case(host.trim_end_matches('.')))
    }
    /// Bits of its key, if it is RSA.
    pub(crate) fn rsa_bits(&self) -> Option<usize> {
        opcua::crypto::X509::from_der(&self.der).ok()?.key_length().ok()
    }
    pub(crate) fn key_info(&self) -> &SubjectPublicKeyInfoOwned {
        &self.inner.tbs_certificate.subject_public_key_info
    }
    /// It may be a server's; one that does not say what it is for, may.
    pub(crate) fn is_for_servers(&self) -> bool {
        let usage = self.inner.tbs_certificate.get::<ExtendedKeyUsage>();
        match usage {
            Ok(None) => true,
            Ok(Some((_, usage))) => {
                usage.0.iter().any(|oid| [SERVER_AUTH, ANY_USAGE].contains(&oid.to_string().as_str()))
            }
            Err(_) => false,
        }
    }
    /// It may sign others.
    pub(crate) fn is_authority(&self) -> bool {
        let basic = self.inner.tbs_certificate.get::<BasicConstraints>();
        let usage = self.inner.tbs_certificate.get::<KeyUsage>();
        let signs = match usage {
            Ok(None) => true,
            Ok(Some((_, usage))) => usage.0.contains(KeyUsages::KeyCertSign),
            Err(_) => false,
        };
        signs && matches!(basic, Ok(Some((_, basic))) if basic.ca)
    }
    /// How many authorities may stand between it and a leaf.
    pub(crate) fn path_length(&self) -> Option<usize> {
        let basic = self.inner.tbs_certificate.get::<BasicConstraints>().ok()??.1;
        basic.path_len_constraint.map(usize::from)
    }
    /// The other one's name is its issuer's, and the other one's key signed it.
    pub(crate) fn is_signed_by(&self, issuer: &Self) -> bool {
        let named = self.inner.tbs_certificate.issuer == issuer.inner.tbs_certificate.subject;
        named && self.signature_fits(issuer) == Some(true)
    }

    /// None: by an algorithm that is not taken, SHA-1 and MD5 among them.
    fn signature_fits(&self, issuer: &Self) -> Option<bool> {
        let key = issuer.key_info();
        let algorithm = algorithm(&self.inner.signature_algorithm.oid, key)?;
        // As it came: what is signed must not depend on how we would write it.
        let signed = first_within(&self.der)?;
        let signature = self.inner.signature.as_bytes()?;
        let key = signature::UnparsedPublicKey::new(algorithm, key.subject_public_key.as_bytes()?);
        Some(key.verify(signed, signature).is_ok())
    }
    fn names(&self) -> Vec<GeneralName> {
        let names = self.inner.tbs_certificate.get::<SubjectAltName>();
        names.ok().flatten().map(|(_, names)| names.0).unwrap_or_default()
    }
}

fn algorithm(
    signature: &ObjectIdentifier,
    key: &SubjectPublicKeyInfoOwned,
) -> Option<&'static dyn signature::VerificationAlgorithm> {
    let curve = key.algorithm.parameters.as_ref().and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
    let curve = curve.map(|oid| oid.to_string());
    let rsa = key.algorithm.oid.to_string() == RSA;
    match (signature.to_string().as_str(), rsa, curve.as_deref()) {
        ("1.2.840.113549.1.1.11", true, _) => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        ("1.2.840.113549.1.1.12", true, _) => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        ("1.2.840.113549.1.1.13", true, _) => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
        ("1.2.840.10045.4.3.2", false, Some(P256)) => Some(&signature::ECDSA_P256_SHA256_ASN1),
        ("1.2.840.10045.4.3.2", false, Some(P384)) => Some(&signature::ECDSA_P384_SHA256_ASN1),
        ("1.2.840.10045.4.3.3", false, Some(P256)) => Some(&signature::ECDSA_P256_SHA384_ASN1),
        ("1.2.840.10045.4.3.3", false, Some(P384)) => Some(&signature::ECDSA_P384_SHA384_ASN1),
        _ => None,
    }
}

/// The first certificate of a chain, as bytes: servers may send those that signed theirs behind it (Part 6, 6.2.6).
pub(crate) fn leaf(chain: &[u8]) -> &[u8] {
    element(chain).map_or(chain, |size| chain.get(..size).unwrap_or(chain))
}
/// Those behind the first that can be read.
pub(crate) fn behind(chain: &[u8]) -> Vec<Certificate> {
    /// More than any chain has.
    const MOST: usize = 8;
    let mut rest = chain.get(leaf(chain).len()..).unwrap_or_default();
    let mut all = vec![];
    while let (Some(size), true) = (element(rest), all.len() < MOST) {
        let Some((one, tail)) = rest.split_at_checked(size) else { break };
        all.extend(Certificate::of(one));
        rest = tail;
    }
    all
}

/// Size of the element of DER that stands in front, its tag and length with it.
fn element(der: &[u8]) -> Option<usize> {
    let (head, content) = head(der)?;
    Some(head + content)
}
/// Sizes of tag and length, and of the content; it is there in whole.
fn head(der: &[u8]) -> Option<(usize, usize)> {
    let first = usize::from(*der.get(1)?);
    let (head, content) = if first < 0x80 {
        (2, first)
    } else {
        let bytes = der.get(2..2 + (first & 0x7f)).filter(|bytes| (1..=3).contains(&bytes.len()))?;
        (2 + bytes.len(), bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
    };
    (der.len() >= head + content).then_some((head, content))
}
/// The first element inside of the first.
fn first_within(der: &[u8]) -> Option<&[u8]> {
    let (outer, size) = head(der)?;
    let inner = der.get(outer..outer + size)?;
    inner.get(..element(inner)?)
}

fn moment(time: x509_cert::time::Time) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(time.to_unix_duration().as_secs()).ok()?).ok()
}
/// Of a stranger's text what can be printed, and not more than a line of it.
pub(crate) fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").ok(); // a String takes all
        out
    })
}
