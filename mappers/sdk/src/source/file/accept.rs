//! What the API server would do: each object is taken or refused as a whole. One that is refused leaves what was taken before.
use super::{
    Problem, Report, Text,
    kept::{Kept, word},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use pollux_crds::{
    SECRET_LABEL, SECRET_LABEL_VALUE, SecretKeys, hash, is_for_mappers, no_secret,
    offline::{self, yaml},
    secret_key,
};
use serde_json::{Value as Json, json};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    path::Path,
    sync::Arc,
};

pub(super) const DEFAULT_NAMESPACE: &str = "default";

/// Kind, namespace, name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) kind: Cow<'static, str>,
    pub(crate) namespace: Cow<'static, str>,
    pub(crate) name: String,
}
/// `Device boiler-1`, with its namespace where that is not the default one.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.namespace {
            DEFAULT_NAMESPACE | "" => write!(f, "{} {}", self.kind, self.name),
            namespace => write!(f, "{} {namespace}/{}", self.kind, self.name),
        }
    }
}

/// An object that is in force.
#[derive(Debug, Clone)]
pub(crate) struct Accepted {
    pub(crate) file: Arc<Path>,
    /// Its position among all documents.
    pub(crate) order: usize,
    pub(crate) object: Kept,
}

/// All objects that are in force.
#[derive(Default)]
pub(crate) struct World {
    objects: BTreeMap<Key, Accepted>,
    secrets: BTreeMap<Key, Secret>,
}
/// A Secret of the files.
struct Secret {
    file: Arc<Path>,
    /// Its labels let mappers have it.
    for_mappers: bool,
    data: BTreeMap<String, Vec<u8>>,
}

/// Never shows a secret.
impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("objects", &self.objects).finish_non_exhaustive()
    }
}

/// One document of a file.
struct Found<'a> {
    file: &'a Arc<Path>,
    line: u64,
    key: Key,
    json: Json,
}

impl World {
    pub(crate) fn objects(&self) -> impl Iterator<Item = (&Key, &Accepted)> {
        self.objects.iter()
    }
    pub(crate) fn get(&self, kind: &'static str, namespace: &str, name: &str) -> Option<&Accepted> {
        self.objects.get(&Key { kind: kind.into(), namespace: namespace.to_owned().into(), name: name.into() })
    }
    /// Contents of the Secrets that mappers may have.
    pub(crate) fn secrets(&self) -> HashMap<String, Vec<u8>> {
        let all = self.secrets.iter().filter(|(_, secret)| secret.for_mappers).flat_map(|(key, secret)| {
            let of = |(name, value): (&String, &Vec<u8>)| (secret_key(&key.namespace, &key.name, name), value.clone());
            secret.data.iter().map(of)
        });
        all.collect()
    }
    /// Bytes of each key of a Secret, or why mappers do not get it.
    pub(crate) fn secret(&self, namespace: &str, name: &str) -> Result<SecretKeys, String> {
        let key = Key { kind: "Secret".into(), namespace: namespace.to_owned().into(), name: name.into() };
        let found = self.secrets.get(&key).filter(|secret| secret.for_mappers);
        let secret = found.ok_or_else(|| no_secret(namespace, name))?;
        Ok(secret.data.iter().map(|(key, value)| (key.clone(), value.len())).collect())
    }

    /// The newest texts. What is in a file that cannot be read stays as it was.
    pub(crate) fn update(&mut self, texts: &[Text]) -> Report {
        let mut report = Report::default();
        let mut unread = BTreeSet::new();
        let mut found = vec![];
        for text in texts {
            match documents(text) {
                Ok(documents) => found.extend(documents),
                Err(message) => {
                    unread.insert(text.file.clone());
                    report.problems.push(Problem::new(&text.file, "", message));
                }
            }
        }
        let twice = twice(&found, &mut report);
        let mut old = std::mem::take(&mut self.objects);
        let mut old_secrets = std::mem::take(&mut self.secrets);
        for (order, document) in found.iter().enumerate() {
            let secret = old_secrets.remove_entry(&document.key);
            if twice.contains(&document.key) {
                self.objects.extend(old.remove_entry(&document.key));
                self.secrets.extend(secret);
            } else if is_secret(document) {
                self.take_secret(document, secret, &mut report);
            } else {
                self.take(document, order, old.remove_entry(&document.key), &mut report);
            }
        }
        self.objects.extend(old.into_iter().filter(|(_, kept)| unread.contains(&kept.file)));
        self.secrets.extend(old_secrets.into_iter().filter(|(_, secret)| unread.contains(&secret.file)));
        self.objects = std::mem::take(&mut self.objects).into_iter().collect(); // built at once its nodes are full, and not by half
        report
    }
    fn take_secret(&mut self, document: &Found<'_>, old: Option<(Key, Secret)>, report: &mut Report) {
        let Found { file, key, json, .. } = document;
        match secret(json) {
            Ok(data) => {
                let for_mappers = is_for_mappers(&labels(json));
                if !for_mappers {
                    let label = format!("{SECRET_LABEL}={SECRET_LABEL_VALUE}");
                    report.notes.push(format!("{}: {key}: not for mappers, it has no label {label}", file.display()));
                }
                self.secrets.insert(key.clone(), Secret { file: (*file).clone(), for_mappers, data });
            }
            Err(message) => {
                report.problems.push(Problem::new(file, key.to_string(), message));
                self.secrets.extend(old);
            }
        }
    }

