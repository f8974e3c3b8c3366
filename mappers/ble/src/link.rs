//! One adapter, as the engine uses it.
mod connect;

use crate::{
    address::Address,
    error::{Error, Result},
    feed::Feed,
    gather::Gather,
    known::Known,
    ours::Ours,
    protocol::Ble,
    radio::{Event, Radio, Stack},
    unit::Unit,
};
use pollux_mapper::{Cx, Done, ErrorKind, Exchange, Fault, Instant, Limits, PointFault, Port, Samples, Value, Written};
use std::{
    borrow::Cow,
    collections::HashMap,
    convert::Infallible,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Between two looks at who was not heard.
const LOOK: Duration = Duration::from_secs(1);

/// For ending connections when the mapper starts or stops.
const LEAVE: Duration = Duration::from_secs(3);
/// How long one that only advertises is waited for at first.
const FIRST: Duration = Duration::from_secs(5);
/// Of an event that no notification tells of.
const NOT_TOLD: PointFault = PointFault {
    kind: ErrorKind::Config,
    text: Cow::Borrowed("the device does not notify of it, and a read finds no Event: kind must be State"),
};
/// Attachments and exchanges under way at once beside those of the slots: devices that are waited for.
const WAITING: usize = 64;

/// One adapter.
pub struct Link<S: Stack> {
    radio: S::Radio,
    connections: usize,
    secrets: HashMap<String, Vec<u8>>,
    ours: Ours,
    gather: Gather,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Attached, by unit.
    feeds: HashMap<u64, Arc<Feed>>,
    /// All that were ever attached and are still configured: they are listened to, also while others have their slots.
    known: Known,
}

/// Never shows a secret.
impl<S: Stack> fmt::Debug for Link<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connections, state, .. } = self;
        f.debug_struct("Link").field("connections", connections).field("state", state).finish_non_exhaustive()
    }
}

impl<S: Stack> Link<S> {
    /// The connections of one before, that was killed or gave up, are ended first.
    pub(crate) async fn new(radio: S::Radio, connections: usize, cx: &Cx) -> Self {
        let (ours, before) = Ours::open(cx.state_dir.as_deref(), &radio.identity());
        let (secrets, gather, state) = (cx.secrets.clone(), Gather::default(), Mutex::default());
        let this = Self { radio, connections, secrets, ours, gather, state };
        if !before.is_empty() {
            tracing::info!(count = before.len(), "connections of before are ended");
        }
        this.end_all(before.into_iter()).await;
        this
    }
    async fn end(&self, address: Address, until: Instant) {
        if self.radio.disconnect(address, until).await {
            self.ours.remove(address);
        }
    }
    /// BlueZ takes two seconds for each.
    async fn end_all(&self, held: impl Iterator<Item = Address>) {
        let until = Instant::now() + LEAVE;
        futures_util::future::join_all(held.map(|address| self.end(address, until))).await;
    }
    pub(crate) fn radio(&self) -> &S::Radio {
        &self.radio
    }
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub(crate) fn feed(&self, unit: &Unit) -> Result<Arc<Feed>> {
        self.state().feeds.get(&unit.id()).cloned().ok_or_else(|| Error::Config("it is not attached".to_owned()))
    }
    fn slots(&self) -> usize {
        self.radio.most().map_or(self.connections, |most| self.connections.min(most)).max(1)
    }
    /// Listens to it from now on.
    fn listen_to(&self, unit: &Arc<Unit>) -> Result<()> {
        let key = self.key(unit)?;
        let mut state = self.state();
        let (gone, new) = (state.known.forget_the_gone(), state.known.add(unit));
        if !gone && !new {
            return Ok(());
        }
        let watched = state.known.watched();
        drop(state);
        if new {
            unit.listen(key);
        }
        self.radio.watch(watched);
        Ok(())
    }
    async fn open(&self, unit: &Arc<Unit>, port: Port, until: Instant) -> Result<()> {
        self.listen_to(unit)?;
        unit.tells(&port);
        if !unit.connects {
            // A while, so that one that is there need not be said to be away first.
            if tokio::time::timeout_at(until.min(Instant::now() + FIRST), unit.first()).await.is_err() {
                unit.is_missing();
            }
            return Ok(());
        }
        let feed = Feed::new(unit.clone(), port);
        self.state().feeds.insert(unit.id(), feed.clone());
        let connected = self.connect(&feed, until).await;
        if connected.is_err() {
            self.state().feeds.remove(&unit.id());
            unit.is_at(None);
        }
        connected
    }
    /// What was heard, each to whom it is of.
    fn tell_heard(&self) {
        for (address, advert) in self.gather.take() {
            for unit in self.units_at(address).iter().filter(|unit| unit.belongs(address, advert.name.as_deref())) {
                unit.hear(address, &advert, false);
            }
        }
    }
    fn units_at(&self, address: Address) -> Vec<Arc<Unit>> {
        self.state().known.at(address).collect()
    }
    fn heard(&self, event: Event) {
        if !matches!(event, Event::Heard(..)) {
            self.tell_heard(); // what came before is told before
        }
        match event {
            Event::Heard(address, advert) => {
                if self.gather.add(address, advert) {
                    self.tell_heard();
                }
            }
            Event::Known(address, advert) => {
                let new = |unit: &&Arc<Unit>| !unit.was_heard() && unit.belongs(address, advert.name.as_deref());
                for unit in self.units_at(address).iter().filter(new) {
                    unit.hear(address, &advert, true);
                }
            }
            Event::Notified(address, handle, value) => {
                self.feeds_at(address).iter().for_each(|feed| feed.notified(handle, &value));
            }
            Event::Paired(address) => self.feeds_at(address).iter().for_each(|feed| feed.paired(Instant::now())),
            Event::Disconnected(address) => {
                self.feeds_at(address).iter().for_each(|feed| feed.lost(address));
                self.ours.remove(address);
            }
        }
    }
    fn feeds_at(&self, address: Address) -> Vec<Arc<Feed>> {
        self.state().feeds.values().filter(|feed| feed.address() == Some(address)).cloned().collect()
    }
    async fn tell(&self) -> Infallible {
        loop {
            self.gather.some().await;
            self.tell_heard();
        }
    }
    async fn watch(&self) -> Infallible {
        loop {
            tokio::time::sleep(LOOK).await;
            let (feeds, units, watched) = {
                let mut state = self.state();
                let gone = state.known.forget_the_gone();
                (state.feeds.clone(), state.known.all().collect::<Vec<_>>(), gone.then(|| state.known.watched()))
            };
            if let Some(watched) = watched {
                self.radio.watch(watched);
            }
            let now = Instant::now();
            for feed in feeds.values() {
                feed.alive();
            }
            for unit in units {
                unit.watch(now, feeds.contains_key(&unit.id()));
            }
        }
    }
    async fn fetch(
        &self,
        unit: &Unit,
        exchange: &Exchange<Request>,
        until: Instant,
        out: &mut Samples,
    ) -> std::result::Result<(), Fault<Error>> {
        let items = || exchange.points.iter().filter_map(|at| Some((*at, unit.items.get(*at)?)));
        let Some(place) = exchange.request.0 else {
            for (at, item) in items() {
                match unit.last(at) {
                    Ok(value) => out.put(item.slot, value),
                    Err(fault) => out.fault(item.slot, fault),
                }
            }
            return Ok(());
        };
        let feed = self.feed(unit).map_err(Error::of_device)?;
        if let Some(fault) = unit.is_sealed(place) {
            return Err(Fault::Point(fault));
        }
        let bytes = match feed.place(place) {
            Ok(found) => self.radio.read(&found, until).await.map_err(|error| {
                unit.failed_at(place, &error);
                error.of_device()
            })?,
            Err(fault) => return Err(Fault::Point(fault)),
        };
        feed.answered();
        for (_, item) in items() {
            if item.notify == pollux_crds::BleNotify::Required {
                let text = "the device does not notify of it, and notify is Required";
                out.fault(item.slot, PointFault::new(ErrorKind::Config, text));
                continue;
            }
            match item.decode(&bytes) {
                Ok(value) => out.put(item.slot, value),
                Err(fault) => out.fault(item.slot, fault),
            }
        }
        Ok(())
    }
}

