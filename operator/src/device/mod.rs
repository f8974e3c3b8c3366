//! Device → conditions Accepted, Scheduled and Ready, and where it is.
mod apply;
mod build;
mod dereference;
mod ready;
mod scheduled;
mod status;
mod validate;

#[cfg(test)]
mod tests;

use crate::{Context, Error, queue::Outcome, world::keys::Id};

/// When to look again while it is not known whether a Secret is there; the news of it makes the Device due before.
const SECRETS: std::time::Duration = std::time::Duration::from_secs(5);

/// One Device, made to say what is so.
pub(crate) async fn reconcile(cx: &Context, id: &Id) -> Result<Outcome, Error> {
    let Some(facts) = dereference::dereference(cx, id).await? else { return Ok(Outcome::Done) };
    let intent = validate::validate(&cx.world, id, &facts);
    if cx.world.awaits_secrets(id) {
        return Ok(Outcome::Again(SECRETS));
    }
    if intent.intent.behind {
        return Ok(Outcome::Again(crate::BEHIND));
    }
    let built = build::build(&facts, &intent, jiff::Timestamp::now());
    apply::apply(&cx.world, &facts, &intent);
    status::status(cx, &facts, &built).await?;
    Ok(built.again.map_or(Outcome::Done, Outcome::Again))
}
