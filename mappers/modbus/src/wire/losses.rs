//! Requests whose answers may still come, on a line whose answers have no names: a late one would pass for the answer to the next
//! request of its form, and be taken for another register's value. Pure.
//!
//! The rule knows no time. A unit answers in order. So whatever comes is the answer to one of the requests that are open, and all
//! that were sent before the first of these are over. After silence no other request of the same unit, function and length is sent
//! while one is open; a *fence* is asked first: something of a form that none of them has, with whose answer they are all over. The
//! very same read may be repeated at once, for whichever answer comes is of that register; but then one more may come. Not where a
//! write was sent after it: that answer may be of the time before. Nor where a write is made of what is read.
//!
//! What is left to time: a unit that leaves [`FENCES`] fences in a row unanswered has none. There, and only there, a request is
//! over [`LONGEST`] time-outs after it was sent. And of more than [`MOST`] requests in a row without any answer the first is.
use super::hold::{Form, Hold, Open, is_write};
use crate::frame::{Answer, Length, Shape, rtu::is_whole};
use pollux_mapper::Instant;
use std::{collections::VecDeque, time::Duration};

/// Fences in a row without an answer, until a unit is taken for one that answers none.
pub(super) const FENCES: u32 = 4;
/// In time-outs: no answer of a unit without fences is expected to come later.
pub(super) const LONGEST: u32 = 20;
/// Requests of one unit that are remembered.
const MOST: usize = 32;
/// So many requests in a row of which nothing was heard, late or not: it is not slow but away.
const AWAY: u32 = 3;

#[derive(Debug, Default)]
pub(super) struct Losses {
    units: Vec<Unit>,
    late: u64,
}

#[derive(Debug)]
struct Unit {
    id: u8,
    /// In the order of their sending.
    open: VecDeque<Open>,
    /// Fences without an answer since anything came of it; and fences that it has gone past without an answer.
    silent_fences: u32,
    passed_fences: u32,
    /// A form that another request waits for, where there are no fences.
    wanted: Option<Shape>,
    /// How late its answers were seen to come after their requests, of each form whose last answer was late; and how many
    /// requests had none since anything came.
    late: Vec<(Form, Duration)>,
    unheard: u32,
}

impl Losses {
    pub(super) fn is_empty(&self) -> bool {
        self.units.iter().all(|unit| unit.open.is_empty())
    }

    /// It was a fence, and is not needed any more.
    pub(super) fn let_go(&mut self, id: u8, request: Open) {
        self.unit_mut(id).push(request);
    }

    /// There was nothing that could be asked: as good as silence.
    pub(super) fn no_fence(&mut self, id: u8) {
        let unit = self.unit_mut(id);
        unit.silent_fences = unit.silent_fences.saturating_add(1);
    }

    /// Its answer did not come, or cannot be trusted.
    pub(super) fn gave_up(&mut self, id: u8, request: Open) {
        let unit = self.unit_mut(id);
        unit.unheard = unit.unheard.saturating_add(1);
        if unit.unheard >= AWAY {
            unit.late.clear();
        }
        unit.silent_fences = unit.silent_fences.saturating_add(request.fence.into());
        unit.push(request);
    }

    /// This was taken for the answer to that request.
    pub(super) fn answered(&mut self, id: u8, request: impl FnOnce() -> Open, shape: Shape, answer: &Answer) {
        let Some(unit) = self.units.iter_mut().find(|unit| unit.id == id) else { return };
        unit.heard();
        let alike = |open: &Open| may_be(open, shape, matches!(answer, Answer::Exception(_)));
        if let Some(first) = unit.open.iter().position(alike) {
            // It may have been of that one: then its own is still to come.
            unit.over(first);
            unit.push(request());
        } else {
            let all = unit.open.len();
            unit.passed(all);
            unit.open.clear();
            unit.late.retain(|(form, _)| *form != Form::of(shape)); // it is not late any more
            if request().fence {
                unit.passed_fences = 0;
            }
        }
    }

    /// How long the late answer is that these bytes begin with. `counts`: it can be of nothing that is under way.
    pub(super) fn late(&mut self, rest: &[u8], counts: bool, now: Instant) -> Option<usize> {
        let (id, pdu) = rest.split_first()?;
        let unit = self.units.iter_mut().find(|unit| unit.id == *id)?;
        let length = |open: &Open| match open.shape.length(pdu) {
            Length::Known(length) if is_whole(rest.get(..length + 3)?) => {
                open.shape.read(pdu.get(..length)?).is_ok().then_some(length + 3)
            }
            _ => None,
        };
        let (first, bytes) = unit.open.iter().enumerate().find_map(|(at, open)| Some((at, length(open)?)))?;
        if counts {
            let last = unit.open.iter().rev().find(|open| length(open).is_some());
            if let Some((shape, begun)) = last.map(|open| (open.shape, open.begun)) {
                unit.late_by(Form::of(shape), now.saturating_duration_since(begun));
            }
            self.late += 1;
        }
        unit.heard();
        unit.over(first);
        Some(bytes)
    }

