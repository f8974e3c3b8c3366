//! `MapperClass` → its account and its `DaemonSet`, and how both stand.
mod apply;
mod build;
pub mod built_in;
pub mod daemon_set;
mod dereference;
mod status;
mod validate;

#[cfg(test)]
mod tests;

use crate::{Context, Error, queue::Outcome, world::keys::Id};
use kube::{Resource, ResourceExt};
use pollux_crds::MapperClass;
use serde_json::{Value as Json, json};

/// One class, made to run.
pub(crate) async fn reconcile(cx: &Context, name: &Id) -> Result<Outcome, Error> {
    let Some(facts) = dereference::dereference(&cx.world, name) else { return Ok(Outcome::Done) };
    let obstacle = validate::validate(&facts);
    let built = build::build(&facts, obstacle.as_ref(), jiff::Timestamp::now());
    let applied = apply::apply(cx, &built).await;
    status::status(cx, &facts, &built, applied.as_ref().err()).await?;
    applied.map(|()| Outcome::Done)
}

/// What of a class's own is deleted with it.
pub(crate) fn owner(class: &MapperClass) -> Json {
    json!({
        "apiVersion": MapperClass::api_version(&()), "kind": MapperClass::kind(&()),
        "name": class.name_any(), "uid": class.uid().unwrap_or_default(), "controller": true,
    })
}
