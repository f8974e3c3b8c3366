//! Step 5: what other keys must know. A mapper has no status of its own: its devices' and its class's tell.
use super::build::Plan;
use crate::{Context, queue::Outcome, world::keys::MapperKey};
use std::time::Duration;

/// Should the news that the Pod is gone be missed.
const LOOK_AGAIN: Duration = Duration::from_secs(20);

pub(crate) fn status(cx: &Context, key: &MapperKey, plan: Plan) -> Outcome {
    let news = cx.world.set_conflicts(key, plan.conflicts);
    cx.world.touch(news, false);
    if plan.leaving { Outcome::Again(LOOK_AGAIN) } else { Outcome::Done }
}
