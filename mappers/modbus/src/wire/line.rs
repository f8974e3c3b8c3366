//! A line whose answers have no names, with at most one request under way.
use super::{
    codec::{Fed, Told},
    hold::{Hold, Open},
    losses::Losses,
    settings::Ask,
};
use crate::{
    error::Error,
    frame::{
        Answer, Request, Shape, query_data,
        rtu::{self, Timing},
        scan::{Awaited, Late, Scanner},
    },
};
use pollux_mapper::Instant;
use std::{task::Waker, time::Duration};

#[derive(Debug)]
pub(super) struct Line {
    pub(super) timing: Timing,
    scanner: Scanner,
    asking: Option<Asking>,
    /// The last request as it was sent.
    sent: Vec<u8>,
    ids: u16,
    losses: Losses,
    /// Something went wrong, or it is new: silence is waited for before anything is sent.
    pub(super) dirty: bool,
    pub(super) wrong_crcs: u64,
}

/// The request under way.
#[derive(Debug)]
struct Asking {
    id: u16,
    unit: u8,
    shape: Shape,
    timeout: Duration,
    begun: Instant,
    fence: bool,
    /// An exception came that was its answer, or that of another request which was open: not much longer is waited.
    doubted: Option<Instant>,
    waker: Option<Waker>,
}

impl Asking {
    fn open(&self, sent: &[u8]) -> Open {
        let Self { shape, timeout, begun, fence, .. } = *self;
        Open { shape, sent: sent.into(), timeout, begun, fence }
    }
}

impl Line {
    pub(super) fn new(timing: Timing) -> Self {
        Self {
            timing,
            scanner: Scanner::default(),
            asking: None,
            sent: vec![],
            ids: 0,
            losses: Losses::default(),
            dirty: true, // who knows what is on it
            wrong_crcs: 0,
        }
    }

    /// What the connection before this one left.
    pub(super) fn recall(&mut self, losses: Losses) {
        self.losses = losses;
    }

    /// What may still come when this connection is gone.
    pub(super) fn leave(&mut self) -> Losses {
        if let Some(asking) = self.asking.take() {
            self.losses.gave_up(asking.unit, asking.open(&self.sent));
        }
        std::mem::take(&mut self.losses).left()
    }

    /// Whether this may be asked, or a late answer would pass for its own.
    pub(super) fn hold(&mut self, ask: &Ask<'_>, fresh: Option<Instant>, now: Instant) -> Hold {
        let Some((shape, sent)) = self.form(ask.unit, ask.request) else { return Hold::Free };
        self.losses.hold(ask.unit, shape, &sent, fresh, now)
    }

