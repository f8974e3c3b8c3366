//! Step 3: what status shall say. Pure.
use super::dereference::Facts;
use crate::conditions::cut;
use pollux_crds::{ChannelNode, ChannelStatus};

/// Most nodes that status has room for.
const MOST: usize = 1_000;

pub(crate) fn build(facts: &Facts) -> ChannelStatus {
    let open = facts.nodes.values().filter(|(connected, _)| *connected).count();
    let node = |(node, (connected, message)): (&crate::world::keys::Id, &(bool, Option<String>))| ChannelNode {
        node: node.to_string(),
        connected: *connected,
        message: message.as_deref().map(|m| cut(m, 1_000)),
        ..ChannelNode::default()
    };
    ChannelStatus {
        summary: (!facts.nodes.is_empty()).then(|| format!("{open}/{}", facts.nodes.len())),
        nodes: facts.nodes.iter().take(MOST).map(node).collect(),
        ..ChannelStatus::default()
    }
}
