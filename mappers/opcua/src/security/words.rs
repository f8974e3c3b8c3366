//! The two commonest first failures, said so that what is to be done stands in them.
use super::certificate::{Certificate, leaf};
use crate::{
    error::{Code, Error},
    wire::Own,
};
use opcua::types::{ByteString, SubStatusCode as S};
use pollux_crds::{CERTIFICATE, OpcUaIdentity, OpcUaSecret, PASSWORD, USER_NAME};
use std::path::Path;

/// We do not trust the server.
pub(super) fn not_trusted(certificate: &Certificate, url: &str) -> Error {
    let until = certificate.not_after().map_or_else(|| "unknown".to_owned(), |until| until.to_string());
    Error::Security(format!(
        "the server's certificate is not trusted: thumbprint {}, subject {}, issuer {}, valid until {until}. If the server shows the same \
         thumbprint, trust it by security.trust.thumbprints: [{}] (`pollux-opcua trust {url}` prints the lines), or by its authority in \
         security.trust.secret",
        certificate.sha1(),
        certificate.subject(),
        certificate.issuer(),
        certificate.sha256(),
    ))
}
/// It would be trusted at first use, and nobody proves that it is his.
pub(super) fn not_proven(shown: &ByteString, url: &str) -> Error {
    let print = Certificate::of(leaf(shown.as_ref())).map(|one| one.sha256()).unwrap_or_default();
    Error::Security(format!(
        "policy None proves nothing, so nobody is trusted at first use there: a password would go to whoever answers. If the server shows \
         the same thumbprint, trust it by security.trust.thumbprints: [{print}] (`pollux-opcua trust {url}` prints the lines), or set \
         another policy"
    ))
}
/// Not the one that was trusted at first use.
pub(super) fn another(certificate: &Certificate, pinned: &str, file: &Path) -> Error {
    Error::Security(format!(
        "the server shows another certificate than at first use: now SHA-256 {} (SHA-1 {}), subject {}; at first {pinned}. If it was \
         replaced, remove {}; if not, somebody stands in between",
        certificate.sha256(),
        certificate.sha1(),
        certificate.subject(),
        file.display(),
    ))
}

/// The server does not trust us, where that is what it means; else the error as it is. To be asked only while a channel is opened, or a
/// session created: `Closed` means it there only.
pub(crate) fn while_opening(error: Error, own: Option<&Own>) -> Error {
    let Some(own) = own else { return error };
    let why = match &error {
        // Some say no more than that; it may mean something else.
        Error::Closed(_) => {
            "the server hung up when it saw our certificate, most often because it does not trust us".to_owned()
        }
        Error::Ended { code, .. } | Error::Refused { code, .. } if is_of_trust(*code) => {
            format!("the server does not trust us ({error})")
        }
        _ => return error,
    };
    let subject = Certificate::of(own.blob.as_ref()).map(|own| own.subject()).unwrap_or_default();
    Error::Security(format!(
        "{why}: accept certificate {} (subject {subject}, ApplicationUri {}) in the server's trust list; \
         it is tried again",
        own.cert.thumbprint().as_hex_string(),
        own.uri,
    ))
}

/// The server does not take who we are: in which Secret that stands, and what is to be done. Any other error as it is.
pub(crate) fn of_identity(error: Error, identity: Option<&OpcUaIdentity>) -> Error {
    if !matches!(&error, Error::Refused { service: "ActivateSession", code } if is_of_identity(*code)) {
        return error;
    }
    let secret = |of: &OpcUaSecret| of.secret.replacen('.', "/", 1);
    let (user, certificate) = identity.map(|who| (who.user.as_ref(), who.certificate.as_ref())).unwrap_or_default();
    let what = match (user, certificate) {
        (Some(user), _) => format!(
            "the server does not let this user in: put the name and password that it knows in {USER_NAME} and {PASSWORD} of Secret {}, or \
             allow the user there",
            secret(user)
        ),
        (None, Some(own)) => format!(
            "the server does not let this user in: have it trust the certificate in {CERTIFICATE} of Secret {} as a user's",
            secret(own)
        ),
        (None, None) => "the server lets nobody in without a name: set identity".to_owned(),
    };
    Error::Security(format!("{error}: {what}"))
}
fn is_of_identity(code: Code) -> bool {
    matches!(
        S::from_value(code.0 & 0xFFFF_0000),
        Some(
            S::BadUserAccessDenied
                | S::BadIdentityTokenRejected
                | S::BadIdentityTokenInvalid
                | S::BadUserSignatureInvalid
        )
    )
}

fn is_of_trust(code: Code) -> bool {
    matches!(
        S::from_value(code.0 & 0xFFFF_0000),
        Some(
            S::BadSecurityChecksFailed
                | S::BadCertificateUntrusted
                | S::BadCertificateInvalid
                | S::BadCertificateChainIncomplete
                | S::BadCertificateUseNotAllowed
                | S::BadCertificateIssuerUseNotAllowed
                | S::BadCertificateRevocationUnknown
                | S::BadCertificateIssuerRevocationUnknown
                | S::BadCertificateUriInvalid
                | S::BadCertificateTimeInvalid
        )
    )
}
