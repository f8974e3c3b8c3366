//! Step 3: what status shall say. Pure.
use super::dereference::Facts;
use crate::{conditions::cut, world::keys::Id};
use pollux_crds::{ChannelNode, ChannelStatus, channel_resource};

/// Most nodes that status has room for.
const MOST: usize = 1_000;
/// Characters of what mappers say, and of an endpoint, within what the schema has room for.
const WORDS: usize = 1_000;
const ENDPOINT: usize = 500;

pub(crate) fn build(facts: &Facts) -> ChannelStatus {
    let open = facts.nodes.values().filter(|node| node.connected).count();
    let resource = facts.channel.0.as_ref().ok().and_then(|channel| channel_resource(&channel.spec.protocol));
    ChannelStatus {
        endpoint: resource.map(|resource| cut(&resource.endpoint(), ENDPOINT)),
        summary: (!facts.nodes.is_empty()).then(|| format!("{open}/{}", facts.nodes.len())),
        nodes: facts.nodes.iter().take(MOST).map(node).collect(),
    }
}

/// The name is the API server's, all else the mapper's word.
fn node((name, said): (&Id, &ChannelNode)) -> ChannelNode {
    let ChannelNode { node: _, connected, message, utilisation, warning } = said;
    let words = |text: &Option<String>| text.as_deref().map(|text| cut(text, WORDS));
    ChannelNode {
        node: name.to_string(),
        connected: *connected,
        message: words(message),
        utilisation: utilisation.map(|percent| percent.clamp(0, 100_000)),
        warning: words(warning),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::DeserializeGuard;
    use pollux_crds::Channel;
    use serde_json::json;
    use std::{collections::BTreeMap, sync::Arc};

    #[test]
    fn status_says_what_is_opened_and_how_it_stands_on_each_node() {
        let channel: Channel = serde_json::from_value(json!({
            "apiVersion": "pollux.rs/v1alpha1", "kind": "Channel", "metadata": {"name": "hall-2", "namespace": "plant"},
            "spec": {"protocol": {"modbus": {"rtu": {"path": "/dev/ttyUSB0", "baudRate": 9600}}}},
        }))
        .unwrap();
        let said = |connected, utilisation, warning: Option<&str>| ChannelNode {
            node: "another, as a mapper may lie".into(),
            connected,
            message: (!connected).then(|| "no such file".into()),
            utilisation,
            warning: warning.map(Into::into),
        };
        let long = "x".repeat(5_000);
        let nodes: BTreeMap<Id, ChannelNode> =
            [("edge-1".into(), said(true, Some(130), Some(&long))), ("edge-2".into(), said(false, None, None))].into();
        let status = build(&Facts { channel: Arc::new(DeserializeGuard(Ok(channel))), nodes });
        assert_eq!(status.endpoint.as_deref(), Some("rtu:/dev/ttyUSB0 9600 8E1"));
        assert_eq!(status.summary.as_deref(), Some("1/2"));
        let [first, second] = &status.nodes[..] else { panic!("{status:?}") };
        assert_eq!((&*first.node, first.connected, first.utilisation), ("edge-1", true, Some(130)));
        assert!(first.warning.as_ref().is_some_and(|w| w.len() <= 1_024), "as the schema has room");
        assert_eq!((&*second.node, second.utilisation, &second.warning), ("edge-2", None, &None));
        assert_eq!(second.message.as_deref(), Some("no such file"));
    }
}