    /// What is to be asked of a unit first, where so many fences had no answer: by turns this read, where it is of a form that
    /// nothing has that is open, and a mark that comes back.
    pub(super) fn fence(
        &mut self,
        unit: u8,
        unanswered: u32,
        other: Option<Request<'static>>,
    ) -> Option<Request<'static>> {
        let new =
            |request: &Request<'_>| self.form(unit, request).is_some_and(|(shape, _)| !self.losses.has(unit, shape));
        let read = other.filter(new);
        // What only echoes would bring it back as well.
        let mark = self.scanner.tells_echoes().then(|| query_data(self.ids));
        let fence = if unanswered.is_multiple_of(2) { read.or(mark) } else { mark.or(read) };
        if fence.is_none() {
            self.losses.no_fence(unit);
        }
        fence
    }

    /// None where nothing is open, so that nothing is held.
    fn form(&self, unit: u8, request: &Request<'_>) -> Option<(Shape, Vec<u8>)> {
        if !self.losses.any(unit) {
            return None;
        }
        let mut sent = Vec::with_capacity(rtu::MAX_FRAME);
        rtu::encode(unit, request, &mut sent).ok()?;
        Some((Shape::of(request, sent.get(1..)?), sent))
    }

    pub(super) fn begin(&mut self, ask: &Ask<'_>, shape: Shape, sent: &[u8], fence: bool, now: Instant) -> Option<u16> {
        if self.asking.is_some() {
            return None;
        }
        self.scanner.begin();
        self.ids = self.ids.wrapping_add(1);
        let (id, unit, timeout) = (self.ids, ask.unit, ask.manners.timeout);
        self.sent.clear();
        self.sent.extend_from_slice(sent);
        self.asking = Some(Asking { id, unit, shape, timeout, begun: now, fence, doubted: None, waker: None });
        self.dirty = false;
        Some(id)
    }

    pub(super) fn feed(&mut self, bytes: &[u8], told: &mut Vec<Told>, now: Instant) -> Fed {
        let Self { scanner, losses, sent, .. } = self;
        let Some(asking) = &mut self.asking else {
            if !losses.is_empty() {
                scanner.push(bytes);
                scanner.pass(|rest| Some(Late { length: losses.late(rest, true, now)?, exceptions: true }));
            }
            return Fed::default();
        };
        scanner.push(bytes);
        let (unit, shape, function) = (asking.unit, asking.shape, asking.shape.function());
        let awaited = Awaited { unit, shape, sent, exceptions: losses.believes(unit, function, sent) };
        let mut doubted = false;
        let found = scanner.find_beside(&awaited, |rest| {
            let of_either = rest.starts_with(&[unit, function | 0x80]);
            let length = losses.late(rest, !of_either, now)?;
            doubted |= of_either;
            Some(Late { length, exceptions: losses.believes(unit, function, sent) })
        });
        if doubted {
            asking.doubted = asking.doubted.or(Some(now + (asking.timeout / 10).max(self.timing.settle)));
        }
        let id = asking.id;
        let answer = match found {
            Some(Ok(answer)) => {
                losses.answered(unit, || asking.open(sent), shape, &answer);
                Ok(answer)
            }
            Some(Err(_)) => {
                // It may have been noise that begins as the answer does.
                losses.gave_up(unit, asking.open(sent));
                (self.dirty, self.wrong_crcs) = (true, self.wrong_crcs + 1);
                Err(Error::Crc { unit })
            }
            None if asking.fence && !losses.any(unit) => {
                losses.let_go(unit, asking.open(sent));
                Ok(Answer::Written)
            }
            None => return Fed::default(),
        };
        asking.waker.iter().for_each(Waker::wake_by_ref);
        self.asking = None;
        told.push((id, answer));
        Fed { heard: Some(unit), confused: false }
    }

    /// Its answer may still come.
    pub(super) fn give_up(&mut self, id: u16) {
        if let Some(asking) = self.asking.take_if(|asking| asking.id == id) {
            self.dirty = true;
            self.losses.gave_up(asking.unit, asking.open(&self.sent));
        }
    }

    /// What came in place of an answer.
    pub(super) fn silence(&mut self, unit: u8) -> Error {
        let Some(asking) = &self.asking else { return Error::Silent { unit, late: false } };
        if asking.doubted.is_some() {
            return Error::Held { unit };
        }
        let awaited = Awaited { unit, shape: asking.shape, sent: &self.sent, exceptions: true };
        let (seen, half) = self.scanner.seen(&awaited);
        match seen.mismatch {
            Some(error) => Error::Answer { unit, error },
            None if half => Error::Half { unit },
            None if seen.echo && !seen.foreign && !seen.noise => Error::Echo { unit },
            None if seen.noise => Error::Noise { unit },
            // Of another form it may be late as well, or not know it: silence says so.
            None => match self.losses.lateness(unit, Some(asking.shape)) {
                Some(after) => Error::Late { unit, after },
                None => Error::Silent { unit, late: seen.foreign },
            },
        }
    }

    /// Why a request is not sent.
    pub(super) fn held(&self, unit: u8) -> Error {
        match self.losses.lateness(unit, None) {
            Some(after) => Error::Late { unit, after },
            None => Error::Held { unit },
        }
    }

    /// What the request under way and its answer are on their way.
    pub(super) fn on_wire(&self) -> Duration {
        self.asking.as_ref().map_or(Duration::ZERO, |asking| self.timing.on_wire(self.sent.len(), asking.shape))
    }

    /// When nothing more is expected, though nothing was taken for the answer.
    pub(super) fn doubted(&self) -> Option<Instant> {
        self.asking.as_ref()?.doubted
    }

    pub(super) fn is_asking(&self) -> bool {
        self.asking.is_some()
    }

    pub(super) fn waker(&self) -> Option<&Waker> {
        self.asking.as_ref()?.waker.as_ref()
    }

    pub(super) fn waiter(&mut self, id: u16) -> Option<&mut Option<Waker>> {
        self.asking.as_mut().filter(|asking| asking.id == id).map(|asking| &mut asking.waker)
    }

    /// Answers that came too late.
    pub(super) fn late(&self) -> u64 {
        self.losses.count()
    }

    /// Whether this line was found to bring back what is sent.
    pub(super) fn echoes(&self) -> bool {
        self.scanner.echoes()
    }

    pub(super) fn tells_echoes(&self) -> bool {
        self.scanner.tells_echoes()
    }
}
