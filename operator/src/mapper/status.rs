//! Step 5: what other keys must know. A mapper has no status of its own: its devices' and its class's tell.
use super::build::Plan;
use crate::{
    Context,
    queue::Outcome,
    world::keys::{MapperKey, id},
};
use pollux_crds::SliceDevice;
use std::time::Duration;

/// Should the news that the Pod is gone be missed.
const LOOK_AGAIN: Duration = Duration::from_secs(20);
/// Soon, and not in a loop where the API server does not say which entry it means.
const WITHOUT_THEM: Duration = Duration::from_millis(500);

pub(crate) fn status(cx: &Context, key: &MapperKey, mut plan: Plan) -> Outcome {
    let news = cx.world.set_conflicts(key, std::mem::take(&mut plan.conflicts));
    // Where it is, if it shall move here.
    cx.world.touch(news, true);
    for (device, entry) in std::mem::take(&mut plan.judged) {
        if cx.world.moves.judged(&device, key, entry) {
            cx.world.touch_mappers_of(&device);
        }
    }
    match plan {
        Plan { behind: true, .. } => Outcome::Again(crate::BEHIND),
        Plan { leaving: true, .. } => Outcome::Again(LOOK_AGAIN),
        _ => Outcome::Done,
    }
}

/// Entries that the API server does not take say so at their devices; all others are written without them.
pub(crate) fn refused(cx: &Context, key: &MapperKey, entries: Vec<(SliceDevice, String)>) -> Outcome {
    for (entry, why) in entries {
        let device = id(&entry.namespace, &entry.name);
        tracing::warn!(namespace = entry.namespace, name = entry.name, mapper = %key, why, "entry refused");
        cx.world.refused.note(key, &entry, why);
        cx.world.touch([device], false);
    }
    Outcome::Again(WITHOUT_THEM)
}