    fn take(&mut self, document: &Found<'_>, order: usize, old: Option<(Key, Accepted)>, report: &mut Report) {
        let Found { file, key, json, .. } = document;
        if !offline::is_ours(json) {
            report.notes.push(format!("{}: {key}: ignored, it is nothing of Pollux", file.display()));
            return;
        }
        match offline::load(json) {
            Ok(object) => {
                let object = Kept::new(object, || uid(key), old.as_ref().map(|(_, before)| &before.object));
                self.objects.insert(key.clone(), Accepted { file: (*file).clone(), order, object });
            }
            Err(errors) => {
                report.problems.extend(errors.iter().map(|error| Problem::at(file, &key.to_string(), error)));
                self.objects.extend(old);
            }
        }
    }
}

/// Stays the same for a device of the same name, whatever file it is in.
pub(super) fn uid(key: &Key) -> String {
    const LENGTH: usize = 32;
    let hash: String = hash(&(&key.namespace, &key.name)).chars().take(LENGTH).collect();
    format!("file-{hash}")
}

fn documents(text: &Text) -> Result<Vec<Found<'_>>, String> {
    let content = text.content.as_ref().map_err(Clone::clone)?;
    let documents = yaml::read(content).map_err(|e| e.to_string())?;
    let mut found = vec![];
    for document in documents {
        let items = match document.value {
            Json::Object(mut list) if list.get("kind").is_some_and(|k| k == "List") => match list.remove("items") {
                Some(Json::Array(items)) => items,
                _ => vec![],
            },
            value => vec![value],
        };
        found.extend(items.into_iter().map(|json| one(&text.file, document.line, json)));
    }
    Ok(found)
}

fn one(file: &Arc<Path>, line: u64, mut json: Json) -> Found<'_> {
    let text = |pointer: &str| json.pointer(pointer).and_then(Json::as_str).unwrap_or_default().to_owned();
    let (kind, name, mut namespace) = (text("/kind"), text("/metadata/name"), text("/metadata/namespace"));
    let cluster = kind == "MapperClass";
    if namespace.is_empty() && !cluster {
        DEFAULT_NAMESPACE.clone_into(&mut namespace);
        if let Some(metadata) = json.get_mut("metadata").and_then(Json::as_object_mut) {
            metadata.entry("namespace").or_insert_with(|| json!(DEFAULT_NAMESPACE));
        }
    }
    Found { file, line, key: Key { kind: word(kind), namespace: word(namespace), name }, json }
}

/// Objects that stand in the files more than once: none of them is taken, for nobody knows which is meant.
fn twice(found: &[Found<'_>], report: &mut Report) -> BTreeSet<Key> {
    let mut first: BTreeMap<&Key, &Found<'_>> = BTreeMap::new();
    let mut twice = BTreeSet::new();
    for document in found.iter().filter(|d| !d.key.name.is_empty()) {
        let Some(earlier) = first.get(&document.key) else {
            first.insert(&document.key, document);
            continue;
        };
        let message = format!(
            "line {}: stands there twice, first in {} line {}; neither is taken",
            document.line,
            earlier.file.display(),
            earlier.line
        );
        report.problems.push(Problem::new(document.file, document.key.to_string(), message));
        twice.insert(document.key.clone());
    }
    twice
}

fn is_secret(document: &Found<'_>) -> bool {
    document.key.kind == "Secret" && document.json.get("apiVersion").and_then(Json::as_str) == Some("v1")
}
fn labels(json: &Json) -> BTreeMap<String, String> {
    let labels = json.pointer("/metadata/labels").and_then(Json::as_object).into_iter().flatten();
    labels.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}
/// `data` in base64, `stringData` as it stands. Errors never show a value.
fn secret(json: &Json) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let mut contents = BTreeMap::new();
    for (field, encoded) in [("data", true), ("stringData", false)] {
        for (key, value) in json.get(field).and_then(Json::as_object).into_iter().flatten() {
            let text = value.as_str().ok_or_else(|| format!("{field}.{key}: must be text; quote it"))?;
            let bytes = if encoded {
                BASE64_STANDARD.decode(text.trim()).map_err(|_| format!("{field}.{key}: is not base64"))?
            } else {
                text.as_bytes().to_vec()
            };
            contents.insert(key.clone(), bytes);
        }
    }
    Ok(contents)
}
