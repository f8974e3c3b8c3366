//! The classes that come with the chart: applied when a replica starts to lead. A field at its default is not sent, and so stays
//! as a person set it, `writes` above all.
use crate::{Error, FIELD_MANAGER};
use anyhow::Context as _;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{PartialObjectMeta, Patch, PatchParams},
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
    items.enumerate().map(|(i, item)| class(item).with_context(|| format!("item {}", i + 1))).collect()
}

fn class(item: serde_json::Value) -> anyhow::Result<MapperClass> {
    let text = |key: &str| item.get(key).and_then(|value| value.as_str()).unwrap_or("(none)").to_owned();
    let (kind, version, wanted) = (text("kind"), text("apiVersion"), MapperClass::api_version(&()));
    anyhow::ensure!(kind == "MapperClass", "kind must be MapperClass, is {kind}");
    anyhow::ensure!(version == wanted, "apiVersion must be {wanted}, is {version}");
    let class: MapperClass = serde_json::from_value(item)?;
    let name = class.name_any();
    anyhow::ensure!(
        pollux_crds::is_class_name(&name),
        "metadata.name: {name:?} is not a DNS label of at most 40 characters, without dots"
    );
    Ok(class)
}

/// Reads the file.
pub fn read(path: &Path) -> anyhow::Result<Vec<MapperClass>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text).with_context(|| path.display().to_string())
}

/// Applies one: fields that people own beside ours stay. Of the answer nothing need be decoded.
pub(crate) async fn apply(client: &Client, class: &MapperClass) -> Result<(), Error> {
    let body = json!({
        "apiVersion": MapperClass::api_version(&()), "kind": "MapperClass",
        "metadata": {"name": class.name_any(), "labels": class.labels(), "annotations": class.annotations()},
        "spec": class.spec,
    });
    let api: Api<PartialObjectMeta<MapperClass>> = Api::all(client.clone());
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
        for (from, to, part) in [
            ("image", "imige", "image"),
            ("v1alpha1", "v2", "apiVersion must be pollux.rs/v1alpha1, is pollux.rs/v2"),
            ("name: modbus", "name: a.b", "metadata.name: \"a.b\""),
            ("'a:1'", "'a:1', writes: Sometimes", "Sometimes"),
        ] {
            let error = format!("{:#}", parse(&CLASS.replace(from, to)).unwrap_err());
            assert!(error.starts_with("item 1: ") && error.contains(part), "{to}: {error}");
        }
    }

    #[tokio::test]
    async fn the_key_switch_that_a_person_turned_stays_turned_when_the_next_replica_leads() {
        const PATH: &str = "/apis/pollux.rs/v1alpha1/mapperclasses/modbus";
        let api = crate::testing::FakeApi::default();
        for said in ["", ", writes: Enabled"] {
            apply(&api.client(), &parse(CLASS).unwrap().remove(0)).await.unwrap();
            let mut stored = api.get(PATH).unwrap();
            stored["spec"]["writes"] = "Disabled".into();
            api.put(PATH, stored);
            let newer = CLASS.replace("'a:1'", &format!("'a:2'{said}"));
            apply(&api.client(), &parse(&newer).unwrap().remove(0)).await.unwrap();
            let spec = api.get(PATH).unwrap()["spec"].clone();
            assert_eq!((&spec["image"], &spec["writes"]), (&"a:2".into(), &"Disabled".into()), "{said}");
            api.remove(PATH);
        }
    }
}
