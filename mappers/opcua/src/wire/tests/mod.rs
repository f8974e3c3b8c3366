//! One connection against a server that lies.
mod acknowledge;
mod bounds;
mod frames;
mod fuzz;
mod hostile;
mod malformed;
mod many;
mod published;
mod renewal;
mod secured;

use super::{Dial, Limits, Own, ReadPlan, Wire};
use crate::{
    error::Result,
    liar::{Heard, Liar, PATIENCE, Say, World, certificate, identity},
};
use opcua::{
    crypto::SecurityPolicy,
    types::{ByteString, EndpointDescription, MessageSecurityMode, NodeId, ReadValueId, Variant},
};
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::time::Instant;

pub(super) fn until() -> Instant {
    Instant::now() + PATIENCE
}
/// A liar that answers without a session.
pub(super) async fn liar(script: impl FnMut(&Heard) -> Vec<Say> + Send + 'static) -> Liar {
    Liar::with(World { sessions: false, ..World::plant() }, script).await
}
/// A script for one service; all others are answered honestly.
pub(super) fn to(
    service: &'static str,
    mut says: impl FnMut(&Heard) -> Vec<Say> + Send,
) -> impl FnMut(&Heard) -> Vec<Say> + Send {
    move |heard| if heard.request.type_name() == service { says(heard) } else { vec![Say::Good] }
}
/// The same with every policy.
pub(super) async fn secured_liar(script: impl FnMut(&Heard) -> Vec<Say> + Send + 'static) -> Liar {
    Liar::with(World { sessions: false, ..World::secured() }, script).await
}
/// Our certificate, made once.
pub(super) fn own() -> &'static Arc<Own> {
    static MADE: OnceLock<Arc<Own>> = OnceLock::new();
    MADE.get_or_init(|| {
        let (cert, key) = certificate("urn:pollux:test");
        Arc::new(Own { blob: cert.as_byte_string(), cert, key, uri: "urn:pollux:test".to_owned() })
    })
}
/// How a channel is opened.
pub(super) struct How {
    pub(super) policy: SecurityPolicy,
    pub(super) mode: MessageSecurityMode,
    pub(super) limits: Limits,
    pub(super) lifetime: Duration,
    pub(super) until: Instant,
    pub(super) server: ByteString,
}
impl How {
    pub(super) fn plain() -> Self {
        Self {
            policy: SecurityPolicy::None,
            mode: MessageSecurityMode::None,
            limits: Limits::default(),
            lifetime: Duration::from_mins(1),
            until: until(),
            server: ByteString::null(),
        }
    }
    pub(super) fn secured(mode: MessageSecurityMode) -> Self {
        let server = identity().0.as_byte_string();
        Self { policy: SecurityPolicy::Basic256Sha256, mode, server, ..Self::plain() }
    }
    pub(super) async fn open(self, liar: &Liar) -> Result<Wire> {
        let endpoint = EndpointDescription {
            security_mode: self.mode,
            security_policy_uri: self.policy.to_uri().into(),
            server_certificate: self.server,
            ..EndpointDescription::default()
        };
        let (host, port) = (liar.address.ip().to_string(), liar.address.port());
        Wire::open(&Dial {
            host: &host,
            port,
            url: &liar.url(),
            endpoint: &endpoint,
            own: (self.policy != SecurityPolicy::None).then(own),
            limits: self.limits,
            lifetime: self.lifetime,
            until: self.until,
        })
        .await
    }
}
pub(super) async fn open(liar: &Liar) -> Result<Wire> {
    How::plain().open(liar).await
}
/// Why it ended, which must not take for ever.
pub(super) async fn ended(wire: &Wire) -> crate::error::Error {
    tokio::time::timeout(PATIENCE, wire.ended()).await.expect("it ends")
}
pub(super) fn values(names: &[&str]) -> Vec<ReadValueId> {
    names.iter().map(|name| ReadValueId::new_value(World::id(name))).collect()
}
pub(super) async fn read(wire: &Wire, nodes: &[ReadValueId]) -> Result<Vec<Variant>> {
    let mut out = vec![];
    ReadPlan::new(nodes, 0.0, wire)?.read(wire, until(), |_, sample| out.push(sample.value)).await?;
    Ok(out)
}
/// A large array in the world, as a string of so many bytes.
pub(super) fn long(liar: &Liar, bytes: usize) -> NodeId {
    liar.world().add("Long", "x".repeat(bytes));
    World::id("Long")
}

/// A name of two addresses, of which the first answers nothing.
#[tokio::test]
async fn an_address_that_swallows_everything_leaves_time_for_the_next() {
    let hole = tokio::net::TcpSocket::new_v4().expect("a socket");
    hole.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let hole = hole.listen(1).expect("it listens, and takes nobody");
    let nowhere = hole.local_addr().expect("bound");
    let mut waiting = vec![]; // until there is no room for more
    while let Ok(connected) =
        tokio::time::timeout(Duration::from_millis(300), tokio::net::TcpStream::connect(nowhere)).await
    {
        waiting.push(connected.expect("it waits to be taken"));
    }
    let liar = liar(|_| vec![Say::Good]).await;
    let end = Instant::now() + Duration::from_secs(4);
    let addresses = [nowhere, liar.address];
    let connected = super::dial::connect(&addresses, end);
    let stream = tokio::time::timeout_at(end - Duration::from_secs(1), connected).await.expect("time is left");
    assert_eq!(stream.expect("connected").peer_addr().expect("connected"), liar.address);
    assert!(super::dial::connect(&[], until()).await.is_err());
}
