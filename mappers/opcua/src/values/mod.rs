//! Values of a server as the engine has them, and back. Pure: what a node's type is was read before (`types`).
//!
//! Numbers are numbers; enumerations are numbers alone and names within JSON; times, ids, codes and names are text; arrays and
//! structures are JSON, in which integers beyond 2⁵³ are digits in a string and bytes base64, as everywhere in Pollux.
mod budget;
mod coerce;
mod compound;
mod json;
mod scalar;
mod text;
mod time;

pub(crate) use budget::Budget;
pub(crate) use coerce::coerce;
pub(crate) use json::{json, nested, within};
pub(crate) use scalar::scalar_of;
pub(crate) use text::{named, string};
pub(crate) use time::{text as stamp, unix_ms};

use crate::types::NodeType;
use opcua::types::Variant;
use pollux_mapper::{ErrorKind, PointFault, Value};
use std::sync::Arc;

/// What a value means. The fault is of one value alone.
pub(crate) fn value(variant: &Variant, node: &NodeType) -> Result<Value, PointFault> {
    Ok(match variant {
        Variant::Empty => return Err(nothing()),
        Variant::Boolean(v) => Value::Bool(*v),
        Variant::SByte(v) => Value::Int((*v).into()),
        Variant::Int16(v) => Value::Int((*v).into()),
        Variant::Int32(v) => Value::Int((*v).into()),
        Variant::Int64(v) => Value::Int(*v),
        Variant::Byte(v) => Value::Uint((*v).into()),
        Variant::UInt16(v) => Value::Uint((*v).into()),
        Variant::UInt32(v) => Value::Uint((*v).into()),
        Variant::UInt64(v) => Value::Uint(*v),
        Variant::Float(v) => Value::from(*v),
        Variant::Double(v) => Value::Float(*v),
        Variant::ByteString(v) if v.is_null() => return Err(nothing()),
        Variant::ByteString(v) => Value::Bytes(Arc::from(v.as_ref())),
        Variant::Variant(inner) => return value(inner, node),
        Variant::Array(array) if node.element => match array.values.as_slice() {
            [only] => return value(only, node),
            others => return Err(fault(format!("BadIndexRangeInvalid: {} elements for one", others.len()))),
        },
        Variant::ExtensionObject(object) if object.is_null() => return Err(nothing()),
        other => match json(other, &node.kind)? {
            serde_json::Value::String(text) => Value::from(text),
            serde_json::Value::Null => return Err(nothing()),
            json => Value::Json(Arc::new(json)),
        },
    })
}

/// A value that is Good and not there.
fn nothing() -> PointFault {
    PointFault::new(ErrorKind::Protocol, "NotAvailable")
}
fn fault(text: String) -> PointFault {
    PointFault::new(ErrorKind::Protocol, text)
}

#[cfg(test)]
mod foreign;
#[cfg(test)]
mod tests;
