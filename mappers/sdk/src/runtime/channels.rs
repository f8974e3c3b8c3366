//! How the Channels stand on this node: the mapper's word for `DeviceSlice.status.channels`.
use crate::{Hub, LinkState, Load};
use pollux_crds::{ChannelNode, EffectiveDevice, SliceChannel};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Longest message, in characters; the schema has room for 1024.
const MESSAGE: usize = 256;
/// Longest warning, which names devices.
const WARNING: usize = 768;

/// Namespace and name.
pub(crate) type ChannelName = (String, String);

/// The Channel of a device.
pub(super) fn channel(device: &EffectiveDevice) -> Option<ChannelName> {
    device.channel.clone().map(|name| (device.namespace.clone(), name))
}

/// Written by the endpoints, read through the hub.
#[derive(Debug)]
pub(crate) struct Channels {
    node: String,
    hub: Arc<Hub>,
    states: Mutex<BTreeMap<ChannelName, ChannelNode>>,
}

impl Channels {
    pub(crate) fn new(node: String, hub: Arc<Hub>) -> Self {
        Self { node, hub, states: Mutex::default() }
    }
    pub(crate) fn set<'a>(&self, names: impl Iterator<Item = &'a ChannelName>, link: &LinkState, load: &Load) {
        let short = |text: &str, most| text.chars().take(most).collect::<String>();
        let state = ChannelNode {
            node: self.node.clone(),
            connected: link.up,
            message: (!link.up).then(|| short(&link.reason, MESSAGE)),
            utilisation: load.percent.filter(|_| link.up),
            warning: load.warning.as_deref().filter(|_| link.up).map(|text| short(text, WARNING)),
        };
        self.change(|states| states.extend(names.map(|name| (name.clone(), state.clone()))));
    }
    pub(crate) fn forget<'a>(&self, names: impl Iterator<Item = &'a ChannelName>) {
        self.change(|states| names.for_each(|name| drop(states.remove(name))));
    }
    fn change(&self, change: impl FnOnce(&mut BTreeMap<ChannelName, ChannelNode>)) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut states);
        let said = states.iter().map(|((namespace, name), state)| SliceChannel {
            namespace: namespace.clone(),
            name: name.clone(),
            state: state.clone(),
        });
        self.hub.set_channels(said.collect());
    }
}
