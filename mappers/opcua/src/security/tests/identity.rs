//! Who we are, and that a password is never readable.
use super::{
    super::identity::{Identity, Server, token},
    made::{self, alone, rsa, server},
    refusal, secrets, settings,
};
use opcua::{
    crypto::{PrivateKey, SecurityPolicy, X509, legacy_decrypt_secret, random},
    types::{ByteString, MessageSecurityMode as Mode, UserNameIdentityToken, UserTokenPolicy, UserTokenType},
};
use serde_json::json;

const PASSWORD: &str = "correct horse battery staple";

fn offered(tokens: &[(UserTokenType, &str)], mode: Mode) -> Server {
    let der = alone(&server());
    let token = |(at, (token_type, uri)): (usize, &(UserTokenType, &str))| UserTokenPolicy {
        policy_id: format!("{at}").into(),
        token_type: *token_type,
        security_policy_uri: (*uri).into(),
        ..UserTokenPolicy::default()
    };
    Server {
        blob: ByteString::from(der.as_slice()),
        cert: X509::from_der(&der).ok(),
        tokens: tokens.iter().enumerate().map(token).collect(),
        mode,
        insecure: false,
    }
}

/// Each policy and mode of the channel with each policy of the token: what is sent is encrypted for the server, or is inside of what is
/// encrypted, or nothing is sent.
#[test]
fn a_password_is_never_readable() {
    let key = PrivateKey::from_pem(made::key(rsa()).serialize_pem().as_bytes()).unwrap();
    let nonce = random::byte_string(32);
    let user = Identity::User("alice".to_owned(), PASSWORD.to_owned());
    let open = SecurityPolicy::None;
    let secure =
        [SecurityPolicy::Basic256Sha256, SecurityPolicy::Aes128Sha256RsaOaep, SecurityPolicy::Aes256Sha256RsaPss];
    let mut channels = vec![(open, Mode::None)];
    channels.extend(secure.iter().flat_map(|policy| [(*policy, Mode::Sign), (*policy, Mode::SignAndEncrypt)]));
    let mut told = 0;
    for (policy, mode) in channels {
        for of_token in [open].iter().chain(&secure).map(SecurityPolicy::to_uri).chain([""]) {
            let server = offered(&[(UserTokenType::UserName, of_token)], mode);
            let case = format!("{policy:?} {mode:?} {of_token:?}");
            let clear = of_token == open.to_uri() || (of_token.is_empty() && policy == open);
            match token(&user, &server, policy, &nonce) {
                Err(error) => {
                    assert!(clear && mode != Mode::SignAndEncrypt, "{case}: {error}");
                    assert!(!error.to_string().contains(PASSWORD));
                    told += 1;
                }
                Ok((token, _)) => {
                    let token = token.inner_as::<UserNameIdentityToken>().unwrap();
                    let seen = token.password.as_ref().windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes());
                    assert_eq!(seen, clear, "{case}");
                    assert!(!seen || mode == Mode::SignAndEncrypt, "{case}");
                    let read = legacy_decrypt_secret(token, nonce.as_ref(), &key).unwrap();
                    assert_eq!(read.as_ref(), PASSWORD.as_bytes(), "{case}");
                }
            }
        }
    }
    assert_eq!(told, 5, "None with none of its own or None, and three times Sign with None");
}
#[test]
fn the_strongest_token_policy_is_taken_and_an_unknown_one_never() {
    let uris = [
        "http://opcfoundation.org/UA/SecurityPolicy#ECC_nistP256",
        SecurityPolicy::Basic256.to_uri(),
        SecurityPolicy::Aes256Sha256RsaPss.to_uri(),
        SecurityPolicy::Basic256Sha256.to_uri(),
    ];
    let tokens: Vec<_> = uris.iter().map(|uri| (UserTokenType::UserName, *uri)).collect();
    let server = offered(&tokens, Mode::None);
    let user = Identity::User("alice".to_owned(), PASSWORD.to_owned());
    let nonce = random::byte_string(32);
    let (taken, _) = token(&user, &server, SecurityPolicy::None, &nonce).unwrap();
    assert_eq!(taken.inner_as::<UserNameIdentityToken>().unwrap().policy_id.as_ref(), "2");

    let only = offered(&tokens[..1], Mode::None);
    let told = refusal(token(&user, &only, SecurityPolicy::None, &nonce).map(|_| ()));
    assert!(told.contains("takes no users with a password"), "{told}");
    let told = refusal(token(&Identity::Anonymous, &server, SecurityPolicy::None, &nonce).map(|_| ()));
    assert!(told.contains("set identity"), "{told}");
}

/// Basic128Rsa15 rests on a padding that is broken: who listens can have it decrypted.
#[test]
fn a_deprecated_token_policy_needs_insecure() {
    let (policy, nonce) = (SecurityPolicy::Basic256Sha256, random::byte_string(32));
    let user = Identity::User("alice".to_owned(), PASSWORD.to_owned());
    for weak in [SecurityPolicy::Basic128Rsa15, SecurityPolicy::Basic256] {
        let mut server = offered(&[(UserTokenType::UserName, weak.to_uri())], Mode::Sign);
        let told = refusal(token(&user, &server, policy, &nonce).map(|_| ()));
        assert!(told.contains("insecure: true"), "{told}");
        server.insecure = true;
        token(&user, &server, policy, &nonce).expect("it is wanted so");
        let anonymous = offered(&[(UserTokenType::Anonymous, weak.to_uri())], Mode::Sign);
        token(&Identity::Anonymous, &anonymous, policy, &nonce).expect("there is nothing to encrypt");
    }
}

#[test]
fn who_we_are_comes_from_its_secret_and_is_not_shown() {
    let settings = |identity| settings("opc.tcp://plc", &json!({"identity": identity}));
    let user = settings(json!({"user": {"secret": "d.alice"}}));
    let cx = secrets(&[("d.alice.username", b"alice"), ("d.alice.password", b"geheim\r\n")]);
    let identity = Identity::of(&user, &cx).unwrap();
    assert!(
        matches!(&identity, Identity::User(name, password) if (name.as_str(), password.as_str()) == ("alice", "geheim"))
    );
    assert_eq!(format!("{identity:?}"), "user alice");
    let told = |cx| refusal(Identity::of(&user, &cx));
    assert_eq!(told(secrets(&[("d.alice.username", b"alice")])), "Secret d/alice: password is not there");
    assert_eq!(told(secrets(&[("d.alice.username", b"")])), "Secret d/alice: username is empty");
    let own = settings(json!({"certificate": {"secret": "d.x"}}));
    assert_eq!(refusal(Identity::of(&own, &secrets(&[]))), "Secret d/x: tls.crt is not there");
}
