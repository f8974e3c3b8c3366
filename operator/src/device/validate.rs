//! Step 2: what shall become of a Device, and how the ground stands on which it is.
use super::dereference::{Facts, Ground, ground};
use crate::{
    intent::{Case, Intent, lacks_secret, not_stored},
    world::{World, keys::Id},
};

/// What shall become of it, and what it stands on.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) intent: Intent,
    /// Of the mapper that shall drive it.
    pub(crate) target: Ground,
    /// Of the mapper that must let go of it.
    pub(crate) previous: Ground,
}

pub(crate) fn validate(world: &World, id: &Id, facts: &Facts) -> Verdict {
    let case = Case::of(world, id, &facts.device);
    let intent = case.judge(world.index().nodes(), |key, entry| {
        world.conflict(key, id).or_else(|| lacks_secret(world, entry)).or_else(|| not_stored(world, key, entry))
    });
    let of = |key: Option<_>| key.map(|key| ground(world, key)).unwrap_or_default();
    Verdict { target: of(intent.target.as_ref()), previous: of(intent.waiting_for.as_ref()), intent }
}
