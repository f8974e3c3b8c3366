//! One session at one server: how it is opened, what the server says of itself, its subscriptions, and how all of it is mended. The
//! driver's one way to a server: it asks for the [`Wire`] anew each time, for a broken one is replaced.
mod about;
mod book;
mod create;
mod door;
mod heal;
mod interval;
mod item;
mod items;
mod namespaces;
mod pump;
mod recover;
mod refusal;
mod renew;
mod sequence;
mod subscribe;
#[cfg(test)]
mod tests;

use crate::{
    error::{Code, Error, Result},
    limits::Learned,
    settings::Settings,
    wire::Wire,
};
use about::About;
use book::Book;
use create::Created;
use door::Door;
use interval::Intervals;
pub(crate) use item::{Handle, Item, Sink, Watched};
pub(crate) use namespaces::Namespaces;
use opcua::{core::sync::RwLock, types::SubStatusCode};
use pollux_mapper::{Cx, LinkCounters};
use refusal::Refusal;
use std::{
    sync::{
        Arc, MutexGuard, PoisonError,
        atomic::{
            AtomicU32, AtomicU64,
            Ordering::{Acquire, Relaxed},
        },
    },
    time::Duration,
};
use tokio::{
    runtime,
    sync::{Mutex, Notify, watch},
    time::{Instant, timeout_at},
};

/// Values in one message; the rest comes with the next.
const NOTIFICATIONS: u32 = 10_000;
/// Patience with the last words to a server.
const FAREWELL: Duration = Duration::from_secs(2);

/// Differs when what was learned of a server may be so no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Epoch {
    /// Another session: registered nodes and whatever else belongs to one is gone.
    pub session: u64,
    /// Another run of the server, or other namespaces: node ids and types are to be found anew.
    pub server: u64,
}

/// Where the connection stands.
#[derive(Debug, Clone)]
enum Line {
    Up(Arc<Wire>),
    Down(Error),
}

/// One session. It lives as long as [`run`](Self::run) is polled; dropped, it is closed at the server.
#[derive(Debug)]
pub(crate) struct Session {
    settings: Arc<Settings>,
    door: Door,
    line: watch::Sender<Line>,
    created: Mutex<Created>,
    about: RwLock<About>,
    epochs: [AtomicU64; 2],
    limits: Learned,
    intervals: Intervals,
    book: std::sync::Mutex<Book>,
    /// There are other subscriptions than before.
    changed: Notify,
    /// Who makes subscriptions or items; one at a time.
    turn: Mutex<()>,
    /// Whether the server refuses to publish.
    refusal: std::sync::Mutex<Refusal>,
    /// Values that one message may hold: fewer, where messages were too large.
    notifications: AtomicU32,
    /// How long the server keeps the session, in ms.
    kept_for: AtomicU64,
    healed: AtomicU64,
    lost: AtomicU64,
    /// Of channels before this one.
    late: AtomicU64,
}

