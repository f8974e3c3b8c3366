//! The reference of all fields, from the schemas.
use crate::files::Files;
use pollux_crds::{FORCE_RELEASE_ANNOTATION, REWRITE_ANNOTATION, SECRET_LABEL};
use serde_json::Value as Json;
use std::{collections::BTreeMap, fmt::Write};

const PATH: &str = "docs/reference/fields.md";
const HEAD: &str = "\
<!-- Generated from the types in crds/src by `cargo xtask docs`; edits are lost. -->
# All fields

`kubectl explain device.spec --recursive` says the same. `*` marks what must be given; `[]` an item of a list, `{}` a value of
a map. Each object has `metadata` beside. Durations are numbers with `ms`, `s`, `m` or `h`: `500ms`, `10s`, `1m30s`.

## Annotations and labels

| on | name | |
|---|---|---|
";
/// What people write beside the fields.
const MARKS: [(&str, &str, &str); 3] = [
    ("annotation of a Device", REWRITE_ANNOTATION, "A new text: write every desired value again."),
    (
        "annotation of a Device",
        FORCE_RELEASE_ANNOTATION,
        "Name of a node that will not come back: the device goes to its new node without that one's release. Counts only while \
         the mapper there does not answer.",
    ),
    (
        "label of a Secret",
        SECRET_LABEL,
        "`mappers`: the mappers of devices that name the Secret get `tls.crt`, `tls.key` and `ca.crt` of it. One without this \
         label is never copied.",
    ),
];
/// What people write first; what is made by the operator last.
const ORDER: [&str; 6] = ["Device", "DeviceModel", "Channel", "MapperClass", "DeviceSlice", "DeviceModelRevision"];

pub(crate) fn files() -> Files {
    let mut text = HEAD.to_owned();
    for (on, name, words) in MARKS {
        line(&mut text, &format!("| {on} | `{name}` | {words} |"));
    }
    let manifests = pollux_crds::manifests();
    for kind in ORDER {
        let named = |crd: &Json| crd.pointer("/spec/names/kind").and_then(Json::as_str) == Some(kind);
        for (_, crd) in manifests.iter().filter(|(_, crd)| named(crd)) {
            section(&mut text, kind, crd);
        }
    }
    Files(BTreeMap::from([(PATH.to_owned(), text)]))
}

fn section(text: &mut String, kind: &str, crd: &Json) {
    let Some(schema) = crd.pointer("/spec/versions/0/schema/openAPIV3Schema") else { return };
    let names =
        crd.pointer("/spec/names/shortNames").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    line(text, &format!("\n## {kind}\n"));
    line(text, &format!("{} Short name: {}.{}\n", full(schema), names.join(", "), selectable(crd)));
    line(text, "| field | type | |\n|---|---|---|");
    let fields = schema.get("properties").and_then(Json::as_object).into_iter().flatten();
    for (name, field) in fields.filter(|(name, _)| matches!(name.as_str(), "spec" | "status")) {
        rows(text, name, field, false);
    }
}

/// Fields that `kubectl get --field-selector` takes.
fn selectable(crd: &Json) -> String {
    let fields = crd.pointer("/spec/versions/0/selectableFields").and_then(Json::as_array).into_iter().flatten();
    let fields: Vec<String> = fields
        .filter_map(|field| field.get("jsonPath")?.as_str())
        .map(|path| format!("`{}`", path.trim_start_matches('.')))
        .collect();
    if fields.is_empty() { String::new() } else { format!(" Field selectors: {}.", fields.join(", ")) }
}

fn rows(text: &mut String, path: &str, schema: &Json, required: bool) {
    let star = if required { "\\*" } else { "" };
    line(text, &format!("| `{path}`{star} | {} | {} |", type_of(schema), cell(&full(schema))));
    let needed: Vec<&str> =
        schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect();
    for (name, field) in schema.get("properties").and_then(Json::as_object).into_iter().flatten() {
        rows(text, &format!("{path}.{name}"), field, needed.contains(&name.as_str()));
    }
    for (ending, inner) in [("[]", schema.get("items")), ("{}", schema.get("additionalProperties"))] {
        let fields = inner.and_then(|i| i.get("properties")).and_then(Json::as_object);
        let needed = inner.and_then(|i| i.get("required")).and_then(Json::as_array);
        for (name, field) in fields.into_iter().flatten() {
            let star = needed.is_some_and(|n| n.iter().any(|n| n == name));
            rows(text, &format!("{path}{ending}.{name}"), field, star);
        }
    }
}

