//! Step 1: a class, and how its mappers stand.
use crate::{
    Context, Error,
    owner::{self, Owner},
    world::{Guarded, keys::Id},
};
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
    /// Who owns account and `DaemonSet`.
    pub(crate) owner: Owner,
}

pub(crate) async fn dereference(cx: &Context, name: &Id) -> Result<Option<Facts>, Error> {
    let world = &cx.world;
    let Some(class) = world.classes.get(name) else { return Ok(None) };
    let owner = owner::look(cx).await?;
    let index = world.index();
    let mappers: Vec<_> = index.mappers().into_iter().filter(|key| key.class == *name).collect();
    let ready = mappers.iter().filter(|key| index.mapper_pod(key).is_some_and(|pod| pod.ready)).count();
    let nodes = mappers.iter().filter(|key| !index.of_mapper(key).is_empty()).count();
    let devices = index.of_class(name).len();
    drop(index);
    Ok(Some(Facts { class, devices, nodes, ready, missing_policies: world.missing_policies(), owner }))
}
