//! Whose Secrets find room in the copy that a mapper gets. Pure. What is in force keeps its room, whoever comes: an edit has what it
//! sets free beside what is left, and who is new has what is left.
use super::secret::Wants;
use crate::{
    intent::Refusal,
    world::{
        Conflicts, World,
        keys::{Id, id, parts},
        secrets::Found,
    },
};
use pollux_crds::{MAX_SECRET_KEY, SecretKey, SliceDevice, secrets};
use std::collections::{BTreeMap, BTreeSet};

/// A device of the mapper, and what it asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim<'a> {
    pub(super) id: &'a Id,
    /// What it shall be, if nothing else speaks against that.
    pub(super) new: Option<&'a SliceDevice>,
    /// What is in force of it.
    pub(super) old: Option<&'a SliceDevice>,
    /// It was told that there is room, and is on its way.
    pub(super) promised: bool,
}

/// Devices that ask for a Secret which has no room.
pub(super) fn crowded<'a>(world: &World, claims: &[Claim<'a>], room: usize) -> Conflicts {
    let needs = |entry: Option<&SliceDevice>| entry.map(|entry| needs(world, entry));
    let asking: Vec<_> = claims
        .iter()
        .map(|claim| Asking {
            id: claim.id,
            old: needs(claim.old).unwrap_or_default(),
            new: needs(claim.new),
            rank: match (claim.old, claim.promised) {
                (Some(_), _) => Rank::Here,
                (None, true) => Rank::Promised,
                (None, false) => Rank::New,
            },
        })
        .collect();
    if asking.iter().all(|a| a.old.is_empty() && a.new.as_ref().is_none_or(BTreeMap::is_empty)) {
        return Conflicts::new();
    }
    let mut refused = refused(&asking, room);
    loop {
        let chosen = |claim: &Claim<'a>| claim.new.filter(|_| !refused.contains(claim.id));
        let entries = claims.iter().filter_map(|claim| chosen(claim).or(claim.old));
        let wants = Wants::of(world, entries.collect::<Vec<_>>().into_iter());
        let shared = wants.room(room);
        // What is in force has grown, and is too much by itself.
        let lacking = claims.iter().filter(|claim| chosen(claim).is_some_and(|entry| shared.lacks(entry)));
        let more: Vec<Id> = lacking.map(|claim| claim.id.clone()).collect();
        if more.is_empty() {
            let told = claims.iter().filter(|claim| refused.contains(claim.id)).filter_map(|claim| {
                Some((claim.id.clone(), Refusal::new("NoRoomForSecret", shared.words(world, claim.new?))))
            });
            return told.collect();
        }
        refused.extend(more);
    }
}

/// Bytes of each key of a Secret that is read, where it may be copied.
type Needs = BTreeMap<(Id, SecretKey), usize>;

fn needs(world: &World, entry: &SliceDevice) -> Needs {
    let mut needs = Needs::new();
    for named in secrets(&entry.protocol.0) {
        let Found::There(fact) = world.secrets.find(&entry.namespace, &named.name) else { continue };
        let size = |key: &SecretKey| fact.keys.get(&**key).map(|size| (key.clone(), *size));
        let keys: Vec<_> = named.keys.iter().filter_map(size).collect();
        if keys.iter().all(|(_, size)| *size <= MAX_SECRET_KEY) {
            let secret = id(&entry.namespace, &named.name);
            needs.extend(keys.into_iter().map(|(key, size)| ((secret.clone(), key), size)));
        }
    }
    needs
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rank {
    Here,
    Promised,
    New,
}

#[derive(Clone, Debug)]
struct Asking<'a> {
    id: &'a Id,
    old: Needs,
    new: Option<Needs>,
    rank: Rank,
}

