//! Server-side apply and deletion of objects that are built as JSON.
use crate::{Context, Error, FIELD_MANAGER};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams},
    core::{ApiResource, DynamicObject, GroupVersionKind},
};
use pollux_crds::MAPPERS_NAMESPACE;
use serde_json::Value as Json;

/// The kinds that the operator makes in pollux-mappers, and their plurals.
const KINDS: [(&str, &str, &str); 5] = [
    ("DaemonSet", "apps/v1", "daemonsets"),
    ("Role", "rbac.authorization.k8s.io/v1", "roles"),
    ("RoleBinding", "rbac.authorization.k8s.io/v1", "rolebindings"),
    ("Secret", "v1", "secrets"),
    ("ServiceAccount", "v1", "serviceaccounts"),
];

fn api(client: &Client, kind: &str) -> Option<Api<DynamicObject>> {
    let (kind, version, plural) = KINDS.iter().find(|(known, ..)| *known == kind)?;
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
    Some(Api::namespaced_with(client.clone(), MAPPERS_NAMESPACE, &resource))
}

/// Applies an object of pollux-mappers.
pub(crate) async fn apply(cx: &Context, object: &Json) -> Result<(), Error> {
    let kind = object.get("kind").and_then(Json::as_str).unwrap_or_default();
    let name = object.pointer("/metadata/name").and_then(Json::as_str).unwrap_or_default();
    let api = api(&cx.client, kind).ok_or_else(|| Error::Kind(kind.into()))?;
    api.patch(name, &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(object)).await?;
    cx.world.made_seen(kind, name, true);
    Ok(())
}

/// Deletes an object of pollux-mappers, if it is there.
pub(crate) async fn delete(cx: &Context, kind: &str, name: &str) -> Result<(), Error> {
    let api = api(&cx.client, kind).ok_or_else(|| Error::Kind(kind.into()))?;
    match api.delete(name, &DeleteParams::default()).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => {}
        Err(error) => return Err(error.into()),
        Ok(_) => {}
    }
    cx.world.made_seen(kind, name, false);
    Ok(())
}
