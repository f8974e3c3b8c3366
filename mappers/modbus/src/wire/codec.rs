//! Which bytes belong to which request, for either framing: answers with names, and answers without.
use super::{
    line::Line,
    settings::{Ask, Framing},
};
use crate::{
    error::Error,
    frame::{Answer, Decoder, IllegalRequest, ProtocolError, Shape, mbap, rtu},
    transaction::{Accepted, Transactions},
};
use pollux_mapper::Instant;
use std::task::Waker;
use tracing::debug;

/// An answer, and whose it is. The error is of this request alone.
pub(super) type Told = (u16, Result<Answer, Error>);

#[derive(Debug)]
pub(super) enum Codec {
    Mbap { decoder: Decoder, table: Transactions<Option<Waker>> },
    Rtu(Box<Line>),
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
            Framing::Rtu(timing) => Self::Rtu(Box::new(Line::new(timing))),
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

    /// Appends the request to `out`; its id. None: too many are under way. `fence`: only asked to know what is over.
    pub(super) fn begin(
        &mut self,
        ask: &Ask<'_>,
        fence: bool,
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
                line.begin(ask, Shape::of(ask.request, sent.get(1..).unwrap_or_default()), sent, fence, now)
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
            Self::Rtu(line) => usize::from(line.is_asking()),
        }
    }

    /// Remembers whom to wake.
    pub(super) fn seat(&mut self, id: u16, waker: &Waker) {
        let seat = match self {
            Self::Mbap { table, .. } => table.waiter(id),
            Self::Rtu(line) => line.waiter(id),
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
            Self::Rtu(line) => line.waker(),
        }
    }

    pub(super) fn wake_all(&self) {
        match self {
            Self::Mbap { table, .. } => table.waiters().flatten().for_each(Waker::wake_by_ref),
            Self::Rtu(line) => line.waker().into_iter().for_each(Waker::wake_by_ref),
        }
    }

    pub(super) fn give_up(&mut self, id: u16) {
        match self {
            Self::Mbap { table, .. } => drop(table.give_up(id)),
            Self::Rtu(line) => line.give_up(id),
        }
    }

    /// Answers that came too late.
    pub(super) fn late(&self) -> u64 {
        match self {
            Self::Mbap { table, .. } => table.dropped(),
            Self::Rtu(line) => line.late(),
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
                told.reserve_exact(1); // mostly there is one, and room for four is not little
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
