//! Manifests: the schemas as a real API server takes them.
use crate::{Channel, Device, DeviceModel, DeviceModelRevision, DeviceSlice, MapperClass};
use kube::CustomResourceExt;
use serde_json::{Value as Json, json};

/// Each kind's CustomResourceDefinition as JSON, with its plural, sorted by plural.
pub fn manifests() -> Vec<(&'static str, Json)> {
    vec![
        ("channels", crd::<Channel>()),
        ("devicemodelrevisions", crd::<DeviceModelRevision>()),
        ("devicemodels", crd::<DeviceModel>()),
        ("devices", crd::<Device>()),
        ("deviceslices", crd::<DeviceSlice>()),
        ("mapperclasses", crd::<MapperClass>()),
    ]
}

fn crd<K: CustomResourceExt>() -> Json {
    let mut json = serde_json::to_value(K::crd()).expect("a CRD is plain JSON");
    tidy(&mut json);
    json
}

/// Formats that the API server does not know (it warns on each), and descriptions folded to one line so that `kubectl explain`
/// wraps them itself.
fn tidy(json: &mut Json) {
    match json {
        Json::Object(map) => {
            let known = |f: &str| matches!(f, "int32" | "int64" | "float" | "double" | "date-time" | "date" | "byte");
            if map.get("format").and_then(Json::as_str).is_some_and(|f| !known(f)) {
                map.remove("format");
            }
            if let Some(Json::String(text)) = map.get("description") {
                let folded = text.split_whitespace().collect::<Vec<_>>().join(" ");
                map.insert("description".into(), json!(folded));
            }
            map.values_mut().for_each(tidy);
        }
        Json::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kinds that people write, each field with its path.
    fn fields() -> Vec<(String, Json)> {
        fn walk(path: &str, schema: &Json, found: &mut Vec<(String, Json)>) {
            found.push((path.to_owned(), schema.clone()));
            for (name, field) in schema.get("properties").and_then(Json::as_object).into_iter().flatten() {
                walk(&format!("{path}.{name}"), field, found);
            }
            for inner in [schema.get("items"), schema.get("additionalProperties")].into_iter().flatten() {
                walk(path, inner, found);
            }
        }
        let mut found = vec![];
        for (plural, crd) in manifests() {
            walk(plural, crd.pointer("/spec/versions/0/schema/openAPIV3Schema").unwrap(), &mut found);
        }
        found
    }
    fn description(schema: &Json) -> &str {
        schema.get("description").and_then(Json::as_str).unwrap_or_default()
    }

    #[test]
    fn every_word_that_may_be_chosen_is_explained() {
        let fields = fields();
        let chosen: Vec<_> = fields.iter().filter(|(_, schema)| schema.get("enum").is_some()).collect();
        assert!(chosen.len() > 20);
        let silent = chosen.into_iter().flat_map(|(path, schema)| {
            let words = schema["enum"].as_array().unwrap().iter().filter_map(Json::as_str);
            words.filter(|word| !description(schema).contains(word)).map(move |word| format!("{path}: {word}"))
        });
        assert_eq!(silent.collect::<Vec<_>>(), Vec::<String>::new());
    }

    #[test]
    fn what_holds_where_nothing_is_given_is_said() {
        let fields = fields();
        for (field, words) in [
            ("properties.access", "default ReadOnly"),
            ("properties.enforce", "default OnChange"),
            ("properties.type", "required, here or in the model"),
            ("properties.report.when", "default OnChange"),
            ("properties.write.verify", "by reading the same property back, bit for bit"),
            ("properties.write.verify.by", "default ReadBack"),
            ("properties.binding.modbus.byteOrder", "64-bit values follow the same pattern: ABCDEFGH"),
            ("properties.binding.modbus.dataType", "trailing spaces"),
            ("properties.binding.opcua.sampling", "default Subscribe"),
            ("properties.binding.opcua.queueSize", "default so many"),
        ] {
            for kind in ["devicemodels", "devices"] {
                let path = format!("{kind}.spec.{field}");
                let found = fields.iter().find(|(p, _)| *p == path).map(|(_, schema)| description(schema));
                assert!(found.is_some_and(|text| text.contains(words)), "{path}: {found:?}");
            }
        }
    }

    #[test]
    fn every_text_and_every_list_of_ours_is_bounded() {
        for (path, schema) in fields().iter().filter(|(path, _)| path.contains(".spec") || path.contains(".status")) {
            let has = |key: &str| schema.get(key).is_some();
            match schema.get("type").and_then(Json::as_str) {
                Some("string") => assert!(has("maxLength") || has("enum"), "{path}"),
                Some("array") => assert!(has("maxItems"), "{path}"),
                Some("object") if has("additionalProperties") => assert!(has("maxProperties"), "{path}"),
                _ => {}
            }
        }
    }
}
