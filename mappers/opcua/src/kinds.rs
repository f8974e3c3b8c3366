//! Types of variables and arguments, as far as they are built in.
use crate::{
    error::{Code, Result},
    limits::{Operation, in_parts},
    session::Session,
    types::{Definitions, Kind, NodeType},
};
use opcua::types::{
    AttributeId, DataValue, NodeId, ReadRequest, ReadValueId, StatusCode, TimestampsToReturn, Variant,
    VariantScalarTypeId,
};
use pollux_mapper::{Instant, PointFault};

/// All that an access level allows; where a server does not say.
const ANY: u8 = 3;

/// What each variable's values are.
pub(crate) async fn node_types(
    session: &Session,
    nodes: &[NodeId],
    until: Instant,
) -> Result<Vec<std::result::Result<NodeType, PointFault>>> {
    let attributes = [AttributeId::DataType, AttributeId::ValueRank, AttributeId::UserAccessLevel];
    let of = |node: &NodeId| {
        let node_id = node.clone();
        attributes.map(|attribute| ReadValueId {
            node_id: node_id.clone(),
            attribute_id: attribute as u32,
            ..ReadValueId::default()
        })
    };
    let asked: Vec<ReadValueId> = nodes.iter().flat_map(of).collect();
    let send = |part: Vec<ReadValueId>| async move {
        let wire = session.wire(until).await?;
        let request = ReadRequest {
            request_header: wire.header(until),
            max_age: 0.0,
            timestamps_to_return: TimestampsToReturn::Neither,
            nodes_to_read: Some(part),
        };
        Ok(wire.call(request, until).await?.results.unwrap_or_default())
    };
    let read = in_parts(session.limits(), Operation::Read, &asked, send).await?;
    Ok(read.chunks(attributes.len()).map(node_type).collect())
}

fn node_type(read: &[DataValue]) -> std::result::Result<NodeType, PointFault> {
    let [kind, rank, access] = read else { return Err(Code::from(StatusCode::BadUnexpectedError).fault()) };
    if let Some(status) = kind.status.filter(StatusCode::is_bad) {
        return Err(Code::from(status).fault());
    }
    let Some(Variant::NodeId(id)) = &kind.value else {
        return Err(Code::from(StatusCode::BadAttributeIdInvalid).fault());
    };
    let rank = if let Some(Variant::Int32(rank)) = rank.value { rank } else { -2 };
    let access = if let Some(Variant::Byte(access)) = access.value { access } else { ANY };
    Ok(NodeType { kind: Definitions::default().kind(id), rank, access, element: false })
}

/// What each argument's values are, by its data type and its rank.
pub(crate) async fn argument_types(_: &Session, types: &[(NodeId, i32)], _: Instant) -> Result<Vec<NodeType>> {
    let definitions = Definitions::default();
    let one =
        |(id, rank): &(NodeId, i32)| NodeType { kind: definitions.kind(id), rank: *rank, access: ANY, element: false };
    Ok(types.iter().map(one).collect())
}

/// Whatever comes.
pub(crate) fn any() -> NodeType {
    NodeType { kind: Kind::BuiltIn(VariantScalarTypeId::Variant), rank: -2, access: ANY, element: false }
}
