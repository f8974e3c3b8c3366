//! Against foreign servers.
use super::{refusal, secrets, settings};
use crate::{
    error::{Error, Result},
    peer::Peer,
    security::{find, own},
    session::Session,
    wire::{Dial, Limits, ReadPlan, Sample, Wire},
};
use opcua::types::{AttributeId, NodeId, NumericRange, QualifiedName, ReadValueId, Variant};
use pollux_mapper::Cx;
use serde_json::{Value as Json, json};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};

const POLICIES: [&str; 3] = ["Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"];

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}
fn node(id: u32) -> ReadValueId {
    ReadValueId {
        node_id: NodeId::new(0, id),
        attribute_id: AttributeId::Value as u32,
        index_range: NumericRange::None,
        data_encoding: QualifiedName::null(),
    }
}
async fn read(wire: &Wire) -> Result<Vec<Sample>> {
    let mut samples = vec![];
    let plan = ReadPlan::new(&[node(2259), node(999_999)], 0.0, wire)?;
    plan.read(wire, soon(), |_, sample| samples.push(sample)).await?;
    Ok(samples)
}
/// All the way: endpoint, trust, channel, session, identity, and a Read of the server's state beside a node that is not there.
async fn state(peer: &Peer, more: &Json, cx: &Cx) -> Result<Vec<Sample>> {
    let session = Session::connect(Arc::new(settings(&peer.url(), more)), cx).await?;
    let samples = read(&*session.wire(soon()).await?).await;
    session.close().await;
    samples
}
fn is_read(samples: &[Sample], case: &str) {
    let read: Vec<_> = samples.iter().map(|one| (&one.value, one.status)).collect();
    assert_eq!(read[0], (&Variant::Int32(0), 0), "{case}");
    assert_eq!(read[1].1, 0x8034_0000, "{case}");
}
/// A user's certificate and key, as PEM.
fn user() -> (String, String) {
    let text = String::from_utf8(super::super::own::make().unwrap()).unwrap();
    let at = text.find("-----BEGIN PRIVATE KEY").unwrap();
    (text[..at].to_owned(), text[at..].to_owned())
}
fn users() -> Cx {
    let (cert, key) = user();
    secrets(&[
        ("d.alice.username", b"alice"),
        ("d.alice.password", b"secret\n"),
        ("d.mallory.username", b"alice"),
        ("d.mallory.password", b"guess"),
        ("d.x509.tls.crt", cert.as_bytes()),
        ("d.x509.tls.key", key.as_bytes()),
    ])
}

