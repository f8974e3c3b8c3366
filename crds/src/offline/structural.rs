//! The structural schema of a CRD: types, required fields, enums, patterns, bounds, unknown fields, keyed lists.
use super::nearest;
use crate::{
    FieldError,
    parameters::{list, short},
};
use regex::Regex;
use serde_json::Value as Json;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

/// Keywords that [`check`] acts on, or that need no act: a test holds the schemas to them, which have no words for people.
#[cfg(test)]
pub(super) const KNOWN: [&str; 22] = [
    "type",
    "nullable",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "maxProperties",
    "required",
    "properties",
    "additionalProperties",
    "items",
    "default",
    "format",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    "x-kubernetes-validations",
];

/// Numbers that are whole become integers, as Go prints them on their way from YAML to the API server; those that no signed 64
/// bits hold become doubles there.
#[allow(clippy::cast_possible_truncation)] // exact below 2⁵³
pub(super) fn whole_numbers(value: &mut Json) {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Json::Number(n) if n.is_u64() && !n.is_i64() => *value = n.as_f64().into(),
        Json::Number(n) if n.is_f64() => {
            if let Some(whole) = n.as_f64().filter(|f| f.fract() == 0.0 && f.abs() < EXACT) {
                *value = Json::from(whole as i64);
            }
        }
        Json::Array(items) => items.iter_mut().for_each(whole_numbers),
        Json::Object(map) => map.values_mut().for_each(whole_numbers),
        _ => {}
    }
}

/// A null in place of a field is as if it were not there: where it may be null, rules take it as absent; where it may not and
/// there is a default, that is taken.
pub(super) fn drop_nulls(schema: &Json, value: &mut Json) {
    match value {
        Json::Object(map) => {
            map.retain(|name, value| {
                let field = schema.get("properties").and_then(|p| p.get(name));
                !(value.is_null() && field.is_some_and(|f| f.get("default").is_some() != nullable(f)))
            });
            for (name, value) in map {
                if let Some(field) = field_schema(schema, name) {
                    drop_nulls(field, value);
                }
            }
        }
        Json::Array(items) => {
            if let Some(schema) = schema.get("items") {
                for item in items {
                    drop_nulls(schema, item);
                }
            }
        }
        _ => {}
    }
}

pub(super) fn check(schema: &Json, value: &Json, errors: &mut Vec<FieldError>) {
    Walk { errors }.node(schema, value, "");
}

fn nullable(schema: &Json) -> bool {
    flag(schema, "nullable")
}
fn flag(schema: &Json, keyword: &str) -> bool {
    schema.get(keyword).and_then(Json::as_bool) == Some(true)
}
fn field_schema<'a>(schema: &'a Json, name: &str) -> Option<&'a Json> {
    let own = schema.get("properties").and_then(|p| p.get(name));
    own.or_else(|| schema.get("additionalProperties").filter(|a| a.is_object()))
}
fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

struct Walk<'a> {
    errors: &'a mut Vec<FieldError>,
}
impl Walk<'_> {
    fn wrong(&mut self, path: &str, message: impl Into<String>) {
        self.errors.push(FieldError::new(path, message));
    }
    fn node(&mut self, schema: &Json, value: &Json, path: &str) {
        if value.is_null() && nullable(schema) {
            return;
        }
        if let Some(type_) = schema.get("type").and_then(Json::as_str)
            && !is_of(type_, value)
        {
            return self.wrong(path, not_of(type_, schema, value));
        }
        if let Some(allowed) = schema.get("enum").and_then(Json::as_array)
            && !allowed.contains(value)
        {
            return self.wrong(path, not_one_of(allowed, value));
        }
        match value {
            Json::String(text) => self.text(schema, text, path),
            Json::Number(number) => self.number(schema, number, path),
            Json::Array(items) => self.items(schema, items, path),
            Json::Object(map) => self.fields(schema, map, path),
            Json::Null | Json::Bool(_) => {}
        }
    }
    fn text(&mut self, schema: &Json, text: &str, path: &str) {
        let length = text.chars().count() as u64;
        if let Some(most) = bound(schema, "maxLength").filter(|most| length > *most) {
            self.wrong(path, format!("longer than {most} characters"));
        }
        if let Some(least) = bound(schema, "minLength").filter(|least| length < *least) {
            self.wrong(path, format!("must have at least {least} characters, is {}", short(&Json::from(text))));
        }
        if let Some(pattern) = schema.get("pattern").and_then(Json::as_str)
            && !regex(pattern).is_some_and(|regex| regex.is_match(text))
        {
            self.wrong(path, format!("must match {pattern}, is {}", short(&Json::from(text))));
        }
    }
    fn number(&mut self, schema: &Json, number: &serde_json::Number, path: &str) {
        let limit = |keyword: &str| schema.get(keyword).and_then(Json::as_f64);
        let Some(n) = number.as_f64() else { return };
        let (least, most) = (limit("minimum"), limit("maximum"));
        if least.is_some_and(|least| n < least) || most.is_some_and(|most| n > most) {
            let range = match (least, most) {
                (Some(least), Some(most)) => format!("from {least} to {most}"),
                (Some(least), None) => format!("at least {least}"),
                (_, most) => format!("at most {}", most.unwrap_or(f64::MAX)),
            };
            self.wrong(path, format!("must be {range}, is {number}"));
        }
    }
    fn items(&mut self, schema: &Json, items: &[Json], path: &str) {
        let length = items.len() as u64;
        if let Some(most) = bound(schema, "maxItems").filter(|most| length > *most) {
            self.wrong(path, format!("must have at most {most} items, has {length}"));
        }
        if let Some(least) = bound(schema, "minItems").filter(|least| length < *least) {
            self.wrong(path, format!("must have at least {least} items, has {length}"));
        }
        if let Some(each) = schema.get("items") {
            for (position, item) in items.iter().enumerate() {
                self.node(each, item, &format!("{path}[{position}]"));
            }
        }
        self.keyed(schema, items, path);
    }
    /// Items of a keyed list with the same key.
    fn keyed(&mut self, schema: &Json, items: &[Json], path: &str) {
        if schema.get("x-kubernetes-list-type").and_then(Json::as_str) != Some("map") {
            return;
        }
        let keys: Vec<&str> = schema
            .get("x-kubernetes-list-map-keys")
            .and_then(Json::as_array)
            .map_or(vec![], |keys| keys.iter().filter_map(Json::as_str).collect());
        let mut seen = BTreeSet::new();
        for (position, item) in items.iter().enumerate() {
            let key: Option<Vec<String>> = keys.iter().map(|k| item.get(*k).map(ToString::to_string)).collect();
            if let Some(key) = key
                && !seen.insert(key.clone())
            {
                let named: Vec<_> = keys.iter().zip(&key).map(|(k, v)| format!("{k}: {v}")).collect();
                self.wrong(
                    &format!("{path}[{position}]"),
                    format!("duplicate: {} stands there twice", named.join(", ")),
                );
            }
        }
    }
    fn fields(&mut self, schema: &Json, map: &serde_json::Map<String, Json>, path: &str) {
        if let Some(most) = bound(schema, "maxProperties").filter(|most| map.len() as u64 > *most) {
            self.wrong(path, format!("must have at most {most} entries, has {}", map.len()));
        }
        let required = schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
        for name in required.filter(|name| !map.contains_key(*name)) {
            let field = schema.get("properties").and_then(|p| p.get(name));
            let what = field.map(allowed).filter(|w| !w.is_empty()).map_or(String::new(), |w| format!(": {w}"));
            // A field with a default is filled in before it is missed.
            if field.is_none_or(|f| f.get("default").is_none()) {
                self.wrong(&join(path, name), format!("required{what}"));
            }
        }
        let keeps = flag(schema, "x-kubernetes-preserve-unknown-fields") || flag(schema, "additionalProperties");
        for (name, value) in map {
            match field_schema(schema, name) {
                Some(field) => self.node(field, value, &join(path, name)),
                None if keeps => {}
                None => self.wrong(&join(path, name), unknown(schema, name)),
            }
        }
    }
}

