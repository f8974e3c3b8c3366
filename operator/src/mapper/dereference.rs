//! Step 1: a mapper's slices as they are in the API server, because the last valid entries stand nowhere else.
use super::validate::Demand;
use crate::{
    Context, Error,
    owner::{self, Owner},
    world::{
        Guarded, World,
        facts::{NodeFact, SliceFact},
        keys::{MapperKey, id},
        made::There,
        views::SliceView,
    },
};
use kube::{Api, ResourceExt, api::ObjectMeta};
use pollux_crds::{Device, DeviceSlice, MAPPERS_NAMESPACE, MapperClass, slice_name};
use std::{collections::BTreeSet, sync::Arc};

/// What is known of a mapper.
#[derive(Debug)]
pub(crate) struct Facts {
    /// Its chunks, in order; None where there is a hole.
    pub(crate) chunks: Vec<Option<DeviceSlice>>,
    pub(crate) class: Option<Arc<Guarded<MapperClass>>>,
    /// Who owns its reader.
    pub(crate) owner: Owner,
    pub(crate) node: Option<NodeFact>,
    pub(crate) has_pod: bool,
    pub(crate) missing_policies: bool,
    /// How much of its reader is there.
    pub(crate) reader: There,
    /// Whether its copy of Secrets is there.
    pub(crate) has_copy: bool,
}

impl Facts {
    /// The class, if it can be decoded.
    pub(crate) fn class(&self) -> Option<&MapperClass> {
        self.class.as_ref().and_then(|class| class.0.as_ref().ok())
    }
}

pub(crate) async fn dereference(cx: &Context, key: &MapperKey) -> Result<Facts, Error> {
    let api: Api<DeviceSlice> = Api::namespaced(cx.client.clone(), MAPPERS_NAMESPACE);
    let owner = owner::known(cx).await?;
    let mut chunks = vec![];
    let first = read(&api, &cx.world, key, 0).await?;
    let told = first.as_ref().and_then(|s| s.spec.index.as_ref()).map_or(0, |index| index.chunks.len());
    // The index may not tell of a chunk whose write was the last thing that happened.
    let known = cx.world.index().chunks(key).map(|c| c.keys().copied().collect::<BTreeSet<_>>()).unwrap_or_default();
    let count = told.max(known.last().map_or(0, |last| last + 1));
    chunks.push(first);
    for chunk in 1..count {
        chunks.push(read(&api, &cx.world, key, chunk).await?);
    }
    while matches!(chunks.last(), Some(None)) {
        chunks.pop();
    }
    cx.world.change(|index| index.unclaim(key));
    Ok(Facts {
        chunks,
        class: cx.world.classes.get(&key.class),
        owner,
        node: cx.world.node(&key.node),
        has_pod: cx.world.pod(key).is_some(),
        missing_policies: !cx.world.missing_policies().is_empty(),
        reader: cx.world.reader(key),
        has_copy: cx.world.has_copy(key),
    })
}

/// Step 1, continued: what devices that are new here have acknowledged before, from their status. It is kept nowhere in
/// memory, because it is as large as `desired`.
pub(crate) async fn acknowledged(cx: &Context, demand: &mut Demand) -> Result<(), Error> {
    for wanted in &mut demand.entries {
        let entry = &mut wanted.entry;
        if !demand.arrivals.contains(&*id(&entry.namespace, &entry.name)) {
            continue;
        }
        let api: Api<Device> = Api::namespaced(cx.client.clone(), &entry.namespace);
        let device = api.get_opt(&entry.name).await?.filter(|d| d.uid().as_deref() == Some(&entry.uid));
        let applied = device.and_then(|d| d.status).map(|s| s.applied).unwrap_or_default();
        entry.applied = applied.into_iter().filter(|(name, _)| entry.desired.contains_key(name)).collect();
    }
    Ok(())
}

async fn read(
    api: &Api<DeviceSlice>,
    world: &World,
    key: &MapperKey,
    chunk: usize,
) -> Result<Option<DeviceSlice>, Error> {
    let slice = api.get_opt(&slice_name(&key.class, &key.node, chunk)).await?;
    world.slice_seen(key, chunk, slice.as_ref().map(fact));
    Ok(slice)
}

/// The fact in a whole slice.
pub(crate) fn fact(slice: &DeviceSlice) -> SliceFact {
    let view = |d: &pollux_crds::SliceDevice| crate::world::views::SliceViewDevice {
        namespace: d.namespace.clone(),
        name: d.name.clone(),
        uid: d.uid.clone(),
        generation: d.generation,
        released: d.released,
        revision: d.revision.clone(),
    };
    let spec = crate::world::views::SliceViewSpec { devices: slice.spec.devices.iter().map(view).collect() };
    let metadata = ObjectMeta { resource_version: slice.resource_version(), ..ObjectMeta::default() };
    SliceFact::of(&SliceView { metadata, spec, status: slice.status.clone() })
}
