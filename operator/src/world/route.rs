//! What follows from a change: which keys are due, and how soon. Delays gather the changes of one moment into one write.
use super::{
    World, devices,
    facts::{NodeFact, PodFact, SliceFact},
    index::Links,
    keys::{Id, MapperKey, Task, parts},
    made::For,
    views::{BindingView, NodeView, PodView, PolicyView, SliceView},
    watch::Sink,
};
use kube::api::PartialObjectMeta;
use pollux_crds::{Channel, Device, DeviceModel, DeviceModelRevision, MapperClass, channel_secrets};
use std::{collections::BTreeSet, time::Duration};

const DEVICE: Duration = Duration::from_millis(20);
const MAPPER: Duration = Duration::from_millis(100);
const CLASS: Duration = Duration::from_millis(300);
const CHANNEL: Duration = Duration::from_millis(300);

impl World {
    /// These devices are due, and the mappers that have to do with them.
    pub fn touch(&self, devices: impl IntoIterator<Item = Id>, mappers_too: bool) {
        for id in devices {
            if mappers_too {
                self.touch_mappers_of(&id);
            }
            self.queue.add(Task::Device(id), DEVICE);
        }
    }
    /// The mappers that have to do with a device are due, and the one to which it shall move.
    pub fn touch_mappers_of(&self, id: &Id) {
        let mappers = self.index().mappers_of(id);
        for key in mappers.into_iter().chain(self.moves.to(id)) {
            self.touch_mapper(key);
        }
    }
    /// A mapper is due.
    pub fn touch_mapper(&self, key: MapperKey) {
        self.queue.add(Task::Mapper(key), MAPPER);
    }
    /// Mappers are due, spread over `within`.
    pub fn touch_mappers(&self, keys: impl IntoIterator<Item = MapperKey>, within: Duration) {
        for key in keys {
            self.queue.add(Task::Mapper(key), within.mul_f64(0.5 + fastrand::f64() / 2.0));
        }
    }
    pub(super) fn touch_class(&self, class: &Id) {
        self.queue.add(Task::Class(class.clone()), CLASS);
    }
    /// Everything is due, spread over `within`.
    pub fn touch_all(&self, within: Duration) {
        let mut mappers: BTreeSet<MapperKey> = self.index().mappers().into_iter().collect();
        let mut classes: BTreeSet<Id> = self.classes.ids().into_iter().collect();
        // What was made and is for nobody any more must go, and so must a label.
        for whose in self.made_for() {
            match whose {
                For::Class(class) => drop(classes.insert(class)),
                For::Mapper(key) => drop(mappers.insert(key)),
            }
        }
        mappers.extend(self.index().labelled());
        let (channels, devices) = (self.channels.ids(), self.devices.ids());
        let all = classes.into_iter().map(Task::Class).chain(mappers.into_iter().map(Task::Mapper));
        let all = all.chain(channels.into_iter().map(Task::Channel)).chain(devices.into_iter().map(Task::Device));
        for task in all {
            self.queue.add(task, within.mul_f64(fastrand::f64()));
        }
    }
    /// A slice changed, as the watch or our own write says.
    pub(super) fn slice_changed(&self, key: &MapperKey, chunk: usize, fact: Option<SliceFact>) {
        let (exists, new) = (fact.is_some(), fact.clone().unwrap_or_default());
        let Some(old) = self.change(|index| index.slice(key, chunk, fact)) else { return };
        let existed = old.is_some();
        let old = old.unwrap_or_default();
        if !exists || !existed || old.released != new.released {
            self.touch_mapper(key.clone());
        }
        if old.entries != new.entries || old.taken != new.taken || old.released != new.released {
            let entries = old.entries.iter().chain(&new.entries);
            let changed = entries.filter(|e| {
                let of = |s: &SliceFact| {
                    let entry = s.entries.iter().find(|x| x.uid == e.uid).map(|x| (x.generation, x.tombstone));
                    (entry, s.taken.get(&e.uid).copied(), s.released.contains(&e.uid))
                };
                of(&old) != of(&new)
            });
            self.touch(changed.map(|e| e.device.clone()).collect::<Vec<_>>(), false);
        }
        for (id, state) in old.channels.iter().chain(&new.channels) {
            if old.channels.get(id) != Some(state) || new.channels.get(id) != Some(state) {
                self.queue.add(Task::Channel(id.clone()), CHANNEL);
            }
        }
    }
}

