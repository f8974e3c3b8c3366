//! Who depends on whom. Pure: every change is handed in, every question is answered from memory.
use super::{
    facts::{NodeFact, PodFact, SliceFact},
    keys::{Id, MapperKey, id},
};
use kube::ResourceExt;
use pollux_crds::{Device, secrets};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// What a Device depends on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Links {
    /// `DeviceModel` that it names.
    pub model: Option<Id>,
    /// Channel that it names.
    pub channel: Option<Id>,
    /// `MapperClass` that it asks for.
    pub class: Option<Id>,
    /// Secrets that it names itself.
    pub secrets: Box<[Id]>,
    /// Mapper that status says it has.
    pub mapper: Option<MapperKey>,
    /// It is not where the spec wants it, so that a change of any node may matter.
    pub unplaced: bool,
    /// Properties of its own.
    pub properties: usize,
}

impl Links {
    /// The links of a Device.
    pub fn of(device: &Device) -> Self {
        let namespace = device.namespace().unwrap_or_default();
        let spec = &device.spec;
        let status = device.status.as_ref();
        let node = status.and_then(|s| s.node_name.as_deref()).filter(|n| !n.is_empty());
        let class = status.and_then(|s| s.mapper_class.as_deref()).filter(|c| !c.is_empty());
        Self {
            model: spec.model.as_deref().map(|m| id(&namespace, m)),
            channel: spec.protocol.channel().map(|c| id(&namespace, c)),
            class: class_of(device).map(Into::into),
            secrets: secrets(&spec.protocol).iter().map(|named| id(&namespace, &named.name)).collect(),
            mapper: class.zip(node).map(|(class, node)| MapperKey::new(class, node)),
            unplaced: node.is_none() || spec.node_name.as_deref().is_some_and(|wanted| Some(wanted) != node),
            properties: spec.properties.len(),
        }
    }
}

/// The class that a Device asks for.
pub fn class_of(device: &Device) -> Option<&str> {
    device.spec.mapper_class.as_deref().or_else(|| device.spec.protocol.name())
}

/// That a slice has an entry of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Whose slice.
    pub mapper: MapperKey,
    /// uid in the entry.
    pub uid: String,
    /// Generation in the entry.
    pub generation: i64,
    /// It is a tombstone.
    pub tombstone: bool,
    /// A tombstone that the mapper has acknowledged.
    pub let_go: bool,
    /// Generation that the mapper drives.
    pub taken: Option<i64>,
    /// Its node and its Pod are Ready: it can be asked to let go.
    pub answers: bool,
}

impl Held {
    /// It keeps the device from a mapper. What a node holds that a person has declared void keeps nobody, unless its mapper
    /// answers and can be asked: the word is of a node that will not come back, and stands there still when it has.
    pub fn bars(&self, from: &MapperKey, forced: Option<&str>) -> bool {
        self.mapper != *from && !self.let_go && !self.is_void(forced)
    }
    /// A person has declared it void, and nobody is there to be asked.
    pub fn is_void(&self, forced: Option<&str>) -> bool {
        !self.answers && forced == Some(&*self.mapper.node)
    }
}

/// Nodes by name.
pub type Nodes = HashMap<Id, NodeFact>;

/// Who depends on whom.
#[derive(Debug, Default)]
pub struct Index {
    links: HashMap<Id, Links>,
    models: HashMap<Id, BTreeSet<Id>>,
    channels: HashMap<Id, BTreeSet<Id>>,
    classes: HashMap<Id, BTreeSet<Id>>,
    secrets: HashMap<Id, BTreeSet<Id>>,
    placed: HashMap<MapperKey, BTreeSet<Id>>,
    /// Classes of the mappers on each node: those of `placed` and of `slices`.
    by_node: HashMap<Id, BTreeSet<Id>>,
    unplaced: HashSet<Id>,
    nodes: Nodes,
    pods: HashMap<MapperKey, BTreeMap<String, PodFact>>,
    pod_keys: HashMap<Id, MapperKey>,
    slices: HashMap<MapperKey, BTreeMap<usize, SliceFact>>,
    holders: HashMap<Id, Vec<MapperKey>>,
    /// All names that stand in the other maps, each in memory once.
    names: HashSet<Id>,
    /// Devices that a write on its way may put into a slice.
    claims: HashMap<Id, MapperKey>,
}

