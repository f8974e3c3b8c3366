//! One value of JSON, made into one of a built-in type.
use super::{
    compound::{data_value, diagnostic},
    text, time,
};
use crate::types::{Kind, encoded, is_integer};
use base64::{Engine, prelude::BASE64_STANDARD};
use opcua::types::{
    ByteString, DateTime, ExpandedNodeId, ExtensionObject, Guid, LocalizedText, NodeId, Variant,
    VariantScalarTypeId as Scalar, XmlElement, type_loader::ByteStringBody,
};
use serde_json::Value as Json;

/// Exactly, but for floats, or why not.
pub(crate) fn scalar_of(json: &Json, kind: &Kind) -> Result<Variant, String> {
    let refused = || format!("{} is no {}", word(json), kind.name());
    match kind {
        Kind::Enum(known) => {
            let number = json.as_str().and_then(|name| known.number(name)).map(i128::from).or_else(|| integer(json));
            let number = number.and_then(|number| i32::try_from(number).ok());
            number.map(Variant::Int32).ok_or_else(|| {
                let names: Vec<&str> = known.names.values().take(16).map(String::as_str).collect();
                if names.is_empty() { refused() } else { format!("{}; there are: {}", refused(), names.join(", ")) }
            })
        }
        Kind::Structure(known) => {
            if known.encoding.is_null() {
                return Err(format!("the server does not say how {} is encoded", known.name));
            }
            let body = encoded(json, known).map_err(|why| format!("{}: {why}", known.name))?;
            Ok(ExtensionObject::new(ByteStringBody::new(ByteString::from(body), known.encoding.clone())).into())
        }
        Kind::Opaque(why) => Err(format!("its type is not known: {why}")),
        Kind::BuiltIn(Scalar::Variant) => natural(json).ok_or_else(refused),
        Kind::BuiltIn(scalar) if is_integer(*scalar) => {
            integer(json).and_then(|number| of_integer(number, *scalar)).ok_or_else(refused)
        }
        Kind::BuiltIn(Scalar::Boolean) => truth(json).map(Variant::Boolean).ok_or_else(refused),
        Kind::BuiltIn(Scalar::Float) => single(json).map(Variant::Float).ok_or_else(refused),
        Kind::BuiltIn(Scalar::Double) => double(json).map(Variant::Double).ok_or_else(refused),
        Kind::BuiltIn(Scalar::ByteString) if json.is_null() => Ok(Variant::ByteString(ByteString::null())),
        Kind::BuiltIn(Scalar::DataValue) => {
            data_value(json).map(|made| Variant::DataValue(Box::new(made))).ok_or_else(refused)
        }
        Kind::BuiltIn(Scalar::DiagnosticInfo) => {
            diagnostic(json).map(|made| Variant::DiagnosticInfo(Box::new(made))).ok_or_else(refused)
        }
        Kind::BuiltIn(Scalar::ExtensionObject) => raw(json).ok_or_else(refused),
        Kind::BuiltIn(scalar) => {
            let text = json.as_str().map(str::to_owned).or_else(|| localized(json, *scalar));
            text.and_then(|text| of_text(&text, *scalar)).ok_or_else(refused)
        }
    }
}

fn of_text(text: &str, scalar: Scalar) -> Option<Variant> {
    Some(match scalar {
        Scalar::String => Variant::String(text.into()),
        Scalar::DateTime => Variant::DateTime(Box::new(DateTime::from(time::ticks(text)?))),
        Scalar::Guid => Variant::Guid(Box::new(text.parse::<Guid>().ok()?)),
        Scalar::ByteString => Variant::ByteString(BASE64_STANDARD.decode(text).ok()?.into()),
        Scalar::XmlElement => Variant::XmlElement(XmlElement::from(text)),
        Scalar::NodeId => Variant::NodeId(Box::<NodeId>::new(text::node_of(text)?)),
        Scalar::ExpandedNodeId => Variant::ExpandedNodeId(Box::<ExpandedNodeId>::new(text::expanded_of(text)?)),
        Scalar::StatusCode => Variant::StatusCode(text::status_of(text)?),
        Scalar::QualifiedName => Variant::QualifiedName(Box::new(text::qualified_of(text))),
        Scalar::LocalizedText => {
            Variant::LocalizedText(Box::new(LocalizedText { text: text.into(), ..LocalizedText::null() }))
        }
        _ => return None,
    })
}

