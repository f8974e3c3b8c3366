//! One mapper (a class on a node) → what it shall do: revisions, slices, the account that reads them, the node's label.
mod apply;
pub mod budget;
mod build;
pub mod chunks;
mod crowd;
mod dereference;
mod reader;
mod secret;
mod status;
mod validate;

#[cfg(test)]
mod crowd_tests;
#[cfg(test)]
mod secret_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use dereference::fact;

use crate::{Context, Error, queue::Outcome, world::keys::MapperKey};

/// One mapper's slices, made to say what it shall do.
pub(crate) async fn reconcile(cx: &Context, key: &MapperKey) -> Result<Outcome, Error> {
    if key.node.len() > pollux_crds::MAX_NODE_NAME || !pollux_crds::is_class_name(&key.class) {
        return Ok(Outcome::Done);
    }
    let facts = dereference::dereference(cx, key).await?;
    let mut demand = validate::validate(&cx.world, key, &facts);
    cx.world.secrets.named_by(key, demand.secrets.named.clone());
    dereference::acknowledged(cx, &mut demand).await?;
    let plan = build::build(key, &facts, demand, cx.budget);
    match apply::apply(cx, key, &facts, &plan).await {
        Err(Error::Refused(entries)) => Ok(status::refused(cx, key, entries)),
        other => other.map(|()| status::status(cx, key, plan)),
    }
}
