//! The kinds' manifests, for `kubectl apply -f crds/manifests` and for the chart; their schemas, for mappers that have no API server.
use crate::files::Files;
use anyhow::{Context, Result, ensure};
use pollux_crds::offline::{schemas_text, yaml};
use serde_json::Value as Json;
use std::collections::BTreeMap;

const HEADER: &str = "# Generated from the types in crds/src by `cargo xtask crds`; edits are lost.\n";
/// The second is read by the subchart, which adds what belongs to Helm.
const FOLDERS: [&str; 2] = ["crds/manifests", "charts/pollux/charts/pollux-crds/files"];

const SCHEMAS: &str = "crds/src/offline/schemas.json";

pub(crate) fn files() -> Result<Files> {
    let mut files = BTreeMap::from([(SCHEMAS.to_owned(), schemas_text())]);
    for (plural, crd) in pollux_crds::manifests() {
        let text = format!("{HEADER}{}", text(&crd).context(plural)?);
        for folder in FOLDERS {
            files.insert(format!("{folder}/{plural}.yaml"), text.clone());
        }
    }
    Ok(Files(files))
}

/// Keys sorted, whatever the order in which they were made; read back as kubectl reads, it is the same.
fn text(crd: &Json) -> Result<String> {
    let sorted = sorted(crd);
    let text = serde_saphyr::to_string(&sorted)?;
    let documents = yaml::read(&text)?;
    ensure!(documents.len() == 1 && documents.iter().all(|d| d.value == sorted), "does not survive YAML");
    Ok(if text.ends_with('\n') { text } else { text + "\n" })
}
fn sorted(json: &Json) -> Json {
    match json {
        Json::Object(map) => {
            let fields: BTreeMap<_, _> = map.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
            Json::Object(fields.into_iter().collect())
        }
        Json::Array(items) => Json::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_kind_is_there_twice_and_the_same_each_time() {
        let files = files().unwrap();
        assert_eq!(files.0.len(), 13);
        assert_eq!(files, super::files().unwrap());
        for (name, text) in files.0.iter().filter(|(name, _)| *name != SCHEMAS) {
            assert!(text.starts_with(HEADER) && text.contains("kind: CustomResourceDefinition"), "{name}");
        }
    }

    #[test]
    fn words_that_yaml_takes_for_booleans_survive() {
        let json = json!({"enum": ["Off", "y", "No", "null", "1", "0x1", "1e3", "~", "a: b", "{{ x }}"], "n": 1.5});
        assert_eq!(yaml::read(&text(&json).unwrap()).unwrap().remove(0).value, json);
    }
}
