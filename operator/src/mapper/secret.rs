//! What of people's Secrets a mapper gets: of those that its devices name, and whose owners have labelled them, the keys that are
//! read. They stand in one Secret, which its reader may read. Contents pass through here and are kept nowhere.
use super::build::secret as name_of;
use crate::{
    Context, Error, apply,
    owner::Owner,
    world::{
        World,
        keys::{Id, MapperKey, id, parts},
        secrets::Found,
    },
};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{Api, ResourceExt};
use pollux_crds::{MAX_SECRET_KEY, SliceDevice, is_for_mappers, secret_key, secrets};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Annotation of chunk 0: which Secrets, in which version, were copied.
pub(crate) const SECRETS_ANNOTATION: &str = "pollux.rs/secrets";
/// Most bytes that one mapper gets: what fits into an object. Devices beyond it are told by their mapper that theirs is missing.
const MOST: usize = 700 * 1024;

/// The Secrets that a mapper's devices name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Wants {
    /// Those that are there: their version, and the keys that are read.
    there: BTreeMap<Id, (String, BTreeSet<&'static str>)>,
    /// Of some it is not known whether they are there.
    pub(crate) unread: bool,
}

impl Wants {
    pub(super) fn of<'a>(world: &World, entries: impl Iterator<Item = &'a SliceDevice>) -> Self {
        let mut wants = Self::default();
        for entry in entries {
            for named in secrets(&entry.protocol.0) {
                match world.secrets.find(&entry.namespace, &named.name) {
                    Found::There(fact) => {
                        let new = || (fact.version.clone(), BTreeSet::new());
                        let (_, keys) = wants.there.entry(id(&entry.namespace, &named.name)).or_insert_with(new);
                        keys.extend(named.keys);
                    }
                    Found::Missing => {}
                    Found::Unread(_) => wants.unread = true,
                }
            }
        }
        wants
    }
    /// Changes when the copy has to.
    pub(super) fn hash(&self, owner: &Owner) -> String {
        let there: BTreeMap<&str, _> = self.there.iter().map(|(secret, of)| (&**secret, of)).collect();
        pollux_crds::hash(&(there, owner.references()))
    }
}

/// Copies what is wanted, and no more. A Secret that cannot be had any more is left out, and those who name it are told.
pub(super) async fn copy(cx: &Context, key: &MapperKey, wants: &Wants, owner: &Owner) -> Result<(), Error> {
    let (mut data, mut size) = (BTreeMap::new(), 0);
    for (secret, (_, keys)) in &wants.there {
        let Some(contents) = read(cx, secret).await? else {
            cx.world.secret_gone(secret);
            continue;
        };
        let (namespace, name) = parts(secret);
        for (part, value) in contents.into_iter().filter(|(part, _)| keys.contains(part.as_str())) {
            if value.0.len() <= MAX_SECRET_KEY && size + value.0.len() <= MOST {
                size += value.0.len();
                data.insert(secret_key(namespace, name, &part), value);
            } else {
                tracing::warn!(mapper = %key, %secret, "not copied: too large, or too much for one mapper");
            }
        }
    }
    let copied = data.len();
    let meta = super::reader::metadata(&name_of(key), owner);
    let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": "Opaque", "data": data});
    apply::apply(cx, &object).await?;
    tracing::debug!(mapper = %key, copied, "keys of Secrets copied");
    Ok(())
}

/// None: it is gone, has lost its label, or may not be read any more.
async fn read(cx: &Context, secret: &Id) -> Result<Option<BTreeMap<String, ByteString>>, Error> {
    let (namespace, name) = parts(secret);
    let api: Api<Secret> = Api::namespaced(cx.client.clone(), namespace);
    match api.get_opt(name).await {
        Ok(found) => {
            Ok(found.filter(|found| is_for_mappers(found.labels())).map(|found| found.data.unwrap_or_default()))
        }
        Err(kube::Error::Api(status)) if status.code == 403 => {
            tracing::warn!(%secret, message = status.message, "may not be read");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}
