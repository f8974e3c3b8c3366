//! Types of variables and arguments, as the server defines them.
use crate::{
    browse::{attribute, read},
    error::{Code, Result},
    session::Session,
    types::{Definitions, Kind, NodeType, load},
};
use opcua::types::{AttributeId, DataValue, NodeId, ReadValueId, StatusCode, Variant, VariantScalarTypeId};
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
    let asked: Vec<ReadValueId> = nodes.iter().flat_map(|node| attributes.map(|one| attribute(node, one))).collect();
    let read = read(session, &asked, until).await?;
    let said: Vec<&[DataValue]> = read.chunks(attributes.len()).collect();
    let ids: Vec<NodeId> = said.iter().filter_map(|said| data_type(said).ok()).collect();
    let known = load(session, &ids, until).await?;
    Ok(said.into_iter().map(|said| node_type(said, &known)).collect())
}

fn data_type(said: &[DataValue]) -> std::result::Result<NodeId, PointFault> {
    let [kind, ..] = said else { return Err(Code::from(StatusCode::BadUnexpectedError).fault()) };
    if let Some(status) = kind.status.filter(StatusCode::is_bad) {
        return Err(Code::from(status).fault());
    }
    match &kind.value {
        Some(Variant::NodeId(id)) => Ok(id.as_ref().clone()),
        _ => Err(Code::from(StatusCode::BadAttributeIdInvalid).fault()),
    }
}

fn node_type(said: &[DataValue], known: &Definitions) -> std::result::Result<NodeType, PointFault> {
    let kind = known.kind(&data_type(said)?);
    let [_, rank, access] = said else { return Err(Code::from(StatusCode::BadUnexpectedError).fault()) };
    let rank = if let Some(Variant::Int32(rank)) = rank.value { rank } else { -2 };
    let access = if let Some(Variant::Byte(access)) = access.value { access } else { ANY };
    Ok(NodeType { kind, rank, access, element: false })
}

/// What each argument's values are, by its data type and its rank.
pub(crate) async fn argument_types(
    session: &Session,
    types: &[(NodeId, i32)],
    until: Instant,
) -> Result<Vec<NodeType>> {
    let ids: Vec<NodeId> = types.iter().map(|(id, _)| id.clone()).collect();
    let known = load(session, &ids, until).await?;
    let one = |(id, rank): &(NodeId, i32)| NodeType { kind: known.kind(id), rank: *rank, access: ANY, element: false };
    Ok(types.iter().map(one).collect())
}

/// Whatever comes.
pub(crate) fn any() -> NodeType {
    NodeType { kind: Kind::BuiltIn(VariantScalarTypeId::Variant), rank: -2, access: ANY, element: false }
}