fn unknown(schema: &Json, name: &str) -> String {
    let known: Vec<&str> =
        schema.get("properties").and_then(Json::as_object).map_or(vec![], |p| p.keys().map(String::as_str).collect());
    match nearest(name, known.iter().copied()) {
        Some(hint) => format!("unknown field{hint}"),
        None if known.is_empty() => "unknown field; there is none here".into(),
        None => format!("unknown field; there are: {}", list(&known)),
    }
}

fn is_of(type_: &str, value: &Json) -> bool {
    match type_ {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        _ => true,
    }
}

/// What may stand there, in words.
fn allowed(schema: &Json) -> String {
    if let Some(names) = schema.get("enum").and_then(Json::as_array) {
        return one_of(names);
    }
    let word = match schema.get("type").and_then(Json::as_str) {
        Some("object") => "a block of fields",
        Some("array") => "a list",
        Some("string") => "text",
        Some("boolean") => "true or false",
        Some("integer") => "a whole number",
        Some("number") => "a number",
        _ => "",
    };
    word.to_owned()
}
fn one_of(names: &[Json]) -> String {
    let names: Vec<&str> = names.iter().filter_map(Json::as_str).collect();
    format!("one of {}", list(&names))
}

fn not_of(type_: &str, schema: &Json, value: &Json) -> String {
    let hint = match value {
        Json::Bool(found) if type_ == "string" => quote(*found, schema.get("enum").and_then(Json::as_array)),
        Json::Number(_) if type_ == "string" => format!("; quote it: \"{value}\""),
        _ => String::new(),
    };
    format!("must be {}, is {}{hint}", allowed(schema), short(value))
}
fn not_one_of(names: &[Json], value: &Json) -> String {
    let known = names.iter().filter_map(Json::as_str);
    let hint = value.as_str().and_then(|text| nearest(text, known)).unwrap_or_default();
    format!("must be {}, is {}{hint}", one_of(names), short(value))
}

/// What to write where YAML made a boolean of a word: the allowed name that reads like it, or the usual one.
fn quote(found: bool, allowed: Option<&Vec<Json>>) -> String {
    let words = if found { ["On", "Yes", "Y"] } else { ["Off", "No", "N"] };
    let names = allowed.into_iter().flatten().filter_map(Json::as_str);
    let meant = names.into_iter().find(|name| words.iter().any(|w| w.eq_ignore_ascii_case(name)));
    let word = meant.unwrap_or(words[0]);
    format!("; YAML reads unquoted On, Off, Yes and No as booleans, quote it: \"{word}\"")
}

fn bound(schema: &Json, keyword: &str) -> Option<u64> {
    schema.get(keyword).and_then(Json::as_u64)
}

/// Patterns come from our own schemas only: few, and each is compiled once.
static COMPILED: Mutex<BTreeMap<String, Option<Arc<Regex>>>> = Mutex::new(BTreeMap::new());

fn regex(pattern: &str) -> Option<Arc<Regex>> {
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = compiled.get(pattern) {
        return known.clone();
    }
    let regex = Regex::new(pattern).ok().map(Arc::new);
    compiled.insert(pattern.to_owned(), regex.clone());
    regex
}
pub(super) fn forget() {
    COMPILED.lock().unwrap_or_else(PoisonError::into_inner).clear();
}
