//! Which certificates are trusted, and what is said of those that are not.
use super::{
    super::{Expected, Trust, certificate::Certificate, trust::Pin, trusted},
    made::{alone, authority, key, other_rsa, rsa, server, signed},
    refusal,
};
use crate::error::Result;
use jiff::Timestamp;
use opcua::{crypto::SecurityPolicy, types::ByteString};
use proptest::prelude::*;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType, date_time_ymd};

const EXPECTED: Expected<'static> = Expected {
    host: Some("plc-1.plant"),
    uri: "urn:plc-1:server",
    url: "opc.tcp://plc-1.plant:4840",
    policy: SecurityPolicy::Basic256Sha256,
};

fn now() -> Timestamp {
    "2026-11-26T12:00:00Z".parse().unwrap()
}
fn of(der: &[u8]) -> Certificate {
    Certificate::of(der).unwrap()
}
fn knows(der: &[u8]) -> Trust {
    Trust { known: vec![of(der)], ..Trust::default() }
}
fn judged(shown: &[u8], trust: &Trust) -> Result<Pin> {
    trusted(&ByteString::from(shown), &EXPECTED, trust, now())
}
/// What is said of a certificate that is trusted by itself.
fn said(params: &CertificateParams, expected: &Expected<'_>) -> Result<Pin> {
    let der = alone(params);
    trusted(&ByteString::from(der.as_slice()), expected, &knows(&der), now())
}

#[test]
fn it_is_trusted_by_itself_or_by_either_thumbprint_and_else_told_with_what_would_trust_it() {
    let der = alone(&server());
    assert_eq!(judged(&der, &knows(&der)), Ok(Pin::Known));
    for print in [of(&der).sha1(), of(&der).sha256()] {
        let trust = Trust { thumbprints: vec![print], ..Trust::default() };
        assert_eq!(judged(&der, &trust), Ok(Pin::Known));
    }
    let told = refusal(judged(&der, &Trust::default()));
    for part in [&of(&der).sha1(), &of(&der).sha256(), "CN=plc-1", "pollux-opcua trust opc.tcp://plc-1.plant:4840"] {
        assert!(told.contains(part), "{part} in {told}");
    }
}

#[test]
fn it_must_be_of_this_time_application_and_host() {
    let with = |change: fn(&mut CertificateParams)| {
        let mut params = server();
        change(&mut params);
        said(&params, &EXPECTED)
    };
    assert_eq!(with(|_| ()), Ok(Pin::Known));
    let expired = refusal(with(|params| params.not_after = date_time_ymd(2026, 11, 1)));
    assert!(expired.contains("was valid until 2026-11-01"), "{expired}");
    let early = refusal(with(|params| params.not_before = date_time_ymd(2027, 1, 1)));
    assert!(early.contains("is valid from 2027-01-01"), "{early}");
    let other = refusal(with(|params| params.subject_alt_names[0] = SanType::URI("urn:plc-2".try_into().unwrap())));
    assert!(other.contains("urn:plc-1:server") && other.contains("urn:plc-2"), "{other}");
    let none = refusal(with(|params| drop(params.subject_alt_names.remove(0))));
    assert!(none.contains("says none"), "{none}");

    let host = |host| said(&server(), &Expected { host, ..EXPECTED });
    for good in [None, Some("10.0.0.5"), Some("PLC-1.PLANT"), Some("plc-1.plant.")] {
        assert_eq!(host(good), Ok(Pin::Known), "{good:?}");
    }
    for bad in ["plc-2.plant", "10.0.0.50", "plc-1", "urn:plc-1:server"] {
        let told = refusal(host(Some(bad)));
        assert!(told.contains("PLC-1.plant, 10.0.0.5") && told.contains("checkHostName"), "{told}");
    }
}

#[test]
fn its_key_must_be_one_that_the_policy_allows() {
    let small = opcua::crypto::X509Data {
        key_size: 1024,
        common_name: "plc-1".to_owned(),
        organization: "x".to_owned(),
        organizational_unit: String::new(),
        country: String::new(),
        state: String::new(),
        alt_host_names: opcua::crypto::X509Data::alt_host_names("urn:plc-1:server", None, false, false, false),
        certificate_duration_days: 3650,
    };
    let weak = opcua::crypto::X509::cert_and_pkey(&small).unwrap().0.to_der().unwrap();
    let told = refusal(judged(&weak, &knows(&weak)));
    assert!(told.contains("1024 bits"), "{told}");
    let curve = server().self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
    assert!(refusal(judged(&curve, &knows(&curve))).contains("RSA"));
}

