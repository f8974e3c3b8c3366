//! Every type both ways at foreign servers: read, written as it was read, and seen there as the type that it is.
use super::{coerce, value};
use crate::{
    Settings,
    browse::{along, attribute, browse, read},
    kinds::node_types,
    peer::Peer,
    session::Session,
    types::NodeType,
};
use opcua::types::{
    AttributeId, BrowseDirection, DataValue, NodeClass, NodeId, NumericRange, ReadValueId, ReferenceTypeId, StatusCode,
    Variant, VariantTypeId, WriteRequest, WriteValue,
};
use pollux_crds::{OpcUaDevice, OpcUaPolicy, OpcUaSecurity};
use pollux_mapper::{Cx, Instant, Value};
use serde_json::json;
use std::{sync::Arc, time::Duration};

fn until() -> Instant {
    Instant::now() + Duration::from_secs(20)
}
async fn session(peer: &Peer) -> Session {
    let security = OpcUaSecurity { policy: Some(OpcUaPolicy::None), insecure: Some(true), ..OpcUaSecurity::default() };
    let device = OpcUaDevice { url: Some(peer.url()), security: Some(security), ..OpcUaDevice::default() };
    let settings = Settings::new(&device).expect("settings");
    Session::connect(Arc::new(settings), &Cx::default()).await.expect("a session")
}
/// Variables below a node: names, ids and types.
async fn below(session: &Session, node: &NodeId) -> Vec<(String, NodeId, NodeType)> {
    let asked = along(node, ReferenceTypeId::HasComponent, BrowseDirection::Forward);
    let found = browse(session, &[asked], until()).await.expect("browsed").remove(0).expect("it is there");
    let told =
        |one: &opcua::types::ReferenceDescription| (one.browse_name.name.to_string(), one.node_id.node_id.clone());
    let found: Vec<_> = found.into_iter().filter(|one| one.node_class == NodeClass::Variable).collect();
    let (texts, ids): (Vec<String>, Vec<NodeId>) = found.iter().map(told).unzip();
    let types = node_types(session, &ids, until()).await.expect("read").into_iter().map(|kind| kind.expect("a type"));
    texts.into_iter().zip(ids).zip(types).map(|((name, id), kind)| (name, id, kind)).collect()
}
async fn one(session: &Session, node: &NodeId) -> Variant {
    let said = read(session, &[attribute(node, AttributeId::Value)], until()).await.expect("read").remove(0);
    assert!(!said.status.unwrap_or_default().is_bad(), "{node}: {said:?}");
    said.value.unwrap_or_default()
}
/// An object of the plant's.
fn plant(session: &Session, name: &str) -> NodeId {
    NodeId::new(session.namespaces().index("urn:test").expect("its namespace"), name)
}
async fn write(session: &Session, node: &NodeId, value: Variant) -> StatusCode {
    write_part(session, node, &NumericRange::None, value).await
}
async fn write_part(session: &Session, node: &NodeId, part: &NumericRange, value: Variant) -> StatusCode {
    let wire = session.wire(until()).await.expect("connected");
    let value = WriteValue {
        node_id: node.clone(),
        attribute_id: AttributeId::Value as u32,
        index_range: part.clone(),
        value: DataValue { value: Some(value), ..DataValue::null() },
    };
    let request = WriteRequest { request_header: wire.header(until()), nodes_to_write: Some(vec![value]) };
    wire.call(request, until()).await.expect("answered").results.unwrap_or_default()[0]
}

/// What was read, written again, is what was there; how many.
async fn both_ways(session: &Session, node: &NodeId, skipped: &[&str]) -> Vec<String> {
    let mut done = vec![];
    for (name, id, kind) in below(session, node).await {
        if skipped.contains(&name.as_str()) {
            continue;
        }
        let before = one(session, &id).await;
        let meant = value(&before, &kind).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        let made = coerce(&meant, &kind).unwrap_or_else(|fault| panic!("{name}: {meant}: {fault}"));
        let kind_of = |variant: &Variant| match variant.type_id() {
            VariantTypeId::Array(scalar, _) => Some((scalar, true)), // asyncua gives an empty one dimensions
            VariantTypeId::Scalar(scalar) => Some((scalar, false)),
            VariantTypeId::Empty => None,
        };
        assert_eq!(kind_of(&made), kind_of(&before), "{name}");
        assert_eq!(write(session, &id, made).await, StatusCode::Good, "{name}: {meant}");
        let after = one(session, &id).await;
        assert_eq!(value(&after, &kind), Ok(meant), "{name}");
        done.push(name);
    }
    done
}

#[tokio::test]
#[ignore = "needs asyncua"]
async fn matrix_both_ways_at_asyncua() {
    let peer = Peer::asyncua(&[]);
    let session = session(&peer).await;
    let types = plant(&session, "Types");
    // Null has no value; Loop and Unknown nobody can take apart.
    let done = both_ways(&session, &types, &["Null", "Loop", "Unknown"]).await;
    assert!(done.len() >= 48, "{done:?}");
    session.close().await;
}

