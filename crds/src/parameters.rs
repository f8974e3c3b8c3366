//! Parameters: what a Device fills in, and `${name}` in the strings of bindings.
use crate::{FieldError, Parameter, ParameterType, Value, Values, is_property_name};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// The Device's own name, in every binding.
pub(crate) const OWN_NAME: &str = "name";
const NOT_A_PARAMETER: &str = "not a name: letters, digits and _, not a digit first, at most 63; not `name`, which is the Device's own, and no word that YAML reads as boolean or null";
/// Replacements in one string: a bound, not a limit that anyone meets.
const MOST: usize = 64;

/// Values of all parameters of a model, defaults filled in. An error names the field of the Device, or of the `model`
/// (`DeviceModel boiler: `).
pub(crate) fn fill(declared: &[Parameter], model: &str, given: &Values) -> Result<Values, Vec<FieldError>> {
    let (mut filled, mut errors) = (Values::new(), vec![]);
    for parameter in declared {
        let Parameter { name, type_, default } = parameter;
        if name == OWN_NAME || !is_property_name(name) {
            errors.push(FieldError::new(format!("{model}spec.parameters[{name}]"), NOT_A_PARAMETER));
        }
        let own = given.get(name).map(|value| (value, format!("spec.parameters.{name}")));
        let default = || Some((default.as_ref()?, format!("{model}spec.parameters[{name}].default")));
        match own.or_else(default) {
            Some((value, _)) if fits(*type_, &value.0) => drop(filled.insert(name.clone(), value.clone())),
            Some((value, field)) => {
                let message = format!("must be of type {}, is {}", word(*type_), value.short());
                errors.push(FieldError::new(field, message));
            }
            None => {
                let message = format!("required by the model: a {}", word(*type_));
                errors.push(FieldError::new(format!("spec.parameters.{name}"), message));
            }
        }
    }
    let names: Vec<&str> = declared.iter().map(|p| p.name.as_str()).collect();
    for name in given.keys().filter(|name| !names.contains(&name.as_str())) {
        errors.push(FieldError::new(format!("spec.parameters.{name}"), unknown("parameter", &names)));
    }
    if errors.is_empty() { Ok(filled) } else { Err(errors) }
}

/// Replaces `${name}` in every string of a JSON value. A string that is nothing but one parameter becomes its value, with its
/// type; errors say which name is unknown.
pub(crate) fn substitute(json: &Json, values: &BTreeMap<&str, &Json>) -> Result<Json, String> {
    Ok(match json {
        Json::String(text) => substitute_text(text, values)?,
        Json::Array(items) => Json::Array(items.iter().map(|item| substitute(item, values)).collect::<Result<_, _>>()?),
        Json::Object(map) => Json::Object(
            map.iter()
                .map(|(key, item)| Ok((key.clone(), substitute(item, values)?)))
                .collect::<Result<_, String>>()?,
        ),
        other => other.clone(),
    })
}

fn substitute_text(text: &str, values: &BTreeMap<&str, &Json>) -> Result<Json, String> {
    let (mut out, mut rest) = (String::new(), text);
    for _ in 0..MOST {
        let Some((before, after)) = rest.split_once("${") else {
            out.push_str(rest);
            return Ok(Json::String(out));
        };
        let (name, tail) = after.split_once('}').ok_or_else(|| format!("`{}`: ${{ without }}", shorten(text)))?;
        let names: Vec<&str> = values.keys().copied().collect();
        let value =
            values.get(name).ok_or_else(|| format!("`${{{}}}`: {}", shorten(name), unknown("parameter", &names)))?;
        if before.is_empty() && tail.is_empty() && out.is_empty() {
            return Ok((*value).clone());
        }
        out.push_str(before);
        match value {
            Json::String(text) => out.push_str(text),
            other => out.push_str(&other.to_string()),
        }
        rest = tail;
    }
    Err(format!("`{}`: more than {MOST} parameters in one text", shorten(text)))
}

