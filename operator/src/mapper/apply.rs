//! Step 4: revisions before the slices that name them, the account before the slices that it reads, the index after the
//! chunks that it names, the label when all is there.
use super::{
    build::{Plan, Reader},
    chunks::receiving,
    dereference::{Facts, fact},
    secret,
};
use crate::{Context, Error, FIELD_MANAGER, apply, conditions::cut, world::keys::MapperKey};
use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams},
    core::{Status, response::StatusCause},
};
use pollux_crds::{
    DeviceModelRevision, DeviceModelRevisionSpec, DeviceSlice, DeviceSliceSpec, MAPPERS_NAMESPACE, SliceDevice,
    node_label, reader_name, slice_name,
};
use serde_json::json;
use std::collections::BTreeMap;

pub(crate) async fn apply(cx: &Context, key: &MapperKey, facts: &Facts, plan: &Plan) -> Result<(), Error> {
    revisions(cx, plan).await?;
    if let Reader::Make(objects) = &plan.reader {
        for object in objects {
            apply::apply(cx, object).await?;
        }
    }
    if let Some(wants) = &plan.secrets {
        secret::copy(cx, key, wants, &facts.owner).await?;
    }
    let mut slices = Slices { cx, key, annotations: &plan.annotations, stored: facts.chunks.clone() };
    slices.write(&plan.chunks).await?;
    if plan.reader == Reader::Remove {
        remove_reader(cx, key).await?;
    }
    // Last: what is left half done is looked at again while it is there.
    if plan.chunks.is_empty() && !facts.chunks.is_empty() {
        slices.remove(0).await?;
    }
    cx.world.change(|index| index.unclaim(key));
    match plan.label {
        Some(wanted) => label(cx, key, wanted).await,
        None => Ok(()),
    }
}

/// All that can be stored; one that is refused concerns the devices that name it, and no other.
async fn revisions(cx: &Context, plan: &Plan) -> Result<(), Error> {
    let mut refused = vec![];
    for (name, spec) in &plan.revisions {
        match revision(cx, name, spec).await {
            Err(Error::Kube(kube::Error::Api(status))) if is_refusal(&status) => {
                let entries = plan.chunks.iter().flat_map(|chunk| &chunk.devices);
                let concerned = entries.filter(|e| e.revision == *name);
                refused.extend(concerned.map(|e| (e.clone(), words(&status))));
            }
            other => other?,
        }
    }
    if refused.is_empty() { Ok(()) } else { Err(Error::Refused(refused)) }
}

/// What was sent will never be taken as it is.
fn is_refusal(status: &Status) -> bool {
    [400, 413, 422].contains(&status.code)
}

/// What the API server has against an object.
fn words(status: &Status) -> String {
    let causes: Vec<_> = causes(status).map(|c| format!("{}: {}", c.field, c.message)).collect();
    cut(if causes.is_empty() { status.message.clone() } else { causes.join("; ") }.as_str(), 500)
}

fn causes(status: &Status) -> impl Iterator<Item = &StatusCause> {
    status.details.iter().flat_map(|details| &details.causes)
}

/// The entries of a chunk for which it was refused: those that the causes name, or else all that are new in it.
fn culprits(status: &Status, old: &[SliceDevice], new: &[SliceDevice]) -> Vec<(SliceDevice, String)> {
    let changed = |e: &&SliceDevice| !e.released && !old.contains(e);
    let of = |cause: &StatusCause| {
        let (index, field) = cause.field.strip_prefix("spec.devices[")?.split_once(']')?;
        let entry = new.get(index.parse::<usize>().ok()?).filter(changed)?;
        Some((entry.clone(), cut(&format!("{}: {}", field.trim_start_matches('.'), cause.message), 500)))
    };
    let named: Vec<_> = causes(status).filter_map(of).collect();
    if named.is_empty() { new.iter().filter(changed).map(|e| (e.clone(), words(status))).collect() } else { named }
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

/// A mapper's slices while they are written.
struct Slices<'a> {
    cx: &'a Context,
    key: &'a MapperKey,
    /// Of chunk 0.
    annotations: &'a BTreeMap<String, String>,
    /// As they are in the API server.
    stored: Vec<Option<DeviceSlice>>,
}

