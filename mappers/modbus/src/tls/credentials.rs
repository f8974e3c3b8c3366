//! What stands in a Secret, made ready for a session: our certificate and key, and by whom the server is verified. Errors name the
//! Secret and the key in it, and never show what is in it.
use super::{Certificate, Secure};
use crate::error::Error;
use pollux_crds::{AUTHORITY, CERTIFICATE, PRIVATE_KEY};
use pollux_mapper::Cx;
use std::sync::Arc;
use tokio_rustls::rustls::{
    self, ClientConfig, DigitallySignedStruct, InconsistentKeys, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    version::{TLS12, TLS13},
};

pub(super) struct Credentials {
    pub(super) config: ClientConfig,
    /// Our own.
    pub(super) certificate: Certificate,
}

/// `namespace/name`, as people write it.
pub(super) fn shown(secret: &str) -> String {
    secret.replacen('.', "/", 1)
}

impl Credentials {
    pub(super) fn new(to: &Secure, cx: &Cx) -> Result<Self, Error> {
        let secret = Contents { name: &to.secret, cx };
        let chain = secret.certificates(CERTIFICATE)?;
        let key = PrivateKeyDer::from_pem_slice(secret.content(PRIVATE_KEY)?)
            .map_err(|_| secret.wrong(PRIVATE_KEY, "holds no private key in PEM that is not encrypted"))?;
        let certificate = Certificate::of(chain.first().map_or(&[], |first| first));
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|error| Error::Session(error.to_string()))?;
        let builder = if to.unverified {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        } else {
            builder.with_root_certificates(secret.authorities()?)
        };
        let config = builder.with_client_auth_cert(chain, key).map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                secret.wrong(PRIVATE_KEY, "is not the key of the certificate in tls.crt")
            }
            rustls::Error::InvalidCertificate(_) => secret.wrong(CERTIFICATE, "does not begin with a certificate"),
            _ => {
                secret.wrong(PRIVATE_KEY, "is of a kind that cannot be used; RSA, ECDSA on P-256 or P-384, Ed25519 can")
            }
        })?;
        Ok(Self { config, certificate })
    }
}

/// The contents of one Secret.
struct Contents<'a> {
    name: &'a str,
    cx: &'a Cx,
}

impl Contents<'_> {
    fn wrong(&self, key: &str, what: &str) -> Error {
        Error::Secret(format!("Secret {}: {key} {what}", shown(self.name)))
    }
    fn content(&self, key: &str) -> Result<&[u8], Error> {
        let content = self.cx.secrets.get(&format!("{}.{key}", self.name));
        content.map(Vec::as_slice).ok_or_else(|| self.wrong(key, "is not there"))
    }
    fn certificates(&self, key: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
        let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(self.content(key)?).collect();
        match all {
            Ok(all) if !all.is_empty() => Ok(all),
            _ => Err(self.wrong(key, "holds no certificate in PEM")),
        }
    }
    fn authorities(&self) -> Result<RootCertStore, Error> {
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates(AUTHORITY)? {
            let added = roots.add(certificate);
            added.map_err(|_| self.wrong(AUTHORITY, "holds something that is no certificate"))?;
        }
        Ok(roots)
    }
}

/// Takes whoever has the key of the certificate that he shows.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
