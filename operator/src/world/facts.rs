//! Small facts of nodes, Pods and slices. Pure projections of what was read.
use super::{
    keys::{Id, MapperKey, id},
    views::{NodeView, PodView, SliceView, Taint},
};
use kube::ResourceExt;
use pollux_crds::{ChannelNode, Toleration};
use std::collections::{BTreeMap, BTreeSet};

/// Label on a mapper's Pods that names its class.
pub const CLASS_LABEL: &str = "pollux.rs/mapper-class";

/// What is known of a Node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeFact {
    /// Kubernetes' own verdict: True, False or Unknown.
    pub ready: String,
    /// It takes no new Pods.
    pub unschedulable: bool,
    /// Taints that keep Pods away.
    pub taints: Vec<Taint>,
    /// Classes whose label it carries.
    pub classes: BTreeSet<String>,
}

impl NodeFact {
    /// The fact in a Node.
    pub fn of(node: &NodeView) -> Self {
        let ready = node.status.conditions.iter().find(|c| c.type_ == "Ready");
        let prefix = pollux_crds::node_label("");
        Self {
            ready: ready.map_or_else(|| "Unknown".into(), |c| c.status.clone()),
            unschedulable: node.spec.unschedulable,
            // What the node controller puts on a node that is not Ready passes; the choice of a node must not depend on it.
            taints: node
                .spec
                .taints
                .iter()
                .filter(|t| t.effect != "PreferNoSchedule" && !t.key.starts_with("node.kubernetes.io/"))
                .cloned()
                .collect(),
            classes: node.labels().keys().filter_map(|k| k.strip_prefix(&prefix)).map(Into::into).collect(),
        }
    }
    /// Whether a mapper with those tolerations may be put there.
    pub fn takes(&self, tolerations: &[Toleration]) -> bool {
        !self.unschedulable && self.bars(tolerations).is_none()
    }
    /// The first taint that keeps a mapper with those tolerations away. A `DaemonSet` runs where other Pods are not scheduled.
    pub fn bars(&self, tolerations: &[Toleration]) -> Option<&Taint> {
        self.taints.iter().find(|taint| !tolerations.iter().any(|t| tolerates(t, taint)))
    }
}

fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let effect = toleration.effect.as_ref().is_none_or(|e| *e == taint.effect);
    let exists = toleration.operator.as_deref() == Some("Exists");
    let value = exists || toleration.value.as_deref().unwrap_or("") == taint.value.as_deref().unwrap_or("");
    match &toleration.key {
        None => effect && exists,
        Some(key) => effect && value && *key == taint.key,
    }
}

/// What is known of one Pod of a mapper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodFact {
    /// It is Ready and not on its way out.
    pub ready: bool,
    /// Why not, if anybody says so.
    pub why: String,
}

impl PodFact {
    /// The mapper that a Pod is, and the fact in it. None: no mapper's Pod, or not on a node yet.
    pub fn of(pod: &PodView) -> Option<(MapperKey, Self)> {
        let class = pod.labels().get(CLASS_LABEL)?;
        if pod.spec.node_name.is_empty() {
            return None;
        }
        let leaving = pod.metadata.deletion_timestamp.is_some();
        let ready = pod.status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True") && !leaving;
        let containers = pod.status.init_container_statuses.iter().chain(&pod.status.container_statuses);
        let waiting = containers.filter_map(|c| c.state.waiting.as_ref()).find(|w| w.reason != "PodInitializing");
        let why = match waiting {
            _ if ready => String::new(),
            _ if leaving => "it is shutting down".into(),
            Some(waiting) if waiting.message.is_empty() => waiting.reason.clone(),
            Some(waiting) => crate::conditions::cut(&format!("{}: {}", waiting.reason, waiting.message), 300),
            None => format!("phase {}", pod.status.phase),
        };
        Some((MapperKey::new(class, &pod.spec.node_name), Self { ready, why }))
    }
}

/// What is known of one chunk of a mapper's slices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SliceFact {
    /// Its resource version, to tell older from newer.
    pub version: u64,
    /// Its entries.
    pub entries: Vec<EntryFact>,
    /// uid → generation that the mapper drives.
    pub taken: BTreeMap<Id, i64>,
    /// uids that the mapper has let go of.
    pub released: BTreeSet<Id>,
    /// Channels that the mapper speaks of, in its words.
    pub channels: BTreeMap<Id, ChannelNode>,
}

/// One entry of a slice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryFact {
    /// The Device.
    pub device: Id,
    /// Its uid.
    pub uid: Id,
    /// Generation in force.
    pub generation: i64,
    /// It is a tombstone.
    pub tombstone: bool,
    /// `DeviceModelRevision` that it names.
    pub revision: Id,
}

impl SliceFact {
    /// The fact in a slice.
    pub fn of(slice: &SliceView) -> Self {
        let status = slice.status.clone().unwrap_or_default();
        let uids: BTreeMap<&str, Id> =
            slice.spec.devices.iter().map(|d| (d.uid.as_str(), d.uid.as_str().into())).collect();
        let shared = |uid: &str| uids.get(uid).cloned().unwrap_or_else(|| uid.into());
        Self {
            // Resource versions are numbers in every API server there is; were one not, the newest word would count.
            version: slice.resource_version().and_then(|v| v.parse().ok()).unwrap_or(u64::MAX),
            entries: slice
                .spec
                .devices
                .iter()
                .map(|d| EntryFact {
                    device: id(&d.namespace, &d.name),
                    uid: shared(&d.uid),
                    generation: d.generation,
                    tombstone: d.released,
                    revision: d.revision.as_str().into(),
                })
                .collect(),
            taken: status.taken.iter().map(|(uid, generation)| (shared(uid), *generation)).collect(),
            released: status.released.iter().map(|uid| shared(&uid.0)).collect(),
            channels: status.channels.into_iter().map(|c| (id(&c.namespace, &c.name), c.state)).collect(),
        }
    }
}
