//! How news leave the engine. Nobody who is slow here can stop the wire.
use crate::{Change, DeviceKey, ErrorKind, Figures, Knowledge, Load, Standing};
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{
        AtomicBool,
        Ordering::{Acquire, Release, SeqCst},
    },
};
use tokio::sync::Notify;

/// Whether a device answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connected {
    /// Which device.
    pub device: DeviceKey,
    /// It answered its last request, or was heard within its bound.
    pub up: bool,
    /// What kind of failure it is; None while it is up.
    pub kind: Option<ErrorKind>,
    /// In the protocol's words; empty while it is up.
    pub reason: String,
}

/// Whether the endpoint itself is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkState {
    /// It is open.
    pub up: bool,
    /// What the resource really is, where the protocol can tell.
    pub identity: Option<String>,
    /// What kind of failure it is; None while it is up.
    pub kind: Option<ErrorKind>,
    /// In the protocol's words; empty while it is up.
    pub reason: String,
}

/// What a driver knows of a device beside its values.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// Which device.
    pub device: DeviceKey,
    /// [`DeviceSpec::wiring`](crate::DeviceSpec::wiring) of the unit that it was learned by.
    pub wiring: u64,
    /// All of it.
    pub knowledge: Knowledge,
}

/// The newest state of what changed since the last one: states in between are gone, nothing queues.
#[derive(Debug, Default, PartialEq)]
pub struct News {
    /// The endpoint, if its state changed.
    pub link: Option<LinkState>,
    /// How much of the link's time is asked for, if that changed by more than a little.
    pub load: Option<Load>,
    /// Devices that came or went.
    pub connected: Vec<Connected>,
    /// Every point whose value or quality changed to a number; there is no dead-band before this.
    pub numbers: Figures,
    /// Every other point whose value or quality changed.
    pub changes: Vec<Change>,
    /// What happened at points of kind Event, each in its order; there is nothing of them in the two above.
    pub happened: Vec<Change>,
    /// How they stand when all of that was told, where it is none of it.
    pub standing: Standing,
    /// The first reading after a write of each point written, changed or not: what a write is verified by. It may name
    /// a point again that stands above, then both are equal or this one is newer.
    pub confirmed: Vec<Change>,
    /// Devices of which something else is known than before.
    pub known: Vec<Known>,
}

impl News {
    pub(crate) fn is_empty(&self) -> bool {
        let Self { link, load, connected, numbers, changes, happened, standing, confirmed, known } = self;
        let quiet = link.is_none() && load.is_none() && connected.is_empty() && known.is_empty();
        quiet
            && happened.is_empty()
            && standing.is_empty()
            && numbers.is_empty()
            && changes.is_empty()
            && confirmed.is_empty()
    }
}

/// One place: filled by the engine when the reader has emptied it.
#[derive(Debug, Default)]
struct Place {
    news: Mutex<News>,
    full: AtomicBool,
    /// The engine has news for which there was no room.
    wanted: AtomicBool,
    closed: AtomicBool,
    filled: Notify,
    emptied: Notify,
}

/// The reader's end, for whoever keeps the twin.
#[derive(Debug)]
pub struct Status(Arc<Place>);
#[derive(Debug)]
pub(crate) struct StatusOut(Arc<Place>);

pub(crate) fn status() -> (StatusOut, Status) {
    let place = Arc::<Place>::default();
    (StatusOut(place.clone()), Status(place))
}

impl Status {
    /// Waits for news. None: the engine has ended, and all it had to say was taken. Cancel-safe.
    pub async fn next(&mut self) -> Option<News> {
        loop {
            if let Some(news) = self.try_next() {
                return Some(news);
            }
            if self.0.closed.load(Acquire) {
                return self.try_next();
            }
            self.0.filled.notified().await;
        }
    }
    /// What is there now.
    pub fn try_next(&mut self) -> Option<News> {
        if !self.0.full.load(Acquire) {
            return None;
        }
        let news = std::mem::take(&mut *lock(&self.0.news));
        self.0.full.store(false, SeqCst);
        if self.0.wanted.swap(false, SeqCst) {
            self.0.emptied.notify_one();
        }
        Some(news)
    }
}

