//! Step 5: how the class stands, where that differs.
use super::{build::Built, dereference::Facts};
use crate::{
    Context, Error, FIELD_MANAGER,
    conditions::{Fact, Truth, stamp, transitions},
    events::News,
};
use kube::{
    Api, Resource, ResourceExt,
    api::{PartialObjectMeta, Patch, PatchParams},
};
use pollux_crds::{MapperClass, MapperClassStatus};
use serde_json::json;

pub(crate) async fn status(cx: &Context, facts: &Facts, built: &Built, failed: Option<&Error>) -> Result<(), Error> {
    let old = facts.class.0.as_ref().ok().and_then(|c| c.status.clone()).unwrap_or_default();
    let ready = match failed {
        Some(error) => Fact {
            status: Truth::False,
            reason: "ApplyFailed".into(),
            message: crate::conditions::cut(&error.to_string(), 1_000),
            ..built.ready.clone()
        },
        None => built.ready.clone(),
    };
    let now = built.now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let facts_now = [ready];
    let new = MapperClassStatus {
        devices: count(facts.devices),
        nodes: count(facts.nodes),
        ready: count(facts.ready),
        conditions: stamp(&old.conditions, &facts_now, &now),
        observed_generation: facts.class.meta().generation,
    };
    if new == old {
        return Ok(());
    }
    let name = facts.class.name_any();
    let body = json!({
        "apiVersion": MapperClass::api_version(&()), "kind": "MapperClass",
        "metadata": {"name": name}, "status": new,
    });
    let api: Api<PartialObjectMeta<MapperClass>> = Api::all(cx.client.clone());
    match api.patch_status(&name, &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(&body)).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    for fact in transitions(&old.conditions, &facts_now) {
        cx.events.tell(News::of(facts.class.object_ref(&()), fact));
    }
    Ok(())
}
