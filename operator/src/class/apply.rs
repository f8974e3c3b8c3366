//! Step 4: account and `DaemonSet`; both go when the class has gone.
use super::build::Built;
use crate::{Context, Error, apply, world::keys::Id};
use kube::{Api, api::PartialObjectMeta};
use pollux_crds::{MapperClass, mapper_name};

pub(crate) async fn apply(cx: &Context, built: &Built) -> Result<(), Error> {
    for object in &built.objects {
        apply::apply(cx, object).await?;
    }
    Ok(())
}

/// The `DaemonSet` first: no Pod shall start without its account.
pub(crate) async fn remove(cx: &Context, class: &Id) -> Result<(), Error> {
    if !cx.world.has_class_objects(class) {
        return Ok(());
    }
    // What stops all mappers of a class is not done by memory alone.
    let api: Api<PartialObjectMeta<MapperClass>> = Api::all(cx.client.clone());
    if api.get_metadata_opt(class).await?.is_some() {
        return Ok(());
    }
    tracing::info!(%class, "the class is gone: its mappers stop");
    for kind in ["DaemonSet", "ServiceAccount"] {
        apply::delete(cx, kind, &mapper_name(class)).await?;
    }
    Ok(())
}
