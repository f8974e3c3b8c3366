//! What the operator knows of the cluster, and what follows from a change of it.
pub mod devices;
pub mod facts;
pub mod index;
pub mod keys;
pub mod made;
pub mod moves;
pub mod refused;
mod route;
pub mod secrets;
pub mod shelf;
pub mod views;
pub mod watch;

use crate::{intent::Refusal, queue::Queue};
use facts::{NodeFact, PodFact, SliceFact};
use index::{Held, Index};
use keys::{Id, MapperKey, Task};
use kube::core::DeserializeGuard;
use pollux_crds::{Channel, Device, DeviceModel, MapperClass};
use shelf::Shelf;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc, Mutex, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicU64, Ordering},
    },
};

/// An object, or why it could not be decoded.
pub type Guarded<T> = DeserializeGuard<T>;
/// Why devices of a mapper are refused for the sake of its others: what they would open is open, or there is no room for what they
/// need.
pub type Conflicts = BTreeMap<Id, Refusal>;

/// What the operator knows of the cluster.
#[derive(Debug, Default)]
pub struct World {
    /// Devices, without what only mappers and people read.
    pub devices: Shelf<devices::Kept>,
    /// Models.
    pub models: Shelf<Guarded<DeviceModel>>,
    /// Channels.
    pub channels: Shelf<Guarded<Channel>>,
    /// Classes.
    pub classes: Shelf<Guarded<MapperClass>>,
    /// Admission policies that are there.
    pub policies: Shelf<()>,
    /// Bindings in force: the policy's name.
    pub bindings: Shelf<String>,
    /// Revisions that are there.
    pub revisions: Shelf<()>,
    /// What the operator made in pollux-mappers: `Kind/name`.
    pub made: Shelf<()>,
    /// Secrets that mappers may have.
    pub secrets: secrets::Secrets,
    /// Entries that the API server did not take.
    pub refused: refused::Refused,
    /// Devices that shall move from one mapper to another.
    pub moves: moves::Moves,
    /// What waits to be reconciled.
    pub queue: Queue<Task>,
    index: RwLock<Index>,
    conflicts: Mutex<HashMap<MapperKey, Arc<Conflicts>>>,
    cost: AtomicU64,
    required: Vec<String>,
}

impl World {
    /// Knows nothing yet; mappers need these policies.
    pub fn new(required: Vec<String>) -> Self {
        Self { required, ..Self::default() }
    }
    /// A Device, decoded.
    pub fn device(&self, id: &str) -> Option<Guarded<Device>> {
        self.devices.get(id).map(|kept| kept.device())
    }
    /// Who depends on whom. Not to be held across an await.
    pub fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }
    /// Changes who depends on whom.
    pub fn change<T>(&self, change: impl FnOnce(&mut Index) -> T) -> T {
        change(&mut self.index.write().unwrap_or_else(PoisonError::into_inner))
    }
    /// Policies that are asked for and not in force, with what is missing.
    pub fn missing_policies(&self) -> Vec<String> {
        let missing = |name: &String| {
            let policy = self.policies.get(name).is_some();
            let bound = self.bindings.get(name).is_some_and(|of| *of == *name);
            match (policy, bound) {
                (true, true) => None,
                (true, false) => Some(format!("ValidatingAdmissionPolicyBinding {name} (with action Deny)")),
                (false, _) => Some(format!("ValidatingAdmissionPolicy {name}")),
            }
        };
        self.required.iter().filter_map(missing).collect()
    }
    /// A class, if it is there and can be decoded.
    pub fn class(&self, name: &str) -> Option<MapperClass> {
        self.classes.get(name).and_then(|class| class.0.as_ref().ok().cloned())
    }
    /// Names of all classes, sorted.
    pub fn class_names(&self) -> Vec<Id> {
        let mut names = self.classes.ids();
        names.sort();
        names
    }
    /// A node.
    pub fn node(&self, name: &str) -> Option<NodeFact> {
        self.index().nodes().get(name).cloned()
    }
    /// The Pod of a mapper.
    pub fn pod(&self, key: &MapperKey) -> Option<PodFact> {
        self.index().mapper_pod(key).cloned()
    }
    /// Every place that holds an entry of a device.
    pub fn held(&self, device: &Id) -> Vec<Held> {
        self.index().held(device)
    }
    /// Why a device is refused on a mapper for the sake of its others.
    pub fn conflict(&self, key: &MapperKey, device: &Id) -> Option<Refusal> {
        let conflicts = self.conflicts.lock().unwrap_or_else(PoisonError::into_inner);
        conflicts.get(key).and_then(|c| c.get(device).cloned())
    }
    /// What conflicts on a mapper; gives the devices for which that is news.
    pub fn set_conflicts(&self, key: &MapperKey, now: Conflicts) -> Vec<Id> {
        let mut conflicts = self.conflicts.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Arc::new(now);
        let old = if now.is_empty() { conflicts.remove(key) } else { conflicts.insert(key.clone(), now.clone()) };
        let old = old.unwrap_or_default();
        let news = |id: &&Id| old.get(*id) != now.get(*id);
        old.keys().chain(now.keys()).filter(news).cloned().collect::<BTreeSet<_>>().into_iter().collect()
    }
    /// What all devices together cost, in devices of 20 properties.
    pub fn total_cost(&self) -> f64 {
        f64::from_bits(self.cost.load(Ordering::Relaxed))
    }
    /// Counts what all devices together cost.
    pub fn count_cost(&self) -> f64 {
        let cost = self.devices.collect(|id, _| Some(self.cost_of(id))).into_iter().sum::<f64>();
        self.cost.store(cost.to_bits(), Ordering::Relaxed);
        cost
    }
    /// What the status of a device costs to write, in devices of 20 properties.
    pub fn cost_of(&self, device: &Id) -> f64 {
        let (model, own) = self.index().links(device).map(|l| (l.model.clone(), l.properties)).unwrap_or_default();
        let model = model.and_then(|m| self.models.get(&m));
        let of_model = model.and_then(|m| m.0.as_ref().ok().map(|m| m.spec.properties.len())).unwrap_or(0);
        crate::mapper::budget::cost(of_model + own)
    }
    /// A slice was read or written by this replica: known at once, before the watch tells.
    pub fn slice_seen(&self, key: &MapperKey, chunk: usize, fact: Option<SliceFact>) {
        self.slice_changed(key, chunk, fact);
    }
}

