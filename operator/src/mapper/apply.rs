//! Step 4: revisions before the slices that name them, the account before the slices that it reads, the index after the
//! chunks that it names, the label when all is there.
use super::{
    build::{Plan, Reader},
    dereference::{Facts, fact},
    reader::READER_ANNOTATION,
};
use crate::{Context, Error, FIELD_MANAGER, apply, world::keys::MapperKey};
use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams},
};
use pollux_crds::{
    DeviceModelRevision, DeviceModelRevisionSpec, DeviceSlice, DeviceSliceSpec, MAPPERS_NAMESPACE, node_label,
    reader_name, slice_name,
};
use serde_json::json;

pub(crate) async fn apply(cx: &Context, key: &MapperKey, facts: &Facts, plan: &Plan) -> Result<(), Error> {
    for (name, spec) in &plan.revisions {
        revision(cx, name, spec).await?;
    }
    if let Reader::Make(objects) = &plan.reader {
        for object in objects {
            apply::apply(cx, object).await?;
        }
    }
    // Until the slices are read again, or their writes are known, nobody else may take these devices.
    cx.world.change(|index| index.claim(key, plan.arrivals.iter().cloned()));
    for (chunk, spec) in plan.chunks.iter().enumerate().skip(1) {
        slice(cx, key, facts, plan, chunk, spec).await?;
    }
    if let Some(spec) = plan.chunks.first() {
        slice(cx, key, facts, plan, 0, spec).await?;
    }
    for chunk in (plan.chunks.len().max(1)..facts.chunks.len()).rev() {
        remove_slice(cx, key, chunk).await?;
    }
    if plan.reader == Reader::Remove {
        remove_reader(cx, key).await?;
    }
    // Last: what is left half done is looked at again while it is there.
    if plan.chunks.is_empty() && !facts.chunks.is_empty() {
        remove_slice(cx, key, 0).await?;
    }
    cx.world.change(|index| index.unclaim(key));
    match plan.label {
        Some(wanted) => label(cx, key, wanted).await,
        None => Ok(()),
    }
}

async fn revision(cx: &Context, name: &str, spec: &DeviceModelRevisionSpec) -> Result<(), Error> {
    if cx.world.revisions.get(name).is_some() {
        return Ok(());
    }
    let api: Api<DeviceModelRevision> = Api::namespaced(cx.client.clone(), MAPPERS_NAMESPACE);
    match api.create(&PostParams::default(), &DeviceModelRevision::new(name, spec.clone())).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.is_already_exists() => {}
        Err(error) => return Err(error.into()),
    }
    cx.world.revisions.put(name.into(), ());
    Ok(())
}

async fn slice(
    cx: &Context,
    key: &MapperKey,
    facts: &Facts,
    plan: &Plan,
    chunk: usize,
    spec: &DeviceSliceSpec,
) -> Result<(), Error> {
    let old = facts.chunks.get(chunk).and_then(Option::as_ref);
    let annotation = plan.reader_hash.as_ref().filter(|_| chunk == 0);
    if old.is_some_and(|old| old.spec == *spec && old.annotations().get(READER_ANNOTATION) == annotation) {
        return Ok(());
    }
    let api: Api<DeviceSlice> = Api::namespaced(cx.client.clone(), MAPPERS_NAMESPACE);
    let name = slice_name(&key.class, &key.node, chunk);
    let mut object = DeviceSlice::new(&name, spec.clone());
    let metadata = ObjectMeta {
        // Written only if nobody else did since it was read: the last valid entries in it are all there is of them.
        resource_version: old.and_then(ResourceExt::resource_version),
        annotations: annotation.map(|hash| [(READER_ANNOTATION.to_owned(), hash.clone())].into()),
        ..ObjectMeta::default()
    };
    object.metadata = ObjectMeta { name: Some(name.clone()), ..metadata };
    let params = PostParams { field_manager: Some(FIELD_MANAGER.into()), ..PostParams::default() };
    let written = match old {
        Some(_) => api.replace(&name, &params, &object).await?,
        None => api.create(&params, &object).await?,
    };
    cx.metrics.slice_writes.inc();
    cx.world.slice_seen(key, chunk, Some(fact(&written)));
    Ok(())
}

async fn remove_slice(cx: &Context, key: &MapperKey, chunk: usize) -> Result<(), Error> {
    let api: Api<DeviceSlice> = Api::namespaced(cx.client.clone(), MAPPERS_NAMESPACE);
    gone(api.delete(&slice_name(&key.class, &key.node, chunk), &DeleteParams::default()).await)?;
    cx.world.slice_seen(key, chunk, None);
    Ok(())
}

async fn remove_reader(cx: &Context, key: &MapperKey) -> Result<(), Error> {
    let name = reader_name(&key.class, &key.node);
    for kind in ["RoleBinding", "Role", "ServiceAccount"] {
        apply::delete(cx, kind, &name).await?;
    }
    apply::delete(cx, "Secret", &super::build::secret(key)).await
}

/// Gone is gone, whoever did it.
fn gone<T>(result: kube::Result<T>) -> Result<(), Error> {
    match result {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        other => other.map(drop).map_err(Into::into),
    }
}

async fn label(cx: &Context, key: &MapperKey, wanted: bool) -> Result<(), Error> {
    type Node = kube::api::PartialObjectMeta<k8s_openapi::api::core::v1::Node>;
    let api: Api<Node> = Api::all(cx.client.clone());
    let value = if wanted { json!("true") } else { json!(null) };
    let patch = json!({"metadata": {"labels": {node_label(&key.class): value}}});
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
    tracing::info!(node = %key.node, class = %key.class, wanted, kind = %Node::kind(&()), "node label");
    gone(api.patch(&key.node, &params, &Patch::Merge(&patch)).await)
}
