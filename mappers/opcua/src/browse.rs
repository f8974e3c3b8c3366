//! References and attributes of many nodes, in requests as large as the server takes (Part 4, 5.9.2, 5.9.3 and 5.11.2).
use crate::{
    error::{Code, Error, Result},
    limits::{Operation, in_parts},
    session::Session,
};
use opcua::types::{
    AttributeId, BrowseDescription, BrowseDirection, BrowseNextRequest, BrowseRequest, BrowseResult, BrowseResultMask,
    ByteString, DataValue, NodeId, ReadRequest, ReadValueId, ReferenceDescription, ReferenceTypeId, StatusCode,
    TimestampsToReturn, ViewDescription,
};
use pollux_mapper::Instant;

/// References of one node, at most: a server could go on for ever.
const MOST: usize = 100_000;
/// References of one node in one answer.
const AT_ONCE: u32 = 1000;

/// References of a node, or why it has none to show.
pub(crate) type References = std::result::Result<Vec<ReferenceDescription>, Code>;

/// A node, and which of its references are wanted, subtypes of that kind too.
pub(crate) fn along(node: &NodeId, kind: ReferenceTypeId, direction: BrowseDirection) -> BrowseDescription {
    BrowseDescription {
        node_id: node.clone(),
        browse_direction: direction,
        reference_type_id: kind.into(),
        include_subtypes: true,
        node_class_mask: 0,
        result_mask: BrowseResultMask::All as u32,
    }
}

/// What each of them leads to, whole; one for each, in order. Nodes at other servers are left out.
pub(crate) async fn browse(session: &Session, asked: &[BrowseDescription], until: Instant) -> Result<Vec<References>> {
    let results = in_parts(session.limits(), Operation::Browse, asked, |part| first(session, part, until)).await?;
    let mut all = Vec::with_capacity(results.len());
    for (result, description) in results.into_iter().zip(asked) {
        let crowded = result.status_code == StatusCode::BadNoContinuationPoints;
        // The server had too many half-told answers: this one by itself.
        let again = if crowded { first(session, vec![description.clone()], until).await? } else { vec![] };
        let result = again.into_iter().next().unwrap_or(result);
        all.push(whole(session, result, until).await?);
    }
    Ok(all)
}

async fn first(session: &Session, part: Vec<BrowseDescription>, until: Instant) -> Result<Vec<BrowseResult>> {
    let wire = session.wire(until).await?;
    let request = BrowseRequest {
        request_header: wire.header(until),
        view: ViewDescription::default(),
        requested_max_references_per_node: AT_ONCE,
        nodes_to_browse: Some(part),
    };
    Ok(wire.call(request, until).await?.results.unwrap_or_default())
}

/// The rest of an answer, as long as the server has more of it.
async fn whole(session: &Session, mut result: BrowseResult, until: Instant) -> Result<References> {
    let mut all = vec![];
    loop {
        let code = Code::from(result.status_code);
        if code.is_bad() {
            return Ok(Err(code));
        }
        let local = |one: &ReferenceDescription| one.node_id.server_index == 0 && one.node_id.namespace_uri.is_null();
        let more: Vec<_> = result.references.unwrap_or_default().into_iter().filter(local).collect();
        let nothing = more.is_empty();
        all.extend(more);
        if result.continuation_point.is_null_or_empty() {
            return Ok(Ok(all));
        }
        let enough = nothing || all.len() > MOST;
        let next = next(session, result.continuation_point, enough, until).await?;
        if enough {
            return Ok(Err(Code::from(StatusCode::BadTooManyOperations)));
        }
        result = next.ok_or(Error::Miscounted { service: "BrowseNext", results: 0, asked: 1 })?;
    }
}

async fn next(session: &Session, point: ByteString, release: bool, until: Instant) -> Result<Option<BrowseResult>> {
    let wire = session.wire(until).await?;
    let request = BrowseNextRequest {
        request_header: wire.header(until),
        release_continuation_points: release,
        continuation_points: Some(vec![point]),
    };
    Ok(wire.call(request, until).await?.results.unwrap_or_default().into_iter().next())
}

/// An attribute of a node.
pub(crate) fn attribute(node: &NodeId, attribute: AttributeId) -> ReadValueId {
    ReadValueId { node_id: node.clone(), attribute_id: attribute as u32, ..ReadValueId::default() }
}

/// Attributes, one answer for each, in order, with the time of the source.
pub(crate) async fn read(session: &Session, asked: &[ReadValueId], until: Instant) -> Result<Vec<DataValue>> {
    let send = |part: Vec<ReadValueId>| async move {
        let wire = session.wire(until).await?;
        let request = ReadRequest {
            request_header: wire.header(until),
            max_age: 0.0,
            timestamps_to_return: TimestampsToReturn::Source,
            nodes_to_read: Some(part),
        };
        Ok(wire.call(request, until).await?.results.unwrap_or_default())
    };
    in_parts(session.limits(), Operation::Read, asked, send).await
}
