//! Step 2: what each device that has to do with this mapper shall become here. From memory alone, and pure but for the claims:
//! who is new here is nobody else's from the moment at which that is decided.
use super::{
    chunks::{Order, Wanted},
    crowd::{self, Claim},
    dereference::Facts,
    secret::{MOST, Wants},
};
use crate::{
    intent::{Case, Intent, Refusal, lacks_secret, not_stored},
    world::{
        Conflicts, Guarded, World,
        keys::{Id, MapperKey, id},
    },
};
use kube::{Resource as _, api::ObjectMeta};
use pollux_crds::{
    Device, DeviceModelRevisionSpec, DeviceSliceStatus, Opening, Resolved, SliceDevice, conflicts, hash,
};
use std::collections::{BTreeMap, BTreeSet};

/// What shall stand in the slices.
#[derive(Debug, Default)]
pub(crate) struct Demand {
    /// Entries, tombstones too.
    pub(crate) entries: Vec<Wanted>,
    /// Revisions that new entries name.
    pub(crate) revisions: BTreeMap<String, DeviceModelRevisionSpec>,
    /// Devices that are new here: their acknowledged values are copied in.
    pub(crate) arrivals: BTreeSet<Id>,
    /// Of some device an older version is known than the one in force.
    pub(crate) behind: bool,
    /// Devices that are refused for the sake of others.
    pub(crate) conflicts: Conflicts,
    /// Devices that shall move here, with the hash of the entry that was judged.
    pub(crate) judged: Vec<(Id, String)>,
    /// Secrets that entries name.
    pub(crate) secrets: Wants,
    /// What the devices cost, for the budget.
    pub(crate) cost: f64,
    /// What all devices of the fleet cost.
    pub(crate) total: f64,
}

pub(crate) fn validate(world: &World, key: &MapperKey, facts: &Facts) -> Demand {
    let current = current(facts);
    let mut ids = world.index().of_mapper(key);
    ids.extend(current.values().map(|e| id(&e.namespace, &e.name)));
    ids.extend(world.moves.asked(key));
    let judged: Vec<(Id, Guarded<Device>, Intent)> =
        ids.iter().filter_map(|id| world.device(id).map(|device| judge(world, key, id, device))).collect();
    // Devices whose hold here a person has declared void, where nobody is there to be asked.
    let asked = world.index().answers(key);
    let forced_here = |(_, _, intent): &&(_, _, Intent)| !asked && intent.forced.as_deref() == Some(&*key.node);
    let forced: BTreeSet<Id> = judged.iter().filter(forced_here).map(|(id, ..)| id.clone()).collect();
    let mut conflicts = find_conflicts(world, key, &judged);
    conflicts.extend(crowded(world, key, &judged, &current, &conflicts));
    let mut demand = Demand { conflicts, judged: moving_here(world, key, &judged, &current), ..Demand::default() };
    for (id, device, intent) in judged {
        let here = Here { key, id: &id, device: &device, current: &current, facts };
        here.enter(world, intent, &mut demand);
    }
    let living: BTreeSet<String> = demand.entries.iter().map(|w| w.entry.uid.clone()).collect();
    for (uid, entry) in current {
        if !living.contains(uid) && !let_go(facts, entry) && !forced.contains(&id(&entry.namespace, &entry.name)) {
            demand.entries.push(tombstone(entry));
        }
    }
    demand.cost = demand.entries.iter().map(|w| world.cost_of(&id(&w.entry.namespace, &w.entry.name))).sum();
    demand.total = world.total_cost();
    demand.secrets = Wants::of(world, demand.entries.iter().map(|w| &w.entry));
    demand
}

/// Entries as they are. One stands in two chunks where a move between them ended half way: the newer counts, and of two alike
/// the one that is no tombstone, because no mapper takes a set that is not whole.
fn current(facts: &Facts) -> BTreeMap<&str, &SliceDevice> {
    let mut all: Vec<&SliceDevice> = facts.chunks.iter().flatten().flat_map(|s| &s.spec.devices).collect();
    all.sort_by_key(|e| (e.generation, !e.released));
    all.into_iter().map(|e| (e.uid.as_str(), e)).collect()
}

