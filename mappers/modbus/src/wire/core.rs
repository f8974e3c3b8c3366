//! The stream and who waits for what, behind one lock. Whoever waits for an answer reads for all; where nobody does, the pump.
//! No task, nothing to end but this value.
use super::{
    adapt::Adapted,
    codec::{Codec, Told},
    hearing::Hearing,
    out::Out,
    settings::{Ask, Framing, Settings},
};
use crate::{
    error::Error,
    frame::{Answer, IllegalRequest},
    stream::Stream,
};
use pollux_mapper::{Fault, Instant};
use std::{
    collections::BTreeSet,
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};
use tokio::io::{AsyncRead as _, ReadBuf};
use tracing::warn;

/// Reads in a row before whoever else runs here has his turn.
const ROUNDS: usize = 16;
/// Bytes taken in one read.
const CHUNK: usize = 2048;

#[derive(Debug)]
pub(super) struct Core {
    /// None: closed because nothing was asked.
    stream: Option<Stream>,
    out: Out,
    pub(super) codec: Codec,
    told: Vec<Told>,
    dead: Option<Error>,
    pump: Option<Waker>,
    pub(super) depth: usize,
    settings: Quiet,
    times: Times,
    hearing: Hearing,
    asked: BTreeSet<u8>,
    pub(super) adapted: Adapted,
}

/// A request under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begun {
    pub(super) id: u16,
    /// It has left when so many bytes have.
    mark: u64,
}

#[derive(Debug)]
struct Quiet {
    after_connect: Duration,
    between: Duration,
    idle: Option<Duration>,
    dormant: bool,
    can_hang: bool,
    direct: bool,
}

#[derive(Debug)]
struct Times {
    opened: Instant,
    /// Bytes came or left.
    moved: Option<Instant>,
    /// A request ended.
    ended: Option<Instant>,
    /// Somebody asked for something.
    used: Instant,
}

/// What comes before a request may leave.
pub(super) enum Before {
    Go,
    Wait(Instant),
    Dial,
}

impl Core {
    pub(super) fn new(stream: Stream, settings: &Settings) -> Self {
        let now = Instant::now();
        let Settings { framing, depth, pacing, redial, can_hang, line: _ } = settings;
        let depth = if *framing == Framing::Mbap { (*depth).max(1) } else { 1 };
        Self {
            stream: Some(stream),
            out: Out::default(),
            codec: Codec::new(*framing, depth),
            told: vec![],
            dead: None,
            pump: None,
            depth,
            settings: Quiet {
                after_connect: pacing.after_connect,
                between: pacing.between_requests,
                idle: pacing.close_after_idle,
                dormant: redial.is_some(),
                can_hang: *can_hang,
                direct: *framing == Framing::Mbap,
            },
            times: Times { opened: now, moved: None, ended: None, used: now },
            hearing: Hearing::new(now),
            asked: BTreeSet::new(),
            adapted: Adapted::default(),
        }
    }

    pub(super) fn die(&mut self, error: &Error) {
        self.dead.get_or_insert_with(|| error.clone());
        self.codec.wake_all();
        if let Some(pump) = self.pump.take() {
            pump.wake();
        }
    }

    /// The stream ended. Where it is opened for each use that is no fault, as long as nobody waits.
    fn lost(&mut self, error: &Error) {
        match error {
            _ if self.settings.dormant && self.codec.under_way() == 0 => self.stream = None,
            Error::Lost(why) if !self.settings.can_hang => self.die(&Error::Unplugged(why.clone())),
            Error::Closed if !self.settings.can_hang => self.die(&Error::Unplugged("end of file".into())),
            error => self.die(error),
        }
    }

    /// Opened again.
    pub(super) fn reopen(&mut self, stream: Stream) {
        let now = Instant::now();
        self.stream = Some(stream);
        self.hearing.bytes(now);
        self.out.clear();
        self.times = Times { opened: now, moved: None, ended: None, used: now };
        self.codec.reset();
        self.hand_over();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.stream.is_none()
    }

