//! The kinds' schemas as objects are judged by them. They are made of the types when the sources are, not when a mapper starts: the
//! code that makes them, once run, stays in a process's memory.
use super::KINDS;
use crate::manifests;
use kube_cel::{CompiledSchema, compile_schema};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use std::sync::{Arc, Mutex, PoisonError};

/// What [`schemas_text`] said when the sources were made.
const TEXT: &str = include_str!("schemas.json");

/// One line of [`TEXT`].
#[derive(Debug, Deserialize)]
struct Written {
    name: String,
    namespaced: bool,
    schema: Json,
}

/// One kind's schema.
pub(super) struct Kind {
    pub(super) name: String,
    pub(super) namespaced: bool,
    /// Without `status` and without words for people; with what every object has beside, which is judged apart and not part of
    /// a CRD's schema.
    pub(super) schema: Json,
    pub(super) rules: CompiledSchema,
}

/// There while objects are judged: they take more memory than a small plant.
static SCHEMAS: Mutex<Option<Arc<[Kind]>>> = Mutex::new(None);

pub(super) fn all() -> Arc<[Kind]> {
    let mut schemas = SCHEMAS.lock().unwrap_or_else(PoisonError::into_inner);
    let read = || {
        serde_json::from_str::<Vec<Written>>(TEXT)
            .expect("generated, and read by a test")
            .into_iter()
            .map(kind)
            .collect()
    };
    schemas.get_or_insert_with(read).clone()
}

pub(super) fn forget() {
    SCHEMAS.lock().unwrap_or_else(PoisonError::into_inner).take();
}

fn kind(Written { name, namespaced, mut schema }: Written) -> Kind {
    let rules = compile_schema(&schema);
    if let Some(properties) = schema.get_mut("properties").and_then(Json::as_object_mut) {
        for (name, type_) in [("apiVersion", "string"), ("kind", "string"), ("metadata", "object")] {
            properties.insert(name.into(), json!({"type": type_, "x-kubernetes-preserve-unknown-fields": true}));
        }
    }
    Kind { name, namespaced, schema, rules }
}

/// `schemas.json` as the types have it, for who generates it (`cargo xtask crds`): a line of JSON for each kind that people write.
pub fn schemas_text() -> String {
    let lines: Vec<String> = manifests().into_iter().filter_map(|(_, crd)| line(crd)).collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}

fn line(mut crd: Json) -> Option<String> {
    let name = crd.pointer("/spec/names/kind")?.as_str()?.to_owned();
    if !KINDS.contains(&name.as_str()) {
        return None;
    }
    let namespaced = crd.pointer("/spec/scope")? == "Namespaced";
    let mut schema = crd.pointer_mut("/spec/versions/0/schema/openAPIV3Schema")?.take();
    schema.get_mut("properties")?.as_object_mut()?.remove("status");
    unsaid(&mut schema);
    Some(json!({"name": name, "namespaced": namespaced, "schema": schema}).to_string())
}

/// Takes out the words for people, but no field of that name.
fn unsaid(schema: &mut Json) {
    let Some(keywords) = schema.as_object_mut() else { return };
    keywords.retain(|keyword, _| !matches!(keyword.as_str(), "description" | "title"));
    for (keyword, value) in keywords {
        match keyword.as_str() {
            "properties" => value.as_object_mut().into_iter().flatten().for_each(|(_, field)| unsaid(field)),
            "items" | "additionalProperties" => unsaid(value),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_objects_are_judged_by_is_what_the_types_say() {
        assert!(TEXT == schemas_text(), "run: cargo xtask crds");
        assert_eq!(all().len(), KINDS.len());
    }

    #[test]
    fn words_for_people_are_left_out_and_a_field_of_that_name_is_not() {
        let text = json!({"type": "string", "description": "what it is", "title": "t"});
        let mut schema = json!({"description": "x", "properties": {"description": text, "title": {"items": text}}});
        unsaid(&mut schema);
        let plain = json!({"type": "string"});
        assert_eq!(schema, json!({"properties": {"description": plain, "title": {"items": plain}}}));
    }
}
