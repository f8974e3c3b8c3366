//! The classes that come with the chart: applied when a replica starts to lead.
use crate::{Error, FIELD_MANAGER};
use anyhow::Context as _;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use pollux_crds::MapperClass;
use serde_json::json;
use std::path::Path;

/// Reads a YAML list of classes, or several documents.
pub fn parse(text: &str) -> anyhow::Result<Vec<MapperClass>> {
    let documents: Vec<serde_json::Value> = serde_saphyr::from_multiple(text).context("not YAML")?;
    let items = documents.into_iter().flat_map(|document| match document {
        serde_json::Value::Array(items) => items,
        serde_json::Value::Null => vec![],
        one => vec![one],
    });
    items
        .enumerate()
        .map(|(i, item)| {
            let kind = item.get("kind").and_then(|k| k.as_str()).unwrap_or("(none)").to_owned();
            anyhow::ensure!(kind == "MapperClass", "item {}: kind must be MapperClass, is {kind}", i + 1);
            serde_json::from_value(item).with_context(|| format!("item {}", i + 1))
        })
        .collect()
}

/// Reads the file.
pub fn read(path: &Path) -> anyhow::Result<Vec<MapperClass>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text).with_context(|| path.display().to_string())
}

/// Applies one: fields that people own beside ours stay.
pub(crate) async fn apply(client: &Client, class: &MapperClass) -> Result<(), Error> {
    let body = json!({
        "apiVersion": MapperClass::api_version(&()), "kind": "MapperClass",
        "metadata": {"name": class.name_any(), "labels": class.labels(), "annotations": class.annotations()},
        "spec": class.spec,
    });
    let api: Api<MapperClass> = Api::all(client.clone());
    api.patch(&class.name_any(), &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(&body)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASS: &str =
        "apiVersion: pollux.rs/v1alpha1\nkind: MapperClass\nmetadata: {name: modbus}\nspec: {image: 'a:1'}\n";

    #[test]
    fn a_list_and_documents_are_read_alike() {
        let list = format!("- {}", CLASS.trim_end().replace('\n', "\n  "));
        for text in [CLASS.to_owned(), list, format!("{CLASS}---\n{CLASS}")] {
            let classes = parse(&text).unwrap();
            assert!(classes.iter().all(|c| c.name_any() == "modbus" && c.spec.image == "a:1"), "{text}");
        }
        assert_eq!(parse(&format!("{CLASS}---\n{CLASS}")).unwrap().len(), 2);
        assert!(parse("").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_class_is_refused_by_its_place() {
        let error = format!("{:#}", parse(&format!("{CLASS}---\nkind: Device\n")).unwrap_err());
        assert_eq!(error, "item 2: kind must be MapperClass, is Device");
        assert!(parse("kind: MapperClass\nspec: {imige: x}\n").is_err());
    }
}