/// An authority, one between, and a server's certificate, each with a key of its own.
struct Line {
    root: CertificateParams,
    root_key: KeyPair,
    middle: CertificateParams,
    middle_key: KeyPair,
}
impl Line {
    fn new() -> Self {
        let generated = || KeyPair::generate().unwrap();
        Self {
            root: authority("Plant root"),
            root_key: generated(),
            middle: authority("Plant line 7"),
            middle_key: generated(),
        }
    }
    fn root(&self) -> Vec<u8> {
        self.root.self_signed(&self.root_key).unwrap().der().to_vec()
    }
    fn middle(&self) -> Vec<u8> {
        let issuer = rcgen::Issuer::from_params(&self.root, &self.root_key);
        self.middle.signed_by(&self.middle_key, &issuer).unwrap().der().to_vec()
    }
    fn leaf(&self) -> Vec<u8> {
        signed(&server(), rsa(), &self.middle, &self.middle_key)
    }
}

#[test]
fn an_authority_vouches_over_a_chain_that_the_server_shows() {
    let line = Line::new();
    let chain = [line.leaf(), line.middle()].concat();
    assert_eq!(judged(&chain, &knows(&line.root())), Ok(Pin::Known));
    assert_eq!(judged(&line.leaf(), &knows(&line.middle())), Ok(Pin::Known));
    let direct = signed(&server(), rsa(), &line.root, &line.root_key);
    assert_eq!(judged(&direct, &knows(&line.root())), Ok(Pin::Known));
    // An RSA authority, too.
    let by_rsa = signed(&server(), rsa(), &line.root, &key(other_rsa()));
    let root = line.root.self_signed(&key(other_rsa())).unwrap().der().to_vec();
    assert_eq!(judged(&by_rsa, &knows(&root)), Ok(Pin::Known));
}

#[test]
fn an_authority_does_not_vouch_for() {
    let untrusted = |shown: &[u8], root: &[u8], why: &str| {
        let told = refusal(judged(shown, &knows(root)));
        assert!(told.contains("is not trusted"), "{why}: {told}");
    };
    let line = Line::new();
    untrusted(&line.leaf(), &line.root(), "what it cannot follow");
    let other = line.root.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
    untrusted(&[line.leaf(), line.middle()].concat(), &other, "another of the same name");

    let mut line = Line::new();
    line.middle.is_ca = IsCa::ExplicitNoCa;
    untrusted(&[line.leaf(), line.middle()].concat(), &line.root(), "a chain over one that is none");
    let mut line = Line::new();
    line.middle.not_after = date_time_ymd(2026, 1, 1);
    untrusted(&[line.leaf(), line.middle()].concat(), &line.root(), "a chain over one that is expired");
    let mut line = Line::new();
    line.root.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    untrusted(&[line.leaf(), line.middle()].concat(), &line.root(), "a chain that is longer than it allows");

    let line = Line::new();
    let mut client = server();
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let client = signed(&client, rsa(), &line.root, &line.root_key);
    untrusted(&client, &line.root(), "a client's certificate");
    // Pinned itself it may be used for what its owner likes.
    assert_eq!(judged(&client, &knows(&client)), Ok(Pin::Known));
}

#[test]
fn the_first_is_taken_where_it_is_asked_for_and_no_other_then() {
    let der = alone(&server());
    let first = Trust { first_use: true, ..Trust::default() };
    assert_eq!(judged(&der, &first), Ok(Pin::First));
    let pinned = |print: String| Trust { first_use: true, pinned: Some((print, "/s/pin".into())), ..Trust::default() };
    assert_eq!(judged(&der, &pinned(of(&der).sha256())), Ok(Pin::Known));
    let told = refusal(judged(&der, &pinned("00".repeat(32))));
    assert!(told.contains(&of(&der).sha256()) && told.contains("remove /s/pin"), "{told}");
    // At first use as well it must be of this host.
    let elsewhere = Expected { host: Some("plc-9"), ..EXPECTED };
    refusal(trusted(&ByteString::from(der.as_slice()), &elsewhere, &first, now()));
}

#[test]
fn no_certificate_and_what_is_none() {
    let none = trusted(&ByteString::null(), &EXPECTED, &Trust::default(), now());
    assert!(refusal(none).contains("shows no certificate"));
    for bytes in [&b"x"[..], &[0x30, 0x82], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &[0x30, 0]] {
        let told = refusal(judged(bytes, &Trust { first_use: true, ..Trust::default() }));
        assert!(told.contains("no certificate"), "{told}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]
    /// A certificate of which one bit is another, or that is cut, is never that of whom is trusted.
    #[test]
    fn one_that_was_changed_is_not_trusted(at: prop::sample::Index, bit in 0_u8..8, cut: bool) {
        let line = Line::new();
        let mut der = signed(&server(), rsa(), &line.root, &line.root_key);
        let trust = Trust { known: vec![of(&line.root())], thumbprints: vec![of(&der).sha1(), of(&der).sha256()], ..Trust::default() };
        prop_assert_eq!(judged(&der, &trust), Ok(Pin::Known));
        let at = at.index(der.len());
        if cut { der.truncate(at) } else { der[at] ^= 1 << bit }
        prop_assert!(judged(&der, &trust).is_err());
    }
    #[test]
    fn any_bytes_may_come(noise in prop::collection::vec(any::<u8>(), 0..400), first_use: bool) {
        let trust = Trust { first_use, ..Trust::default() };
        prop_assert!(judged(&noise, &trust).is_err());
    }
}
