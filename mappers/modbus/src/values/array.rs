//! Several values of one form, one after the other, as a JSON array.
use super::{Encoded, Format, One, refused, shown};
use pollux_mapper::{PointFault, Value, convert};
use serde_json::Value as Json;
use std::sync::Arc;

pub(super) fn decode(format: Format, count: u16, data: &[u8], offset: usize) -> Result<Value, PointFault> {
    let width = usize::from(format.one.width());
    let element = |at: u16| {
        let raw = format.one.decode(data, offset + usize::from(at) * width, format.order).map_err(of(at))?;
        let json = convert::json_of(&raw, format.precision());
        json.map_err(|reason| of(at)(super::garbled(reason.to_string())))
    };
    (0..count).map(element).collect::<Result<Vec<Json>, _>>().map(|list| Value::Json(Arc::new(list.into())))
}

pub(super) fn encode(format: Format, count: u16, value: &Value) -> Result<Encoded, PointFault> {
    let list = match value {
        Value::Json(json) => json.as_array().filter(|list| list.len() == usize::from(count)),
        _ => None,
    };
    let list =
        list.ok_or_else(|| refused(format!("{} does not fit: must be an array of {count} values", shown(value))))?;
    let (mut coils, mut words) = (vec![], vec![]);
    for (at, element) in (0_u16..).zip(list) {
        match scalar(format.one, element).and_then(|value| format.one.encode(&value, format.order)).map_err(of(at))? {
            Encoded::Coils(more) => coils.extend(more),
            Encoded::Words(more) => words.extend(more),
            Encoded::Field { .. } => return Err(refused("an array of single bytes cannot be written".into())),
        }
    }
    Ok(if format.one == One::Coil { Encoded::Coils(coils) } else { Encoded::Words(words) })
}

/// Which element is to blame.
fn of(at: u16) -> impl Fn(PointFault) -> PointFault {
    move |fault| PointFault::new(fault.kind, format!("element {at}: {}", fault.text))
}

fn scalar(one: One, json: &Json) -> Result<Value, PointFault> {
    let text = matches!(one, One::Text(_) | One::Time);
    let number = || json.as_i64().map(Value::Int).or_else(|| json.as_u64().map(Value::Uint));
    let value = match json {
        Json::Bool(on) => Some(Value::Bool(*on)),
        Json::Number(n) => number().or_else(|| n.as_f64().map(Value::Float)),
        Json::String(word) if text => Some(Value::from(word.as_str())),
        Json::String(digits) => digits.parse().map(Value::Int).or_else(|_| digits.parse().map(Value::Uint)).ok(),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    };
    value.ok_or_else(|| refused("is no value by itself".into()))
}