fn enter<K: std::hash::Hash + Eq + Clone>(map: &mut HashMap<K, BTreeSet<Id>>, key: Option<&K>, id: &Id) {
    if let Some(key) = key {
        map.entry(key.clone()).or_default().insert(id.clone());
    }
}
fn leave<K: std::hash::Hash + Eq>(map: &mut HashMap<K, BTreeSet<Id>>, key: Option<&K>, id: &Id) {
    let Some(key) = key else { return };
    if let Some(set) = map.get_mut(key) {
        set.remove(id);
        if set.is_empty() {
            map.remove(key);
        }
    }
}
fn all<K: std::hash::Hash + Eq>(map: &HashMap<K, BTreeSet<Id>>, key: &K) -> Vec<Id> {
    map.get(key).map(|set| set.iter().cloned().collect()).unwrap_or_default()
}

impl Index {
    /// The name as it is in memory already.
    pub fn share(&mut self, name: &Id) -> Id {
        if let Some(known) = self.names.get(name) {
            return known.clone();
        }
        self.names.insert(name.clone());
        name.clone()
    }
    fn share_key(&mut self, key: &MapperKey) -> MapperKey {
        MapperKey { class: self.share(&key.class), node: self.share(&key.node) }
    }
    fn share_links(&mut self, links: Links) -> Links {
        let Links { model, channel, class, secrets, mapper, unplaced, properties } = links;
        let secrets = secrets.iter().map(|name| self.share(name)).collect();
        let [model, channel, class] = [model, channel, class].map(|name| name.map(|name| self.share(&name)));
        Links { model, channel, class, secrets, mapper: mapper.map(|key| self.share_key(&key)), unplaced, properties }
    }
    /// Forgets names that stand nowhere any more.
    pub fn tidy(&mut self) {
        self.names.retain(|name| Id::strong_count(name) > 1);
    }
    /// A Device changed (Some) or is gone (None); gives its old links.
    pub fn device(&mut self, id: &Id, links: Option<Links>) -> Option<Links> {
        let id = &self.share(id);
        let links = links.map(|links| self.share_links(links));
        let old = self.links.remove(id);
        if let Some(old) = &old {
            leave(&mut self.models, old.model.as_ref(), id);
            leave(&mut self.channels, old.channel.as_ref(), id);
            leave(&mut self.classes, old.class.as_ref(), id);
            old.secrets.iter().for_each(|secret| leave(&mut self.secrets, Some(secret), id));
            leave(&mut self.placed, old.mapper.as_ref(), id);
            self.unplaced.remove(id);
            self.count(old.mapper.as_ref());
        }
        if let Some(links) = links {
            enter(&mut self.models, links.model.as_ref(), id);
            enter(&mut self.channels, links.channel.as_ref(), id);
            enter(&mut self.classes, links.class.as_ref(), id);
            links.secrets.iter().for_each(|secret| enter(&mut self.secrets, Some(secret), id));
            enter(&mut self.placed, links.mapper.as_ref(), id);
            if links.unplaced {
                self.unplaced.insert(id.clone());
            }
            self.count(links.mapper.as_ref());
            self.links.insert(id.clone(), links);
        }
        old
    }
    /// Whether a mapper has devices or slices may have changed.
    fn count(&mut self, key: Option<&MapperKey>) {
        let Some(key) = key else { return };
        if self.placed.contains_key(key) || self.slices.contains_key(key) {
            enter(&mut self.by_node, Some(&key.node), &key.class);
        } else {
            leave(&mut self.by_node, Some(&key.node), &key.class);
        }
    }
    /// The links of a Device.
    pub fn links(&self, id: &Id) -> Option<&Links> {
        self.links.get(id)
    }
    /// Devices of a model.
    pub fn of_model(&self, id: &Id) -> Vec<Id> {
        all(&self.models, id)
    }
    /// Devices of a Channel.
    pub fn of_channel(&self, id: &Id) -> Vec<Id> {
        all(&self.channels, id)
    }
    /// Devices that ask for a class.
    pub fn of_class(&self, class: &Id) -> Vec<Id> {
        all(&self.classes, class)
    }
    /// Devices that name such Secrets themselves.
    pub fn of_secrets(&self, which: impl Fn(&str) -> bool) -> Vec<Id> {
        self.secrets.iter().filter(|(secret, _)| which(secret)).flat_map(|(_, devices)| devices).cloned().collect()
    }
    /// Devices that a change of any node may concern.
    pub fn unplaced(&self) -> Vec<Id> {
        self.unplaced.iter().cloned().collect()
    }
    /// Devices that status gives to a mapper, and those that stand in its slices.
    pub fn of_mapper(&self, key: &MapperKey) -> BTreeSet<Id> {
        let placed = self.placed.get(key).into_iter().flatten().cloned();
        let entries = self.slices.get(key).into_iter().flat_map(BTreeMap::values).flat_map(|s| &s.entries);
        placed.chain(entries.map(|e| e.device.clone())).collect()
    }
    /// Mappers that have to do with a device: where it is, and whose slices hold it.
    pub fn mappers_of(&self, id: &Id) -> BTreeSet<MapperKey> {
        let placed = self.links.get(id).and_then(|l| l.mapper.clone());
        self.holders.get(id).into_iter().flatten().cloned().chain(placed).collect()
    }
    /// All mappers that have devices or slices.
    pub fn mappers(&self) -> Vec<MapperKey> {
        self.by_node.keys().flat_map(|node| self.of_node(node)).collect()
    }
    /// The mappers on a node that have devices or slices.
    pub fn of_node(&self, node: &Id) -> Vec<MapperKey> {
        let classes = self.by_node.get(node).into_iter().flatten();
        classes.map(|class| MapperKey { class: class.clone(), node: node.clone() }).collect()
    }
    /// Mappers whose slices name a revision.
    pub fn of_revision(&self, name: &str) -> Vec<MapperKey> {
        let names = |s: &SliceFact| s.entries.iter().any(|e| *e.revision == *name);
        self.slices.iter().filter(|(_, chunks)| chunks.values().any(names)).map(|(key, _)| key.clone()).collect()
    }
    /// Mappers whose node carries their class's label.
    pub fn labelled(&self) -> Vec<MapperKey> {
        let of = |(name, node): (&Id, &NodeFact)| {
            node.classes.iter().map(|class| MapperKey::new(class, name)).collect::<Vec<_>>()
        };
        self.nodes.iter().flat_map(of).collect()
    }
    /// Every place that holds an entry of a device, whatever its uid.
    pub fn held(&self, id: &Id) -> Vec<Held> {
        let mut held: Vec<Held> =
            self.holders.get(id).into_iter().flatten().flat_map(|key| self.held_by(key, id)).collect();
        if let Some(mapper) = self.claims.get(id)
            && !held.iter().any(|h| h.mapper == *mapper)
        {
            let uid = String::new();
            held.push(Held {
                mapper: mapper.clone(),
                uid,
                generation: 0,
                tombstone: false,
                let_go: false,
                taken: None,
                answers: self.answers(mapper),
            });
        }
        held
    }
    fn held_by<'a>(&'a self, key: &'a MapperKey, id: &'a Id) -> impl Iterator<Item = Held> + 'a {
        let chunks = || self.slices.get(key).into_iter().flat_map(BTreeMap::values);
        chunks().flat_map(|s| &s.entries).filter(move |e| e.device == *id).map(move |e| {
            let taken = chunks().find_map(|s| s.taken.get(&e.uid).copied());
            let released = chunks().any(|s| s.released.contains(&e.uid));
            let let_go = e.tombstone && released && taken.is_none();
            let (mapper, uid, answers) = (key.clone(), e.uid.to_string(), self.answers(key));
            Held { mapper, uid, generation: e.generation, tombstone: e.tombstone, let_go, taken, answers }
        })
    }
    /// A write that may put a device into a slice of the mapper is about to leave. False: another one holds it by now.
    pub fn claim(&mut self, key: &MapperKey, device: &Id, forced: Option<&str>) -> bool {
        let free = !self.held(device).iter().any(|held| held.bars(key, forced));
        if free {
            self.claims.insert(device.clone(), key.clone());
        }
        free
    }
    /// What the slices of a mapper hold is known again.
    pub fn unclaim(&mut self, key: &MapperKey) {
        self.claims.retain(|_, by| by != key);
    }
    /// No write is on its way.
    pub fn unclaim_all(&mut self) {
        self.claims.clear();
    }
    /// A slice changed (Some) or is gone (None). None is given where the news is older than what is known; else the old fact.
    pub fn slice(&mut self, key: &MapperKey, chunk: usize, mut fact: Option<SliceFact>) -> Option<Option<SliceFact>> {
        let key = &self.share_key(key);
        for entry in fact.iter_mut().flat_map(|fact| &mut fact.entries) {
            entry.device = self.share(&entry.device);
            entry.revision = self.share(&entry.revision);
        }
        let chunks = self.slices.entry(key.clone()).or_default();
        if let (Some(new), Some(old)) = (&fact, chunks.get(&chunk))
            && new.version < old.version
        {
            return None;
        }
        let old = match fact {
            Some(fact) => chunks.insert(chunk, fact),
            None => chunks.remove(&chunk),
        };
        let now: HashSet<Id> = chunks.values().flat_map(|s| s.entries.iter().map(|e| e.device.clone())).collect();
        if chunks.is_empty() {
            self.slices.remove(key);
        }
        for gone in old.iter().flat_map(|s| &s.entries).filter(|e| !now.contains(&e.device)) {
            if let Some(holders) = self.holders.get_mut(&gone.device) {
                holders.retain(|holder| holder != key);
                if holders.is_empty() {
                    self.holders.remove(&gone.device);
                }
            }
        }
        for id in now {
            let holders = self.holders.entry(id).or_default();
            if !holders.contains(key) {
                holders.reserve_exact(1); // nearly always there is one
                holders.push(key.clone());
            }
        }
        self.count(Some(key));
        Some(old)
    }
    /// The chunks of a mapper.
    pub fn chunks(&self, key: &MapperKey) -> Option<&BTreeMap<usize, SliceFact>> {
        self.slices.get(key)
    }
    /// All chunks of all mappers.
    pub fn slices(&self) -> impl Iterator<Item = (&MapperKey, &BTreeMap<usize, SliceFact>)> {
        self.slices.iter()
    }
    /// A Node changed or is gone; gives the old fact.
    pub fn node(&mut self, name: &Id, fact: Option<NodeFact>) -> Option<NodeFact> {
        match fact {
            Some(fact) => self.nodes.insert(name.clone(), fact),
            None => self.nodes.remove(name),
        }
    }
    /// All Nodes.
    pub fn nodes(&self) -> &Nodes {
        &self.nodes
    }
    /// A Pod changed or is gone; gives the mappers that it concerns.
    pub fn pod(&mut self, pod: &Id, fact: Option<(MapperKey, PodFact)>) -> Vec<MapperKey> {
        let mut concerned = vec![];
        let same =
            fact.as_ref().is_some_and(|(key, fact)| self.pods.get(key).and_then(|m| m.get(&**pod)) == Some(fact));
        if same {
            return concerned;
        }
        if let Some(key) = self.pod_keys.remove(pod) {
            if let Some(pods) = self.pods.get_mut(&key) {
                pods.remove(&**pod);
                if pods.is_empty() {
                    self.pods.remove(&key);
                }
            }
            concerned.push(key);
        }
        if let Some((key, fact)) = fact {
            self.pods.entry(key.clone()).or_default().insert(pod.to_string(), fact);
            self.pod_keys.insert(pod.clone(), key.clone());
            concerned.push(key);
        }
        concerned.dedup();
        concerned
    }
    /// The Pod of a mapper: the Ready one, where an update leaves two for a moment.
    pub fn mapper_pod(&self, key: &MapperKey) -> Option<&PodFact> {
        let pods = self.pods.get(key)?;
        pods.values().find(|p| p.ready).or_else(|| pods.values().next())
    }
    /// Whether a mapper and its node are Ready, so that it can be asked.
    pub fn answers(&self, key: &MapperKey) -> bool {
        let ready = self.nodes.get(&key.node).is_some_and(|node| node.ready == "True");
        ready && self.mapper_pod(key).is_some_and(|pod| pod.ready)
    }
    /// Ids of all Pods.
    pub fn pods(&self) -> Vec<Id> {
        self.pod_keys.keys().cloned().collect()
    }
    /// All revisions that slices name.
    pub fn revisions(&self) -> HashSet<Id> {
        self.slices.values().flat_map(BTreeMap::values).flat_map(|s| &s.entries).map(|e| e.revision.clone()).collect()
    }
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
