//! One connection: requests and their answers, time-outs, pauses, and who has his turn. Of any stream, so that tests need no
//! port.
mod adapt;
mod codec;
mod core;
mod hearing;
mod hold;
mod identify;
mod left;
mod line;
mod losses;
mod nameless;
mod out;
mod settings;
mod ticket;

pub use self::settings::{Ask, Framing, Manners, Redial, Settings};

use self::{
    core::{Before, Core},
    hold::Hold,
    ticket::Ticket,
};
use crate::{
    error::Error,
    frame::{Answer, IllegalRequest, Request},
    stream::Io,
};
use pollux_mapper::{ErrorKind, Fault, Instant, PointFault};
use std::{
    future::poll_fn,
    sync::{Mutex as Lock, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard, Semaphore, SemaphorePermit},
    time::{sleep, sleep_until, timeout_at},
};

/// One connection. Whoever waits for an answer, or [`Wire::pump`] alone, reads for all.
#[derive(Debug)]
pub struct Wire {
    core: Lock<Core>,
    /// Several reads share it; a write, and everything where one request at a time is the most, has it alone.
    turn: RwLock<()>,
    lanes: Semaphore,
    settings: Settings,
    dialling: Mutex<()>,
}

/// The right to ask.
#[derive(Debug)]
pub struct Turn<'a> {
    _held: Held<'a>,
    /// Since when it writes: what is read in it is of no earlier time.
    writes: Option<Instant>,
}
#[derive(Debug)]
enum Held<'a> {
    Shared { _turn: RwLockReadGuard<'a, ()>, _lane: SemaphorePermit<'a> },
    Alone { _turn: RwLockWriteGuard<'a, ()> },
}

impl<'a> Turn<'a> {
    fn new(held: Held<'a>, writes: bool) -> Self {
        Self { _held: held, writes: writes.then(Instant::now) }
    }
}

impl Wire {
    /// Modbus TCP, one request at a time.
    pub fn new(stream: impl Io + 'static) -> Self {
        Self::with(stream, Settings::default())
    }

    pub fn with(stream: impl Io + 'static, settings: Settings) -> Self {
        let mut core = Core::new(Box::new(stream), &settings);
        if let (Some(name), Some(line)) = (&settings.line, core.line()) {
            line.recall(left::take(name));
        }
        let lanes = Semaphore::new(core.depth);
        Self { core: Lock::new(core), turn: RwLock::new(()), lanes, settings, dialling: Mutex::new(()) }
    }

    /// One request and its answer, by `until`, without a second try. `sending` is called right before the first byte leaves.
    /// A unit that is silent costs the unit, a stream that makes no sense costs the connection.
    pub async fn transact(
        &self,
        unit: u8,
        request: &Request<'_>,
        until: Instant,
        sending: impl FnMut() + Send,
    ) -> Result<Answer, Fault<Error>> {
        let manners = Manners::once(until.saturating_duration_since(Instant::now()));
        self.ask(&Ask { unit, request, until, manners }, sending).await
    }

    /// The same, as often as manners allow. A write has the connection for itself.
    pub async fn ask(&self, ask: &Ask<'_>, sending: impl FnMut() + Send) -> Result<Answer, Fault<Error>> {
        let turn = self.turn(ask.unit, ask.is_write(), ask.until).await?;
        self.ask_in(&turn, ask, sending).await
    }

