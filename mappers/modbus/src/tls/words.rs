//! What goes wrong in TLS, in words for those who made the certificates. Pure.
use super::Certificate;
use crate::error::Error;
use jiff::Timestamp;
use std::io;
use tokio_rustls::rustls::{
    self, AlertDescription as Alert, CertificateError as Bad, InvalidMessage, PeerIncompatible, pki_types::UnixTime,
};

/// What the words need to know.
#[derive(Debug, Clone)]
pub(super) struct Words {
    /// Our own certificate.
    pub(super) ours: Certificate,
    /// The Secret, as people write its name.
    pub(super) secret: String,
}

impl Words {
    /// Why no session came about.
    pub(super) fn refusal(&self, error: &io::Error) -> Error {
        match inner(error) {
            Some(_) => Error::Session(self.of(error)),
            None if error.kind() == io::ErrorKind::UnexpectedEof => Error::Session(
                "the server hung up in the handshake, without a word: it may want another certificate, or speak no TLS"
                    .into(),
            ),
            None => Error::Connect(error.to_string()),
        }
    }
    /// In words, whatever it is.
    pub(super) fn of(&self, error: &io::Error) -> String {
        let Some(error) = inner(error) else { return error.to_string() };
        match error {
            rustls::Error::InvalidCertificate(bad) => format!("the server's certificate {}", self.bad(bad)),
            rustls::Error::NoCertificatesPresented => "the server shows no certificate".into(),
            rustls::Error::AlertReceived(alert) => self.alert(*alert),
            rustls::Error::PeerIncompatible(why) => incompatible(why),
            rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
                "what answers there does not speak TLS: is it the port of plain Modbus TCP?".into()
            }
            other => other.to_string(),
        }
    }

    fn bad(&self, bad: &Bad) -> String {
        match bad {
            Bad::Expired => "has expired".into(),
            Bad::ExpiredContext { not_after, .. } => format!("expired on {}", day(*not_after)),
            Bad::NotValidYet => "is not valid yet".into(),
            Bad::NotValidYetContext { not_before, .. } => {
                format!("is not valid before {}: is this node's clock right?", day(*not_before))
            }
            Bad::UnknownIssuer | Bad::BadSignature => {
                format!("is not from an issuer in ca.crt of Secret {}", self.secret)
            }
            Bad::NotValidForName => "is for another name; serverName says which it must have".into(),
            Bad::NotValidForNameContext { expected, presented } => {
                let names: Vec<_> = presented.iter().map(|name| plain(name)).collect();
                let whom = if names.is_empty() { "nobody (no subjectAltName)".into() } else { names.join(", ") };
                format!("is not for {} but for {whom}; serverName says which it must have", expected.to_str())
            }
            Bad::InvalidPurpose | Bad::InvalidPurposeContext { .. } => "is not for servers (extended key usage)".into(),
            other => format!("is not valid: {other}"),
        }
    }

    fn alert(&self, alert: Alert) -> String {
        let until = || self.ours.not_after.as_ref().map(|end| format!(", valid until {end}")).unwrap_or_default();
        let why = match alert {
            Alert::CertificateExpired => "it has expired".into(),
            Alert::CertificateRevoked => "it was revoked".into(),
            Alert::UnknownCA => "it does not trust who issued it".into(),
            Alert::AccessDenied => "it may not come in".into(),
            Alert::NoCertificate | Alert::CertificateRequired => "it wants one of another kind or issuer".into(),
            Alert::BadCertificate | Alert::UnsupportedCertificate | Alert::CertificateUnknown => format!("{alert:?}"),
            Alert::ProtocolVersion => return too_old(),
            Alert::HandshakeFailure | Alert::InsufficientSecurity => {
                return format!(
                    "the server ended the handshake ({alert:?}): no cipher in common, or not our certificate"
                );
            }
            Alert::UnrecognisedName => return "the server does not know the name by which it was called".into(),
            other => return format!("the server ended the session: {other:?}"),
        };
        format!("the server refused our certificate (tls.crt of Secret {}{}): {why}", self.secret, until())
    }
}

fn incompatible(why: &PeerIncompatible) -> String {
    match why {
        PeerIncompatible::ServerDoesNotSupportTls12Or13 | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig => {
            too_old()
        }
        other => format!("nothing in common with the server: {other:?}"),
    }
}
fn too_old() -> String {
    "the server speaks only versions of TLS before 1.2, which are not safe and not allowed".into()
}

/// TLS' own error inside of one of a stream.
fn inner(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

fn day(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let known = Timestamp::from_second(seconds);
    known.map_or_else(|_| "an unknown day".into(), |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// `DnsName("plc-1")`, `IpAddress(10.0.0.5)`: what stands inside.
fn plain(name: &str) -> String {
    let inside = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
    inside.trim_matches('"').to_owned()
}