impl StatusOut {
    /// Room for news that there are. If there is none, [`emptied`](Self::emptied) hears of it when there is: an engine that has said
    /// all it has to say is not woken for it.
    pub(crate) fn has_room(&self) -> bool {
        if !self.0.full.load(Acquire) {
            return true;
        }
        self.0.wanted.store(true, SeqCst);
        !self.0.full.load(SeqCst) // it may have been emptied before anybody saw that room is wanted
    }
    /// `more`: there was more than news may hold, and so room is wanted again.
    pub(crate) fn fill(&self, news: News, more: bool) {
        if news.is_empty() {
            return;
        }
        *lock(&self.0.news) = news;
        if more {
            self.0.wanted.store(true, SeqCst);
        }
        self.0.full.store(true, SeqCst);
        self.0.filled.notify_one();
    }
    pub(crate) fn emptied(&self) -> impl Future<Output = ()> + Send + use<> {
        let place = self.0.clone();
        async move { place.emptied.notified().await }
    }
}

impl Drop for StatusOut {
    fn drop(&mut self) {
        self.0.closed.store(true, Release);
        self.0.filled.notify_one();
    }
}

const KEPT: usize = 4096; // changes: the memory that a buffer keeps after a burst

/// Every change, in order, for sinks: bounded in changes; what does not fit is dropped and counted.
#[derive(Debug)]
struct Queue {
    changes: Mutex<(Vec<Change>, u64)>,
    some: Notify,
    cap: usize,
}

/// The engines' end: one queue may serve many. None: nobody reads.
#[derive(Debug, Clone)]
pub struct TelemetryOut(Option<Arc<Queue>>);
/// The reader's end.
#[derive(Debug)]
pub struct Telemetry(Arc<Queue>);

/// A queue of at most `cap` changes.
#[must_use]
pub fn telemetry(cap: usize) -> (TelemetryOut, Telemetry) {
    let queue = Arc::new(Queue { changes: Mutex::default(), some: Notify::new(), cap });
    (TelemetryOut(Some(queue.clone())), Telemetry(queue))
}

impl TelemetryOut {
    /// For an engine of whose changes nobody keeps a record.
    #[must_use]
    pub fn unread() -> Self {
        Self(None)
    }
    /// False: there is room for nothing, so nothing need be told.
    pub(crate) fn is_read(&self) -> bool {
        self.0.as_ref().is_some_and(|queue| queue.cap > 0)
    }
    pub(crate) fn push(&self, from: &mut Vec<Change>) {
        if from.is_empty() {
            return;
        }
        let Some(to) = &self.0 else { return from.clear() };
        let mut queue = lock(&to.changes);
        let room = to.cap.saturating_sub(queue.0.len()).min(from.len());
        queue.1 += (from.len() - room) as u64;
        queue.0.extend(from.drain(..room));
        from.clear();
        drop(queue);
        to.some.notify_one();
    }
}

impl Telemetry {
    /// Waits for changes, swaps them into `into` (which is cleared first), and says how many were lost since the last
    /// call. Cancel-safe.
    pub async fn next(&mut self, into: &mut Vec<Change>) -> u64 {
        into.clear();
        into.shrink_to(KEPT);
        loop {
            let lost = {
                let mut queue = lock(&self.0.changes);
                std::mem::swap(&mut queue.0, into);
                std::mem::take(&mut queue.1)
            };
            if !into.is_empty() || lost > 0 {
                return lost;
            }
            self.0.some.notified().await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::time::Duration;
    use tokio::time::timeout;

    fn said(n: usize) -> News {
        let link = LinkState { up: true, identity: None, kind: None, reason: n.to_string() };
        News { link: Some(link), ..News::default() }
    }

    #[test]
    fn only_who_has_more_to_say_is_told_of_room() {
        let (out, mut status) = status();
        assert!(out.has_room());
        out.fill(said(1), false);
        assert_eq!(status.try_next(), Some(said(1)));
        assert!(out.emptied().now_or_never().is_none(), "it had nothing more to say");
        out.fill(said(2), false);
        assert!(!out.has_room());
        assert_eq!(status.try_next(), Some(said(2)));
        assert!(out.emptied().now_or_never().is_some());
        out.fill(said(3), true);
        assert_eq!(status.try_next(), Some(said(3)));
        assert!(out.emptied().now_or_never().is_some(), "it has more to say");
    }

    #[test]
    fn who_waits_for_room_hears_of_it_whenever_it_is_made() {
        const MANY: usize = 20_000;
        fn run(future: impl Future<Output = ()>) {
            tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future);
        }
        let (out, mut status) = status();
        let fills = async move {
            for n in 0..MANY {
                while !out.has_room() {
                    timeout(Duration::from_secs(10), out.emptied()).await.expect("told of room");
                }
                out.fill(said(n), false);
            }
        };
        let fills = std::thread::spawn(|| run(fills));
        run(async {
            for n in 0..MANY {
                assert_eq!(status.next().await, Some(said(n)));
            }
            assert_eq!(status.next().await, None);
        });
        fills.join().unwrap();
    }
}