/// Devices.
#[derive(Debug)]
pub(super) struct Devices;
impl Sink<super::Guarded<Device>> for Devices {
    fn known(&self, world: &World) -> Vec<Id> {
        world.devices.ids()
    }
    fn changed(&mut self, world: &World, id: Id, mut object: super::Guarded<Device>) {
        devices::prune(&mut object);
        let links = object.0.as_ref().map(Links::of).unwrap_or_default();
        let kept = devices::Kept::of(object.clone());
        let old = world.devices.get(&id);
        if old.as_ref().is_some_and(|old| old.same(&kept)) {
            return;
        }
        let id = world.change(|index| index.share(&id));
        if !links.secrets.is_empty() {
            world.secrets.follow(parts(&id).0);
        }
        world.devices.put(id.clone(), kept);
        let class = links.class.clone();
        let before = world.change(|index| index.device(&id, Some(links.clone())));
        let wiring = |d: super::Guarded<Device>| d.0.ok().map(|d| (d.metadata, d.spec));
        let spec_changed =
            old.and_then(|old| wiring(old.device())) != wiring(object) || before.as_ref() != Some(&links);
        if spec_changed {
            let moved = before.as_ref().and_then(|b| b.mapper.clone());
            world.touch_mappers(moved, MAPPER);
            let was = before.and_then(|b| b.class);
            for class in class.iter().chain(&was) {
                world.touch_class(class);
            }
        }
        world.touch([id], spec_changed);
    }
    fn gone(&mut self, world: &World, id: &Id) {
        world.devices.take(id);
        world.refused.forget(id);
        let mappers = world.index().mappers_of(id);
        let links = world.change(|index| index.device(id, None));
        world.touch_mappers(mappers.into_iter().chain(world.moves.to(id)), MAPPER);
        if let Some(class) = links.and_then(|l| l.class) {
            world.touch_class(&class);
        }
    }
}

/// Models: an edit reaches all their devices.
#[derive(Debug)]
pub(super) struct Models;
impl Sink<super::Guarded<DeviceModel>> for Models {
    fn known(&self, world: &World) -> Vec<Id> {
        world.models.ids()
    }
    fn changed(&mut self, world: &World, id: Id, mut object: super::Guarded<DeviceModel>) {
        if let Ok(model) = &mut object.0 {
            devices::metadata(&mut model.metadata, &[]);
        }
        let spec = object.0.as_ref().ok().map(|m| m.spec.clone());
        let old = world.models.put(id.clone(), object);
        if spec.is_none() || old.and_then(|o| o.0.as_ref().ok().map(|m| m.spec.clone())) != spec {
            let devices = world.index().of_model(&id);
            world.touch(devices, true);
        }
    }
    fn gone(&mut self, world: &World, id: &Id) {
        world.models.take(id);
        let devices = world.index().of_model(id);
        world.touch(devices, true);
    }
}

/// Channels: an edit reaches all their devices.
#[derive(Debug)]
pub(super) struct Channels;
impl Sink<super::Guarded<Channel>> for Channels {
    fn known(&self, world: &World) -> Vec<Id> {
        world.channels.ids()
    }
    fn changed(&mut self, world: &World, id: Id, mut object: super::Guarded<Channel>) {
        if let Ok(channel) = &mut object.0 {
            devices::metadata(&mut channel.metadata, &[]);
        }
        let spec = object.0.as_ref().ok().map(|c| c.spec.clone());
        if spec.as_ref().is_some_and(|spec| !channel_secrets(&spec.protocol).is_empty()) {
            world.secrets.follow(parts(&id).0);
        }
        let old = world.channels.put(id.clone(), object);
        if spec.is_none() || old.and_then(|o| o.0.as_ref().ok().map(|c| c.spec.clone())) != spec {
            let devices = world.index().of_channel(&id);
            world.touch(devices, true);
            world.queue.add(Task::Channel(id), CHANNEL);
        }
    }
    fn gone(&mut self, world: &World, id: &Id) {
        world.channels.take(id);
        let devices = world.index().of_channel(id);
        world.touch(devices, true);
    }
}

/// Classes.
#[derive(Debug)]
pub(super) struct Classes;
impl Sink<super::Guarded<MapperClass>> for Classes {
    fn known(&self, world: &World) -> Vec<Id> {
        world.classes.ids()
    }
    fn changed(&mut self, world: &World, id: Id, object: super::Guarded<MapperClass>) {
        let spec = object.0.as_ref().ok().map(|c| c.spec.clone());
        let old = world.classes.put(id.clone(), object);
        if spec.is_none() || old.and_then(|o| o.0.as_ref().ok().map(|c| c.spec.clone())) != spec {
            self.gone_or_new(world, &id);
        }
        world.touch_class(&id);
    }
    fn gone(&mut self, world: &World, id: &Id) {
        world.classes.take(id);
        self.gone_or_new(world, id);
        world.touch_class(id);
    }
}
impl Classes {
    #[allow(clippy::unused_self, reason = "it is the sink's own step")]
    fn gone_or_new(&self, world: &World, id: &Id) {
        let (devices, mappers) = {
            let index = world.index();
            (index.of_class(id), index.mappers().into_iter().filter(|key| *key.class == **id).collect::<Vec<_>>())
        };
        world.touch(devices, false);
        world.touch_mappers(mappers, MAPPER);
    }
}

