//! One Modbus TCP connection: bytes, time-outs and who waits for what. Of any stream, so that tests need no port.
use crate::{
    error::Error,
    frame::{self, Answer, Decoder, IllegalRequest, Request, Shape, mbap},
    stream::{Io, Stream},
    transaction::{Accepted, DEPTH, Transactions},
};
use pollux_mapper::{ErrorKind, Fault, Instant, PointFault};
use std::{
    collections::BTreeSet,
    sync::{Mutex as Lock, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf},
    sync::{Mutex, Semaphore, oneshot},
    time::{sleep_until, timeout_at},
};
use tracing::debug;

/// So many requests in a row, to units that did answer on this connection, without a byte in so long: a gateway that hangs,
/// or a way there that has forgotten us. TCP itself never finds the first.
const DEAF: (u32, Duration) = (3, Duration::from_secs(30));
/// The same where nobody ever answered: all units may be switched off, and a new connection does not wake them.
const NEVER_HEARD: Duration = Duration::from_mins(15);

type Waiter = oneshot::Sender<Result<Answer, Error>>;
type Reply = oneshot::Receiver<Result<Answer, Error>>;

/// Whoever waits for an answer, or [`Wire::pump`] alone, reads for all: no task, and nothing to end but this value.
#[derive(Debug)]
pub struct Wire {
    reader: Mutex<ReadHalf<Stream>>,
    writer: Mutex<WriteHalf<Stream>>,
    lanes: Semaphore,
    state: Lock<State>,
}

#[derive(Debug)]
struct State {
    decoder: Decoder,
    table: Transactions<Waiter>,
    dead: Option<Error>,
    /// When the last bytes came, and how many requests had no answer since.
    heard: Instant,
    unheard: u32,
    /// Units that have answered. One that never did says nothing of the connection when it is silent.
    alive: BTreeSet<u8>,
}

impl State {
    fn die(&mut self, error: &Error) {
        self.dead.get_or_insert_with(|| error.clone());
        for waiter in self.table.drain() {
            waiter.send(Err(error.clone())).ok(); // who asked may have left
        }
    }

    /// This unit was silent.
    fn is_deaf(&mut self, unit: u8) -> bool {
        let long = if self.alive.is_empty() { NEVER_HEARD } else { DEAF.1 };
        self.unheard += u32::from(self.alive.is_empty() || self.alive.contains(&unit));
        self.unheard >= DEAF.0 && self.heard.elapsed() >= long
    }

    fn feed(&mut self, mut input: &[u8]) -> Result<(), Error> {
        (self.heard, self.unheard) = (Instant::now(), 0);
        while let Some(frame) = self.decoder.feed(&mut input)? {
            let unit = frame.unit;
            match self.table.accept(&frame)? {
                Accepted::Answer(waiter, answer) => {
                    self.alive.insert(unit);
                    waiter.send(answer.map_err(|error| Error::Answer { unit, error })).ok();
                }
                Accepted::Late => debug!(unit, transaction = frame.transaction, "late answer dropped"),
            }
        }
        Ok(())
    }
}

impl Wire {
    pub fn new(stream: impl Io + 'static) -> Self {
        let stream: Stream = Box::new(stream);
        let (reader, writer) = tokio::io::split(stream);
        let (decoder, table) = (Decoder::default(), Transactions::new(DEPTH));
        let state = State { decoder, table, dead: None, heard: Instant::now(), unheard: 0, alive: BTreeSet::new() };
        Self {
            reader: Mutex::new(reader),
            writer: Mutex::new(writer),
            lanes: Semaphore::new(DEPTH),
            state: Lock::new(state),
        }
    }

