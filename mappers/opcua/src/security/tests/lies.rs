//! A session at a server, or at somebody in between, who says of endpoints and certificates what is not so; and what is in the log.
use super::{refusal, secrets, settings};
use crate::{
    error::Result,
    liar::{Heard, Liar, Say, World, identity},
    session::Session,
};
use opcua::{
    core::{RequestMessage, ResponseMessage, comms::tcp_types::ErrorMessage},
    crypto::SecurityPolicy,
    types::{
        ByteString, EndpointDescription, MessageSecurityMode, SimpleBinaryEncodable, StatusCode, UserNameIdentityToken,
        UserTokenType,
    },
};
use pollux_mapper::Cx;
use serde_json::{Value as Json, json};
use std::{
    fmt::Write,
    sync::{Arc, Mutex},
};
use tracing::{Event, Metadata, Subscriber, field::Visit, span};

const PASSWORD: &str = "correct horse battery staple";

type Bend = fn(&mut ResponseMessage);
/// Changes the answers to one service.
fn bent(service: &'static str, bend: Bend) -> impl FnMut(&Heard) -> Vec<Say> + Send + 'static {
    move |heard| {
        if heard.request.type_name() == service { vec![Say::Bent(Box::new(bend))] } else { vec![Say::Good] }
    }
}
async fn liar(script: impl FnMut(&Heard) -> Vec<Say> + Send + 'static) -> Liar {
    Liar::with(World::secured(), script).await
}
fn offers(answer: &mut ResponseMessage) -> &mut Vec<EndpointDescription> {
    match answer {
        ResponseMessage::GetEndpoints(answer) => answer.endpoints.get_or_insert_default(),
        ResponseMessage::CreateSession(answer) => answer.server_endpoints.get_or_insert_default(),
        other => panic!("{other:?}"),
    }
}
fn alice() -> Cx {
    secrets(&[("d.alice.username", b"alice"), ("d.alice.password", PASSWORD.as_bytes())])
}
async fn connect(liar: &Liar, mut security: Json, identity: &Json) -> Result<()> {
    security["trust"] = json!({"thumbprints": [identity_print()]});
    let settings = settings(&liar.url(), &json!({"security": security, "identity": identity}));
    let session = Session::connect(Arc::new(settings), &alice()).await?;
    session.close().await;
    Ok(())
}
fn identity_print() -> String {
    identity().0.thumbprint().as_hex_string()
}

#[tokio::test]
async fn an_honest_one_is_entered_as_everybody() {
    let liar = liar(|_| vec![Say::Good]).await;
    for identity in [json!(null), json!({"user": {"secret": "d.alice"}})] {
        for security in [json!({}), json!({"mode": "Sign"}), json!({"policy": "None", "insecure": true})] {
            connect(&liar, security, &identity).await.expect("entered");
        }
    }
}

#[tokio::test]
async fn the_better_offers_taken_away_on_the_way_are_missed() {
    let liar = liar(bent("GetEndpoints", |answer| {
        let best = SecurityPolicy::Aes256Sha256RsaPss.to_uri();
        offers(answer).retain(|one| one.security_policy_uri.as_ref() != best);
    }))
    .await;
    let told = refusal(connect(&liar, json!({}), &json!(null)).await);
    assert!(told.contains("Aes256_Sha256_RsaPss") && told.contains("in between"), "{told}");
}

#[tokio::test]
async fn who_cannot_prove_that_the_key_is_his_is_left() {
    let cases: [(Bend, &str); 4] = [
        (|answer| with(answer, |created| created.server_signature.signature = ByteString::from(vec![1; 256])), "prove"),
        (|answer| with(answer, |created| created.server_signature.signature = ByteString::null()), "prove"),
        (|answer| with(answer, |created| created.server_nonce = ByteString::from(vec![1; 31])), "nonce is too short"),
        (
            |answer| with(answer, |created| created.server_certificate = ByteString::from(vec![1])),
            "another certificate",
        ),
    ];
    for (bend, words) in cases {
        let liar = liar(bent("CreateSession", bend)).await;
        let told = refusal(connect(&liar, json!({}), &json!({"user": {"secret": "d.alice"}})).await);
        assert!(told.contains(words), "{words}: {told}");
        assert!(liar.heard_of("ActivateSession").is_empty(), "{words}: it is not told who we are");
        assert_eq!(liar.world().counts().0, 0, "{words}: what it made is closed");
    }
}

/// Whoever answers once, with any certificate, would keep the true one out.
#[tokio::test]
async fn what_is_trusted_at_first_use_is_kept_once_it_is_proven() {
    let forged: Bend = |answer| with(answer, |created| created.server_signature.signature = ByteString::null());
    for (bend, enters) in [(forged, false), (|_| (), true)] as [(Bend, bool); 2] {
        let liar = liar(bent("CreateSession", bend)).await;
        let folder = tempfile::tempdir().unwrap();
        let cx = Cx { state_dir: Some(folder.path().to_owned()), ..Cx::default() };
        let settings = settings(&liar.url(), &json!({"security": {"trust": {"onFirstUse": true}}}));
        let session = Session::connect(Arc::new(settings), &cx).await;
        assert_eq!(session.is_ok(), enters, "{session:?}");
        let kept = std::fs::read_dir(folder.path().join("opcua-servers")).map_or(0, Iterator::count);
        assert_eq!(kept, usize::from(enters));
    }
}

/// Without a policy nobody signs, and a password would go to whoever answers.
#[tokio::test]
async fn nobody_is_trusted_at_first_use_where_nothing_is_proven() {
    let liar = liar(|_| vec![Say::Good]).await;
    let folder = tempfile::tempdir().unwrap();
    let cx = Cx { state_dir: Some(folder.path().to_owned()), ..alice() };
    let enter = async |mut security: Json| {
        security["trust"] = json!({"onFirstUse": true});
        let more = json!({"security": security, "identity": {"user": {"secret": "d.alice"}}});
        let session = Session::connect(Arc::new(settings(&liar.url(), &more)), &cx).await?;
        session.close().await;
        Ok::<(), crate::error::Error>(())
    };
    let open = json!({"policy": "None", "insecure": true});
    let told = refusal(enter(open.clone()).await);
    assert!(told.contains("policy None proves nothing") && told.contains("thumbprints: ["), "{told}");
    assert!(liar.heard_of("ActivateSession").is_empty(), "the password is not sent");
    assert!(!folder.path().join("opcua-servers").exists(), "nothing is kept");
    // Once it is proven, it is known.
    enter(json!({})).await.expect("entered");
    enter(open).await.expect("entered");
}

#[tokio::test]
async fn who_is_not_let_in_is_told_which_secret_says_who_he_is() {
    let pem = String::from_utf8(super::super::own::make().unwrap()).unwrap();
    let (cert, key) = pem.split_at(pem.find("-----BEGIN PRIVATE KEY").unwrap());
    for code in
        [StatusCode::BadUserAccessDenied, StatusCode::BadIdentityTokenRejected, StatusCode::BadIdentityTokenInvalid]
    {
        for (identity, words) in [
            (json!({"user": {"secret": "d.alice"}}), "username and password of Secret d/alice"),
            (json!({"certificate": {"secret": "d.x509"}}), "tls.crt of Secret d/x509"),
            (json!(null), "set identity"),
        ] {
            let liar = liar(move |heard| match heard.request.type_name() {
                "ActivateSession" => vec![Say::Fault(code)],
                _ => vec![Say::Good],
            })
            .await;
            let security = json!({"trust": {"thumbprints": [identity_print()]}});
            let settings = settings(&liar.url(), &json!({"security": security, "identity": identity}));
            let mut cx = alice();
            cx.secrets.insert("d.x509.tls.crt".to_owned(), cert.as_bytes().to_vec());
            cx.secrets.insert("d.x509.tls.key".to_owned(), key.as_bytes().to_vec());
            let told = refusal(Session::connect(Arc::new(settings), &cx).await);
            assert!(told.contains(words) && told.contains(&format!("ActivateSession: {code}")), "{told}");
        }
    }
}
fn with(answer: &mut ResponseMessage, change: fn(&mut opcua::types::CreateSessionResponse)) {
    match answer {
        ResponseMessage::CreateSession(created) => change(created),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_password_is_not_sent_where_somebody_would_read_it() {
    // Offers in which a password need not be encrypted.
    let readable = |answer: &mut ResponseMessage| users_by(answer, SecurityPolicy::None);
    // Offers in which it is encrypted for somebody else.
    let his = |answer: &mut ResponseMessage| {
        let other = crate::liar::certificate("urn:liar").0.as_byte_string();
        for one in offers(answer) {
            one.server_certificate = other.clone();
        }
    };
    let user = json!({"user": {"secret": "d.alice"}});
    let open = json!({"policy": "None", "insecure": true});
    let cases: [(Bend, _, _); 4] = [
        (readable, open.clone(), "it is not sent"),
        (readable, json!({"mode": "Sign"}), "it is not sent"),
        (his, open, "is not trusted"),
        (his, json!({}), "is not trusted"),
    ];
    for (bend, security, words) in cases {
        // By the server's own word, signed or not.
        let liar = liar(move |heard| match heard.request.type_name() {
            "GetEndpoints" | "CreateSession" => vec![Say::Bent(Box::new(bend))],
            _ => vec![Say::Good],
        })
        .await;
        let told = refusal(connect(&liar, security.clone(), &user).await);
        assert!(told.contains(words), "{security}: {told}");
        assert!(liar.heard_of("ActivateSession").is_empty(), "{security}");
    }
}
fn users_by(answer: &mut ResponseMessage, policy: SecurityPolicy) {
    for token in offers(answer).iter_mut().flat_map(|one| one.user_identity_tokens.iter_mut().flatten()) {
        if token.token_type == UserTokenType::UserName {
            token.security_policy_uri = policy.to_uri().into();
        }
    }
}

#[tokio::test]
async fn how_a_password_is_encrypted_is_what_the_server_signed() {
    let cases: [Bend; 2] =
        [|answer| users_by(answer, SecurityPolicy::None), |answer| users_by(answer, SecurityPolicy::Basic128Rsa15)];
    for bend in cases {
        let liar = liar(bent("GetEndpoints", bend)).await;
        let security = json!({"mode": "Sign", "insecure": true});
        connect(&liar, security, &json!({"user": {"secret": "d.alice"}})).await.expect("entered");
        let activated = liar.heard_of("ActivateSession");
        let Some(RequestMessage::ActivateSession(sent)) = activated.first().map(|heard| &heard.request) else {
            panic!("{activated:?}")
        };
        let user = sent.user_identity_token.inner_as::<UserNameIdentityToken>().unwrap();
        assert_eq!(user.encryption_algorithm.as_ref(), "http://www.w3.org/2001/04/xmlenc#rsa-oaep");
    }
}

#[tokio::test]
async fn what_is_offered_must_be_usable() {
    let cases: [(Bend, &str); 4] = [
        (|answer| offers(answer).clear(), "it offers none at all"),
        (|answer| offers(answer).retain(|one| one.security_mode == MessageSecurityMode::None), "it offers None/None"),
        (
            |answer| offers(answer).iter_mut().for_each(|one| one.server_certificate = ByteString::null()),
            "no certificate",
        ),
        (
            |answer| offers(answer).iter_mut().for_each(|one| one.server.application_uri = "urn:another".into()),
            "its ApplicationUri is urn:another, and its certificate says urn:liar",
        ),
    ];
    for (bend, words) in cases {
        let liar = liar(bent("GetEndpoints", bend)).await;
        let told = refusal(connect(&liar, json!({}), &json!(null)).await);
        assert!(told.contains(words), "{words}: {told}");
    }
}

/// It is trusted as its first certificate is; what cannot be done with it yet is said, and nothing hangs.
#[tokio::test]
async fn a_chain_is_refused_in_words() {
    let liar = liar(bent("GetEndpoints", |answer| {
        for one in offers(answer) {
            let own = one.server_certificate.as_ref();
            one.server_certificate = ByteString::from([own, own].concat());
        }
    }))
    .await;
    let told = refusal(connect(&liar, json!({}), &json!(null)).await);
    assert!(told.contains("a chain of certificates"), "{told}");
}

#[tokio::test]
async fn a_server_that_does_not_trust_us_is_told_so_with_what_to_accept() {
    let refused = |code: StatusCode| {
        let message = ErrorMessage::new(code, "rejected");
        Say::Frame(SimpleBinaryEncodable::encode_to_vec(&message))
    };
    for (service, way) in
        [("OpenSecureChannel", 0), ("OpenSecureChannel", 1), ("CreateSession", 2), ("CreateSession", 1)]
    {
        let liar = liar(move |heard: &Heard| {
            let secured = match &heard.request {
                RequestMessage::OpenSecureChannel(open) => open.security_mode != MessageSecurityMode::None,
                _ => true,
            };
            match (heard.request.type_name() == service && secured, way) {
                (false, _) => vec![Say::Good],
                (true, 0) => vec![Say::Close],
                (true, 1) => vec![refused(StatusCode::BadSecurityChecksFailed)],
                (true, _) => vec![Say::Fault(StatusCode::BadCertificateUntrusted)],
            }
        })
        .await;
        let told = refusal(connect(&liar, json!({}), &json!(null)).await);
        assert!(told.contains("accept certificate") && told.contains("ApplicationUri urn:"), "{service} {way}: {told}");
    }
    // What is no matter of trust stays as it is.
    let liar = liar(|heard: &Heard| match heard.request.type_name() {
        "CreateSession" => vec![Say::Fault(StatusCode::BadTooManySessions)],
        _ => vec![Say::Good],
    })
    .await;
    assert_eq!(refusal(connect(&liar, json!({}), &json!(null)).await), "CreateSession: BadTooManySessions");
}

/// All that is logged by us, whatever the level. (What async-opcua logs is dropped by the SDK, with a test of its own.)
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);
impl Visit for Log {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        write!(self.0.lock().unwrap(), "{}={value:?} ", field.name()).unwrap();
    }
}
impl Subscriber for Log {
    fn enabled(&self, of: &Metadata<'_>) -> bool {
        !of.target().starts_with("opcua")
    }
    fn new_span(&self, of: &span::Attributes<'_>) -> span::Id {
        of.record(&mut self.clone());
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, of: &span::Record<'_>) {
        of.record(&mut self.clone());
    }
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[tokio::test]
async fn neither_keys_nor_passwords_are_in_the_log() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let log = Log::default();
    let logged = tracing::subscriber::set_default(log.clone());
    let liar = liar(|_| vec![Say::Good]).await;
    let key = super::made::rsa();
    let app = super::made::alone(&super::made::server());
    let pem =
        |label: &str, der: &[u8]| format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der));
    let mut cx = alice();
    cx.secrets.insert("d.app.tls.crt".to_owned(), pem("CERTIFICATE", &app).into_bytes());
    cx.secrets.insert("d.app.tls.key".to_owned(), pem("PRIVATE KEY", key).into_bytes());
    for (trust, enters) in [(identity_print(), true), ("00".repeat(20), false)] {
        let security = json!({"certificate": {"secret": "d.app"}, "trust": {"thumbprints": [trust]}});
        let settings =
            settings(&liar.url(), &json!({"security": security, "identity": {"user": {"secret": "d.alice"}}}));
        tracing::info!(?cx, ?settings, "as somebody may log it");
        match Session::connect(Arc::new(settings), &cx).await {
            Ok(session) => {
                assert!(enters);
                tracing::info!(?session, "entered");
                session.close().await;
            }
            Err(error) => tracing::info!(%error, ?error, enters, "refused"),
        }
    }
    drop(logged);
    let log = log.0.lock().unwrap();
    assert!(log.contains("as somebody may log it") && log.contains("refused"), "{log}");
    let part = key.get(key.len() / 2..).and_then(|rest| rest.get(..12)).unwrap();
    let hex = super::super::certificate::hex(part);
    let listed = format!("{part:?}");
    let middle = &STANDARD.encode(key)[400..440];
    for secret in [PASSWORD, &hex, listed.trim_matches(['[', ']']), middle] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}