/// Nodes.
#[derive(Debug)]
pub(super) struct Nodes;
impl Nodes {
    fn news(world: &World, name: &Id, fact: Option<&NodeFact>) {
        let old = world.change(|index| index.node(name, fact.cloned()));
        if old.as_ref() == fact {
            return;
        }
        let (here, elsewhere) = {
            let index = world.index();
            let mappers = index.of_node(name);
            let here: Vec<_> = mappers.iter().flat_map(|key| index.of_mapper(key)).collect();
            world.touch_mappers(mappers, MAPPER);
            let choice = |f: Option<&NodeFact>| f.map(|f| (f.unschedulable, f.taints.clone()));
            let elsewhere = if choice(old.as_ref()) == choice(fact) { vec![] } else { index.unplaced() };
            (here, elsewhere)
        };
        world.touch(here.into_iter().chain(elsewhere), false);
    }
}
impl Sink<NodeView> for Nodes {
    fn known(&self, world: &World) -> Vec<Id> {
        world.index().nodes().keys().cloned().collect()
    }
    fn changed(&mut self, world: &World, id: Id, object: NodeView) {
        Self::news(world, &id, Some(&NodeFact::of(&object)));
    }
    fn gone(&mut self, world: &World, id: &Id) {
        Self::news(world, id, None);
    }
}

/// Pods of mappers.
#[derive(Debug)]
pub(super) struct Pods;
impl Pods {
    fn news(world: &World, pod: &Id, fact: Option<(MapperKey, PodFact)>) {
        for key in world.change(|index| index.pod(pod, fact)) {
            let devices = world.index().of_mapper(&key);
            world.touch(devices, false);
            world.touch_class(&key.class);
            world.touch_mapper(key);
        }
    }
}
impl Sink<PodView> for Pods {
    fn known(&self, world: &World) -> Vec<Id> {
        world.index().pods()
    }
    fn changed(&mut self, world: &World, id: Id, object: PodView) {
        Self::news(world, &id, PodFact::of(&object));
    }
    fn gone(&mut self, world: &World, id: &Id) {
        Self::news(world, id, None);
    }
}

/// Slices: ours, and the mappers' word in them.
#[derive(Debug)]
pub(super) struct Slices;
impl Sink<SliceView> for Slices {
    fn known(&self, world: &World) -> Vec<Id> {
        let name = |(key, chunk): (&MapperKey, &usize)| {
            super::keys::id(pollux_crds::MAPPERS_NAMESPACE, &pollux_crds::slice_name(&key.class, &key.node, *chunk))
        };
        world
            .index()
            .slices()
            .flat_map(|(key, chunks)| chunks.keys().map(move |chunk| (key, chunk)))
            .map(name)
            .collect()
    }
    fn changed(&mut self, world: &World, id: Id, object: SliceView) {
        if let Some((key, chunk)) = MapperKey::of_slice(parts(&id).1) {
            world.slice_changed(&key, chunk, Some(SliceFact::of(&object)));
        }
    }
    fn gone(&mut self, world: &World, id: &Id) {
        if let Some((key, chunk)) = MapperKey::of_slice(parts(id).1) {
            world.slice_changed(&key, chunk, None);
        }
    }
}

/// Admission policies: without them no mapper is started.
#[derive(Debug)]
pub(super) struct Policies;
impl Policies {
    fn news(world: &World, change: impl FnOnce(&World)) {
        let before = world.missing_policies();
        change(world);
        if before != world.missing_policies() {
            for class in world.classes.ids() {
                Classes.gone_or_new(world, &class);
                world.touch_class(&class);
            }
        }
    }
}
impl Sink<PolicyView> for Policies {
    fn known(&self, world: &World) -> Vec<Id> {
        world.policies.ids()
    }
    fn changed(&mut self, world: &World, id: Id, _: PolicyView) {
        Self::news(world, |world| drop(world.policies.put(id, ())));
    }
    fn gone(&mut self, world: &World, id: &Id) {
        Self::news(world, |world| drop(world.policies.take(id)));
    }
}

/// Bindings of admission policies.
#[derive(Debug)]
pub(super) struct Bindings;
impl Sink<BindingView> for Bindings {
    fn known(&self, world: &World) -> Vec<Id> {
        world.bindings.ids()
    }
    fn changed(&mut self, world: &World, id: Id, object: BindingView) {
        let denies = object.spec.validation_actions.iter().any(|action| action == "Deny");
        Policies::news(world, |world| {
            drop(if denies { world.bindings.put(id, object.spec.policy_name) } else { world.bindings.take(&id) });
        });
    }
    fn gone(&mut self, world: &World, id: &Id) {
        Policies::news(world, |world| drop(world.bindings.take(id)));
    }
}

/// Revisions: which are there.
#[derive(Debug)]
pub(super) struct Revisions;
impl Sink<PartialObjectMeta<DeviceModelRevision>> for Revisions {
    fn known(&self, world: &World) -> Vec<Id> {
        world.revisions.ids()
    }
    fn changed(&mut self, world: &World, id: Id, _: PartialObjectMeta<DeviceModelRevision>) {
        world.revisions.put(parts(&id).1.into(), ());
    }
    fn gone(&mut self, world: &World, id: &Id) {
        let name = parts(id).1;
        world.revisions.take(name);
        // Deleted by hand, or swept while a device began to need it: it is made again.
        let needing = world.index().of_revision(name);
        world.touch_mappers(needing, MAPPER);
    }
}
