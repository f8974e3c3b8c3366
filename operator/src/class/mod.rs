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

/// One class, made to run.
pub(crate) async fn reconcile(cx: &Context, name: &Id) -> Result<Outcome, Error> {
    let Some(facts) = dereference::dereference(cx, name).await? else {
        return apply::remove(cx, name).await.map(|()| Outcome::Done);
    };
    let obstacle = validate::validate(&facts);
    let built = build::build(&facts, obstacle.as_ref(), jiff::Timestamp::now());
    let applied = apply::apply(cx, &built).await;
    status::status(cx, &facts, &built, applied.as_ref().err()).await?;
    applied.map(|()| Outcome::Done)
}