#[tokio::test]
#[ignore = "needs open62541"]
async fn matrix_both_ways_at_open62541() {
    let peer = Peer::open62541(&[]);
    let session = session(&peer).await;
    let done = both_ways(&session, &plant(&session, "Types"), &["Null", "Loop", "Unknown"]).await;
    assert!(done.len() >= 44, "{done:?}");
    session.close().await;
}

/// Index ranges are known there: one element is a value of its own.
#[tokio::test]
#[ignore = "needs open62541"]
async fn one_element_of_an_array_at_open62541() {
    let peer = Peer::open62541(&[]);
    let session = session(&peer).await;
    let found = below(&session, &plant(&session, "Line7")).await;
    let (_, id, kind) = found.iter().find(|(name, ..)| name == "Floats").cloned().expect("it is there");
    let kind = NodeType { element: true, ..kind };
    let part: NumericRange = "1".parse().expect("a range");
    for number in [7.5, 8.5] {
        let made = coerce(&Value::Float(number), &kind).expect("a float");
        assert_eq!(write_part(&session, &id, &part, made).await, StatusCode::Good);
        let asked = ReadValueId { index_range: part.clone(), ..attribute(&id, AttributeId::Value) };
        let said = read(&session, &[asked], until()).await.expect("read").remove(0);
        assert_eq!(value(&said.value.unwrap_or_default(), &kind), Ok(Value::Float(number)));
    }
    session.close().await;
}

#[tokio::test]
#[ignore = "needs open62541"]
async fn structures_at_open62541() {
    let peer = Peer::open62541(&[]);
    let session = session(&peer).await;
    let found = below(&session, &plant(&session, "Types")).await;
    let (_, id, kind) = found.iter().find(|(name, ..)| name == "Line").cloned().expect("it is there");
    for document in [
        json!({"start": {"x": 1, "y": 2}, "end": {"x": 3, "y": 4}, "mode": "Manual", "weights": [0.5]}),
        json!({"start": {"x": 1, "y": 2}, "end": {"x": 3, "y": 4}, "label": "new", "mode": "Off", "weights": []}),
    ] {
        let meant = Value::Json(Arc::new(document));
        assert_eq!(write(&session, &id, coerce(&meant, &kind).expect("it fits")).await, StatusCode::Good);
        assert_eq!(value(&one(&session, &id).await, &kind), Ok(meant));
    }
    session.close().await;
}

#[tokio::test]
#[ignore = "needs asyncua"]
async fn structures_are_written_by_the_servers_definition() {
    let peer = Peer::asyncua(&[]);
    let session = session(&peer).await;
    let found = below(&session, &plant(&session, "Types")).await;
    let of = |wanted: &str| found.iter().find(|(name, ..)| name == wanted).cloned().expect("it is there");
    let (_, id, kind) = of("Line");
    for document in [
        json!({"start": {"x": 1, "y": 2}, "end": {"x": 3, "y": 4}, "mode": "Manual", "weights": [0.5]}),
        json!({"start": {"x": 1, "y": 2}, "end": {"x": 3, "y": 4}, "label": "new", "mode": "Off", "weights": []}),
    ] {
        let meant = Value::Json(Arc::new(document));
        assert_eq!(write(&session, &id, coerce(&meant, &kind).expect("it fits")).await, StatusCode::Good);
        assert_eq!(value(&one(&session, &id).await, &kind), Ok(meant));
    }
    let wrong = Value::Json(Arc::new(json!({"start": {"x": 1}})));
    assert!(coerce(&wrong, &kind).expect_err("incomplete").text.contains("field y is missing"));
    // A definition that contains itself, and none at all: bytes as they came.
    for (name, word) in [("Loop", "Structure (DataTypeDefinitionCyclic)"), ("Unknown", "Structure")] {
        let (_, id, kind) = of(name);
        assert_eq!(kind.kind.name(), word);
        assert!(value(&one(&session, &id).await, &kind).expect("bytes").to_string().contains("UaBody"), "{name}");
    }
    session.close().await;
}

#[tokio::test]
#[ignore = "needs asyncua"]
async fn enumerations_by_all_three_ways_of_saying_them() {
    let peer = Peer::asyncua(&[]);
    let session = session(&peer).await;
    let found = below(&session, &plant(&session, "Line7")).await;
    for (node, name, number, other) in
        [("Mode", "Manual", 2, "Off"), ("Colour", "Red", 0, "Blue"), ("Level", "Low", -1, "High")]
    {
        let (_, id, kind) = found.iter().find(|(name, ..)| name == node).cloned().expect("it is there");
        for word in [other, name] {
            let made = coerce(&Value::from(word), &kind).expect("a name");
            assert_eq!(write(&session, &id, made).await, StatusCode::Good, "{node} {word}");
        }
        assert_eq!(value(&one(&session, &id).await, &kind), Ok(Value::Int(number)), "{node}");
        assert!(coerce(&Value::from("Nothing"), &kind).is_err(), "{node}");
    }
    session.close().await;
}
