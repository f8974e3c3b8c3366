//! Which bytes belong to which request, for either framing: answers with names, and answers without.
use super::{
    losses::Losses,
    settings::{Ask, Framing},
};
use crate::{
    error::Error,
    frame::{
        Answer, Decoder, IllegalRequest, ProtocolError, Shape, mbap,
        rtu::{self, Awaited, Scanner, Timing},
    },
    transaction::{Accepted, Transactions},
};
use pollux_mapper::Instant;
use std::{task::Waker, time::Duration};
use tracing::debug;

/// An answer, and whose it is. The error is of this request alone.
pub(super) type Told = (u16, Result<Answer, Error>);

#[derive(Debug)]
pub(super) enum Codec {
    Mbap { decoder: Decoder, table: Transactions<Option<Waker>> },
    Rtu(Line),
}

/// A line with at most one request under way.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) timing: Timing,
    scanner: Scanner,
    open: Option<Open>,
    /// The last request as it was sent.
    sent: Vec<u8>,
    ids: u16,
    losses: Losses,
    /// Something went wrong: silence is waited for before anything is sent.
    pub(super) dirty: bool,
    pub(super) wrong_crcs: u64,
}

#[derive(Debug)]
struct Open {
    id: u16,
    unit: u8,
    shape: Shape,
    exceptions: bool,
    timeout: Duration,
    begun: Instant,
    waker: Option<Waker>,
}

/// What came of bytes.
#[derive(Debug, Default)]
pub(super) struct Fed {
    /// A unit that answered.
    pub(super) heard: Option<u8>,
    /// Something that fits no request came while several were under way.
    pub(super) confused: bool,
}

impl Codec {
    pub(super) fn new(framing: Framing, depth: usize) -> Self {
        match framing {
            Framing::Mbap => Self::Mbap { decoder: Decoder::default(), table: Transactions::new(depth) },
            Framing::Rtu(timing) => Self::Rtu(Line {
                timing,
                scanner: Scanner::default(),
                open: None,
                sent: vec![],
                ids: 0,
                losses: Losses::default(),
                dirty: true, // who knows what is on it
                wrong_crcs: 0,
            }),
        }
    }

    /// Another connection: of the last one nothing is left but what it taught.
    pub(super) fn reset(&mut self) {
        match self {
            Self::Mbap { decoder, table } => {
                *decoder = Decoder::default();
                table.forget();
            }
            Self::Rtu(line) => line.dirty = true,
        }
    }

    /// Appends the request to `out`; its id. None: too many are under way.
    pub(super) fn begin(
        &mut self,
        ask: &Ask<'_>,
        out: &mut Vec<u8>,
        now: Instant,
    ) -> Result<Option<u16>, IllegalRequest> {
        let start = out.len();
        let begun = match self {
            Self::Mbap { table, .. } => mbap::encode(table.next_id(), ask.unit, ask.request, out).map(|()| {
                let shape = Shape::of(ask.request, out.get(start + mbap::PDU..).unwrap_or_default());
                table.begin(ask.unit, shape, None).ok()
            }),
            Self::Rtu(line) => rtu::encode(ask.unit, ask.request, out).map(|()| {
                let sent = out.get(start..).unwrap_or_default();
                line.begin(ask, Shape::of(ask.request, sent.get(1..).unwrap_or_default()), sent, now)
            }),
        };
        if !matches!(begun, Ok(Some(_))) {
            out.truncate(start);
        }
        begun
    }

    pub(super) fn under_way(&self) -> usize {
        match self {
            Self::Mbap { table, .. } => table.open(),
            Self::Rtu(line) => usize::from(line.open.is_some()),
        }
    }

    /// Remembers whom to wake.
    pub(super) fn seat(&mut self, id: u16, waker: &Waker) {
        let seat = match self {
            Self::Mbap { table, .. } => table.waiter(id),
            Self::Rtu(line) => line.open.as_mut().filter(|open| open.id == id).map(|open| &mut open.waker),
        };
        match seat {
            Some(Some(seated)) => seated.clone_from(waker),
            Some(seat) => *seat = Some(waker.clone()),
            None => {}
        }
    }

    /// Someone who waits for an answer, and so may read.
    pub(super) fn reader(&self) -> Option<&Waker> {
        match self {
            Self::Mbap { table, .. } => table.waiters().flatten().next(),
            Self::Rtu(line) => line.open.as_ref()?.waker.as_ref(),
        }
    }

    pub(super) fn wake_all(&self) {
        match self {
            Self::Mbap { table, .. } => table.waiters().flatten().for_each(Waker::wake_by_ref),
            Self::Rtu(line) => line.open.iter().filter_map(|open| open.waker.as_ref()).for_each(Waker::wake_by_ref),
        }
    }

    pub(super) fn give_up(&mut self, id: u16, now: Instant) {
        match self {
            Self::Mbap { table, .. } => drop(table.give_up(id)),
            Self::Rtu(line) => line.give_up(id, now),
        }
    }