impl Slices<'_> {
    /// In two rounds: what moves is put into its new chunk before it is taken out of the old one, so that a write that fails
    /// loses nothing. Between the rounds the hashes of the index keep the mapper from taking any of it. Chunk 0 stays in any
    /// case: whoever has nothing more to do there takes it away last.
    async fn write(&mut self, specs: &[DeviceSliceSpec]) -> Result<(), Error> {
        let devices = |s: &Option<DeviceSlice>| s.as_ref().map(|s| s.spec.devices.clone()).unwrap_or_default();
        let current: Vec<_> = self.stored.iter().map(devices).collect();
        let next: Vec<_> = specs.iter().map(|spec| spec.devices.clone()).collect();
        for (chunk, devices) in receiving(&current, &next) {
            if let Some(spec) = specs.get(chunk) {
                self.put(chunk, &DeviceSliceSpec { devices, ..spec.clone() }).await?;
            }
        }
        let last_is_the_index = specs.iter().enumerate().skip(1).chain(specs.first().map(|spec| (0, spec)));
        for (chunk, spec) in last_is_the_index {
            self.put(chunk, spec).await?;
        }
        for chunk in (specs.len().max(1)..self.stored.len()).rev() {
            self.remove(chunk).await?;
        }
        Ok(())
    }

    async fn put(&mut self, chunk: usize, spec: &DeviceSliceSpec) -> Result<(), Error> {
        let old = self.stored.get(chunk).and_then(Option::as_ref);
        let annotations = if chunk == 0 { self.annotations.clone() } else { BTreeMap::new() };
        if old.is_some_and(|old| old.spec == *spec && *old.annotations() == annotations) {
            return Ok(());
        }
        let name = slice_name(&self.key.class, &self.key.node, chunk);
        let mut object = DeviceSlice::new(&name, spec.clone());
        object.metadata = ObjectMeta {
            name: Some(name.clone()),
            // Written only if nobody else did since it was read: the last valid entries in it are all there is of them.
            resource_version: old.and_then(ResourceExt::resource_version),
            annotations: Some(annotations).filter(|annotations| !annotations.is_empty()),
            ..ObjectMeta::default()
        };
        let params = PostParams { field_manager: Some(FIELD_MANAGER.into()), ..PostParams::default() };
        let written = match old {
            Some(_) => self.api().replace(&name, &params, &object).await,
            None => self.api().create(&params, &object).await,
        };
        let written = written.map_err(|error| {
            let kube::Error::Api(status) = &error else { return error.into() };
            let olds = old.map_or(&[][..], |old| &old.spec.devices);
            let culprits = if is_refusal(status) { culprits(status, olds, &spec.devices) } else { vec![] };
            if culprits.is_empty() { error.into() } else { Error::Refused(culprits) }
        })?;
        self.cx.metrics.slice_writes.inc();
        self.know(chunk, Some(written));
        Ok(())
    }

    async fn remove(&mut self, chunk: usize) -> Result<(), Error> {
        let name = slice_name(&self.key.class, &self.key.node, chunk);
        gone(self.api().delete(&name, &DeleteParams::default()).await)?;
        self.know(chunk, None);
        Ok(())
    }

    fn know(&mut self, chunk: usize, slice: Option<DeviceSlice>) {
        self.cx.world.slice_seen(self.key, chunk, slice.as_ref().map(fact));
        self.stored.resize(self.stored.len().max(chunk + 1), None);
        if let Some(stored) = self.stored.get_mut(chunk) {
            *stored = slice;
        }
    }

    fn api(&self) -> Api<DeviceSlice> {
        Api::namespaced(self.cx.client.clone(), MAPPERS_NAMESPACE)
    }
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