impl Session {
    /// Endpoint, channel, session, and what the server says of itself; all within `connectTimeout`.
    pub(crate) async fn connect(settings: Arc<Settings>, cx: &Cx) -> Result<Self> {
        let until = Instant::now() + settings.connect_timeout.duration();
        let door = Door::new(settings.clone(), cx, until).await?;
        let wire = door.channel(until).await.map_err(|error| door.in_words(error))?;
        let created = door.session(&wire, until).await.map_err(|error| door.in_words(error))?;
        let limits = Learned::new(&settings.limits);
        let about = match About::ask(&wire, &limits, until).await {
            Ok(about) => about,
            Err(error) => {
                create::close(&wire, true, until).await;
                return Err(error);
            }
        };
        *wire.context().write().namespaces_mut() = about.namespaces.map();
        let kept_for = AtomicU64::new(millis(created.timeout));
        let intervals = Intervals::new(&settings.subscription, &settings.session);
        Ok(Self {
            settings,
            door,
            line: watch::Sender::new(Line::Up(Arc::new(wire))),
            created: Mutex::new(created),
            about: RwLock::new(about),
            epochs: Default::default(),
            limits,
            intervals,
            book: std::sync::Mutex::default(),
            changed: Notify::new(),
            turn: Mutex::new(()),
            refusal: std::sync::Mutex::default(),
            notifications: AtomicU32::new(NOTIFICATIONS),
            kept_for,
            healed: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            late: AtomicU64::new(0),
        })
    }
    /// The channel as it is now; while it is being mended, the next one, waited for until then.
    pub(crate) async fn wire(&self, until: Instant) -> Result<Arc<Wire>> {
        let mut line = self.line.subscribe();
        let up = line.wait_for(|line| matches!(line, Line::Up(wire) if !wire.is_dead()));
        let found = match timeout_at(until, up).await {
            Ok(Ok(line)) => line.clone(),
            Ok(Err(_)) | Err(_) => self.line.borrow().clone(),
        };
        match found {
            Line::Up(wire) if wire.is_dead() => Err(wire.ended().await),
            Line::Up(wire) => Ok(wire),
            Line::Down(error) => Err(error),
        }
    }
    /// The same, for what was found in that session: it is looked which one it is after it was waited for. In another one the same ids
    /// may be other nodes.
    pub(crate) async fn wire_of(&self, epoch: Epoch, until: Instant) -> Result<Arc<Wire>> {
        let wire = self.wire(until).await?;
        self.is_still(epoch).map(|()| wire)
    }
    fn is_still(&self, epoch: Epoch) -> Result<()> {
        let why = || Error::Closed("the session is another now, and nodes are to be found anew".to_owned());
        (self.epoch() == epoch).then_some(()).ok_or_else(why)
    }
    /// Differs when ids, types or registered nodes are to be found anew.
    pub(crate) fn epoch(&self) -> Epoch {
        let [session, server] = &self.epochs;
        Epoch { session: session.load(Acquire), server: server.load(Acquire) }
    }
    /// The server's namespaces, as it numbers them now.
    pub(crate) fn namespaces(&self) -> Arc<Namespaces> {
        self.about.read().namespaces.clone()
    }
    /// How much it takes in one request.
    pub(crate) fn limits(&self) -> &Learned {
        &self.limits
    }
    /// Answers that came after their request was given up.
    pub(crate) fn late(&self) -> u64 {
        let now = if let Line::Up(wire) = &*self.line.borrow() { wire.late() } else { 0 };
        self.late.load(Relaxed) + now
    }
    fn refusal(&self) -> MutexGuard<'_, Refusal> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Why nothing is pushed at this time.
    pub(crate) fn unpublished(&self) -> Option<Code> {
        self.refusal().stands(Instant::now())
    }
    /// What it counted so far.
    pub(crate) fn counters(&self) -> LinkCounters {
        LinkCounters::new(self.healed.load(Relaxed), self.lost.load(Relaxed))
    }
    /// Takes what the server pushes, and mends the connection where it breaks. Returns when that takes longer than `healWithin`, or cannot
    /// be done, and says why.
    pub(crate) async fn run(&self) -> Error {
        loop {
            let line = self.line.borrow().clone();
            let why = match line {
                Line::Up(wire) => self.pump(&wire).await,
                Line::Down(error) => return error, // closed
            };
            let closed = matches!(&*self.line.borrow(), Line::Down(_));
            if closed {
                return why;
            }
            if let Err(error) = self.heal(why).await {
                return error;
            }
        }
    }
    /// Ends it at the server, with its subscriptions; once. [`run`](Self::run) is not polled any more then.
    pub(crate) async fn close(&self) {
        let (until, by_us) = (Instant::now() + FAREWELL, Error::Closed("by us".to_owned()));
        match self.line.send_replace(Line::Down(by_us.clone())) {
            Line::Up(wire) if !wire.is_dead() => create::close(&wire, true, until).await,
            Line::Down(why) if why == by_us => {}
            // It was being mended: the server may have the session still, and has few.
            _ => {
                timeout_at(until, self.close_anew(until)).await.ok(); // it ends by its time-out too
            }
        }
    }
    /// On a channel for that alone.
    async fn close_anew(&self, until: Instant) {
        let Ok(wire) = self.door.channel(until).await else { return };
        match self.door.activate(&wire, &mut *self.created.lock().await, until).await {
            Ok(()) => create::close(&wire, true, until).await,
            Err(_) => wire.close(until).await,
        }
    }
}

impl Drop for Session {
    /// As far as there is time for it: else the server ends it by its time-out.
    fn drop(&mut self) {
        let Line::Up(wire) = self.line.borrow().clone() else { return };
        if let (Ok(runtime), false) = (runtime::Handle::try_current(), wire.is_dead()) {
            runtime.spawn(async move { create::close(&wire, true, Instant::now() + FAREWELL).await });
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The server does not know the session, or no longer.
fn is_of_session(code: Code) -> bool {
    use SubStatusCode as S;
    matches!(
        SubStatusCode::from_value(code.0 & 0xFFFF_0000),
        Some(
            S::BadSessionIdInvalid
                | S::BadSessionClosed
                | S::BadSessionNotActivated
                | S::BadSecureChannelIdInvalid
                | S::BadSecureChannelClosed
        )
    )
}