    /// When it is to be closed, if nothing is asked until then.
    pub(super) fn idle_at(&self) -> Option<Instant> {
        self.settings.idle.filter(|_| self.settings.dormant).map(|idle| {
            let busy = self.codec.under_way() > 0 || self.stream.is_none();
            (if busy { Instant::now() } else { self.times.used }) + idle
        })
    }

    pub(super) fn close_if_idle(&mut self) {
        if self.codec.under_way() == 0 && self.idle_at().is_some_and(|at| at <= Instant::now()) {
            self.stream = None;
        }
    }

    /// Whether a request may leave now, and what is to be waited for if not.
    pub(super) fn before(&mut self) -> Result<Before, Fault<Error>> {
        let now = Instant::now();
        self.times.used = now;
        if let Some(error) = &self.dead {
            return Err(Fault::Link(error.clone()));
        }
        if self.stream.is_none() {
            return Ok(Before::Dial);
        }
        let Times { opened, moved, ended, .. } = self.times;
        let mut from = opened + self.settings.after_connect;
        if let Some(ended) = ended.filter(|_| !self.settings.between.is_zero()) {
            from = from.max(ended + self.settings.between);
        }
        if let Codec::Rtu(line) = &self.codec {
            let silence = if line.dirty { line.timing.settle } else { line.timing.gap };
            from = from.max(moved.unwrap_or(opened) + silence);
        }
        if from <= now {
            return Ok(Before::Go);
        }
        self.times.used = from; // who waits for his pause is not idle
        Ok(Before::Wait(from))
    }

    /// Puts the request on its way. Nothing leaves before `sending` was called.
    pub(super) fn begin(
        &mut self,
        ask: &Ask<'_>,
        fence: bool,
        sending: impl FnOnce(),
    ) -> Result<Result<Begun, Fault<Error>>, IllegalRequest> {
        if let Some(error) = &self.dead {
            return Ok(Err(Fault::Link(error.clone())));
        }
        let Some(id) = self.codec.begin(ask, fence, self.out.bytes(), Instant::now())? else {
            return Ok(Err(Fault::Link(Error::Abandoned))); // more than have a turn
        };
        self.asked.insert(ask.unit);
        sending();
        Ok(Ok(Begun { id, mark: self.out.mark() }))
    }

    /// How long an answer is waited for. On a connection of its own with a device, as long as its answers are known to take; on a
    /// port what both are on their way is added.
    pub(super) fn patience(&self, ask: &Ask<'_>, first: bool) -> Duration {
        let own = self.asked.len() == 1 && matches!(ask.unit, 0 | 1 | 255);
        let timeout = ask.manners.timeout;
        if let Codec::Rtu(line) = &self.codec {
            return timeout + line.on_wire();
        }
        if self.settings.direct && own && first && !ask.is_write() { self.adapted.timeout(timeout) } else { timeout }
    }

