//! Step 1: a class, and how its mappers stand.
use crate::world::{Guarded, World, keys::Id};
use pollux_crds::MapperClass;
use std::sync::Arc;

/// What is known of a class.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) class: Arc<Guarded<MapperClass>>,
    pub(crate) devices: usize,
    pub(crate) nodes: usize,
    pub(crate) ready: usize,
    pub(crate) missing_policies: Vec<String>,
}

pub(crate) fn dereference(world: &World, name: &Id) -> Option<Facts> {
    let class = world.classes.get(name)?;
    let index = world.index();
    let mappers: Vec<_> = index.mappers().into_iter().filter(|key| key.class == *name).collect();
    let ready = mappers.iter().filter(|key| index.mapper_pod(key).is_some_and(|pod| pod.ready)).count();
    let nodes = mappers.iter().filter(|key| !index.of_mapper(key).is_empty()).count();
    let devices = index.of_class(name).len();
    drop(index);
    Some(Facts { class, devices, nodes, ready, missing_policies: world.missing_policies() })
}
