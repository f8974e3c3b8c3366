//! Step 1: what is known of a Device.
use crate::{
    Context, Error,
    world::{
        Guarded, World,
        facts::{NodeFact, PodFact},
        keys::{Id, MapperKey, parts},
    },
};
use kube::{
    Api,
    core::{ApiResource, DynamicObject},
};
use pollux_crds::{Device, DeviceStatus};

/// What is known of a Device, but for what it is judged by.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) device: Guarded<Device>,
    pub(crate) status: DeviceStatus,
    pub(crate) missing_policies: bool,
}

pub(crate) async fn dereference(cx: &Context, id: &Id) -> Result<Option<Facts>, Error> {
    let Some(device) = cx.world.device(id) else { return Ok(None) };
    let status = match &device.0 {
        Ok(device) => device.status.clone().unwrap_or_default(),
        Err(_) => match readable(cx, id).await? {
            Some(status) => status,
            None => return Ok(None),
        },
    };
    Ok(Some(Facts { device, status, missing_policies: !cx.world.missing_policies().is_empty() }))
}

/// The operator's part of the status of a Device that cannot be decoded as a whole.
async fn readable(cx: &Context, id: &Id) -> Result<Option<DeviceStatus>, Error> {
    let (namespace, name) = parts(id);
    let api: Api<DynamicObject> =
        Api::namespaced_with(cx.client.clone(), namespace, &ApiResource::erase::<Device>(&()));
    let Some(object) = api.get_opt(name).await? else { return Ok(None) };
    let field = |name: &str| object.data.get("status").and_then(|s| s.get(name)).cloned().unwrap_or_default();
    Ok(Some(DeviceStatus {
        conditions: serde_json::from_value(field("conditions")).unwrap_or_default(),
        node_name: serde_json::from_value(field("nodeName")).unwrap_or_default(),
        mapper_class: serde_json::from_value(field("mapperClass")).unwrap_or_default(),
        observed_generation: field("observedGeneration").as_i64(),
        ..DeviceStatus::default()
    }))
}

/// How a mapper's node and Pod stand.
#[derive(Debug, Default)]
pub(crate) struct Ground {
    pub(crate) node: Option<NodeFact>,
    pub(crate) pod: Option<PodFact>,
    /// What of the node keeps Pods of the class away.
    pub(crate) barred: Option<String>,
}
pub(crate) fn ground(world: &World, key: &MapperKey) -> Ground {
    let (node, pod) = (world.node(&key.node), world.pod(key));
    let class = world.class(&key.class);
    let taint = node.as_ref().zip(class.as_ref()).and_then(|(node, class)| node.bars(&class.spec.tolerations));
    let barred = taint.map(|taint| {
        format!(
            "node {} has the taint {taint}, and spec.tolerations of MapperClass {} has none for it",
            key.node, key.class
        )
    });
    Ground { node, pod, barred }
}
