//! Step 4: the mappers that have to do with the Device look at their slices. The slices themselves are theirs to write: one
//! write for all devices of a moment.
use super::{dereference::Facts, validate::Verdict};
use crate::world::World;

pub(crate) fn apply(world: &World, facts: &Facts, verdict: &Verdict) {
    let Verdict { intent, .. } = verdict;
    let status_fits = intent.shown.as_ref().is_some_and(|key| {
        facts.status.node_name.as_deref() == Some(&*key.node)
            && facts.status.mapper_class.as_deref() == Some(&*key.class)
    });
    let in_force = intent.home.as_ref().map(|h| (&h.mapper, h.generation));
    let wanted = intent.target.as_ref().zip(intent.accepted.as_ref().ok().map(|r| r.device.generation));
    if status_fits && in_force == wanted {
        return;
    }
    for key in intent.target.iter().chain(&intent.waiting_for).chain(intent.home.as_ref().map(|h| &h.mapper)) {
        world.touch_mapper(key.clone());
    }
}