/// Who finds no room, when those in force come first, then those on their way, then those that are new.
fn refused(asking: &[Asking<'_>], room: usize) -> BTreeSet<Id> {
    let mut ledger = Ledger::default();
    for asking in asking {
        ledger.take(&asking.old);
    }
    let mut refused = BTreeSet::new();
    for rank in [Rank::Here, Rank::Promised, Rank::New] {
        let of_rank = asking.iter().filter(|a| a.rank == rank);
        let mut waiting = turns(of_rank.filter_map(|a| Some((a.id, &a.old, a.new.as_ref()?))).collect(), &ledger);
        // What one sets free, another one may take.
        loop {
            let before = waiting.len();
            waiting.retain(|(_, old, new)| !ledger.swap(old, new, room));
            if waiting.is_empty() || waiting.len() == before {
                break;
            }
        }
        refused.extend(waiting.into_iter().map(|(id, ..)| id.clone()));
    }
    refused
}

/// A device, what it has, and what it asks for.
type Turn<'a> = (&'a Id, &'a Needs, &'a Needs);

/// Namespaces share the room, each with its smallest first: who asks for no more than its part does not wait for others.
fn turns<'a>(mut waiting: Vec<Turn<'a>>, ledger: &Ledger) -> Vec<Turn<'a>> {
    waiting.sort_by_key(|(id, _, new)| (new.values().sum::<usize>(), *id));
    let mut taken = ledger.by_namespace();
    let mut seen = BTreeSet::new();
    let mut turns = vec![];
    for turn in waiting {
        let (id, _, new) = turn;
        let taken = taken.entry(parts(id).0.to_owned()).or_default();
        let more = new.iter().filter(|(key, _)| !ledger.held.contains_key(*key) && seen.insert(*key));
        *taken += more.map(|(_, size)| size).sum::<usize>();
        turns.push((*taken, turn));
    }
    turns.sort_by_key(|(taken, (id, ..))| (*taken, *id));
    turns.into_iter().map(|(_, turn)| turn).collect()
}

/// What is in the copy.
#[derive(Debug, Default)]
struct Ledger {
    /// How many devices read a key, and its bytes.
    held: BTreeMap<(Id, SecretKey), (usize, usize)>,
    total: usize,
}