    /// An error here means that the stream cannot be trusted any more.
    pub(super) fn feed(&mut self, bytes: &[u8], told: &mut Vec<Told>, now: Instant) -> Result<Fed, ProtocolError> {
        match self {
            Self::Mbap { decoder, table } => named(decoder, table, bytes, told),
            Self::Rtu(line) => Ok(line.feed(bytes, told, now)),
        }
    }
}

fn named(
    decoder: &mut Decoder,
    table: &mut Transactions<Option<Waker>>,
    mut bytes: &[u8],
    told: &mut Vec<Told>,
) -> Result<Fed, ProtocolError> {
    let mut fed = Fed::default();
    while let Some(frame) = decoder.feed(&mut bytes)? {
        let (unit, several) = (frame.unit, table.open() > 1);
        match table.accept(&frame) {
            Ok(Accepted::Answer(waker, answer)) => {
                fed.heard = Some(unit);
                fed.confused |= several && answer.is_err();
                told.push((frame.transaction, answer.map_err(|error| Error::Answer { unit, error })));
                waker.iter().for_each(Waker::wake_by_ref);
            }
            Ok(Accepted::Late) => debug!(unit, transaction = frame.transaction, "late answer dropped"),
            Err(_) if several => fed.confused = true,
            Err(error) => return Err(error),
        }
    }
    Ok(fed)
}

impl Line {
    /// Until when this must not be asked, because a late answer would pass for its own.
    pub(super) fn hold(&self, ask: &Ask<'_>, now: Instant) -> Option<Instant> {
        if self.losses.is_empty() {
            return None;
        }
        let mut sent = Vec::with_capacity(rtu::MAX_FRAME);
        rtu::encode(ask.unit, ask.request, &mut sent).ok()?;
        self.losses.hold(ask.unit, Shape::of(ask.request, sent.get(1..)?), &sent, now)
    }

    fn begin(&mut self, ask: &Ask<'_>, shape: Shape, sent: &[u8], now: Instant) -> Option<u16> {
        if self.open.is_some() {
            return None;
        }
        self.scanner.begin();
        self.ids = self.ids.wrapping_add(1);
        let (id, unit, timeout) = (self.ids, ask.unit, ask.manners.timeout);
        let exceptions = !self.losses.has(unit, shape.function(), sent, now);
        self.sent.clear();
        self.sent.extend_from_slice(sent);
        self.open = Some(Open { id, unit, shape, exceptions, timeout, begun: now, waker: None });
        self.dirty = false;
        Some(id)
    }

    fn feed(&mut self, bytes: &[u8], told: &mut Vec<Told>, now: Instant) -> Fed {
        let Some(Open { id, unit, shape, exceptions, timeout, begun, waker }) = &self.open else {
            return Fed::default();
        };
        self.scanner.push(bytes);
        let awaited = Awaited { unit: *unit, shape: *shape, sent: &self.sent, exceptions: *exceptions };
        let Some(found) = self.scanner.find(&awaited) else { return Fed::default() };
        let (id, unit) = (*id, *unit);
        waker.iter().for_each(Waker::wake_by_ref);
        if found.is_ok() {
            self.losses.answered(unit, *shape, *begun, now);
        } else {
            (self.dirty, self.wrong_crcs) = (true, self.wrong_crcs + 1);
            // It may have been noise that begins as the answer does.
            self.losses.gave_up(unit, *shape, &self.sent, *timeout, *begun, now);
        }
        self.open = None;
        told.push((id, found.map_err(|_| Error::Crc { unit })));
        Fed { heard: Some(unit), confused: false }
    }

    /// Its answer may still come.
    fn give_up(&mut self, id: u16, now: Instant) {
        if let Some(Open { unit, shape, timeout, begun, .. }) = self.open.take_if(|open| open.id == id) {
            self.dirty = true;
            self.losses.gave_up(unit, shape, &self.sent, timeout, begun, now);
        }
    }

    /// What came in place of an answer.
    pub(super) fn silence(&mut self, unit: u8) -> Error {
        let Some(Open { shape, .. }) = &self.open else { return Error::Silent { unit, late: false } };
        let shape = *shape;
        let awaited = Awaited { unit, shape, sent: &self.sent, exceptions: true };
        let (seen, half) = self.scanner.seen(&awaited);
        match seen.mismatch {
            Some(error) => Error::Answer { unit, error },
            None if half => Error::Half { unit },
            None if seen.echo && !seen.foreign && !seen.noise => Error::Echo { unit },
            None if seen.noise => Error::Noise { unit },
            None => Error::Silent { unit, late: seen.foreign },
        }
    }

    /// Whether this line was found to bring back what is sent.
    pub(super) fn echoes(&self) -> bool {
        self.scanner.echoes()
    }
    pub(super) fn tells_echoes(&self) -> bool {
        self.scanner.tells_echoes()
    }
}
