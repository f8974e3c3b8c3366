//! Step 5: status, where it differs.
use super::dereference::Facts;
use crate::{
    Context, Error, FIELD_MANAGER,
    world::keys::{Id, parts},
};
use kube::{
    Api, Resource,
    api::{PartialObjectMeta, Patch, PatchParams},
};
use pollux_crds::{Channel, ChannelStatus};
use serde_json::json;

pub(crate) async fn status(cx: &Context, id: &Id, facts: &Facts, new: &ChannelStatus) -> Result<(), Error> {
    let old = facts.channel.0.as_ref().ok().and_then(|c| c.status.clone()).unwrap_or_default();
    if old == *new {
        return Ok(());
    }
    let (namespace, name) = parts(id);
    let body = json!({
        "apiVersion": Channel::api_version(&()), "kind": "Channel",
        "metadata": {"name": name, "namespace": namespace}, "status": new,
    });
    let api: Api<PartialObjectMeta<Channel>> = Api::namespaced(cx.client.clone(), namespace);
    match api.patch_status(name, &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(&body)).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        other => other.map(drop).map_err(Into::into),
    }
}
