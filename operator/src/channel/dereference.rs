//! Step 1: what mappers say of a Channel.
use crate::world::{Guarded, World, keys::Id};
use pollux_crds::{Channel, ChannelNode};
use std::{collections::BTreeMap, sync::Arc};

/// What is known of a Channel.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) channel: Arc<Guarded<Channel>>,
    /// Node → its mapper's word.
    pub(crate) nodes: BTreeMap<Id, ChannelNode>,
}

pub(crate) fn dereference(world: &World, id: &Id) -> Option<Facts> {
    let channel = world.channels.get(id)?;
    let index = world.index();
    let mut nodes = BTreeMap::new();
    for device in index.of_channel(id) {
        for key in index.mappers_of(&device) {
            if let Some(state) =
                index.chunks(&key).into_iter().flat_map(BTreeMap::values).find_map(|s| s.channels.get(id))
            {
                nodes.insert(key.node.clone(), state.clone());
            }
        }
    }
    drop(index);
    Some(Facts { channel, nodes })
}