/// Every policy and mode that the server has, as everybody whom it takes; each with a password that is wrong, too.
async fn matrix(peer: &Peer) {
    let cx = users();
    let identities = [
        (json!(null), true),
        (json!({"user": {"secret": "d.alice"}}), true),
        (json!({"certificate": {"secret": "d.x509"}}), true),
        (json!({"user": {"secret": "d.mallory"}}), false),
    ];
    let trust = json!({"thumbprints": [peer.hello["thumbprint"]]});
    let mut ways = vec![json!({"policy": "None", "insecure": true, "trust": trust})];
    for policy in POLICIES {
        for mode in ["Sign", "SignAndEncrypt"] {
            ways.push(json!({"policy": policy, "mode": mode, "trust": trust}));
        }
    }
    for security in ways {
        for (identity, welcome) in &identities {
            let case = format!("{security} as {identity}");
            let samples = state(peer, &json!({"security": security, "identity": identity}), &cx).await;
            if *welcome {
                is_read(&samples.unwrap_or_else(|error| panic!("{case}: {error}")), &case);
            } else {
                let refused = refusal(samples);
                assert!(refused.contains("BadUserAccessDenied"), "{case}: {refused}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs asyncua"]
async fn asyncua_in_every_policy_and_mode_as_everybody() {
    matrix(&Peer::asyncua(&[])).await;
}
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs open62541"]
async fn open62541_in_every_policy_and_mode_as_everybody() {
    matrix(&Peer::open62541(&[])).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs asyncua"]
async fn asyncua_is_not_trusted_until_its_thumbprint_is_written() {
    let peer = Peer::asyncua(&[]);
    let cx = Cx::default();
    let told = refusal(state(&peer, &json!({}), &cx).await);
    let thumbprint = peer.hello["thumbprint"].as_str().unwrap();
    assert!(told.contains("is not trusted") && told.contains(thumbprint), "{told}");
    let other = json!({"security": {"trust": {"thumbprints": ["00".repeat(20)]}}});
    assert!(refusal(state(&peer, &other, &cx).await).contains(thumbprint));
    // The line that the text says.
    let line = told.split("thumbprints: [").nth(1).unwrap().split(']').next().unwrap();
    let trusted = json!({"security": {"trust": {"thumbprints": [line]}}});
    is_read(&state(&peer, &trusted, &cx).await.unwrap(), &told);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs asyncua"]
async fn asyncua_is_trusted_at_first_use_and_not_with_another_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let cx = Cx { state_dir: Some(folder.path().to_owned()), ..Cx::default() };
    let first_use = json!({"security": {"trust": {"onFirstUse": true}}});
    let peer = Peer::asyncua(&[]);
    for _ in 0..2 {
        is_read(&state(&peer, &first_use, &cx).await.unwrap(), "at first use, and after it");
    }
    let port = peer.hello["port"].to_string();
    drop(peer);
    let peer = Peer::asyncua_at(&port, &[]); // it makes its certificate anew
    let told = refusal(state(&peer, &first_use, &cx).await);
    assert!(told.contains("another certificate than at first use"), "{told}");
    let pin = told.split("remove ").nth(1).unwrap().split("; if not").next().unwrap();
    std::fs::remove_file(pin).unwrap();
    is_read(&state(&peer, &first_use, &cx).await.unwrap(), "as the text says");
    let told = refusal(state(&peer, &first_use, &Cx::default()).await);
    assert!(told.contains("state folder"), "{told}");
}

/// They are not promised; with `insecure` a machine of long ago is read all the same, and as who we are.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs open62541"]
async fn open62541_by_the_policies_of_long_ago() {
    let peer = Peer::open62541(&["deprecated=1"]);
    let cx = users();
    for policy in ["Basic256", "Basic128Rsa15"] {
        for identity in [json!(null), json!({"user": {"secret": "d.alice"}})] {
            let trust = json!({"thumbprints": [peer.hello["thumbprint"]]});
            let security = json!({"policy": policy, "insecure": true, "trust": trust});
            let case = format!("{policy} as {identity}");
            let samples = state(&peer, &json!({"security": security, "identity": identity}), &cx).await;
            is_read(&samples.unwrap_or_else(|error| panic!("{case}: {error}")), &case);
        }
    }
}

async fn is_not_trusted(peer: &Peer) {
    let folder = tempfile::tempdir().unwrap();
    let cx = Cx { state_dir: Some(folder.path().to_owned()), ..Cx::default() };
    let security = json!({"security": {"trust": {"thumbprints": [peer.hello["thumbprint"]]}}});
    let told = refusal(state(peer, &security, &cx).await);
    let own = own(&cx, &pollux_crds::OpcUaSecurity::default()).await.unwrap().unwrap();
    let words = format!("accept certificate {}", own.cert.thumbprint().as_hex_string());
    assert!(told.contains("the server does not trust us") && told.contains(&words), "{told}");
    assert!(told.contains(&own.uri), "{told}");
}
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs open62541"]
async fn open62541_does_not_trust_us() {
    is_not_trusted(&Peer::open62541(&["trust=none"])).await;
}
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs asyncua"]
async fn asyncua_does_not_trust_us() {
    let mut peer = Peer::asyncua(&[]);
    peer.command("trust none");
    is_not_trusted(&peer).await;
}

/// A token of two seconds, and of each policy: what is asked while it is renewed is answered.
async fn renewed(peer: &Peer) {
    for policy in POLICIES {
        let trust = json!({"thumbprints": [peer.hello["thumbprint"]]});
        let settings = settings(&peer.url(), &json!({"security": {"policy": policy, "trust": trust}}));
        let cx = Cx::default();
        let own = own(&cx, &settings.security).await.unwrap();
        let found = find(&settings, &cx, soon()).await.unwrap();
        let dial = Dial {
            host: &found.host,
            port: found.port,
            url: &found.url,
            endpoint: &found.endpoint,
            own: own.as_ref(),
            limits: Limits::default(),
            lifetime: Duration::from_secs(2),
            until: soon(),
        };
        let wire = Wire::open(&dial).await.unwrap();
        let end = Instant::now() + Duration::from_secs(5);
        let mut answered = 0;
        while Instant::now() < end {
            // Without a session it is refused, in the channel that it came by.
            assert!(matches!(read(&wire).await, Err(Error::Refused { .. })), "{policy}: after {answered}");
            answered += 1;
            sleep(Duration::from_millis(20)).await;
        }
        assert!(answered > 10 && !wire.is_dead(), "{policy}: {answered}");
    }
}
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs asyncua"]
async fn asyncua_renews_a_token_while_it_is_asked() {
    renewed(&Peer::asyncua(&[])).await;
}
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs open62541"]
async fn open62541_renews_a_token_while_it_is_asked() {
    renewed(&Peer::open62541(&[])).await;
}
