//! Certificates for tests, made by rcgen: an authority, servers, clients with and without a role.
#![allow(dead_code, reason = "each test takes what it needs")]
use pollux_crds::{ModbusDevice, ModbusTls};
use pollux_mapper::Cx;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use std::{net::SocketAddr, sync::Arc};
use tokio_rustls::rustls::{
    RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};

/// Where servers of tests listen.
pub(crate) const PEER: &str = "127.0.0.1";
/// Year, month, day at which a certificate ends.
pub(crate) type End = (i32, u8, u8);
pub(crate) const NEVER: End = (2120, 1, 1);
pub(crate) const GONE: End = (2025, 2, 1);

/// Who issues certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

/// A certificate and its key.
pub(crate) struct Leaf {
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) der: Vec<u8>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = params(&[], NEVER);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = params.self_signed(&key).expect("signed").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }
    pub(crate) fn server(&self, name: &str, end: End) -> Leaf {
        self.sign(params(&[name], end), ExtendedKeyUsagePurpose::ServerAuth)
    }
    pub(crate) fn client(&self, end: End, role: Option<&str>) -> Leaf {
        let mut params = params(&[], end);
        params.distinguished_name.push(DnType::CommonName, "pollux");
        if let Some(role) = role {
            // UTF8String, as the standard has it.
            let length = u8::try_from(role.len()).expect("short");
            let value = [&[0x0c, length], role.as_bytes()].concat();
            let oid = [1, 3, 6, 1, 4, 1, 50_316, 802, 1];
            params.custom_extensions.push(CustomExtension::from_oid_content(&oid, value));
        }
        self.sign(params, ExtendedKeyUsagePurpose::ClientAuth)
    }
    fn sign(&self, mut params: CertificateParams, purpose: ExtendedKeyUsagePurpose) -> Leaf {
        let key = KeyPair::generate().expect("a key");
        params.extended_key_usages.push(purpose);
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        Leaf { certificate: certificate.pem(), key: key.serialize_pem(), der: certificate.der().to_vec() }
    }
}

fn params(names: &[&str], (year, month, day): End) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params.not_before = date_time_ymd(2025, 1, 1);
    params.not_after = date_time_ymd(year, month, day);
    params
}

/// A server with that certificate, which lets in who comes from `clients`.
pub(crate) fn server(leaf: &Leaf, clients: &Authority, version: &'static SupportedProtocolVersion) -> ServerConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(clients.pem.as_bytes()).expect("PEM")).expect("a certificate");
    let provider = Arc::new(default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
    let chain = vec![CertificateDer::from_pem_slice(leaf.certificate.as_bytes()).expect("PEM")];
    let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).expect("PEM");
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[version]).expect("known");
    builder.with_client_cert_verifier(verifier.expect("roots")).with_single_cert(chain, key).expect("they fit")
}

/// What a mapper has of Secret plc in namespace plant.
pub(crate) fn cx(client: &Leaf, authority: &Authority) -> Cx {
    let contents = [("tls.crt", &client.certificate), ("tls.key", &client.key), ("ca.crt", &authority.pem)];
    let secrets = contents.map(|(key, text)| (format!("plant.plc.{key}"), text.clone().into_bytes()));
    Cx { secrets: secrets.into(), ..Cx::default() }
}

/// A device of namespace plant that names Secret plc, as its driver sees it.
pub(crate) fn device(address: SocketAddr) -> ModbusDevice {
    let tls = ModbusTls {
        host: address.ip().to_string(),
        port: address.port().into(),
        secret: "plant.plc".into(),
        server_name: None,
        insecure_skip_verify: None,
    };
    ModbusDevice { tls: Some(tls), unit_id: 1, ..ModbusDevice::default() }
}