/// A text with its language: only the text counts.
fn localized(json: &Json, scalar: Scalar) -> Option<String> {
    let text = json.get("text").filter(|_| scalar == Scalar::LocalizedText)?;
    text.as_str().map(str::to_owned)
}

/// The whole number that it is, digits in a string too.
fn integer(json: &Json) -> Option<i128> {
    match json {
        Json::Bool(on) => Some(i128::from(*on)),
        Json::String(digits) => digits.parse().ok(),
        Json::Number(number) => {
            let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
            whole.or_else(|| number.as_f64().and_then(whole_of))
        }
        _ => None,
    }
}
#[expect(clippy::cast_possible_truncation, reason = "whole, and far within")]
fn whole_of(number: f64) -> Option<i128> {
    (number.fract() == 0.0 && number.abs() < 1e30).then_some(number as i128)
}

pub(super) fn of_integer(number: i128, scalar: Scalar) -> Option<Variant> {
    Some(match scalar {
        Scalar::SByte => Variant::SByte(number.try_into().ok()?),
        Scalar::Byte => Variant::Byte(number.try_into().ok()?),
        Scalar::Int16 => Variant::Int16(number.try_into().ok()?),
        Scalar::UInt16 => Variant::UInt16(number.try_into().ok()?),
        Scalar::Int32 => Variant::Int32(number.try_into().ok()?),
        Scalar::UInt32 => Variant::UInt32(number.try_into().ok()?),
        Scalar::Int64 => Variant::Int64(number.try_into().ok()?),
        Scalar::UInt64 => Variant::UInt64(number.try_into().ok()?),
        _ => return None,
    })
}

fn truth(json: &Json) -> Option<bool> {
    match integer(json).filter(|_| !json.is_string())? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// A whole number that a float cannot hold is another number: refused.
#[expect(clippy::cast_precision_loss, reason = "compared exactly, on purpose")]
fn double(json: &Json) -> Option<f64> {
    match json {
        Json::String(word) => match word.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            digits => {
                digits.parse::<i128>().ok().filter(|whole| whole_of(*whole as f64) == Some(*whole)).map(|w| w as f64)
            }
        },
        Json::Number(number) if number.is_f64() => number.as_f64(),
        other => integer(other).filter(|whole| whole_of(*whole as f64) == Some(*whole)).map(|whole| whole as f64),
    }
}
#[expect(clippy::cast_possible_truncation, reason = "to the nearest; what is too large is refused")]
fn single(json: &Json) -> Option<f32> {
    let wide = double(json)?;
    let near = wide as f32;
    let fits = near.is_finite() || !wide.is_finite();
    // The digits that it is shown with mean it too.
    let exact = |whole: i128| whole_of(f64::from(near)) == Some(whole) || near.to_string() == whole.to_string();
    let is_whole = matches!(json, Json::Number(number) if !number.is_f64()) || json.is_boolean();
    (fits && (!is_whole || integer(json).is_some_and(exact))).then_some(near)
}

/// The plainest type that holds it, where the node takes any.
pub(super) fn natural(json: &Json) -> Option<Variant> {
    Some(match json {
        Json::Null => Variant::Empty,
        Json::Bool(on) => Variant::Boolean(*on),
        Json::String(text) => Variant::String(text.as_str().into()),
        Json::Number(number) if number.is_f64() => Variant::Double(number.as_f64()?),
        Json::Number(_) => {
            let number = integer(json)?;
            [Scalar::Int32, Scalar::Int64, Scalar::UInt64].into_iter().find_map(|scalar| of_integer(number, scalar))?
        }
        Json::Array(_) | Json::Object(_) => return raw(json),
    })
}

/// A body whose type nobody knows, as it was read.
fn raw(json: &Json) -> Option<Variant> {
    if json.is_null() {
        return Some(ExtensionObject::null().into());
    }
    let part = |name: &str| json.get(name).and_then(Json::as_str);
    let id = text::node_of(part("UaTypeId")?)?;
    let body = BASE64_STANDARD.decode(part("UaBody")?).ok()?;
    let binary = json.get("UaEncoding").and_then(Json::as_u64) == Some(1);
    binary.then(|| ExtensionObject::new(ByteStringBody::new(ByteString::from(body), id)).into())
}

/// Short, for a message.
pub(super) fn word(json: &Json) -> String {
    match json {
        Json::Array(list) => format!("a list of {}", list.len()),
        Json::Object(_) => "a structure".into(),
        other => other.to_string().chars().take(40).collect(),
    }
}