/// Type, allowed values, bounds and default.
fn type_of(schema: &Json) -> String {
    let word = |key: &str| schema.get(key).and_then(Json::as_str);
    let mut parts = vec![match (word("type"), schema.get("items"), schema.get("additionalProperties")) {
        (Some("array"), Some(items), _) => format!("list of {}", word_of(items)),
        (Some("object"), _, Some(values)) => format!("map of {}", word_of(values)),
        _ => word_of(schema),
    }];
    if let Some(names) = schema.get("enum").and_then(Json::as_array) {
        parts.push(names.iter().filter_map(Json::as_str).map(|n| format!("`{n}`")).collect::<Vec<_>>().join(" · "));
    }
    let bound = |least: &str, most: &str| match (schema.get(least), schema.get(most)) {
        (Some(least), Some(most)) => Some(format!("{} to {}", plain(least), plain(most))),
        (Some(least), None) => Some(format!("≥ {}", plain(least))),
        (None, Some(most)) => Some(format!("≤ {}", plain(most))),
        (None, None) => None,
    };
    parts.extend(bound("minimum", "maximum"));
    parts.extend(bound("minLength", "maxLength").map(|b| format!("{b} characters")));
    parts.extend(bound("minItems", "maxItems").map(|b| format!("{b} items")));
    parts.extend(schema.get("maxProperties").map(|most| format!("≤ {most} entries")));
    parts.extend(schema.get("default").map(|default| format!("default `{default}`")));
    parts.join(", ")
}
/// 0.0 is 0.
fn plain(number: &Json) -> String {
    number.as_f64().map_or_else(|| number.to_string(), |n| n.to_string())
}
fn word_of(schema: &Json) -> String {
    match schema.get("type").and_then(Json::as_str) {
        Some("array") => "list",
        Some(type_) => type_,
        None => "any",
    }
    .to_owned()
}
fn describe(schema: &Json) -> &str {
    schema.get("description").and_then(Json::as_str).unwrap_or_default()
}
/// The description, then the rules that a message explains.
fn full(schema: &Json) -> String {
    let own = schema.get("x-kubernetes-validations").and_then(Json::as_array).into_iter().flatten();
    let items = schema.pointer("/items/x-kubernetes-validations").and_then(Json::as_array).into_iter().flatten();
    let rules: Vec<&str> = own.chain(items).filter_map(|rule| rule.get("message")?.as_str()).collect();
    let rules = if rules.is_empty() { String::new() } else { format!(" Rules: {}.", rules.join("; ")) };
    format!("{}{rules}", describe(schema))
}
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("a String takes all");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_their_path_type_bounds_and_words() {
        let files = files();
        let text = &files.0[PATH];
        for row in [
            "| `spec.protocol`\\* | object | How the device is reached. Rules: exactly one of modbus, opcua, ble, custom must be set. |",
            "| `spec.protocol.modbus.unitId` | integer, 0 to 255, default `1` |",
            "| `spec.mode` | string, `Control` · `Monitor` · `Off`, default `\"Control\"` |",
            "| `spec.properties[].name`\\* | string, 1 to 63 characters |",
            "| `status.pending{}.attempts`\\* | integer |",
            "## DeviceModelRevision",
            "metadata.name must be a DNS label of at most 40 characters",
            "Field selectors: `spec.nodeName`, `spec.model`.",
            "| annotation of a Device | `pollux.rs/rewrite` |",
            "such as 500ms, 10s or 1m30s, or OnConnect",
        ] {
            assert!(text.contains(row), "{row}");
        }
        let documented = |line: &&str| line.starts_with("| `") && line.ends_with("|  |");
        let bare: Vec<&str> = text.lines().filter(documented).collect();
        assert_eq!(bare, Vec::<&str>::new(), "a field without a word");
    }
}
