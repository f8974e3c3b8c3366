//! What the operator made in pollux-mappers, by its label. What somebody deletes is made again, and what is for nobody any
//! more is found, whichever replica made it.
use super::{
    World,
    keys::{Id, MapperKey, parts},
    watch::Sink,
};
use kube::{Resource, ResourceExt, api::PartialObjectMeta};
use pollux_crds::{mapper_name, reader_name, secret_name};
use std::marker::PhantomData;

/// Label of what the operator made.
pub const MADE_LABEL: &str = "app.kubernetes.io/managed-by";

/// For whom an object was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum For {
    /// Account and `DaemonSet` of a class.
    Class(Id),
    /// Account, Role, binding and Secret of one mapper.
    Mapper(MapperKey),
}
impl For {
    /// As the name tells.
    pub fn of(name: &str) -> Option<Self> {
        let class = name.strip_prefix(&mapper_name("")).map(|class| Self::Class(class.into()));
        class.or_else(|| MapperKey::of_reader(name).or_else(|| MapperKey::of_secret(name)).map(Self::Mapper))
    }
}

fn key(kind: &str, name: &str) -> Id {
    format!("{kind}/{name}").into()
}

/// The object's name in an id of `World::made`.
pub(super) fn name(made: &Id) -> &str {
    parts(made).1
}

impl World {
    /// Whether a class has an account or a `DaemonSet`.
    pub fn has_class_objects(&self, class: &str) -> bool {
        let name = mapper_name(class);
        ["DaemonSet", "ServiceAccount"].iter().any(|kind| self.made.get(&key(kind, &name)).is_some())
    }
    /// Whether there is anything of a mapper's reader.
    pub fn has_reader(&self, mapper: &MapperKey) -> bool {
        let reader = reader_name(&mapper.class, &mapper.node);
        let of_reader = |kind: &&str| self.made.get(&key(kind, &reader)).is_some();
        ["ServiceAccount", "Role", "RoleBinding"].iter().any(of_reader)
            || self.made.get(&key("Secret", &secret_name(&mapper.class, &mapper.node))).is_some()
    }
    fn touch_owner_of(&self, name: &str, lost: bool) {
        match For::of(name) {
            Some(For::Class(class)) if lost || self.classes.get(&class).is_none() => self.touch_class(&class),
            Some(For::Mapper(mapper)) if lost || self.index().chunks(&mapper).is_none() => {
                if lost {
                    self.set_broken(mapper.clone());
                }
                self.touch_mapper(mapper);
            }
            _ => {}
        }
    }
}

/// Objects of one kind that the operator made.
#[derive(Debug)]
pub(super) struct Made<K>(PhantomData<fn(K)>);
impl<K> Default for Made<K> {
    fn default() -> Self {
        Self(PhantomData)
    }
}
impl<K: Resource<DynamicType = ()> + Send + 'static> Sink<PartialObjectMeta<K>> for Made<K> {
    fn known(&self, world: &World) -> Vec<Id> {
        let kind = K::kind(&());
        let of_kind = world.made.ids().into_iter().filter(|id| parts(id).0 == kind);
        of_kind.map(|id| super::keys::id(pollux_crds::MAPPERS_NAMESPACE, name(&id))).collect()
    }
    fn changed(&mut self, world: &World, id: Id, object: PartialObjectMeta<K>) {
        if object.labels().get(MADE_LABEL).is_none_or(|by| by != crate::FIELD_MANAGER) {
            return;
        }
        let name = parts(&id).1;
        if world.made.put(key(&K::kind(&()), name), ()).is_none() {
            world.touch_owner_of(name, false);
        }
    }
    fn gone(&mut self, world: &World, id: &Id) {
        let name = parts(id).1;
        if world.made.take(&key(&K::kind(&()), name)).is_some() {
            world.touch_owner_of(name, true);
        }
    }
}
