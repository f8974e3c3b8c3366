//! One connection against a server that lies.
mod frames;
mod hostile;

use super::{Dial, Limits, ReadPlan, Wire};
use crate::{
    error::Result,
    liar::{Heard, Liar, PATIENCE, Say, World},
};
use opcua::{
    crypto::SecurityPolicy,
    types::{ByteString, EndpointDescription, MessageSecurityMode, NodeId, ReadValueId, Variant},
};
use std::time::Duration;
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
pub(super) async fn open(liar: &Liar) -> Result<Wire> {
    open_with(liar, Limits::default(), Duration::from_mins(1)).await
}
pub(super) async fn open_with(liar: &Liar, limits: Limits, lifetime: Duration) -> Result<Wire> {
    let endpoint = EndpointDescription {
        security_mode: MessageSecurityMode::None,
        security_policy_uri: SecurityPolicy::None.to_uri().into(),
        server_certificate: ByteString::null(),
        ..EndpointDescription::default()
    };
    let (host, port) = (liar.address.ip().to_string(), liar.address.port());
    Wire::open(&Dial {
        host: &host,
        port,
        url: &liar.url(),
        endpoint: &endpoint,
        own: None,
        limits,
        lifetime,
        until: until(),
    })
    .await
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