/// Conflicts are found here, among all devices of the mapper, so a device is first judged without them; those of another mapper, to
/// which it shall move, keep it here.
fn judge(world: &World, key: &MapperKey, id: &Id, device: Guarded<Device>) -> (Id, Guarded<Device>, Intent) {
    let objection = |at: &MapperKey, entry: &SliceDevice| {
        let elsewhere = || world.conflict(at, id).filter(|_| at != key);
        elsewhere().or_else(|| lacks_secret(world, entry)).or_else(|| not_stored(world, at, entry))
    };
    let intent = Case::of(world, id, &device).judge(world.index().nodes(), objection);
    (id.clone(), device, intent)
}

fn find_conflicts(world: &World, key: &MapperKey, judged: &[(Id, Guarded<Device>, Intent)]) -> Conflicts {
    let here = judged.iter().filter(|(_, _, intent)| intent.target.as_ref() == Some(key));
    let openings: Vec<_> = here
        .filter_map(|(id, device, intent)| {
            let (meta, device) = (device.meta(), device.0.as_ref().ok()?);
            let resolved = intent.accepted.as_ref().ok()?;
            let namespace = meta.namespace.as_deref().unwrap_or_default();
            let channel = |name: &str| {
                let channel = world.channels.get(&crate::world::keys::id(namespace, name))?;
                Some(created(channel.meta()))
            };
            Opening::of(id.clone(), device, resolved, created(meta), channel)
        })
        .collect();
    let refused = conflicts(&openings).into_iter();
    refused.map(|(id, message)| (id, Refusal::new("EndpointConflict", message))).collect()
}

/// Devices whose Secret does not fit into the copy that the mapper gets, beside those of all others that shall be here.
fn crowded(
    world: &World,
    key: &MapperKey,
    judged: &[(Id, Guarded<Device>, Intent)],
    current: &BTreeMap<&str, &SliceDevice>,
    conflicts: &Conflicts,
) -> Conflicts {
    let here = judged.iter().filter(|(_, _, intent)| intent.target.as_ref() == Some(key));
    let claims = here.map(|(id, device, intent)| {
        let accepted = intent.accepted.as_ref().ok().filter(|_| !intent.behind && !conflicts.contains_key(id));
        Claim {
            id,
            new: accepted.map(|resolved| &resolved.device),
            old: standing(device, current),
            promised: world.moves.is_judged(id, key) && world.conflict(key, id).is_none(),
        }
    });
    crowd::crowded(world, &claims.collect::<Vec<_>>(), MOST)
}

/// What is in force of a device.
fn standing<'a>(device: &Guarded<Device>, current: &BTreeMap<&str, &'a SliceDevice>) -> Option<&'a SliceDevice> {
    current.get(device.meta().uid.as_deref()?).copied().filter(|entry| !entry.released)
}

/// Devices that another mapper holds and that shall come here: it waits for this one's word. Who came, or shall not come, is forgotten.
fn moving_here(
    world: &World,
    key: &MapperKey,
    judged: &[(Id, Guarded<Device>, Intent)],
    current: &BTreeMap<&str, &SliceDevice>,
) -> Vec<(Id, String)> {
    let mut moving = vec![];
    for asked in world.moves.asked(key) {
        let case = judged.iter().find(|(id, ..)| *id == asked);
        let comes = case.and_then(|(_, device, intent)| {
            let here = intent.target.as_ref() == Some(key) && standing(device, current).is_none();
            intent.accepted.as_ref().ok().filter(|_| here)
        });
        match comes {
            Some(resolved) => moving.push((asked, hash(&resolved.device))),
            None => world.moves.forget(&asked, key),
        }
    }
    moving
}

fn created(meta: &ObjectMeta) -> i64 {
    meta.creation_timestamp.as_ref().map_or(i64::MAX, |t| t.0.as_second())
}

struct Here<'a> {
    key: &'a MapperKey,
    id: &'a Id,
    device: &'a Guarded<Device>,
    current: &'a BTreeMap<&'a str, &'a SliceDevice>,
    facts: &'a Facts,
}

