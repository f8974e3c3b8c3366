//! Certificates for tests. Keys are made once: that is what takes time.
use opcua::crypto::PrivateKey;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_RSA_SHA256, SanType, date_time_ymd,
};
use rustls_pki_types::PrivatePkcs8KeyDer;
use std::sync::OnceLock;

/// PKCS#8 of an RSA key that others may have too.
pub(super) fn rsa() -> &'static [u8] {
    static KEY: OnceLock<Vec<u8>> = OnceLock::new();
    KEY.get_or_init(|| PrivateKey::new(2048).unwrap().to_der().unwrap().as_bytes().to_vec())
}
/// Another one.
pub(super) fn other_rsa() -> &'static [u8] {
    static KEY: OnceLock<Vec<u8>> = OnceLock::new();
    KEY.get_or_init(|| PrivateKey::new(2048).unwrap().to_der().unwrap().as_bytes().to_vec())
}
pub(super) fn key(pkcs8: &[u8]) -> KeyPair {
    KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(pkcs8), &PKCS_RSA_SHA256).unwrap()
}

/// A server's certificate, good in each respect until it is changed.
pub(super) fn server() -> CertificateParams {
    let mut params = named("plc-1");
    params.subject_alt_names = vec![
        SanType::URI("urn:plc-1:server".try_into().unwrap()),
        SanType::DnsName("PLC-1.plant".try_into().unwrap()),
        SanType::IpAddress("10.0.0.5".parse().unwrap()),
    ];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}
pub(super) fn authority(name: &str) -> CertificateParams {
    let mut params = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}
fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2030, 1, 1));
    params
}
pub(super) fn alone(params: &CertificateParams) -> Vec<u8> {
    params.self_signed(&key(rsa())).unwrap().der().to_vec()
}
/// Signed by an authority with a key of its own.
pub(super) fn signed(params: &CertificateParams, pkcs8: &[u8], by: &CertificateParams, with: &KeyPair) -> Vec<u8> {
    params.signed_by(&key(pkcs8), &Issuer::from_params(by, with)).unwrap().der().to_vec()
}
