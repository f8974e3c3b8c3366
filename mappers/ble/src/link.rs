//! One adapter, as the engine uses it.
use crate::{
    address::Address,
    error::{Error, Result},
    feed::Feed,
    protocol::Ble,
    radio::{Consent, Event, Radio, Stack, Watched, earlier},
    unit::{Unit, Whom},
};
use pollux_ble_codec::advert::bthome::Key;
use pollux_crds::BlePairing;
use pollux_mapper::{Cx, Done, ErrorKind, Exchange, Fault, Instant, Limits, PointFault, Port, Samples, Value, Written};
use std::{
    borrow::Cow,
    collections::HashMap,
    convert::Infallible,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

/// Between two looks at who was not heard.
const LOOK: Duration = Duration::from_secs(1);

/// For ending connections when the mapper stops.
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
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Attached, by unit.
    feeds: HashMap<u64, Arc<Feed>>,
    /// All that were ever attached and are still configured: they are listened to, also while others have their slots.
    known: Vec<Weak<Unit>>,
}

/// Never shows a secret.
impl<S: Stack> fmt::Debug for Link<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connections, state, .. } = self;
        f.debug_struct("Link").field("connections", connections).field("state", state).finish_non_exhaustive()
    }
}

impl<S: Stack> Link<S> {
    pub(crate) fn new(radio: S::Radio, connections: usize, cx: &Cx) -> Self {
        Self { radio, connections, secrets: cx.secrets.clone(), state: Mutex::default() }
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
    fn listen_to(&self, unit: &Arc<Unit>) {
        let mut state = self.state();
        state.known.retain(|known| known.strong_count() > 0);
        if state.known.iter().any(|known| known.as_ptr() == Arc::as_ptr(unit)) {
            return;
        }
        state.known.push(Arc::downgrade(unit));
        let mut watched = Watched::default();
        for unit in state.known.iter().filter_map(Weak::upgrade) {
            match &unit.whom {
                Whom::Address(address) => drop(watched.addresses.insert(*address)),
                Whom::Name(name) => drop(watched.names.insert(name.clone())),
            }
        }
        drop(state);
        self.radio.watch(watched);
    }
    fn key(&self, unit: &Unit) -> Result<Option<Key>> {
        let Some(entry) = &unit.bind_key else { return Ok(None) };
        let text = self.secret("bindKeyFrom", entry)?;
        text.parse().map(Some).map_err(|error| Error::Config(format!("bindKeyFrom: {error}")))
    }
    async fn open(&self, unit: &Arc<Unit>, port: Port, until: Instant) -> Result<()> {
        self.listen_to(unit);
        let feed = Feed::new(unit.clone(), port, self.key(unit)?);
        feed.listens().filter_map(|at| unit.items.get(at)).for_each(|item| feed.port.pushes(item.slot));
        if let Whom::Address(address) = unit.whom {
            feed.is(address);
        }
        self.state().feeds.insert(unit.id(), feed.clone());
        if !unit.connects {
            // A while, so that one that is there need not be said to be away first.
            if tokio::time::timeout_at(until.min(Instant::now() + FIRST), feed.first()).await.is_err() {
                feed.watch(Instant::now(), true);
            }
            return Ok(());
        }
        let connected = self.connect(&feed, until).await;
        if connected.is_err() {
            self.state().feeds.remove(&unit.id());
        }
        connected
    }
    async fn connect(&self, feed: &Feed, until: Instant) -> Result<()> {
        feed.unit.unpaired()?;
        let address = match &feed.unit.whom {
            Whom::Address(address) => *address,
            Whom::Name(name) => self.radio.named(name, earlier(until)).await?,
        };
        feed.is(address);
        self.radio.consent(address, self.consent(&feed.unit)?).await?;
        let all = self.radio.connect(address, until).await?;
        feed.made();
        feed.find(&all);
        let ready = self.make_ready(feed, address, earlier(until)).await.and_then(|()| feed.used(address));
        if ready.is_err() {
            self.radio.disconnect(address, until).await;
        }
        ready
    }
    async fn make_ready(&self, feed: &Feed, address: Address, until: Instant) -> Result<()> {
        if feed.unit.pairing == BlePairing::Required {
            let paired = self.radio.pair(address, until).await;
            paired.inspect_err(|error| feed.unit.not_paired(error))?;
        }
        self.subscribe(feed, until).await
    }
    fn consent(&self, unit: &Unit) -> Result<Consent> {
        let Some(entry) = unit.passkey.as_ref().filter(|_| unit.pairing != BlePairing::Never) else {
            return Ok(if unit.pairing == BlePairing::Never { Consent::No } else { Consent::JustWorks });
        };
        let text = self.secret("passkeyFrom", entry)?;
        let six = text.len() == 6 && text.bytes().all(|digit| digit.is_ascii_digit());
        let passkey = text.parse().ok().filter(|_| six);
        passkey.map(Consent::Passkey).ok_or_else(|| Error::Config("passkeyFrom: a passkey has six digits".to_owned()))
    }
    /// What stands in a Secret, without the end of its line.
    fn secret(&self, field: &str, entry: &str) -> Result<&str> {
        let missing = || Error::Config(format!("{field}: there is no {entry} in the Secrets of this mapper"));
        let text = self.secrets.get(entry).ok_or_else(missing)?;
        Ok(std::str::from_utf8(text).unwrap_or_default().trim())
    }
    /// What can notify does; its value now is read, for it may not change for long.
    async fn subscribe(&self, feed: &Feed, until: Instant) -> Result<()> {
        for place in 0..feed.unit.places.len() {
            let found = match feed.place(place) {
                Ok(found) => found,
                Err(fault) => {
                    feed.has_no_events(place, &fault);
                    continue;
                }
            };
            if !(found.can.notify && feed.wants_notify(place)) {
                feed.has_no_events(place, &NOT_TOLD);
                continue;
            }
            match self.radio.subscribe(&found, until).await {
                Ok(()) => {}
                Err(Error::Refused(text)) => {
                    tracing::info!(characteristic = %found.uuid, text, "cannot be subscribed to: it is read");
                    feed.has_no_events(place, &NOT_TOLD);
                    continue;
                }
                Err(other) => return Err(other),
            }
            let items = || feed.points_of(place).filter_map(|at| feed.unit.items.get(at));
            let pushed = || items().filter(|item| item.notify != pollux_crds::BleNotify::Never);
            feed.pushes(pushed().map(|item| item.slot));
            if found.can.read {
                match self.radio.read(&found, until).await {
                    Ok(bytes) => feed.stood(found.handle, &bytes),
                    Err(Error::Refused(_)) => {} // then it only notifies
                    Err(other) => return Err(other),
                }
            }
        }
        Ok(())
    }
    fn heard(&self, event: Event) {
        let feeds: Vec<Arc<Feed>> = self.state().feeds.values().cloned().collect();
        match event {
            Event::Heard(address, advert) => {
                for feed in feeds {
                    if is(&feed, address, advert.name.as_deref()) {
                        feed.heard(address, &advert, false);
                    }
                }
            }
            Event::Known(address, advert) => {
                for feed in feeds {
                    if !feed.was_heard() && is(&feed, address, advert.name.as_deref()) {
                        feed.heard(address, &advert, true);
                    }
                }
            }
            Event::Notified(address, handle, value) => {
                let own = feeds.iter().filter(|feed| feed.unit.connects && feed.address() == Some(address));
                own.for_each(|feed| feed.notified(handle, &value));
            }
            Event::Disconnected(address) => {
                let own = feeds.iter().filter(|feed| feed.unit.connects && feed.address() == Some(address));
                own.for_each(|feed| feed.lost(address));
            }
        }
    }
    async fn watch(&self) -> Infallible {
        loop {
            tokio::time::sleep(LOOK).await;
            let (now, feeds) = (Instant::now(), self.state().feeds.values().cloned().collect::<Vec<_>>());
            for feed in feeds {
                feed.watch(now, false);
                feed.alive();
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
        let feed = self.feed(unit).map_err(Error::of_device)?;
        let items = || exchange.points.iter().filter_map(|at| Some((*at, unit.items.get(*at)?)));
        let Some(place) = exchange.request.0 else {
            for (at, item) in items() {
                match feed.last(at) {
                    Ok(value) => out.put(item.slot, value),
                    Err(fault) => out.fault(item.slot, fault),
                }
            }
            return Ok(());
        };
        if let Some(fault) = feed.sealed(place) {
            return Err(Fault::Point(fault));
        }
        let bytes = match feed.place(place) {
            Ok(found) => self.radio.read(&found, until).await.map_err(|error| {
                if error.wants_pairing() {
                    feed.seal(place, error.of_point());
                }
                error.of_device()
            })?,
            Err(fault) => return Err(Fault::Point(fault)),
        };
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

/// Whose it is that was heard. A name is looked at only where there is no address yet: another that has it is a stranger.
fn is(feed: &Feed, address: Address, name: Option<&str>) -> bool {
    match (&feed.unit.whom, feed.address()) {
        (_, Some(known)) if known == address => true,
        (Whom::Name(wanted), None) if name == Some(wanted.as_str()) => {
            feed.is(address);
            true
        }
        _ => false,
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
        if let (true, Some(address)) = (unit.connects, feed.address()) {
            self.radio.disconnect(address, until).await;
        }
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
        let held = feeds.iter().filter(|feed| feed.unit.connects).filter_map(|feed| feed.address());
        let until = Instant::now() + LEAVE;
        // BlueZ holds a connection until somebody ends it, whoever made it, and takes two seconds for that.
        futures_util::future::join_all(held.map(|address| self.radio.disconnect(address, until))).await;
    }
    async fn run(&self) -> Error {
        let heard = |event| self.heard(event);
        tokio::select! {
            error = self.radio.run(&heard) => error,
            never = self.watch() => match never {},
        }
    }
}