    /// One request and its answer, by `until`. `sending` is called right before the first byte leaves.
    /// A unit that is silent costs the unit, a stream that makes no sense costs the connection.
    pub async fn transact(
        &self,
        unit: u8,
        request: &Request<'_>,
        until: Instant,
        sending: impl FnOnce() + Send,
    ) -> Result<Answer, Fault<Error>> {
        let mut bytes = Vec::with_capacity(frame::MAX_FRAME);
        mbap::encode(0, unit, request, &mut bytes).map_err(|error| illegal(&error))?;
        let Ok(Ok(_lane)) = timeout_at(until, self.lanes.acquire()).await else {
            return Err(Fault::Device(Error::Silent { unit, late: false }));
        };
        let (mut ticket, answer) = self.begin(unit, Shape::of(request, bytes.get(mbap::PDU..).unwrap_or_default()))?;
        for (byte, id) in bytes.iter_mut().zip(ticket.id.to_be_bytes()) {
            *byte = id;
        }
        sending();
        self.send(&bytes, until).await?;
        ticket.sent = true;
        self.wait(unit, answer, until).await
    }

    /// Reads until the connection is lost, and says why. May be dropped at any time.
    pub async fn pump(&self) -> Error {
        let mut reader = self.reader.lock().await;
        let mut buffer = [0; 1024];
        loop {
            if let Some(error) = self.state().dead.clone() {
                return error;
            }
            let result = match reader.read(&mut buffer).await {
                Ok(0) => Err(Error::Closed),
                Ok(count) => self.state().feed(buffer.get(..count).unwrap_or_default()),
                Err(error) => Err(Error::Lost(error.to_string())),
            };
            if let Err(error) = result {
                self.state().die(&error);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, unit: u8, shape: Shape) -> Result<(Ticket<'_>, Reply), Error> {
        let (tell, answer) = oneshot::channel();
        let mut state = self.state();
        if let Some(error) = &state.dead {
            return Err(error.clone());
        }
        let id = state.table.begin(unit, shape, tell).map_err(|_| Error::Abandoned)?;
        Ok((Ticket { wire: self, id, sent: false }, answer))
    }

    async fn send(&self, bytes: &[u8], until: Instant) -> Result<(), Error> {
        let writing = async {
            let mut writer = self.writer.lock().await;
            writer.write_all(bytes).await?;
            writer.flush().await
        };
        let error = match timeout_at(until, writing).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => Error::Lost(error.to_string()),
            Err(_) => Error::Stalled,
        };
        self.state().die(&error);
        Err(error)
    }

    async fn wait(&self, unit: u8, mut answer: Reply, until: Instant) -> Result<Answer, Fault<Error>> {
        let dropped = self.state().table.dropped();
        let told = tokio::select! {
            biased;
            told = &mut answer => told.ok(),
            error = self.pump() => Some(Err(error)),
            () = sleep_until(until) => answer.try_recv().ok(),
        };
        match told {
            Some(Ok(answer)) => Ok(answer),
            // The frame was whole and its transaction ours: the stream is in order, this device is not.
            Some(Err(Error::Answer { error, .. })) => Err(Fault::Device(Error::Answer { unit, error })),
            Some(Err(error)) => Err(Fault::Link(error)),
            None => Err(self.silence(unit, dropped)),
        }
    }

    /// With a part of a frame read nobody knows where the next one begins.
    fn silence(&self, unit: u8, dropped: u64) -> Fault<Error> {
        let mut state = self.state();
        let error = match state.decoder.pending() {
            0 if state.is_deaf(unit) => Error::Deaf,
            0 => {
                let late = state.table.dropped() > dropped;
                return Fault::Device(Error::Silent { unit, late });
            }
            bytes => Error::HalfFrame(bytes),
        };
        state.die(&error);
        Fault::Link(error)
    }
}

/// A request under way. However it ends, its place in the table is free; if it ends half-sent, the connection is dead.
#[derive(Debug)]
struct Ticket<'a> {
    wire: &'a Wire,
    id: u16,
    sent: bool,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut state = self.wire.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.table.give_up(self.id);
        if !self.sent {
            state.die(&Error::Abandoned);
        }
    }
}

/// Cannot happen to a unit that was prepared; a device is never asked what the standard forbids.
fn illegal(error: &IllegalRequest) -> Fault<Error> {
    Fault::Point(PointFault::new(ErrorKind::Config, error.to_string()))
}
