//! Step 5: status, by server-side apply, and only where it differs.
use super::{build::Built, dereference::Facts};
use crate::{Context, Error, FIELD_MANAGER, conditions::differ, events::News};
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use pollux_crds::{Device, DeviceStatus};
use serde_json::json;

pub(crate) async fn status(cx: &Context, facts: &Facts, built: &Built) -> Result<(), Error> {
    let DeviceStatus { conditions, observed_generation, node_name, mapper_class, .. } = &built.status;
    let old = &facts.status;
    let same = !differ(&old.conditions, conditions)
        && old.observed_generation == *observed_generation
        && old.node_name == *node_name
        && old.mapper_class == *mapper_class;
    if same {
        return Ok(());
    }
    let name = facts.device.name_any();
    let namespace = facts.device.namespace().unwrap_or_default();
    let body = json!({
        "apiVersion": Device::api_version(&()), "kind": "Device",
        // A uid would be no precondition here (tried on 1.37): a Device of this name that was made since gets these words, until
        // the news of it, which is on its way, brings its own.
        "metadata": {"name": name, "namespace": namespace},
        "status": {
            "conditions": conditions, "observedGeneration": observed_generation,
            "nodeName": node_name, "mapperClass": mapper_class,
        },
    });
    let api: Api<kube::api::PartialObjectMeta<Device>> = Api::namespaced(cx.client.clone(), &namespace);
    let params = PatchParams::apply(FIELD_MANAGER).force();
    match api.patch_status(&name, &params, &Patch::Apply(&body)).await {
        Ok(_) => {}
        // It is gone, or another one: its own event will tell.
        Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    for fact in &built.news {
        cx.events.tell(News::of(facts.device.object_ref(&()), fact));
    }
    Ok(())
}