    pub(super) fn poll_answer(&mut self, id: u16, cx: &mut Context<'_>) -> Poll<Result<Answer, Error>> {
        for _ in 0..ROUNDS {
            if let Some(at) = self.told.iter().position(|(told, _)| *told == id) {
                return Poll::Ready(self.told.swap_remove(at).1);
            }
            if let Some(error) = &self.dead {
                return Poll::Ready(Err(error.clone()));
            }
            if self.poll_read(cx).is_pending() {
                self.codec.seat(id, cx.waker());
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        self.codec.seat(id, cx.waker());
        Poll::Pending
    }

    /// Reads while nobody waits for an answer, and returns when the connection is lost.
    pub(super) fn poll_pump(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        for _ in 0..ROUNDS {
            if let Some(error) = &self.dead {
                return Poll::Ready(error.clone());
            }
            if self.codec.under_way() > 0 || self.stream.is_none() || self.poll_read(cx).is_pending() {
                self.pump = Some(cx.waker().clone());
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// What comes before a request leaves is read, and is nobody's answer. Ready: something came.
    pub(super) fn poll_listen(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.dead.is_some() || self.stream.is_none() {
            return Poll::Ready(());
        }
        self.poll_read(cx)
    }

    /// Sends what is to leave, takes in what came. Ready: look again.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.poll_move(cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => self.lost(&error),
            Poll::Pending => return Poll::Pending,
        }
        Poll::Ready(())
    }

    fn poll_move(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let lost = |error: io::Error| Error::Lost(error.to_string());
        let Some(stream) = &mut self.stream else { return Poll::Pending };
        if let Poll::Ready(true) = self.out.poll_send(stream, cx).map_err(lost)? {
            self.times.moved = Some(Instant::now());
        }
        let mut space = [MaybeUninit::uninit(); CHUNK];
        let mut buffer = ReadBuf::uninit(&mut space);
        ready!(Pin::new(stream).poll_read(cx, &mut buffer)).map_err(lost)?;
        if buffer.filled().is_empty() {
            return Poll::Ready(Err(Error::Closed));
        }
        let now = Instant::now();
        self.times.moved = Some(now);
        self.hearing.bytes(now);
        let fed = self.codec.feed(buffer.filled(), &mut self.told, now);
        let fed = match fed {
            Ok(fed) => fed,
            Err(error) => {
                self.die(&Error::Stream(error));
                return Poll::Ready(Ok(()));
            }
        };
        self.hearing.answered(fed.heard);
        if fed.confused {
            self.fall_back("an answer that fits no request");
        }
        Poll::Ready(Ok(()))
    }

    /// Several requests at once are more than this gateway can do.
    fn fall_back(&mut self, why: &str) {
        if std::mem::replace(&mut self.depth, 1) > 1 {
            warn!(why, "one request at a time from now on: answers were lost or mixed up while several were under way");
        }
    }

    /// An answer came in this time.
    pub(super) fn timed(&mut self, took: Duration) {
        self.adapted.answered(took);
    }

    /// No answer came in time.
    pub(super) fn silence(&mut self, ask: &Ask<'_>, begun: Begun, late: bool) -> Fault<Error> {
        let unit = ask.unit;
        self.adapted.silent();
        if self.out.left < begun.mark {
            self.die(&Error::Stalled);
            return Fault::Link(Error::Stalled);
        }
        let (error, half) = match &mut self.codec {
            Codec::Mbap { table, .. } if table.open() > 1 => {
                self.fall_back("no answer in time");
                (Error::Silent { unit, late }, 0)
            }
            Codec::Mbap { decoder, .. } => (Error::Silent { unit, late }, decoder.pending()),
            Codec::Rtu(line) => (line.silence(unit), 0),
        };
        // With a part of a frame read nobody knows where the next one begins.
        let dead = match half {
            0 if self.settings.can_hang && self.hearing.is_deaf(unit) => Error::Deaf,
            0 => return Fault::Device(error),
            bytes => Error::HalfFrame(bytes),
        };
        self.die(&dead);
        Fault::Link(dead)
    }

    /// Answers that came too late, since the connection was made.
    pub(super) fn late(&self) -> u64 {
        self.codec.late()
    }

    /// A request ended, however. If it ended half-sent, the connection is dead.
    pub(super) fn end(&mut self, Begun { id, mark }: Begun) {
        let now = Instant::now();
        self.codec.give_up(id);
        self.told.retain(|(told, _)| *told != id);
        (self.times.ended, self.times.used) = (Some(now), now);
        if self.out.left < mark {
            self.die(&Error::Abandoned);
        }
        self.hand_over();
    }

    /// Somebody else reads from now on.
    pub(super) fn hand_over(&mut self) {
        if self.codec.under_way() == 0 {
            self.pump.iter().for_each(Waker::wake_by_ref);
        } else if let Some(waker) = self.codec.reader() {
            waker.wake_by_ref(); // else it was not polled yet
        }
    }
}
