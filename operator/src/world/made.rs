//! What the operator made in pollux-mappers, by its label. What somebody deletes is made again, and what is for nobody any
//! more is found, whichever replica made it.
use super::{
    World,
    keys::{Id, MapperKey, id, parts},
    watch::Sink,
};
use kube::{Resource, ResourceExt, api::PartialObjectMeta};
use pollux_crds::{MAPPERS_NAMESPACE, mapper_name, reader_name, secret_name};
use std::marker::PhantomData;

/// Label of what the operator made.
pub const MADE_LABEL: &str = "app.kubernetes.io/managed-by";

/// For whom an object was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum For {
    /// Account and `DaemonSet` of a class.
    Class(Id),
    /// Account, Role, binding and Secret of one mapper.
    Mapper(MapperKey),
}
impl For {
    /// As kind and name tell.
    fn of(kind: &str, name: &str) -> Option<Self> {
        let class = || name.strip_prefix(&mapper_name("")).map(|class| Self::Class(class.into()));
        let reader = || MapperKey::of_reader(name).map(Self::Mapper);
        match kind {
            "DaemonSet" => class(),
            "ServiceAccount" => reader().or_else(class),
            "Secret" => MapperKey::of_secret(name).map(Self::Mapper),
            _ => reader(),
        }
    }
}

/// How much of some objects is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum There {
    /// Nothing.
    Nothing,
    /// Some of them.
    Part,
    /// All.
    All,
}

impl World {
    /// Something was made or deleted by this replica: known at once, before the watch tells.
    pub fn made_seen(&self, kind: &str, name: &str, there: bool) {
        if there {
            self.made.put(id(kind, name), ());
        } else {
            self.made.take(&id(kind, name));
        }
    }
    fn has(&self, kind: &str, name: &str) -> bool {
        self.made.get(&id(kind, name)).is_some()
    }
    /// Whether a class has an account or a `DaemonSet`.
    pub fn has_class_objects(&self, class: &str) -> bool {
        let name = mapper_name(class);
        ["DaemonSet", "ServiceAccount"].iter().any(|kind| self.has(kind, &name))
    }
    /// Whether a mapper's copy of Secrets is there.
    pub fn has_copy(&self, mapper: &MapperKey) -> bool {
        self.has("Secret", &secret_name(&mapper.class, &mapper.node))
    }
    /// How much of a mapper's reader is there.
    pub fn reader(&self, mapper: &MapperKey) -> There {
        let reader = reader_name(&mapper.class, &mapper.node);
        let secret = self.has_copy(mapper);
        let have = ["ServiceAccount", "Role", "RoleBinding"].map(|kind| self.has(kind, &reader));
        match (secret || have.contains(&true), secret && !have.contains(&false)) {
            (_, true) => There::All,
            (true, false) => There::Part,
            (false, false) => There::Nothing,
        }
    }
    /// For whom all that was made is.
    pub(super) fn made_for(&self) -> Vec<For> {
        let whose = |object: Id| {
            let (kind, name) = parts(&object);
            For::of(kind, name)
        };
        self.made.ids().into_iter().filter_map(whose).collect()
    }
    /// What is lost is made again; what is for nobody goes.
    fn touch_owner_of(&self, kind: &str, name: &str, lost: bool) {
        match For::of(kind, name) {
            Some(For::Class(class)) if lost || self.classes.get(&class).is_none() => self.touch_class(&class),
            Some(For::Mapper(mapper)) if lost || self.index().chunks(&mapper).is_none() => self.touch_mapper(mapper),
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
        let of_kind = |object: Id| {
            let (of, name) = parts(&object);
            (of == kind).then(|| id(MAPPERS_NAMESPACE, name))
        };
        world.made.ids().into_iter().filter_map(of_kind).collect()
    }
    fn changed(&mut self, world: &World, object_id: Id, object: PartialObjectMeta<K>) {
        if object.labels().get(MADE_LABEL).is_none_or(|by| by != crate::FIELD_MANAGER) {
            return;
        }
        let (kind, name) = (K::kind(&()), parts(&object_id).1);
        if world.made.put(id(&kind, name), ()).is_none() {
            world.touch_owner_of(&kind, name, false);
        }
    }
    fn gone(&mut self, world: &World, object_id: &Id) {
        let (kind, name) = (K::kind(&()), parts(object_id).1);
        if world.made.take(&id(&kind, name)).is_some() {
            world.touch_owner_of(&kind, name, true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_and_name_tell_for_whom_an_object_is() {
        let mapper = |class: &str, node: &str| Some(For::Mapper(MapperKey::new(class, node)));
        let class = |name: &str| Some(For::Class(name.into()));
        for (kind, name, whose) in [
            ("DaemonSet", "pollux-mapper-modbus", class("modbus")),
            ("ServiceAccount", "pollux-mapper-modbus", class("modbus")),
            ("ServiceAccount", "slice.modbus.edge.a", mapper("modbus", "edge.a")),
            ("Role", "slice.modbus.edge.a", mapper("modbus", "edge.a")),
            ("Secret", "modbus.edge.a", mapper("modbus", "edge.a")),
            // A class may be called like that.
            ("Secret", "slice.a.b", mapper("slice", "a.b")),
            ("Secret", "pollux-mapper-x.a", mapper("pollux-mapper-x", "a")),
            ("ServiceAccount", "default", None),
        ] {
            assert_eq!(For::of(kind, name), whose, "{kind} {name}");
        }
    }

    #[test]
    fn a_reader_is_whole_only_with_all_four() {
        let (world, key) = (World::default(), MapperKey::new("modbus", "a"));
        let reader = "slice.modbus.a";
        let parts = [("ServiceAccount", reader), ("Secret", "modbus.a"), ("Role", reader), ("RoleBinding", reader)];
        assert_eq!(world.reader(&key), There::Nothing);
        for (number, (kind, name)) in parts.into_iter().enumerate() {
            world.made_seen(kind, name, true);
            assert_eq!(world.reader(&key), if number == 3 { There::All } else { There::Part });
        }
        world.made_seen("Role", reader, false);
        assert_eq!(world.reader(&key), There::Part);
    }
}
