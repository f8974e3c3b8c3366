//! Names as text, both ways: node ids, qualified names, status codes.
use crate::Code;
use base64::{Engine, prelude::BASE64_STANDARD};
use opcua::types::{
    ByteString, ExpandedNodeId, Guid, Identifier, NodeId, QualifiedName, StatusCode, SubStatusCode, UAString,
};
use pollux_crds::{OpcUaIdentifier, OpcUaNamespace, OpcUaNodeId};

/// A string; what the standard calls null is empty.
pub(crate) fn string(text: &UAString) -> &str {
    text.value().as_deref().unwrap_or_default()
}

/// As configuration has it.
pub(crate) fn named(id: &NodeId) -> OpcUaNodeId {
    OpcUaNodeId { namespace: OpcUaNamespace::Index(id.namespace), identifier: identifier(&id.identifier) }
}
fn identifier(identifier: &Identifier) -> OpcUaIdentifier {
    match identifier {
        Identifier::Numeric(number) => OpcUaIdentifier::Numeric(*number),
        Identifier::String(text) => OpcUaIdentifier::Text(string(text).to_owned()),
        Identifier::Guid(guid) => OpcUaIdentifier::Guid(guid.to_string()),
        Identifier::ByteString(bytes) => OpcUaIdentifier::Opaque(BASE64_STANDARD.encode(bytes.as_ref())),
    }
}

/// Of configuration, in a namespace by its index at the server.
fn id_of(identifier: &OpcUaIdentifier, namespace: u16) -> Option<NodeId> {
    Some(match identifier {
        OpcUaIdentifier::Numeric(number) => NodeId::new(namespace, *number),
        OpcUaIdentifier::Text(text) => NodeId::new(namespace, UAString::from(text.as_str())),
        OpcUaIdentifier::Guid(text) => NodeId::new(namespace, text.parse::<Guid>().ok()?),
        OpcUaIdentifier::Opaque(text) => NodeId::new(namespace, ByteString::from(BASE64_STANDARD.decode(text).ok()?)),
    })
}

/// ns=2;s=Boiler
pub(super) fn node(id: &NodeId) -> String {
    named(id).to_string()
}
pub(super) fn node_of(text: &str) -> Option<NodeId> {
    let id: OpcUaNodeId = text.parse().ok()?;
    match id.namespace {
        OpcUaNamespace::Index(index) => id_of(&id.identifier, index),
        OpcUaNamespace::Uri(_) => None,
    }
}

/// svr=1;nsu=urn:vendor:plc;s=Boiler
pub(super) fn expanded(id: &ExpandedNodeId) -> String {
    let server = if id.server_index == 0 { String::new() } else { format!("svr={};", id.server_index) };
    let mut named = named(&id.node_id);
    if let Some(uri) = id.namespace_uri.value() {
        named.namespace = OpcUaNamespace::Uri(uri.clone());
    }
    format!("{server}{named}")
}
pub(super) fn expanded_of(text: &str) -> Option<ExpandedNodeId> {
    let (server_index, text) = match text.strip_prefix("svr=") {
        Some(rest) => rest.split_once(';').and_then(|(index, rest)| Some((index.parse().ok()?, rest)))?,
        None => (0, text),
    };
    let id: OpcUaNodeId = text.parse().ok()?;
    let (namespace, uri) = match id.namespace {
        OpcUaNamespace::Index(index) => (index, UAString::null()),
        OpcUaNamespace::Uri(uri) => (0, uri.into()),
    };
    Some(ExpandedNodeId { node_id: id_of(&id.identifier, namespace)?, namespace_uri: uri, server_index })
}

/// 2:Boiler
pub(super) fn qualified(name: &QualifiedName) -> String {
    let text = string(&name.name);
    match name.namespace_index {
        // What begins as an index does would be taken for one.
        0 if indexed(text).is_none() => text.to_owned(),
        index => format!("{index}:{text}"),
    }
}
pub(super) fn qualified_of(text: &str) -> QualifiedName {
    let (namespace_index, name) = indexed(text).unwrap_or((0, text));
    QualifiedName { namespace_index, name: name.into() }
}
fn indexed(text: &str) -> Option<(u16, &str)> {
    let (index, rest) = text.split_once(':')?;
    let digits = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| index.parse().ok()).flatten().map(|index| (index, rest))
}

/// Its name; its number where it has info bits, or none.
pub(super) fn status(code: StatusCode) -> String {
    match SubStatusCode::from_value(code.bits()) {
        Some(SubStatusCode::Invalid) | None => format!("0x{:08X}", code.bits()),
        Some(_) => Code::from(code).name().into_owned(),
    }
}
pub(super) fn status_of(text: &str) -> Option<StatusCode> {
    if let Some(digits) = text.strip_prefix("0x") {
        return u32::from_str_radix(digits, 16).ok().map(StatusCode::from);
    }
    text.parse::<SubStatusCode>().ok().filter(|code| *code != SubStatusCode::Invalid).map(StatusCode::from_category)
}
