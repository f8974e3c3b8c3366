//! What a server says of itself, once for each session: its namespaces, since when it runs, and how much it takes (Part 5, 6.3).
use crate::{
    error::Result,
    limits::{Learned, Operation, in_parts},
    session::Namespaces,
    wire::Wire,
};
use opcua::types::{DateTime, NodeId, ReadRequest, ReadValueId, TimestampsToReturn, VariableId, Variant};
use std::sync::Arc;
use tokio::time::Instant;

/// What a server says of itself.
#[derive(Debug, Default)]
pub(super) struct About {
    pub(super) namespaces: Arc<Namespaces>,
    /// Since when it runs; another moment is another run of it. None: it does not say.
    pub(super) started: Option<DateTime>,
}

impl About {
    /// Asks for all of it. What it does not say is no error.
    pub(super) async fn ask(wire: &Wire, limits: &Learned, until: Instant) -> Result<Self> {
        // By itself, so that the next request is not refused for its size already.
        let most = values(wire, limits, &[Operation::Read.node()], until).await?;
        if let Some(Variant::UInt32(most)) = most.first() {
            limits.server_says(Operation::Read, *most);
        }
        let mut nodes = vec![VariableId::Server_NamespaceArray, VariableId::Server_ServerStatus_StartTime];
        nodes.extend(Operation::ALL.map(Operation::node));
        let mut said = values(wire, limits, &nodes, until).await?.into_iter();
        let namespaces = said.next().map(|array| Arc::new(Namespaces::of(&array))).unwrap_or_default();
        let started = match said.next() {
            Some(Variant::DateTime(started)) => Some(*started),
            _ => None,
        };
        for (operation, most) in Operation::ALL.into_iter().zip(said) {
            if let Variant::UInt32(most) = most {
                limits.server_says(operation, most);
            }
        }
        Ok(Self { namespaces, started })
    }
}

/// Values of variables of the standard; empty where there is none.
async fn values(wire: &Wire, limits: &Learned, nodes: &[VariableId], until: Instant) -> Result<Vec<Variant>> {
    let nodes: Vec<ReadValueId> = nodes.iter().map(|node| ReadValueId::new_value(NodeId::from(*node))).collect();
    in_parts(limits, Operation::Read, &nodes, |part| async move {
        let request = ReadRequest {
            request_header: wire.header(until),
            max_age: 0.0,
            timestamps_to_return: TimestampsToReturn::Neither,
            nodes_to_read: Some(part),
        };
        let results = wire.call(request, until).await?.results.unwrap_or_default();
        Ok(results.into_iter().map(|result| result.value.unwrap_or_default()).collect())
    })
    .await
}
