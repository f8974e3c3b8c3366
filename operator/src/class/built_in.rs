//! The classes that come with the chart: applied when a replica starts to lead. Each is checked as a class and sent as it
//! stands: a field that the file leaves out is not owned, and stays as a person set it, `writes` above all.
use crate::{Error, FIELD_MANAGER};
use anyhow::Context as _;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{PartialObjectMeta, Patch, PatchParams},
};
use pollux_crds::MapperClass;
use serde::Deserialize as _;
use serde_json::{Value as Json, json};
use std::path::Path;

/// A class that comes with the chart.
#[derive(Clone, Debug, PartialEq)]
pub struct BuiltIn {
    name: String,
    document: Json,
}
impl BuiltIn {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// A document, if it is a class.
    fn of(mut document: Json) -> anyhow::Result<Self> {
        let text = |key: &str| document.get(key).and_then(Json::as_str).unwrap_or("(none)").to_owned();
        let (kind, version) = (text("kind"), text("apiVersion"));
        anyhow::ensure!(kind == "MapperClass", "kind must be MapperClass, is {kind}");
        let wanted = MapperClass::api_version(&());
        anyhow::ensure!(version == wanted, "apiVersion must be {wanted}, is {version}");
        let class: MapperClass = MapperClass::deserialize(&document)?;
        let name = class.name_any();
        anyhow::ensure!(
            pollux_crds::is_class_name(&name),
            "metadata.name: {name:?} is not a DNS label of at most 40 characters, without dots"
        );
        let (labels, annotations) = (class.labels(), class.annotations());
        let metadata = json!({"name": name, "labels": labels, "annotations": annotations});
        let spec = document.get_mut("spec").map(Json::take).unwrap_or_default();
        let document = json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec});
        Ok(Self { name, document })
    }
}

/// Reads a YAML list of classes, or several documents.
pub fn parse(text: &str) -> anyhow::Result<Vec<BuiltIn>> {
    let documents: Vec<Json> = serde_saphyr::from_multiple(text).context("not YAML")?;
    let items = documents.into_iter().flat_map(|document| match document {
        Json::Array(items) => items,
        Json::Null => vec![],
        one => vec![one],
    });
    items.enumerate().map(|(i, item)| BuiltIn::of(item).with_context(|| format!("item {}", i + 1))).collect()
}

/// Reads the file.
pub fn read(path: &Path) -> anyhow::Result<Vec<BuiltIn>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text).with_context(|| path.display().to_string())
}

/// Applies one: fields that people own beside ours stay.
pub(crate) async fn apply(client: &Client, class: &BuiltIn) -> Result<(), Error> {
    let api: Api<PartialObjectMeta<MapperClass>> = Api::all(client.clone());
    api.patch(&class.name, &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(&class.document)).await?;
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
            assert!(
                classes.iter().all(|c| c.name() == "modbus" && c.document["spec"] == json!({"image": "a:1"})),
                "{text}"
            );
        }
        assert_eq!(parse(&format!("{CLASS}---\n{CLASS}")).unwrap().len(), 2);
        assert!(parse("").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_class_is_refused_by_its_place() {
        let error = format!("{:#}", parse(&format!("{CLASS}---\nkind: Device\n")).unwrap_err());
        assert_eq!(error, "item 2: kind must be MapperClass, is Device");
        for (from, to) in [("image", "imige"), ("v1alpha1", "v2"), ("name: modbus", "name: a.b"), ("'a:1'", "[1]")] {
            assert!(parse(&CLASS.replace(from, to)).is_err(), "{to}");
        }
        let switch = CLASS.replace("'a:1'", "'a:1', writes: Sometimes");
        assert!(format!("{:#}", parse(&switch).unwrap_err()).contains("Sometimes"));
    }

    #[test]
    fn a_field_is_sent_if_and_only_if_the_file_has_it_also_where_it_says_the_default() {
        let sent =
            |spec: &str| parse(&CLASS.replace("{image: 'a:1'}", spec)).unwrap().remove(0).document["spec"].clone();
        assert_eq!(sent("{image: b}"), json!({"image": "b"}));
        let all = "{image: b, writes: Enabled, hostNetwork: false, imagePullPolicy: IfNotPresent, args: []}";
        let wanted = json!({"image": "b", "writes": "Enabled", "hostNetwork": false, "imagePullPolicy": "IfNotPresent", "args": []});
        assert_eq!(sent(all), wanted);
    }

    #[tokio::test]
    async fn the_key_switch_that_a_person_turned_stays_turned_when_the_next_replica_leads() {
        let api = crate::testing::FakeApi::default();
        let class = parse(CLASS).unwrap().remove(0);
        apply(&api.client(), &class).await.unwrap();
        let path = "/apis/pollux.rs/v1alpha1/mapperclasses/modbus";
        let mut stored = api.get(path).unwrap();
        stored["spec"]["writes"] = json!("Disabled");
        api.put(path, stored);
        let newer = parse(&CLASS.replace("a:1", "a:2")).unwrap().remove(0);
        apply(&api.client(), &newer).await.unwrap();
        assert_eq!(api.get(path).unwrap()["spec"], json!({"image": "a:2", "writes": "Disabled"}));
    }
}
