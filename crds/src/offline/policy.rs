//! The logic of the admission policy `pollux-property-names`: what the CRD's own rules cannot say, because CEL there cannot look
//! into `desired`. Same words.
use crate::{FieldError, MAX_VALUE, is_property_name};
use serde_json::Value as Json;

const ALLOWED: &str = "letters, digits and _, not a digit first, at most 63; none of y n yes no on off true false null, which YAML turns into something else";
const SHOWN: usize = 80;

pub(super) fn check(object: &Json) -> Vec<FieldError> {
    let desired = object.pointer("/spec/desired").and_then(Json::as_object);
    let properties = object.pointer("/spec/properties").and_then(Json::as_array);
    let keys = desired.into_iter().flatten().map(|(name, _)| ("spec.desired".to_owned(), name.as_str()));
    let names = properties.into_iter().flatten().enumerate().filter_map(|(position, property)| {
        Some((format!("spec.properties[{position}].name"), property.get("name")?.as_str()?))
    });
    let bad = keys.chain(names).filter(|(_, name)| !is_property_name(name));
    let mut errors: Vec<_> = bad.map(|(field, name)| FieldError::new(field, not_a_name(name))).collect();
    let long = desired.into_iter().flatten().filter(|(_, value)| too_long(value));
    errors.extend(long.map(|(name, _)| {
        FieldError::new(format!("spec.desired.{name}"), format!("longer than {MAX_VALUE} characters"))
    }));
    errors
}

fn not_a_name(name: &str) -> String {
    let shown: String = name.chars().take(SHOWN).collect();
    let cut = if shown.len() < name.len() { "…" } else { "" };
    format!("not a property name: {shown}{cut} ({ALLOWED})")
}

/// Lists and objects as text; the schema's maxLength counts strings.
fn too_long(value: &Json) -> bool {
    (value.is_array() || value.is_object()) && length(value) > MAX_VALUE
}
/// As CEL prints it: `[1, 2]`, `{"a": 1}`. Deep nesting is the reader's bound, not ours.
fn length(value: &Json) -> usize {
    let separators = |n: usize| 2 + n.saturating_sub(1) * 2;
    match value {
        Json::Array(items) => separators(items.len()) + items.iter().map(length).sum::<usize>(),
        Json::Object(map) => {
            separators(map.len()) + map.iter().map(|(k, v)| k.chars().count() + 4 + length(v)).sum::<usize>()
        }
        Json::String(text) => text.chars().count() + 2,
        other => other.to_string().len(),
    }
}
