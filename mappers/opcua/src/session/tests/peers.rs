//! Against servers of others.
use super::{proxy::Proxy, *};
use crate::peer::Peer;
use opcua::types::{Identifier, NodeId};
use pollux_crds::host_and_port;

fn counter(session: &Session, uri: &str, identifier: impl Into<Identifier>) -> Item {
    let node = NodeId { namespace: session.namespaces().index(uri).unwrap(), identifier: identifier.into() };
    Item {
        key: 1,
        node,
        range: NumericRange::None,
        interval: Duration::from_millis(50),
        queue: Some(100),
        deadband: None,
        each: false,
    }
}
/// A counter that is one more at each sample: cut five times, with answers swallowed before, no value is missing and none comes twice.
async fn cut_five_times(url: &str, uri: &str, identifier: impl Into<Identifier>, policy: &str) {
    let (host, port, path) = host_and_port(url).unwrap();
    let proxy = Proxy::to(&host, port).await;
    let security = if policy == "None" {
        json!({"policy": "None", "insecure": true})
    } else {
        json!({"policy": policy, "trust": {"onFirstUse": true}})
    };
    let dir = tempfile::tempdir().unwrap();
    let cx = Cx { state_dir: Some(dir.path().to_owned()), ..Cx::default() };
    let settings = settings(&format!("opc.tcp://127.0.0.1:{}{path}", proxy.port), &json!({"security": security}));
    let session = Arc::new(Session::connect(settings, &cx).await.unwrap());
    let (ear, run) = (Arc::new(Ear::default()), running(&session));
    let watched = watch(&session, &ear, vec![counter(&session, uri, identifier)]).await;
    assert!(matches!(watched[..], [Watched::Yes { .. }]), "{watched:?}");
    let before = session.epoch();
    for round in 1..=5 {
        let count = ear.values(1).len();
        ear.until("more", |_| ear.values(1).len() > count + 5).await;
        proxy.swallow(true);
        tokio::time::sleep(Duration::from_millis(300)).await;
        proxy.cut();
        proxy.swallow(false);
        ear.until("healed", |told| told.iter().filter(|one| **one == Told::Healed(true)).count() >= round).await;
    }
    let count = ear.values(1).len();
    ear.until("more", |_| ear.values(1).len() > count + 5).await;
    let values: Vec<f64> = ear.values(1).iter().filter_map(Variant::as_f64).collect();
    let gaps: Vec<_> = values.windows(2).filter(|pair| (pair[1] - pair[0] - 1.0).abs() > 0.1).collect();
    println!("{policy}: {} values, {gaps:?}, {:?}", values.len(), session.counters());
    assert!(gaps.is_empty(), "{gaps:?}");
    assert_eq!((session.counters().samples_lost, session.epoch()), (0, before));
    assert!(!run.is_finished());
    session.close().await;
}

#[tokio::test]
#[ignore = "needs asyncua"]
async fn asyncua_cut_and_nothing_is_lost() {
    let peer = Peer::asyncua(&[]);
    for policy in ["None", "Basic256Sha256", "Aes256_Sha256_RsaPss"] {
        cut_five_times(&peer.url(), "urn:test", "Counter", policy).await;
    }
}
#[tokio::test]
#[ignore = "needs open62541"]
async fn open62541_cut_and_nothing_is_lost() {
    let peer = Peer::open62541(&[]);
    for policy in ["None", "Basic256Sha256", "Aes256_Sha256_RsaPss"] {
        cut_five_times(&peer.url(), "urn:test", 1_u32, policy).await;
    }
}

