//! Slots: what a unit needs to be attached, where its link has fewer of them than units (connections of a radio).
use super::{
    Arbiter,
    unit::{Hold, Phase, Unit},
};
use crate::Instant;
use std::time::Duration;

/// What a busy or pushing unit has of a slot before another may have it.
pub(super) const MIN_HOLD: Duration = Duration::from_secs(5);
/// So long before a unit is due an idle one lets go for it: that takes its time too, with BlueZ two seconds.
pub(super) const AHEAD: Duration = Duration::from_secs(3);

impl<R, W> Arbiter<R, W> {
    /// It has left by itself, with nothing left to be read: its slot is free for another. False: something is left, or there are no
    /// slots.
    pub fn over(&mut self, unit: usize) -> bool {
        let over = self.is_scarce(&self.units[unit]) && self.units[unit].ready.is_empty();
        if over && self.units[unit].phase == Phase::Attached {
            self.units[unit].leaving = true;
            self.touch(unit);
        }
        over
    }
    /// All slots are kept by units that take no turns: how many slots there are, and who waits for one in vain.
    pub fn starved(&self, now: Instant) -> Option<(usize, Vec<usize>)> {
        let (slots, units) = (self.slots?, || self.units.iter().enumerate().filter(|(_, u)| !u.vacant));
        let kept = units().filter(|(_, u)| u.hold == Hold::Kept && u.phase == Phase::Attached && !u.leaving).count();
        let waits =
            |u: &Unit<R>| u.hold == Hold::Turns && u.phase == Phase::Detached && u.waiting_since(now, true).is_some();
        (kept >= slots).then(|| (slots, units().filter(|(_, u)| waits(u)).map(|(unit, _)| unit).collect()))
    }
    /// Slots of the link, where it has some, and the units that hold one.
    pub fn slots(&self) -> Option<(usize, usize)> {
        Some((self.slots?, self.attached()))
    }
    /// Units that hold a slot, where there are slots.
    pub fn attached(&self) -> usize {
        self.holders().filter(|u| u.phase != Phase::Detached).count()
    }
    /// Units that need a slot, where there are slots: these never rest, and those that need none may be a thousand.
    fn holders(&self) -> impl Iterator<Item = &Unit<R>> {
        self.actives().map(|(_, u)| u).filter(|u| !u.is_slotless())
    }
    pub(super) fn set_slots(&mut self, slots: Option<usize>) {
        let turned = self.slots.is_some() != slots.is_some();
        self.slots = slots;
        if turned {
            (0..self.units.len()).for_each(|unit| self.touch(unit));
        }
    }
    /// What it needs to be attached is scarce.
    pub(super) fn is_scarce(&self, unit: &Unit<R>) -> bool {
        self.slots.is_some() && !unit.is_slotless()
    }
    pub(super) fn slot_free(&self) -> bool {
        self.slots.is_none_or(|slots| self.attached() < slots)
    }
    /// As many units leave as others wait, or soon will. An idle one that pushes nothing first, then the one that held longest; but for
    /// those who do not wait yet only idle ones.
    pub(super) fn make_room(&mut self, now: Instant) {
        let Some(slots) = self.slots else { return };
        let wanted = self.wanted(now, now);
        let (at_once, busy) = (wanted.idle(slots), wanted.busy(slots));
        let soon = self.wanted(now, now + AHEAD).idle(slots);
        for n in 0..soon {
            let by = if n < at_once { now } else { now + AHEAD };
            let goes = |u: &Unit<R>| u.is_idle(by) || (n < busy && now >= u.since + MIN_HOLD);
            let leavers = self.actives().filter(|(_, u)| u.may_leave() && goes(u));
            let victim = leavers.min_by_key(|(_, u)| (!u.is_idle(now), u.since)).map(|(unit, _)| unit);
            let Some(unit) = victim else { return };
            self.units[unit].leaving = true;
            self.touch(unit);
        }
    }
    /// How the slots are wanted by then.
    fn wanted(&self, now: Instant, by: Instant) -> Wanted {
        let mut wanted = Wanted::default();
        for unit in self.holders() {
            match unit.phase {
                Phase::Detached if !self.allowed(unit, now) || unit.waiting_since(by, true).is_none() => {}
                Phase::Detached if unit.probing() => wanted.probe = 1,
                Phase::Detached => {
                    wanted.wait += 1;
                    wanted.urgent += usize::from(unit.orders > 0);
                }
                phase => {
                    wanted.held += 1;
                    wanted.leave += usize::from(unit.leaving || phase == Phase::Detaching);
                    wanted.probed += usize::from(unit.probing() && phase == Phase::Attaching);
                }
            }
        }
        wanted
    }
}

/// Units, by how they want a slot or have one.
#[derive(Debug, Default, Clone, Copy)]
struct Wanted {
    wait: usize,
    /// Of these, the ones with something to be written.
    urgent: usize,
    /// One that is taken for dead: one is probed at a time, however many there are.
    probe: usize,
    held: usize,
    /// Of these, the ones that let go.
    leave: usize,
    /// Of these, the ones that are taken for dead and are tried: most likely they let go soon.
    probed: usize,
}

impl Wanted {
    /// So many are to leave that have nothing to do.
    fn idle(self, slots: usize) -> usize {
        (self.wait + self.probe + self.held).saturating_sub(slots + self.leave)
    }
    /// So many that are not idle: nobody of them leaves for one who waits for the end of a probe alone, with nothing to be written.
    fn busy(self, slots: usize) -> usize {
        let calm = (self.wait.max(self.probe) + self.held).saturating_sub(slots + self.leave + self.probed);
        calm.max((self.urgent + self.held).saturating_sub(slots + self.leave))
    }
}
