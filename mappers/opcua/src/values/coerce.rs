//! What is written, as the node's own type has it: exactly, or not at all. Only floats are rounded, to the nearest that there is.
use super::scalar::{scalar_of, word};
use crate::types::{Kind, NodeType};
use base64::{Engine, prelude::BASE64_STANDARD};
use opcua::types::{Array, Variant, VariantScalarTypeId as Scalar};
use pollux_mapper::{ErrorKind, PointFault, Value};
use serde_json::Value as Json;

/// Dimensions of an array, at most.
const MOST_DIMENSIONS: usize = 8;

/// The value as the node takes it. The fault says what is wanted instead, and begins with the code that a server would have given.
pub(crate) fn coerce(value: &Value, node: &NodeType) -> Result<Variant, PointFault> {
    let made = match value {
        Value::Json(json) => of_json(json, node),
        Value::Bytes(bytes) if !matches!(node.kind, Kind::BuiltIn(Scalar::ByteString | Scalar::Variant)) => {
            Err(format!("{} bytes are no {}", bytes.len(), node.kind.name()))
        }
        Value::Bytes(bytes) if matches!(node.kind, Kind::BuiltIn(Scalar::Variant)) => {
            Ok(Variant::ByteString(bytes.to_vec().into()))
        }
        Value::Bytes(bytes) => one(&Json::String(BASE64_STANDARD.encode(bytes)), node),
        Value::Float(number) if !number.is_finite() => Err(format!("{number} is not finite")),
        Value::Float(number) => one(&Json::from(*number), node),
        Value::Bool(on) => one(&Json::from(*on), node),
        Value::Int(number) => one(&Json::from(*number), node),
        Value::Uint(number) => one(&Json::from(*number), node),
        Value::Text(text) => one(&Json::from(text.as_ref()), node),
    };
    made.map_err(|why| PointFault::new(ErrorKind::Config, format!("BadTypeMismatch: {why}")))
}

fn of_json(json: &Json, node: &NodeType) -> Result<Variant, String> {
    match json {
        Json::Array(list) if !node.element && node.rank != -1 => array(list, node),
        Json::Array(_) if !matches!(node.kind, Kind::BuiltIn(Scalar::Variant)) => {
            Err(format!("one {} is wanted, not a list", node.kind.name()))
        }
        other => one(other, node),
    }
}

/// A single value: by itself, or as the one element that is meant.
fn one(json: &Json, node: &NodeType) -> Result<Variant, String> {
    let value = scalar_of(json, &node.kind)?;
    match node.rank {
        _ if !node.is_array() && node.rank != -3 => Ok(value),
        _ if node.element => of_elements(&node.kind, vec![value], None),
        -3 => Ok(value),
        _ => Err(format!("a list of {} is wanted, not {}", node.kind.name(), word(json))),
    }
}

fn array(list: &[Json], node: &NodeType) -> Result<Variant, String> {
    let wanted = usize::try_from(node.rank).ok().filter(|rank| *rank > 0);
    // Where any number of dimensions will do, what is given has them: lists within lists are no values of any other type.
    let depth = wanted.unwrap_or_else(|| depth(list));
    if depth > MOST_DIMENSIONS {
        return Err(format!("{depth} dimensions, more than {MOST_DIMENSIONS}"));
    }
    let mut dimensions = vec![];
    let mut flat: Vec<&Json> = list.iter().collect();
    dimensions.push(list.len());
    for _ in 1..depth {
        let inner: Option<Vec<&Vec<Json>>> = flat.iter().map(|item| item.as_array()).collect();
        let inner = inner.ok_or_else(|| format!("lists within lists are wanted: {depth} dimensions"))?;
        let size = inner.first().map_or(0, |first| first.len());
        if inner.iter().any(|part| part.len() != size) {
            return Err("its lists are not all of one length".into());
        }
        dimensions.push(size);
        flat = inner.into_iter().flatten().collect();
    }
    let values = flat.into_iter().map(|item| scalar_of(item, &node.kind)).collect::<Result<Vec<_>, _>>()?;
    of_elements(&node.kind, values, (depth > 1).then_some(dimensions))
}

/// How deep its lists lie in each other, by the first of each.
fn depth(list: &[Json]) -> usize {
    let (mut depth, mut at) = (1, list);
    while let Some(Json::Array(inner)) = at.first() {
        (depth, at) = (depth + 1, inner);
    }
    depth
}

fn of_elements(kind: &Kind, values: Vec<Variant>, dimensions: Option<Vec<usize>>) -> Result<Variant, String> {
    let value_type = kind.scalar();
    let values = match value_type {
        // Elements of any type each say theirs.
        Scalar::Variant => values.into_iter().map(|value| Variant::Variant(Box::new(value))).collect(),
        _ => values,
    };
    let sizes = dimensions.map(|sizes| sizes.into_iter().map(u32::try_from).collect::<Result<Vec<_>, _>>());
    let dimensions = sizes.transpose().map_err(|error| error.to_string())?;
    Ok(Variant::Array(Box::new(Array { value_type, values, dimensions })))
}
