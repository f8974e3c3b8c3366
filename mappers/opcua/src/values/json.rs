//! Any value as JSON, within a bound: a byte of a server may be hundreds of ours then.
use super::{Budget, fault, text, time};
use crate::types::{Kind, decoded};
use base64::{Engine, prelude::BASE64_STANDARD};
use opcua::types::{
    Array, BuiltInDataEncoding, ContextOwned, DataValue, DiagnosticInfo, ExtensionObject, UaNullable, Variant,
};
use pollux_mapper::PointFault;
use serde_json::{Map, Value as Json, json};
use std::sync::LazyLock;

/// Integers up to this are numbers in JSON.
const EXACT: u64 = 1 << 53;
/// Dimensions, at most: lists in lists are dropped one within the other.
const DEEPEST: usize = 16;

/// For what the codec decoded by itself, types of the standard, to have their bytes again. It holds nothing of a server.
static CONTEXT: LazyLock<ContextOwned> = LazyLock::new(ContextOwned::default);

/// The value; names of enumerations instead of their numbers, null for what is not there.
pub(crate) fn json(variant: &Variant, kind: &Kind) -> Result<Json, PointFault> {
    within(variant, kind, &mut Budget::default())
}

/// The same as a part of something larger.
pub(crate) fn within(variant: &Variant, kind: &Kind, budget: &mut Budget) -> Result<Json, PointFault> {
    pay(budget, Budget::VALUE)?;
    let made = made(variant, kind, budget)?;
    if let Json::String(text) = &made {
        pay(budget, text.len())?;
    }
    Ok(made)
}
fn pay(budget: &mut Budget, bytes: usize) -> Result<(), PointFault> {
    budget.pay(bytes).map_err(fault)
}

fn made(variant: &Variant, kind: &Kind, budget: &mut Budget) -> Result<Json, PointFault> {
    Ok(match variant {
        Variant::Empty => Json::Null,
        Variant::Boolean(v) => (*v).into(),
        Variant::SByte(v) => (*v).into(),
        Variant::Byte(v) => (*v).into(),
        Variant::Int16(v) => (*v).into(),
        Variant::UInt16(v) => (*v).into(),
        Variant::Int32(v) => named(*v, kind),
        Variant::UInt32(v) => (*v).into(),
        Variant::Int64(v) if v.unsigned_abs() <= EXACT => (*v).into(),
        Variant::Int64(v) => v.to_string().into(),
        Variant::UInt64(v) if *v <= EXACT => (*v).into(),
        Variant::UInt64(v) => v.to_string().into(),
        Variant::Float(v) => single(*v),
        Variant::Double(v) => double(*v),
        Variant::String(v) => text::string(v).into(),
        Variant::DateTime(v) => time::text(v.ticks()).into(),
        Variant::Guid(v) => v.to_string().into(),
        Variant::StatusCode(v) => text::status(*v).into(),
        Variant::ByteString(v) if v.is_null() => Json::Null,
        Variant::ByteString(v) => BASE64_STANDARD.encode(v.as_ref()).into(),
        Variant::XmlElement(v) if v.is_ua_null() => "".into(),
        Variant::XmlElement(v) => v.to_string().into(),
        Variant::QualifiedName(v) => text::qualified(v).into(),
        Variant::LocalizedText(v) => text::string(&v.text).into(),
        Variant::NodeId(v) => text::node(v).into(),
        Variant::ExpandedNodeId(v) => text::expanded(v).into(),
        Variant::ExtensionObject(v) => object(v, kind, budget)?,
        Variant::Variant(v) => within(v, kind, budget)?,
        Variant::DataValue(v) => data_value(v, kind, budget)?,
        Variant::DiagnosticInfo(v) => diagnostic(v, budget)?,
        Variant::Array(v) => array(v, kind, budget)?,
    })
}

fn named(number: i32, kind: &Kind) -> Json {
    let Kind::Enum(known) = kind else { return number.into() };
    known.names.get(&number.into()).map_or_else(|| number.into(), |name| name.as_str().into())
}

/// The shortest decimal that means it; what is no number as Part 6 (5.4.2.4) writes it.
fn single(number: f32) -> Json {
    if number.is_finite() {
        plain(number.to_string().parse().unwrap_or_else(|_| number.into()))
    } else {
        double(number.into())
    }
}
fn double(number: f64) -> Json {
    if number.is_nan() {
        "NaN".into()
    } else if number.is_infinite() {
        if number > 0.0 { "Infinity".into() } else { "-Infinity".into() }
    } else {
        plain(number)
    }
}
/// Whole numbers without a point: 21, not 21.0.
fn plain(number: f64) -> Json {
    #[expect(clippy::cast_precision_loss, reason = "2⁵³ is exact")]
    let small = number.abs() <= EXACT as f64 && number.fract() == 0.0;
    #[expect(clippy::cast_possible_truncation, reason = "it was just seen to be whole and small")]
    if small { (number as i64).into() } else { number.into() }
}