/// Which characteristic an exchange reads; none: what was heard in the air.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request(pub(crate) Option<usize>);

impl<S: Stack> pollux_mapper::Link<Ble<S>> for Link<S>
where
    Ble<S>: pollux_mapper::Protocol<Unit = Unit, Request = Request, Error = Error>,
{
    fn limits(&self) -> Limits {
        let slots = self.slots();
        // Another lane per slot: those who leave and those who come do not wait for those who answer.
        Limits::at_once(2 * slots + WAITING).attached(Some(slots))
    }
    async fn attach(&self, unit: &Arc<Unit>, port: Port, until: Instant) -> std::result::Result<(), Fault<Error>> {
        self.open(unit, port, until).await.map_err(|error| match error {
            // The device did not say no: it cannot be asked as it is configured.
            config @ (Error::Config(_) | Error::Refused(_)) => Fault::Device(config),
            other => other.of_device(),
        })
    }
    async fn detach(&self, unit: &Arc<Unit>, until: Instant) {
        let Some(feed) = self.state().feeds.remove(&unit.id()) else { return };
        if let Some(address) = feed.address() {
            self.end(address, until).await;
        }
        unit.is_at(None);
    }
    async fn read(
        &self,
        unit: &Unit,
        exchange: &Exchange<Request>,
        until: Instant,
        out: &mut Samples,
    ) -> std::result::Result<Done, Fault<Error>> {
        self.fetch(unit, exchange, until, out).await.map(|()| Done::Ok)
    }
    async fn write(
        &self,
        unit: &Unit,
        values: &[(usize, Value)],
        until: Instant,
        out: &mut Written,
    ) -> std::result::Result<(), Fault<Error>> {
        self.put(unit, values, until, out).await
    }
    async fn close(&self) {
        let feeds: Vec<Arc<Feed>> = self.state().feeds.drain().map(|(_, feed)| feed).collect();
        self.end_all(feeds.iter().filter_map(|feed| feed.address())).await;
    }
    async fn run(&self) -> Error {
        let heard = |event| self.heard(event);
        let error = tokio::select! {
            error = self.radio.run(&heard) => error,
            never = self.watch() => match never {},
            never = self.ask_again() => match never {},
            never = self.tell() => match never {},
        };
        self.tell_heard();
        error
    }
}