    /// Whether this request may be sent. `fresh`: an answer to what was sent before then is of no use.
    pub(super) fn hold(&mut self, id: u8, shape: Shape, sent: &[u8], fresh: Option<Instant>, now: Instant) -> Hold {
        let Some(unit) = self.units.iter_mut().find(|unit| unit.id == id && !unit.open.is_empty()) else {
            return Hold::Free;
        };
        unit.forget(now);
        let written = unit.open.iter().rposition(|open| is_write(open.shape) && !open.fence);
        let stale = |at, open: &Open| Some(at) < written || fresh.is_some_and(|fresh| open.begun < fresh);
        let other = |at, open: &Open| *open.sent != *sent || is_write(shape) || stale(at, open);
        let held = unit.open.iter().enumerate().any(|(at, open)| open.shape == shape && other(at, open));
        match unit.passed_fences >= FENCES {
            false if held => Hold::Fence(unit.silent_fences + unit.passed_fences),
            true if held => {
                unit.wanted = Some(shape);
                Hold::Rest
            }
            // The very same read, too, or there would always be one open.
            true if unit.wanted == Some(shape) && unit.open.iter().any(|open| open.shape == shape) => Hold::Rest,
            _ => Hold::Free,
        }
    }

    /// Whether anything of this unit is open.
    pub(super) fn any(&self, id: u8) -> bool {
        self.unit(id).is_some_and(|unit| !unit.open.is_empty())
    }

    /// Whether anything of this form is open.
    pub(super) fn has(&self, id: u8, shape: Shape) -> bool {
        self.unit(id).is_some_and(|unit| unit.open.iter().any(|open| open.shape == shape))
    }

    /// An exception does not say its length: whether one of this function can be of no other request than this.
    pub(super) fn believes(&self, id: u8, function: u8, sent: &[u8]) -> bool {
        let other = |open: &Open| open.shape.function() == function && *open.sent != *sent;
        !self.unit(id).is_some_and(|unit| unit.open.iter().any(other))
    }

    /// How long after their requests this unit's answers came, where they came too late: those of this form, or any.
    pub(super) fn lateness(&self, id: u8, shape: Option<Shape>) -> Option<Duration> {
        let form = shape.map(Form::of);
        let late = self.unit(id)?.late.iter().filter(|(of, _)| form.is_none_or(|form| *of == form));
        late.map(|(_, after)| *after).max()
    }

    /// As the next connection knows them. What was counted was counted by this one.
    pub(super) fn left(self) -> Self {
        Self { late: 0, ..self }
    }

    /// Answers that came too late.
    pub(super) fn count(&self) -> u64 {
        self.late
    }

    fn unit(&self, id: u8) -> Option<&Unit> {
        self.units.iter().find(|unit| unit.id == id)
    }

    fn unit_mut(&mut self, id: u8) -> &mut Unit {
        let at = self.units.iter().position(|unit| unit.id == id).unwrap_or_else(|| {
            self.units.push(Unit::new(id));
            self.units.len() - 1
        });
        &mut self.units[at]
    }
}

impl Unit {
    fn new(id: u8) -> Self {
        let (open, wanted, late) = (VecDeque::new(), None, vec![]);
        Self { id, open, silent_fences: 0, passed_fences: 0, wanted, late, unheard: 0 }
    }
    fn push(&mut self, request: Open) {
        if self.open.len() >= MOST {
            self.open.pop_front();
        }
        self.open.push_back(request);
    }
    fn late_by(&mut self, form: Form, after: Duration) {
        match self.late.iter_mut().find(|(of, _)| *of == form) {
            Some((_, worst)) => *worst = after.max(*worst),
            None => self.late.push((form, after)),
        }
    }
    fn heard(&mut self) {
        (self.unheard, self.silent_fences) = (0, 0);
    }
    /// What came is at the earliest of this one.
    fn over(&mut self, first: usize) {
        self.passed(first);
        if self.open.get(first).is_some_and(|open| open.fence) {
            self.passed_fences = 0;
        }
        self.open.drain(..=first);
    }
    /// The first so many have no answer any more.
    fn passed(&mut self, count: usize) {
        let fences = self.open.iter().take(count).filter(|open| open.fence).count();
        self.passed_fences = self.passed_fences.saturating_add(u32::try_from(fences).unwrap_or(u32::MAX));
    }
    /// Where there are no fences, what was sent long ago is over.
    fn forget(&mut self, now: Instant) {
        if self.silent_fences.max(self.passed_fences) < FENCES {
            return;
        }
        self.open.retain(|open| open.begun + open.timeout * LONGEST > now);
        if self.open.is_empty() {
            self.wanted = None;
            self.passed_fences = self.passed_fences.min(FENCES - 1); // one more is tried after the next loss
        }
    }
}

/// Whether an answer of this form, or an exception of its function, may be the answer to it.
fn may_be(open: &Open, shape: Shape, exception: bool) -> bool {
    if exception { open.shape.function() == shape.function() } else { open.shape == shape }
}