    /// The right to ask, by `until`. `alone`: nothing else is under way as long as it is held, and what is read in it is of then.
    pub async fn turn(&self, unit: u8, alone: bool, until: Instant) -> Result<Turn<'_>, Fault<Error>> {
        if (alone || self.depth() == 1)
            && let Ok(turn) = self.turn.try_write()
        {
            return Ok(Turn::new(Held::Alone { _turn: turn }, alone));
        }
        let held = timeout_at(until, self.held(alone)).await;
        held.map(|held| Turn::new(held, alone)).map_err(|_| Fault::Device(Error::NoTurn { unit }))
    }

    async fn held(&self, alone: bool) -> Held<'_> {
        while !alone && self.depth() > 1 {
            let turn = self.turn.read().await;
            // Never closed. Whoever waited here while it fell back to one at a time waits again.
            if let Ok(lane) = self.lanes.acquire().await
                && self.depth() > 1
            {
                return Held::Shared { _turn: turn, _lane: lane };
            }
        }
        Held::Alone { _turn: self.turn.write().await }
    }

    /// As [`Self::ask`], within a turn: what is read here and written after has nothing in between.
    pub async fn ask_in(
        &self,
        turn: &Turn<'_>,
        ask: &Ask<'_>,
        sending: impl FnMut() + Send,
    ) -> Result<Answer, Fault<Error>> {
        self.ask_beside(turn, ask, None, sending).await
    }

    /// As [`Self::ask_in`]. `other`: a read that does no harm and whose answer has another form than this one's. Where a late
    /// answer could pass for this one's, it may be asked first.
    pub async fn ask_beside(
        &self,
        turn: &Turn<'_>,
        ask: &Ask<'_>,
        other: Option<&Request<'static>>,
        mut sending: impl FnMut() + Send,
    ) -> Result<Answer, Fault<Error>> {
        let Manners { retries, busy: (times, delay), .. } = ask.manners;
        let (mut lost, mut busy) = (0, 0);
        loop {
            let again = |delay| Instant::now() + delay < ask.until;
            match self.attempt(turn, ask, lost == 0, other, &mut sending).await {
                Ok(Answer::Exception(code)) if busy < times && is_busy(ask, code.into()) && again(delay) => {
                    busy += 1;
                    sleep(delay).await;
                }
                Err(Fault::Device(error)) if lost < retries && !ask.is_write() && error.is_lost() && again(delay) => {
                    lost += 1;
                }
                end => return end,
            }
        }
    }

    async fn attempt(
        &self,
        turn: &Turn<'_>,
        ask: &Ask<'_>,
        first: bool,
        other: Option<&Request<'static>>,
        sending: &mut (impl FnMut() + Send),
    ) -> Result<Answer, Fault<Error>> {
        let (mut fenced, mut doubted) = (false, false);
        loop {
            self.prepare(ask).await?;
            let hold = self.core().hold(ask, turn.writes);
            match hold {
                Hold::Free => {
                    if let Some((ticket, patience)) = self.begin(ask, false, first, sending)? {
                        match ticket.wait(ask, patience).await {
                            // The same again: then an exception is of this.
                            Err(Fault::Device(error)) if error.is_doubt() && !doubted && may_repeat(ask) => {
                                doubted = true;
                            }
                            told => return told,
                        }
                    }
                }
                Hold::Fence(unanswered) if !fenced => {
                    fenced = true;
                    let fence = self.core().fence(ask.unit, unanswered, other.cloned());
                    let request = fence.ok_or_else(|| self.core().held(ask.unit))?;
                    self.fence(&Ask { request: &request, ..*ask }).await?;
                }
                Hold::Fence(_) | Hold::Rest => return Err(self.core().held(ask.unit)),
            }
        }
    }

    /// Asks something only to know what is over. Whatever comes of it is looked at there.
    async fn fence(&self, ask: &Ask<'_>) -> Result<(), Fault<Error>> {
        let Some((ticket, patience)) = self.begin(ask, true, true, &mut || ())? else { return Ok(()) };
        match ticket.wait(ask, patience).await {
            Err(Fault::Link(error)) => Err(Fault::Link(error)),
            Ok(_) | Err(Fault::Device(_) | Fault::Point(_)) => Ok(()),
        }
    }

    /// None: the other side closed the stream just now.
    fn begin(
        &self,
        ask: &Ask<'_>,
        fence: bool,
        first: bool,
        sending: &mut (impl FnMut() + Send),
    ) -> Result<Option<(Ticket<'_>, Duration)>, Fault<Error>> {
        let mut core = self.core();
        if core.is_closed() {
            return Ok(None);
        }
        let begun = core.begin(ask, fence, sending).map_err(|error| illegal(&error))??;
        Ok(Some((Ticket { wire: self, begun }, core.patience(ask, first))))
    }

    /// Until a request may leave: the stream is open, the pauses are kept, a line is silent.
    async fn prepare(&self, ask: &Ask<'_>) -> Result<(), Fault<Error>> {
        loop {
            // What lies there unread is older than any request.
            let listen = poll_fn(|cx| self.core().poll_listen(cx));
            let before = self.core().before()?;
            match before {
                Before::Go if self.settings.framing == Framing::Mbap => return Ok(()),
                Before::Go => tokio::select! {
                    biased;
                    () = listen => {}
                    () = std::future::ready(()) => return Ok(()),
                },
                Before::Dial => self.dial(ask).await?,
                Before::Wait(at) if at >= ask.until => {
                    sleep_until(ask.until).await;
                    self.core().hand_over(); // it listened, and does no more
                    return Err(Fault::Device(Error::NoTurn { unit: ask.unit }));
                }
                Before::Wait(at) => tokio::select! {
                    () = listen => {}
                    () = sleep_until(at) => {}
                },
            }
        }
    }

    async fn dial(&self, ask: &Ask<'_>) -> Result<(), Fault<Error>> {
        let dialling = async {
            let _alone = self.dialling.lock().await;
            match &self.settings.redial {
                Some(redial) if self.core().is_closed() => redial().await.map(|stream| self.core().reopen(stream)),
                Some(_) => Ok(()),
                None => Err(Error::Closed),
            }
        };
        // Whoever has less time than a dial may take says nothing of the others that want this connection.
        let no_turn = |_| Fault::Device(Error::NoTurn { unit: ask.unit });
        timeout_at(ask.until, dialling).await.map_err(no_turn)?.map_err(|error| {
            self.core().die(&error);
            Fault::Link(error)
        })
    }

    /// Reads until the connection is lost, and says why. May be dropped at any time.
    pub async fn pump(&self) -> Error {
        loop {
            let idle = self.core().idle_at();
            let lost = poll_fn(|cx| self.core().poll_pump(cx));
            tokio::select! {
                error = lost => return error,
                () = sleep_until(idle.unwrap_or_else(Instant::now)), if idle.is_some() => self.core().close_if_idle(),
            }
        }
    }

    /// Requests that may be under way at once.
    pub fn depth(&self) -> usize {
        self.core().depth
    }

    /// Several at once were more than it can do.
    pub fn has_fallen_back(&self) -> bool {
        self.settings.depth > 1 && self.settings.framing == Framing::Mbap && self.depth() == 1
    }

    /// Answers may pass for each other.
    pub fn is_nameless(&self) -> bool {
        self.settings.framing != Framing::Mbap
    }

    /// What a character takes on its way; zero where that is not known.
    pub(crate) fn character(&self) -> Duration {
        if let Framing::Rtu(timing) = self.settings.framing { timing.character } else { Duration::ZERO }
    }

    /// Answers so far that came after their request was given up.
    pub fn late_answers(&self) -> u64 {
        self.core().late()
    }

    /// Answers with a wrong CRC so far.
    pub fn wrong_crcs(&self) -> u64 {
        self.core().wrong_crcs()
    }

    /// Whether this line brings back what is sent on it.
    pub fn echoes(&self) -> bool {
        self.core().echoes()
    }

    /// False: an echo of a write would pass for its acknowledgement.
    pub fn tells_echoes(&self) -> bool {
        self.core().tells_echoes()
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let core = self.core.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let (Some(name), Some(line)) = (&self.settings.line, core.line()) {
            left::keep(name, line.leave());
        }
    }
}

fn may_repeat(ask: &Ask<'_>) -> bool {
    !ask.is_write() && Instant::now() < ask.until
}

/// Exception 5 tells a write that it is being done: only what was not begun (6) is written again.
fn is_busy(ask: &Ask<'_>, code: u8) -> bool {
    code == 6 || (code == 5 && !ask.is_write())
}

/// Cannot happen to a unit that was prepared; a device is never asked what the standard forbids.
fn illegal(error: &IllegalRequest) -> Fault<Error> {
    Fault::Point(PointFault::new(ErrorKind::Config, error.to_string()))
}