/// Of one dimension or more: the last one is the innermost list.
fn array(array: &Array, kind: &Kind, budget: &mut Budget) -> Result<Json, PointFault> {
    let values = array.values.iter().map(|value| within(value, kind, budget)).collect::<Result<Vec<_>, _>>()?;
    nested(values, array.dimensions.as_deref().unwrap_or_default(), budget).map_err(fault)
}

/// A flat list in lists; as it is where the dimensions do not fit, or are so many that nobody could drop what they make.
pub(crate) fn nested(values: Vec<Json>, dimensions: &[u32], budget: &mut Budget) -> Result<Json, String> {
    let (mut level, mut count) = (values, 1_usize);
    for dimension in dimensions {
        count = count.saturating_mul(usize::try_from(*dimension).unwrap_or(usize::MAX));
    }
    if !(2..=DEEPEST).contains(&dimensions.len()) || count != level.len() || count == 0 {
        return Ok(Json::Array(level));
    }
    for dimension in dimensions.iter().skip(1).rev() {
        let size = usize::try_from(*dimension).unwrap_or(usize::MAX).max(1);
        budget.pay(level.len().div_ceil(size).saturating_mul(Budget::LIST))?;
        let mut rest = level.into_iter();
        level = std::iter::from_fn(|| {
            let part: Vec<Json> = rest.by_ref().take(size).collect();
            (!part.is_empty()).then_some(Json::Array(part))
        })
        .collect();
    }
    Ok(Json::Array(level))
}

fn object(object: &ExtensionObject, kind: &Kind, budget: &mut Budget) -> Result<Json, PointFault> {
    let Some(body) = &object.body else { return Ok(Json::Null) };
    let id = body.binary_type_id();
    let mut bytes = vec![];
    let context = CONTEXT.context();
    let encoded = body.encode_binary(&mut bytes, &context);
    encoded.map_err(|error| fault(format!("BadDecodingError: {error}")))?;
    match kind {
        _ if matches!(body.override_encoding(), Some(BuiltInDataEncoding::XML)) => {
            raw(&text::expanded(&id), 2, &String::from_utf8_lossy(&bytes), budget)
        }
        Kind::Structure(known) if known.encoding.is_null() || known.encoding == id.node_id => {
            decoded(&bytes, known, budget).map_err(|error| fault(format!("BadDecodingError: {}: {error}", known.name)))
        }
        _ => raw(&text::expanded(&id), 1, &BASE64_STANDARD.encode(&bytes), budget),
    }
}

/// A body that cannot be taken apart, as Part 6 (5.4.2.16) writes it.
fn raw(id: &str, encoding: u8, body: &str, budget: &mut Budget) -> Result<Json, PointFault> {
    pay(budget, Budget::FIELDS.saturating_add(id.len()).saturating_add(body.len()))?;
    Ok(json!({"UaTypeId": id, "UaEncoding": encoding, "UaBody": body}))
}

fn data_value(value: &DataValue, kind: &Kind, budget: &mut Budget) -> Result<Json, PointFault> {
    pay(budget, Budget::FIELDS)?;
    let mut map = Map::new();
    if let Some(variant) = &value.value {
        map.insert("Value".into(), within(variant, kind, budget)?);
    }
    if let Some(status) = value.status {
        map.insert("Status".into(), text::status(status).into());
    }
    for (name, stamp) in [("SourceTimestamp", &value.source_timestamp), ("ServerTimestamp", &value.server_timestamp)] {
        if let Some(stamp) = stamp {
            map.insert(name.into(), time::text(stamp.ticks()).into());
        }
    }
    Ok(Json::Object(map))
}

fn diagnostic(info: &DiagnosticInfo, budget: &mut Budget) -> Result<Json, PointFault> {
    pay(budget, Budget::FIELDS)?;
    let mut map = Map::new();
    let numbers = [
        ("SymbolicId", info.symbolic_id),
        ("NamespaceUri", info.namespace_uri),
        ("Locale", info.locale),
        ("LocalizedText", info.localized_text),
    ];
    for (name, number) in numbers {
        map.extend(number.map(|number| (name.to_owned(), Json::from(number))));
    }
    if let Some(words) = &info.additional_info {
        let words = text::string(words);
        pay(budget, words.len())?;
        map.insert("AdditionalInfo".to_owned(), words.into());
    }
    map.extend(info.inner_status_code.map(|code| ("InnerStatusCode".to_owned(), text::status(code).into())));
    // The codec bounds how deep they lie in each other.
    if let Some(inner) = &info.inner_diagnostic_info {
        map.insert("InnerDiagnosticInfo".to_owned(), diagnostic(inner, budget)?);
    }
    Ok(Json::Object(map))
}
