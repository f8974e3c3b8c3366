//! Which endpoint is chosen.
use super::{
    super::endpoint::{Found, choose, downgraded},
    refusal, settings,
};
use crate::error::Result;
use opcua::{
    crypto::SecurityPolicy as P,
    types::{EndpointDescription, MessageSecurityMode as Mode, UserTokenPolicy, UserTokenType},
};
use serde_json::{Value as Json, json};

const ALL: [(P, Mode); 7] = [
    (P::None, Mode::None),
    (P::Basic128Rsa15, Mode::SignAndEncrypt),
    (P::Basic256Sha256, Mode::Sign),
    (P::Basic256Sha256, Mode::SignAndEncrypt),
    (P::Aes128Sha256RsaOaep, Mode::SignAndEncrypt),
    (P::Aes256Sha256RsaPss, Mode::Sign),
    (P::Aes256Sha256RsaPss, Mode::SignAndEncrypt),
];

fn endpoint(policy: P, mode: Mode, url: &str) -> EndpointDescription {
    let mut endpoint = EndpointDescription {
        endpoint_url: url.into(),
        security_policy_uri: policy.to_uri().into(),
        security_mode: mode,
        user_identity_tokens: Some(vec![UserTokenPolicy::default()]),
        ..EndpointDescription::default()
    };
    endpoint.server.application_uri = "urn:one".into();
    endpoint
}
fn offered(all: &[(P, Mode)]) -> Vec<EndpointDescription> {
    all.iter().map(|(policy, mode)| endpoint(*policy, *mode, "opc.tcp://inside:4841/x")).collect()
}
fn chosen(more: &Json, offered: Vec<EndpointDescription>) -> Result<Found> {
    choose(&settings("opc.tcp://plc:4840/y", more), offered)
}
fn policy(found: &Found) -> (P, Mode) {
    (P::from_uri(found.endpoint.security_policy_uri.as_ref()), found.endpoint.security_mode)
}

#[test]
fn the_strongest_in_the_mode_that_is_meant() {
    let of = |security: Json, all: &[(P, Mode)]| {
        chosen(&json!({"security": security}), offered(all)).map(|found| policy(&found))
    };
    assert_eq!(of(json!({}), &ALL), Ok((P::Aes256Sha256RsaPss, Mode::SignAndEncrypt)));
    assert_eq!(of(json!({"mode": "Sign"}), &ALL), Ok((P::Aes256Sha256RsaPss, Mode::Sign)));
    assert_eq!(of(json!({}), &ALL[..5]), Ok((P::Basic256Sha256, Mode::SignAndEncrypt)));
    assert_eq!(
        of(json!({"policy": "Aes128_Sha256_RsaOaep"}), &ALL),
        Ok((P::Aes128Sha256RsaOaep, Mode::SignAndEncrypt))
    );
    assert_eq!(of(json!({"policy": "None", "insecure": true}), &ALL), Ok((P::None, Mode::None)));
    let old = json!({"policy": "Basic128Rsa15", "insecure": true});
    assert_eq!(of(old, &ALL), Ok((P::Basic128Rsa15, Mode::SignAndEncrypt)));
    // Nothing weaker instead of what is meant, with insecure neither.
    let told = refusal(of(json!({"insecure": true}), &ALL[..3]));
    assert!(
        told.contains(
            "policy Best, mode SignAndEncrypt; it offers Basic128Rsa15/SignAndEncrypt, Basic256Sha256/Sign, None/None"
        ),
        "{told}"
    );
    for weak in ["None", "Basic128Rsa15", "Basic256"] {
        assert!(refusal(of(json!({"policy": weak}), &ALL)).contains("insecure: true"));
    }
}

#[test]
fn what_is_dialled_and_told_is_as_it_is_configured() {
    let of = |endpoint_url: &str| {
        let found = chosen(&json!({"endpointUrl": endpoint_url}), offered(&ALL)).unwrap();
        (found.host, found.port, found.url)
    };
    assert_eq!(of("Configured"), ("plc".to_owned(), 4840, "opc.tcp://plc:4840/y".to_owned()));
    assert_eq!(of("Dial"), ("plc".to_owned(), 4840, "opc.tcp://inside:4841/x".to_owned()));
    assert_eq!(of("Advertised"), ("inside".to_owned(), 4841, "opc.tcp://inside:4841/x".to_owned()));
}

#[test]
fn of_several_the_one_that_takes_us_and_is_here() {
    let mut all = offered(&[(P::Basic256Sha256, Mode::SignAndEncrypt); 3]);
    all[1].endpoint_url = "opc.tcp://plc:4840/z".into();
    all[2].user_identity_tokens.as_mut().unwrap()[0].token_type = UserTokenType::UserName;
    let at = |more: Json| {
        let found = chosen(&more, all.clone()).unwrap().endpoint;
        all.iter().position(|one| *one == found)
    };
    assert_eq!(at(json!({})), Some(1));
    assert_eq!(at(json!({"identity": {"user": {"secret": "s"}}})), Some(2));
    let mut other = all.clone();
    other[0].server.application_uri = "urn:two".into();
    let found = chosen(&json!({"applicationUri": "urn:two"}), other.clone()).unwrap();
    assert_eq!(found.endpoint, other[0]);
    assert!(refusal(chosen(&json!({"applicationUri": "urn:three"}), other)).contains("ApplicationUri urn:three"));
}

#[test]
fn what_was_taken_away_from_the_offers_is_seen() {
    let told = |found: &[(P, Mode)], said: &[(P, Mode)]| {
        let found = chosen(&json!({}), offered(found)).unwrap();
        downgraded(&found, &offered(said))
    };
    assert_eq!(told(&ALL, &ALL), None);
    assert_eq!(told(&ALL, &ALL[6..]), None, "a server may say less of what does not concern this address");
    assert_eq!(told(&ALL, &[]), None, "or nothing");
    let less = told(&ALL[..5], &ALL).unwrap();
    assert!(less.contains("Aes256_Sha256_RsaPss"), "{less}");
    assert!(told(&ALL, &ALL[..5]).is_some(), "the one that was chosen is not there");
}