impl Ledger {
    fn take(&mut self, needs: &Needs) {
        for (key, size) in needs {
            let (readers, _) = self.held.entry(key.clone()).or_insert((0, *size));
            if *readers == 0 {
                self.total += size;
            }
            *readers += 1;
        }
    }
    fn give(&mut self, needs: &Needs) {
        for key in needs.keys() {
            let Some((readers, size)) = self.held.get_mut(key) else { continue };
            *readers -= 1;
            if *readers == 0 {
                self.total -= *size;
                self.held.remove(key);
            }
        }
    }
    /// One in place of the other, if there is room, or at least no less of it.
    fn swap(&mut self, old: &Needs, new: &Needs, room: usize) -> bool {
        let most = room.max(self.total);
        self.give(old);
        self.take(new);
        let fits = self.total <= most;
        if !fits {
            self.give(new);
            self.take(old);
        }
        fits
    }
    fn by_namespace(&self) -> BTreeMap<String, usize> {
        let mut taken = BTreeMap::new();
        for ((secret, _), (_, size)) in &self.held {
            *taken.entry(parts(secret).0.to_owned()).or_default() += size;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn needs(secrets: &[(&str, usize)]) -> Needs {
        secrets.iter().map(|(secret, size)| (((*secret).into(), "tls.key".into()), *size)).collect()
    }
    type Sizes<'a> = &'a [(&'a str, usize)];

    /// Of devices with what each has and asks for.
    fn told(room: usize, devices: &[(&str, Rank, Sizes<'_>, Sizes<'_>)]) -> Vec<String> {
        let ids: Vec<Id> = devices.iter().map(|(device, ..)| (*device).into()).collect();
        let asking = devices.iter().zip(&ids).map(|((_, rank, old, new), id)| Asking {
            id,
            old: needs(old),
            new: Some(needs(new)),
            rank: *rank,
        });
        refused(&asking.collect::<Vec<_>>(), room).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn who_stands_here_gives_way_to_nobody() {
        let here: (_, _, &[_], &[_]) = ("a/here", Rank::Here, &[("a/large", 60)], &[("a/large", 60)]);
        assert_eq!(told(100, &[here, ("a/new", Rank::New, &[], &[("a/small", 50)])]), ["a/new"]);
        assert_eq!(told(100, &[here, ("b/new", Rank::New, &[], &[("b/small", 50)])]), ["b/new"], "of no namespace");
        assert_eq!(told(100, &[here, ("b/new", Rank::New, &[], &[("b/small", 40)])]), Vec::<String>::new());
        // What it has is too much by now: nobody else makes that worse.
        assert_eq!(told(50, &[here, ("b/new", Rank::New, &[], &[("b/small", 1)])]), ["b/new"]);
        let less: (_, _, &[_], &[_]) = ("a/here", Rank::Here, &[("a/large", 60)], &[("a/less", 55)]);
        assert_eq!(told(50, &[less]), Vec::<String>::new());
    }

    #[test]
    fn an_edit_has_the_room_that_it_sets_free_and_what_another_one_does() {
        let grows: (_, _, &[_], &[_]) = ("a/grows", Rank::Here, &[("a/x", 40)], &[("a/y", 60)]);
        let shrinks: (_, _, &[_], &[_]) = ("b/shrinks", Rank::Here, &[("b/x", 60)], &[("b/y", 40)]);
        assert_eq!(told(100, &[grows, shrinks]), Vec::<String>::new());
        let stays: (_, _, &[_], &[_]) = ("b/stays", Rank::Here, &[("b/x", 60)], &[("b/x", 60)]);
        assert_eq!(told(100, &[grows, stays, ("a/new", Rank::New, &[], &[("a/z", 1)])]), ["a/grows", "a/new"]);
    }

    #[test]
    fn who_is_on_the_way_comes_before_who_is_new_and_namespaces_share_what_is_left() {
        let moves: (_, _, &[_], &[_]) = ("a/moves", Rank::Promised, &[], &[("a/x", 60)]);
        assert_eq!(told(100, &[moves, ("b/new", Rank::New, &[], &[("b/x", 50)])]), ["b/new"]);
        let new = |id, secrets| (id, Rank::New, &[][..], secrets);
        let greedy = [new("a/1", &[("a/1", 30)][..]), new("a/2", &[("a/2", 31)]), new("a/3", &[("a/3", 32)])];
        let with = [&greedy[..], &[new("b/1", &[("b/1", 40)])]].concat();
        assert_eq!(told(75, &with), ["a/2", "a/3"]);
        // A Secret that many read is there once.
        let shared: Vec<_> = ["a/1", "a/2", "a/3"].map(|id| new(id, &[("a/s", 50)][..])).to_vec();
        assert_eq!(told(50, &shared), Vec::<String>::new());
    }

    proptest! {
        /// Whatever comes: what is in force and fits, fits beside all that was let in.
        #[test]
        fn what_is_in_force_always_has_its_room(devices in prop::collection::vec((0..3usize, 0..6usize, 1..60usize, 0..6usize, 1..60usize), 1..12)) {
            let secret = |name: usize, size: usize| needs(&[(&*format!("n/{name}-{size}"), size)]);
            let ids: Vec<Id> = (0..devices.len()).map(|at| format!("n/d{at}").as_str().into()).collect();
            let asking: Vec<_> = devices.iter().zip(&ids).map(|((rank, old, had, new, asks), id)| {
                let rank = [Rank::Here, Rank::Promised, Rank::New][*rank];
                let old = if rank == Rank::Here { secret(*old, *had) } else { Needs::new() };
                Asking { id, old, new: Some(secret(*new, *asks)), rank }
            }).collect();
            let sum = |all: Vec<&Needs>| all.into_iter().flatten().collect::<BTreeMap<_, _>>().into_values().sum::<usize>();
            let in_force = sum(asking.iter().map(|a| &a.old).collect());
            let refused = refused(&asking, 150);
            let chosen = asking.iter().map(|a| if refused.contains(a.id) { &a.old } else { a.new.as_ref().unwrap() });
            prop_assert!(sum(chosen.collect()) <= in_force.max(150));
            if sum(asking.iter().map(|a| a.new.as_ref().unwrap()).chain(asking.iter().map(|a| &a.old)).collect()) <= 150 {
                prop_assert!(refused.is_empty());
            }
        }
    }
}
