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
use pollux_crds::{
    MAX_SECRET_KEY, SecretKey, SecretRef, SliceDevice, is_for_mappers, is_readable, secret_key, secrets,
};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Annotation of chunk 0: which Secrets, in which version, were copied.
pub(crate) const SECRETS_ANNOTATION: &str = "pollux.rs/secrets";
/// Most bytes that one mapper gets: what fits into an object. Devices beyond it are refused; see [`super::crowd`] for who that is.
pub(super) const MOST: usize = 700 * 1024;

/// The Secrets that a mapper's devices name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Wants {
    /// Those that are there: their version, and the keys that are read.
    there: BTreeMap<Id, (String, BTreeSet<SecretKey>)>,
    /// All of them.
    pub(super) named: BTreeSet<Id>,
    /// Bytes of what is read of each, where that is allowed.
    sizes: BTreeMap<Id, usize>,
    /// Of some it is not known whether they are there.
    pub(crate) unread: bool,
}

impl Wants {
    pub(super) fn of<'a>(world: &World, entries: impl Iterator<Item = &'a SliceDevice>) -> Self {
        let mut wants = Self::default();
        for entry in entries {
            for named in secrets(&entry.protocol.0) {
                wants.named.insert(id(&entry.namespace, &named.name));
                match world.secrets.find(&entry.namespace, &named.name) {
                    Found::There(fact) => {
                        let new = || (fact.version.clone(), BTreeSet::new());
                        let secret = id(&entry.namespace, &named.name);
                        let (_, keys) = wants.there.entry(secret.clone()).or_insert_with(new);
                        keys.extend(named.keys);
                        let sizes: Vec<usize> = keys.iter().filter_map(|key| fact.keys.get(&**key).copied()).collect();
                        if sizes.iter().all(|size| *size <= MAX_SECRET_KEY) {
                            wants.sizes.insert(secret, sizes.iter().sum());
                        } else {
                            wants.sizes.remove(&secret);
                        }
                    }
                    Found::Missing => {}
                    Found::Unread(_) => wants.unread = true,
                }
            }
        }
        wants
    }
    /// Secrets that fit into one copy, each whole; all of them, unless what is in force has grown. Namespaces share it, each with its smallest first: one that asks for no more than
    /// its part has all of its own, whatever others ask for.
    fn fitting(&self, room: usize) -> BTreeSet<&Id> {
        let mut smallest: Vec<(usize, &Id)> = self.sizes.iter().map(|(secret, size)| (*size, secret)).collect();
        smallest.sort_unstable();
        let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
        let mut turns = vec![];
        for (size, secret) in smallest {
            let taken = taken.entry(parts(secret).0).or_default();
            *taken += size;
            turns.push((*taken, secret, size));
        }
        turns.sort_unstable();
        let mut left = room;
        let mut fits = |size: usize| left.checked_sub(size).map(|less| left = less).is_some();
        turns.into_iter().filter(|(_, _, size)| fits(*size)).map(|(_, secret, _)| secret).collect()
    }
    /// How the copy is shared out.
    pub(super) fn room(&self, bytes: usize) -> Room<'_> {
        let fitting = self.fitting(bytes);
        let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
        for secret in &fitting {
            *taken.entry(parts(secret).0).or_default() += self.sizes.get(*secret).copied().unwrap_or_default();
        }
        Room { bytes, wants: self, fitting, taken }
    }
    /// Changes when the copy has to.
    pub(super) fn hash(&self, owner: &Owner) -> String {
        let there: BTreeMap<&str, _> = self.there.iter().map(|(secret, of)| (&**secret, of)).collect();
        pollux_crds::hash(&(there, owner.references()))
    }
}

/// How the copy of one mapper is shared out.
#[derive(Debug)]
pub(super) struct Room<'a> {
    bytes: usize,
    wants: &'a Wants,
    fitting: BTreeSet<&'a Id>,
    /// Bytes by namespace.
    taken: BTreeMap<&'a str, usize>,
}