impl Here<'_> {
    /// Adds the device's entry, if it shall have one here.
    fn enter(&self, world: &World, intent: Intent, demand: &mut Demand) {
        let meta = self.device.meta();
        let order: Order =
            (created(meta), meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default());
        if intent.target.as_ref() != Some(self.key) {
            let stays = standing(self.device, self.current).filter(|_| self.is_not_taken_yet(world, &intent));
            demand.entries.extend(stays.map(|old| Wanted { order, entry: old.clone() }));
            return;
        }
        let known = self.current.get(meta.uid.as_deref().unwrap_or_default());
        let behind = known.is_some_and(|e| Some(e.generation) > meta.generation);
        demand.behind |= behind;
        let old = known.filter(|e| !e.released);
        let accepted = intent.accepted.ok().filter(|_| !behind && !demand.conflicts.contains_key(self.id));
        let entry = match (accepted, old) {
            (Some(resolved), Some(old)) => {
                let Resolved { revision, mut device, .. } = *resolved;
                device.applied.clone_from(&old.applied);
                demand.revisions.insert(device.revision.clone(), revision);
                device
            }
            (Some(resolved), None) => {
                if intent.waiting_for.is_some() || !self.is_shown_here() || self.is_still_let_go() {
                    return;
                }
                // What was judged a moment ago may have changed; from now on nobody else may take it.
                if !world.change(|index| index.claim(self.key, self.id, intent.forced.as_deref())) {
                    world.touch([self.id.clone()], false);
                    return;
                }
                let Resolved { revision, device, .. } = *resolved;
                demand.revisions.insert(device.revision.clone(), revision);
                demand.arrivals.insert(self.id.clone());
                device
            }
            (None, Some(old)) => (*old).clone(),
            (None, None) => return,
        };
        demand.entries.push(Wanted { order, entry: tidy(entry) });
    }

    /// It shall move, and the mapper there has not said yet that it takes it: it may be refused, and then it stays.
    fn is_not_taken_yet(&self, world: &World, intent: &Intent) -> bool {
        let (Some(to), Ok(resolved)) = (&intent.target, &intent.accepted) else { return false };
        let uid = self.device.meta().uid.as_deref().unwrap_or_default();
        if world.held(self.id).iter().any(|held| held.mapper == *to && held.uid == uid && !held.tombstone) {
            return false;
        }
        if !world.moves.ask(self.id, to, &hash(&resolved.device)) {
            world.touch_mapper(to.clone());
            return true;
        }
        // Its word may have come since this device was judged here.
        world.conflict(to, self.id).is_some()
    }

    /// The mapper's word that it let go of it is from the last time that it was here: with it, the next tombstone would be
    /// believed at once.
    fn is_still_let_go(&self) -> bool {
        let uid = self.device.meta().uid.as_deref().unwrap_or_default();
        self.facts.has_pod && said_released(self.facts, uid)
    }

    /// Status says so first: by it the API server lets the mapper write.
    fn is_shown_here(&self) -> bool {
        let status = self.device.0.as_ref().ok().and_then(|d| d.status.as_ref());
        status.is_some_and(|s| {
            s.node_name.as_deref() == Some(&*self.key.node) && s.mapper_class.as_deref() == Some(&*self.key.class)
        })
    }
}

/// A key taken out of `desired` is forgotten: set again, it is new.
fn tidy(mut entry: SliceDevice) -> SliceDevice {
    let desired = &entry.desired;
    entry.applied.retain(|name, _| desired.contains_key(name));
    entry
}

fn tombstone(entry: &SliceDevice) -> Wanted {
    let entry = SliceDevice {
        namespace: entry.namespace.clone(),
        name: entry.name.clone(),
        uid: entry.uid.clone(),
        generation: entry.generation,
        released: true,
        ..SliceDevice::default()
    };
    Wanted { order: (i64::MAX, entry.namespace.clone(), entry.name.clone()), entry }
}

/// A tombstone that the mapper has acknowledged, and does not claim to drive.
fn let_go(facts: &Facts, entry: &SliceDevice) -> bool {
    let drives = statuses(facts).any(|s| s.taken.contains_key(&entry.uid));
    entry.released && said_released(facts, &entry.uid) && !drives
}

fn said_released(facts: &Facts, uid: &str) -> bool {
    statuses(facts).any(|s| s.released.iter().any(|released| released.0 == uid))
}

fn statuses(facts: &Facts) -> impl Iterator<Item = &DeviceSliceStatus> {
    facts.chunks.iter().flatten().filter_map(|s| s.status.as_ref())
}