/// News that a test tells, as the watches would.
#[cfg(test)]
impl World {
    pub(crate) fn learn_class(&self, id: &Id, class: Guarded<MapperClass>) {
        watch::Sink::changed(&mut route::Classes, self, id.clone(), class);
    }
    pub(crate) fn forget_class(&self, id: &Id) {
        watch::Sink::<Guarded<MapperClass>>::gone(&mut route::Classes, self, id);
    }
    /// An object that somebody made in pollux-mappers is there, or gone.
    pub(crate) fn learn_made<K: kube::Resource<DynamicType = ()> + Send + 'static>(
        &self,
        name: &str,
        object: Option<kube::api::PartialObjectMeta<K>>,
    ) {
        let (id, mut made) = (keys::id(pollux_crds::MAPPERS_NAMESPACE, name), made::Made::<K>::default());
        match object {
            Some(object) => watch::Sink::changed(&mut made, self, id, object),
            None => watch::Sink::gone(&mut made, self, &id),
        }
    }
    pub(crate) fn learn_model(&self, id: &Id, model: Guarded<DeviceModel>) {
        watch::Sink::changed(&mut route::Models, self, id.clone(), model);
    }
    pub(crate) fn learn_channel(&self, id: &Id, channel: Guarded<Channel>) {
        watch::Sink::changed(&mut route::Channels, self, id.clone(), channel);
    }
    pub(crate) fn learn_node(&self, id: &Id, node: views::NodeView) {
        watch::Sink::changed(&mut route::Nodes, self, id.clone(), node);
    }
    pub(crate) fn learn_pod(&self, node: &str) {
        let fact = PodFact { ready: true, why: String::new() };
        self.change(|index| index.pod(&format!("pod-{node}").into(), Some((MapperKey::new("modbus", node), fact))));
    }
    pub(crate) fn forget_pod(&self, node: &str) {
        self.change(|index| index.pod(&format!("pod-{node}").into(), None));
    }
    /// A labelled Secret of namespace n is there, or not any more; all others of it are known.
    pub(crate) fn learn_secret(&self, name: &str, secret: Option<views::SecretView>) {
        let (id, mut labelled) = (keys::id("n", name), secrets::Labelled::new("n".into()));
        match secret {
            Some(secret) => watch::Sink::changed(&mut labelled, self, id, secret),
            None => watch::Sink::<views::SecretView>::gone(&mut labelled, self, &id),
        }
        self.secrets_listed(&"n".into());
    }
    pub(crate) fn learn_device(&self, id: &Id, device: Option<Guarded<Device>>) {
        match device {
            Some(device) => watch::Sink::changed(&mut route::Devices, self, id.clone(), device),
            None => watch::Sink::<Guarded<Device>>::gone(&mut route::Devices, self, id),
        }
    }
}