impl Room<'_> {
    /// A Secret that a device names is known, and not in the copy.
    pub(super) fn lacks(&self, device: &SliceDevice) -> bool {
        secrets(&device.protocol.0).iter().any(|named| {
            let secret = id(&device.namespace, &named.name);
            self.wants.sizes.contains_key(&secret) && !self.fitting.contains(&secret)
        })
    }
    /// All that is read of a Secret is in the copy.
    fn has(&self, namespace: &str, named: &SecretRef) -> bool {
        let secret = id(namespace, &named.name);
        let copied = self.wants.there.get(&secret).filter(|_| self.fitting.contains(&secret));
        copied.is_some_and(|(_, keys)| named.keys.iter().all(|key| keys.contains(key)))
    }
    /// That a Secret which a device names does not fit, and how much room there is.
    pub(super) fn words(&self, world: &World, device: &SliceDevice) -> String {
        let named = secrets(&device.protocol.0);
        let Some(named) = named.iter().find(|named| !self.has(&device.namespace, named)).or_else(|| named.first())
        else {
            return String::new();
        };
        let alone = Wants::of(world, std::iter::once(device));
        let size = alone.sizes.get(&id(&device.namespace, &named.name)).copied().unwrap_or_default();
        let all: usize = self.taken.values().sum();
        let own = self.taken.get(&*device.namespace).copied().unwrap_or_default();
        format!(
            "{}: Secret {:?} has {size} bytes, and the copy of Secrets that this mapper gets has no room for it: of {} bytes, \
             others of namespace {} take {own}, those of other namespaces {}, and {} are left",
            named.place(device),
            named.name,
            self.bytes,
            device.namespace,
            all - own,
            self.bytes.saturating_sub(all)
        )
    }
}

/// Copies what is wanted, and no more. A Secret that cannot be had any more is left out, and those who name it are told.
pub(super) async fn copy(cx: &Context, key: &MapperKey, wants: &Wants, owner: &Owner) -> Result<(), Error> {
    let (mut data, mut size) = (BTreeMap::new(), 0);
    let fitting = wants.fitting(MOST);
    for (secret, (_, keys)) in &wants.there {
        if !fitting.contains(secret) {
            tracing::warn!(mapper = %key, %secret, "not copied: too large, or too much for one mapper");
            continue;
        }
        let Some(contents) = read(cx, secret).await? else {
            cx.world.secret_gone(secret);
            continue;
        };
        let (namespace, name) = parts(secret);
        let wanted = |part: &str, value: &ByteString| keys.contains(part) && is_readable(part, value.0.len());
        let parts: Vec<_> = contents.into_iter().filter(|(part, value)| wanted(part, value)).collect();
        let bytes: usize = parts.iter().map(|(_, value)| value.0.len()).sum();
        if size + bytes > MOST || parts.iter().any(|(_, value)| value.0.len() > MAX_SECRET_KEY) {
            tracing::warn!(mapper = %key, %secret, "not copied: it has grown since it was looked at");
            continue; // the watch tells of it soon
        }
        size += bytes;
        data.extend(parts.into_iter().map(|(part, value)| (secret_key(namespace, name, &part), value)));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn fitting(room: usize, sizes: &[(&str, usize)]) -> Vec<String> {
        let sizes = sizes.iter().map(|(secret, size)| ((*secret).into(), *size)).collect();
        let wants = Wants { sizes, ..Wants::default() };
        wants.fitting(room).into_iter().map(ToString::to_string).collect()
    }

    #[test]
    fn no_namespace_takes_the_room_of_another() {
        let greedy = [("a/1", 60), ("a/2", 60), ("a/3", 60)];
        let with = |more: &[(&'static str, usize)]| [&greedy[..], more].concat();
        assert_eq!(fitting(180, &greedy), ["a/1", "a/2", "a/3"], "where nobody else asks for it");
        assert_eq!(fitting(150, &with(&[("b/1", 40), ("c/1", 50)])), ["a/1", "b/1", "c/1"]);
        let many: Vec<(String, usize)> = (100..200).map(|n| (format!("a/{n}"), 1)).collect();
        let mut many: Vec<(&str, usize)> = many.iter().map(|(secret, size)| (secret.as_str(), *size)).collect();
        many.extend([("b/1", 50), ("b/2", 50)]);
        let fits = fitting(100, &many);
        let count = |namespace: &str| fits.iter().filter(|secret| secret.starts_with(namespace)).count();
        assert_eq!((count("a/"), count("b/")), (50, 1), "half of it each");
        assert_eq!(fitting(100, &[("b/1", 101), ("b/2", 99)]), ["b/2"], "the smallest first, and no part of any");
    }
}