/// A session over security that watches Counter.
async fn watching(url: &str, dir: &tempfile::TempDir) -> (Arc<Session>, Arc<Ear>, tokio::task::JoinHandle<Error>) {
    let cx = Cx { state_dir: Some(dir.path().to_owned()), ..Cx::default() };
    let more =
        json!({"security": {"policy": "Basic256Sha256", "trust": {"onFirstUse": true}}, "session": {"timeout": "10s"}});
    let session = Arc::new(Session::connect(settings(url, &more), &cx).await.unwrap());
    let (ear, run) = (Arc::new(Ear::default()), running(&session));
    let watched = watch(&session, &ear, vec![counter(&session, "urn:test", "Counter".to_owned())]).await;
    assert!(matches!(watched[..], [Watched::Yes { .. }]), "{watched:?}");
    ear.until("values", |_| ear.values(1).len() > 2).await;
    (session, ear, run)
}
async fn more(ear: &Ear) {
    let count = ear.values(1).len();
    ear.until("more", |_| ear.values(1).len() > count + 3).await;
}
/// Commands that take their time, while the session runs.
async fn say(peer: Peer, command: &'static str) -> Peer {
    let said = tokio::task::spawn_blocking(move || {
        let mut peer = peer;
        println!("{command}: {}", peer.command(command));
        peer
    });
    said.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs asyncua"]
async fn asyncua_restarted_with_other_indices_is_found_anew() {
    let (peer, dir) = (Peer::asyncua(&[]), tempfile::tempdir().unwrap());
    let (session, ear, run) = watching(&peer.url(), &dir).await;
    let before = session.namespaces().index("urn:test");
    let mut peer = peer;
    for (round, command) in [(1, "restart 1"), (2, "reorder 1")] {
        peer = say(peer, command).await;
        let healed = |told: &[Told]| told.iter().filter(|one| **one == Told::Healed(false)).count() == round;
        ear.until("healed", healed).await;
        let watched = watch(&session, &ear, vec![counter(&session, "urn:test", "Counter".to_owned())]).await;
        assert!(matches!(watched[..], [Watched::Yes { .. }]), "{watched:?}");
        more(&ear).await;
    }
    assert_ne!(session.namespaces().index("urn:test"), before);
    assert_eq!(session.epoch(), Epoch { session: 2, server: 2 });
    assert!(!run.is_finished());
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs asyncua"]
async fn asyncua_that_forgot_subscriptions_or_sessions_has_them_again() {
    let (peer, dir) = (Peer::asyncua(&[]), tempfile::tempdir().unwrap());
    let (session, ear, run) = watching(&peer.url(), &dir).await;
    let peer = say(peer, "drop-subscriptions").await;
    more(&ear).await;
    assert_eq!(session.epoch(), Epoch::default());
    let peer = say(peer, "drop-sessions").await;
    ear.until("healed", |told| told.contains(&Told::Healed(true))).await;
    more(&ear).await;
    assert_eq!(session.epoch(), Epoch { session: 1, server: 0 });
    let mut peer = say(peer, "sessions").await;
    assert_eq!(peer.command("sessions")["subscriptions"], 1);
    assert!(!run.is_finished());
    session.close().await;
    assert_eq!(peer.command("sessions")["sessions"], 0);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs asyncua"]
async fn asyncua_without_a_node_says_so_and_the_rest_goes_on() {
    let (peer, dir) = (Peer::asyncua(&[]), tempfile::tempdir().unwrap());
    let (session, ear, _run) = watching(&peer.url(), &dir).await;
    let speed = Item { key: 2, ..counter(&session, "urn:test", "Speed".to_owned()) };
    watch(&session, &ear, vec![speed]).await;
    ear.until("speed", |_| !ear.values(2).is_empty()).await;
    let _peer = say(peer, "delete Speed").await;
    ear.until("gone", |told| told.iter().any(|one| matches!(one, Told::Gone(2, _)))).await;
    more(&ear).await;
}

/// The session ends by its time-out while nothing comes through; its subscription does not, and what was sent meanwhile is fetched.
#[tokio::test]
#[ignore = "needs open62541"]
async fn open62541_session_timed_out_and_its_subscription_is_handed_on() {
    let peer = Peer::open62541(&[]);
    let (host, port, _) = host_and_port(&peer.url()).unwrap();
    let proxy = Proxy::to(&host, port).await;
    let dir = tempfile::tempdir().unwrap();
    let (session, ear, _run) = watching(&format!("opc.tcp://127.0.0.1:{}", proxy.port), &dir).await;
    proxy.refuse(true);
    proxy.cut();
    tokio::time::sleep(Duration::from_secs(14)).await;
    proxy.refuse(false);
    ear.until("healed", |told| told.contains(&Told::Healed(true))).await;
    more(&ear).await;
    println!("{:?} {:?} {:?}", session.epoch(), session.counters(), ear.values(1));
    assert_eq!(session.epoch(), Epoch { session: 1, server: 0 });
    session.close().await;
}
