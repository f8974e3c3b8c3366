//! Channel.status: how it stands on each node, copied from the mappers' word in their slices.
mod build;
mod dereference;
mod status;

use crate::{Context, Error, queue::Outcome, world::keys::Id};

/// One Channel, made to say what is so. There is nothing to validate (its devices are what is refused) and nothing to apply.
pub(crate) async fn reconcile(cx: &Context, id: &Id) -> Result<Outcome, Error> {
    let Some(facts) = dereference::dereference(&cx.world, id) else { return Ok(Outcome::Done) };
    let built = build::build(&facts);
    status::status(cx, id, &facts, &built).await?;
    Ok(Outcome::Done)
}