/// A value of that type, where none is at hand.
pub(crate) fn sample(type_: ParameterType) -> Value {
    match type_ {
        ParameterType::Boolean => false.into(),
        ParameterType::Integer | ParameterType::Number => 1.into(),
        ParameterType::String => "text".into(),
    }
}
fn fits(type_: ParameterType, value: &Json) -> bool {
    match type_ {
        ParameterType::Boolean => value.is_boolean(),
        ParameterType::Integer => value.is_i64() || value.is_u64(),
        ParameterType::Number => value.is_number(),
        ParameterType::String => value.is_string(),
    }
}
fn word(type_: ParameterType) -> &'static str {
    match type_ {
        ParameterType::Boolean => "boolean",
        ParameterType::Integer => "integer",
        ParameterType::Number => "number",
        ParameterType::String => "string",
    }
}

/// `no such parameter; there are: a, b`.
pub(crate) fn unknown(what: &str, names: &[&str]) -> String {
    match names {
        [] => format!("no such {what}; there are none"),
        _ => format!("no such {what}; there are: {}", list(names)),
    }
}
/// At most a dozen names.
pub(crate) fn list(names: &[&str]) -> String {
    const SHOWN: usize = 12;
    let shown = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN { format!("{shown} and {} more", names.len() - SHOWN) } else { shown }
}
/// A value as JSON, cut to what a message can hold.
pub(crate) fn short(value: &Json) -> String {
    shorten(&value.to_string())
}
fn shorten(text: &str) -> String {
    const LENGTH: usize = 60;
    if text.chars().count() <= LENGTH {
        return text.to_owned();
    }
    format!("{}…", text.chars().take(LENGTH).collect::<String>())
}

impl Value {
    /// As JSON, cut to what a message can hold.
    pub fn short(&self) -> String {
        short(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parameter(name: &str, type_: ParameterType, default: Option<Json>) -> Parameter {
        Parameter { name: name.into(), type_, default: default.map(Value) }
    }

    #[test]
    fn what_a_device_leaves_out_is_filled_in_or_asked_for() {
        let declared = [
            parameter("line", ParameterType::String, None),
            parameter("base", ParameterType::Integer, Some(json!(100))),
        ];
        let given = Values::from([("line".into(), "L7".into())]);
        let filled = fill(&declared, "DeviceModel m: ", &given).unwrap();
        assert_eq!(filled, Values::from([("line".into(), "L7".into()), ("base".into(), 100.into())]));

        let given = Values::from([("base".into(), "x".into()), ("lime".into(), 1.into())]);
        let errors: Vec<_> =
            fill(&declared, "DeviceModel m: ", &given).unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(
            errors,
            [
                "spec.parameters.line: required by the model: a string",
                "spec.parameters.base: must be of type integer, is \"x\"",
                "spec.parameters.lime: no such parameter; there are: line, base",
            ]
        );
    }

    #[test]
    fn what_is_wrong_with_a_declaration_is_the_models() {
        let declared = [
            parameter("name", ParameterType::String, Some(json!("x"))),
            parameter("on", ParameterType::Boolean, Some(json!(true))),
            parameter("base", ParameterType::Integer, Some(json!("x"))),
        ];
        let errors = fill(&declared, "DeviceModel m: ", &Values::new()).unwrap_err();
        let fields: Vec<&str> = errors.iter().map(|e| e.field.as_str()).collect();
        let of = |field: &str| format!("DeviceModel m: spec.parameters[{field}");
        assert_eq!(fields, [of("name]"), of("on]"), of("base].default")]);
        assert_eq!(errors[2].message, "must be of type integer, is \"x\"");
    }

    #[test]
    fn parameters_are_put_into_strings_and_keep_their_type_alone() {
        let (line, base) = (json!("L7"), json!(100));
        let values = BTreeMap::from([("line", &line), ("base", &base)]);
        let out = substitute(
            &json!({"id": "a.${line}.b${base}", "at": "${base}", "deep": [{"x": "${line}"}], "n": 1}),
            &values,
        );
        assert_eq!(out, Ok(json!({"id": "a.L7.b100", "at": 100, "deep": [{"x": "L7"}], "n": 1})));
        assert_eq!(
            substitute(&json!("${lane}"), &values).unwrap_err(),
            "`${lane}`: no such parameter; there are: base, line"
        );
        assert_eq!(substitute(&json!("${line"), &values).unwrap_err(), "`${line`: ${ without }");
        assert!(substitute(&json!("${line}".repeat(65)), &values).is_err());
    }
}
