//! One session, as the engine uses it: what a unit's points are there, exchanges, and what is pushed.
use crate::{OpcUa, error::Error, feed::Feed, read::Request, session::Session, settings::Settings, unit::Unit};
use pollux_mapper::{Call, Cx, Done, Exchange, Fault, Instant, Limits, LinkCounters, Port, Samples, Value, Written};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};
use tokio::sync::Notify;

/// Requests under way at once in a session, and for one device: no bus, each says whose answer it is.
const LIMITS: Limits = Limits::at_once(16).per_unit(4);

/// One session.
#[derive(Debug)]
pub struct Link {
    /// Tells one from another.
    id: u64,
    session: Arc<Session>,
    /// Devices that are attached, by their units.
    feeds: Mutex<HashMap<u64, Arc<Feed>>>,
    /// Something is to be mended.
    wake: Arc<Notify>,
    /// Late answers that were told.
    late: AtomicU64,
}

impl Link {
    pub(crate) async fn open(endpoint: &Settings, cx: &Cx) -> Result<Self, Error> {
        static LINKS: AtomicU64 = AtomicU64::new(0);
        let session = Arc::new(Session::connect(Arc::new(endpoint.clone()), cx).await?);
        let id = LINKS.fetch_add(1, Relaxed);
        Ok(Self { id, session, feeds: Mutex::default(), wake: Arc::default(), late: AtomicU64::new(0) })
    }
    /// Another for each link of this process.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }
    pub(crate) fn session(&self) -> &Session {
        &self.session
    }
    pub(crate) fn feeds(&self) -> MutexGuard<'_, HashMap<u64, Arc<Feed>>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Something of it is watched whose device is there.
    fn hears(&self, unit: &Unit) -> bool {
        self.feeds().get(&unit.id()).is_some_and(|feed| feed.hears())
    }
    /// The nodes of these points are not there: they are looked for again.
    pub(crate) fn lose(&self, unit: &Unit, points: &[usize]) {
        if let (false, Some(feed)) = (points.is_empty(), self.feeds().get(&unit.id())) {
            feed.lose(points);
        }
    }
    pub(crate) fn wake(&self) -> &Arc<Notify> {
        &self.wake
    }
    /// What earlier lives and other devices learned of this server is the session's too.
    pub(crate) fn share(&self, unit: &Unit) {
        if unit.forgets() {
            self.session.limits().forget();
        }
        self.session.limits().recall(&unit.kept());
        unit.learn(self.session.limits());
    }
}

impl pollux_mapper::Link<OpcUa> for Link {
    fn limits(&self) -> Limits {
        LIMITS
    }

    async fn attach(&self, unit: &Arc<Unit>, port: Port, until: Instant) -> Result<(), Fault<Error>> {
        self.open_unit(unit, port, until).await.map_err(Fault::Device)
    }

    async fn detach(&self, unit: &Arc<Unit>, until: Instant) {
        self.close_unit(unit, until).await;
    }

    async fn read(
        &self,
        unit: &Unit,
        exchange: &Exchange<Request>,
        until: Instant,
        out: &mut Samples,
    ) -> Result<Done, Fault<Error>> {
        match self.fetch(unit, exchange, until, out).await.map_err(Fault::Device)? {
            None => Ok(Done::Ok),
            // Others of its nodes are heard: these are silent, and not the device.
            Some(code) if self.hears(unit) => Err(Fault::Point(code.fault())),
            Some(code) => Err(Fault::Device(Error::Refused { service: "Read", code })),
        }
    }

    async fn write(
        &self,
        unit: &Unit,
        values: &[(usize, Value)],
        until: Instant,
        out: &mut Written,
    ) -> Result<(), Fault<Error>> {
        self.put(unit, values, until, out).await.map_err(Fault::Device)
    }

    async fn call(&self, unit: &Unit, call: &Call, until: Instant) -> Result<Value, Fault<Error>> {
        self.invoke(unit, call, until).await
    }

    fn counters(&self) -> LinkCounters {
        self.session.counters()
    }

    fn late_answers(&self) -> u64 {
        let now = self.session.late();
        self.late.fetch_max(now, Relaxed).max(now)
    }

    async fn close(&self) {
        self.session.close().await;
    }

    async fn run(&self) -> Error {
        tokio::select! {
            error = self.session.run() => error,
            never = self.mend() => match never {},
        }
    }
}
