//! A pushing protocol over a broker in memory: devices are subscribed to, their values come by themselves. Its links are
//! lost, subscribe anew, carry many devices, and have as many slots as a test says.
use super::{answers, lock};
use crate::{
    ConfigError, Cx, Done, DriverError, ErrorKind, Exchange, Fault, Instant, Limits, Link, Point, PointFault, Port,
    Protocol, Quality, Samples, Slot, Value, Written,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// What the broker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mood {
    /// It serves.
    #[default]
    Serving,
    /// It takes what is sent and says nothing.
    Silent,
    /// It refuses connections.
    Offline,
}

/// Where the values are. Shared between a test and the protocol.
#[derive(Debug, Default)]
pub struct Broker {
    /// Devices subscribed at once; none: as many as there are.
    pub slots: Mutex<Option<usize>>,
    /// What it does.
    pub mood: Mutex<Mood>,
    /// Its devices only push: what is written is acknowledged, and told by a test; nothing can be read.
    pub only_pushes: Mutex<bool>,
    /// Names that it refuses.
    pub refused: Mutex<Vec<(String, String)>>,
    /// How often it was connected.
    pub connects: Mutex<usize>,
    /// The most devices that were subscribed at once.
    pub most: Mutex<usize>,
    /// Who was subscribed, when.
    pub subscribed: Mutex<Vec<(Instant, String)>>,
    values: Mutex<BTreeMap<(String, String), Value>>,
    subscribers: Mutex<BTreeMap<String, (Arc<Unit>, Port)>>,
    session: Mutex<CancellationToken>,
}

impl Broker {
    /// A device changes its value, and says so to who listens.
    pub fn publish(&self, device: &str, name: &str, value: impl Into<Value>) {
        let value = value.into();
        lock(&self.values).insert((device.into(), name.into()), value.clone());
        self.at(device, name, |port, slot| port.put(slot, value.clone()));
    }
    /// What a device said of it cannot be made out.
    pub fn spoil(&self, device: &str, name: &str) {
        self.at(device, name, |port, slot| port.fault(slot, PointFault::new(ErrorKind::Protocol, "malformed")));
    }
    /// What it says can be made out again, and nothing happened.
    pub fn mend(&self, device: &str, name: &str) {
        self.at(device, name, Port::quiet);
    }
    fn at(&self, device: &str, name: &str, say: impl Fn(&Port, Slot) -> bool) {
        if let Some((unit, port)) = lock(&self.subscribers).get(device) {
            for (slot, _) in unit.points.iter().filter(|(_, n)| n == name) {
                say(port, *slot);
            }
        }
    }
    /// Nothing of a device changed, and it says so.
    pub fn keep_alive(&self, device: &str) {
        if let Some((unit, port)) = lock(&self.subscribers).get(device) {
            port.alive(unit.points.iter().map(|(slot, _)| *slot));
        }
    }
    /// The value that stands there.
    pub fn get(&self, device: &str, name: &str) -> Option<Value> {
        lock(&self.values).get(&(device.to_owned(), name.to_owned())).cloned()
    }
    /// All connections break; subscriptions go with them.
    pub fn cut(&self) {
        lock(&self.subscribers).clear();
        lock(&self.session).cancel();
    }
    /// A device says that it is there, or is gone.
    pub fn announce(&self, device: &str, there: bool) {
        match lock(&self.subscribers).get(device) {
            Some((_, port)) if there => port.up(),
            Some((_, port)) => port.down("said goodbye"),
            None => {}
        }
    }
    fn refuses(&self, device: &str, name: &str) -> bool {
        lock(&self.refused).iter().any(|(d, n)| d == device && n == name)
    }
}

/// The protocol.
#[derive(Debug, Clone, Default)]
pub struct Memory(pub Arc<Broker>);

/// A device of the broker.
#[derive(Debug, Clone, serde::Deserialize, schemars::JsonSchema)]
pub struct Device {
    /// Its name there.
    pub name: String,
}

/// A compiled device.
#[derive(Debug)]
pub struct Unit {
    device: String,
    points: Vec<(Slot, String)>,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The connection is gone.
    #[error("connection lost")]
    Lost,
    /// The broker said nothing.
    #[error("no answer")]
    Silent,
}

impl DriverError for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Lost => ErrorKind::Unreachable,
            Self::Silent => ErrorKind::Timeout,
        }
    }
}

/// A connection.
#[derive(Debug)]
pub struct Session {
    broker: Arc<Broker>,
    lost: CancellationToken,
}

const COST: Duration = Duration::from_millis(5);

impl Protocol for Memory {
    const NAME: &'static str = "memory";
    type Device = Device;
    type Address = String;
    type Endpoint = String;
    type Unit = Unit;
    type Request = ();
    type Error = Error;
    type Link = Session;

    fn endpoint(&self, _: &Device) -> Result<String, ConfigError> {
        Ok("memory".into())
    }
    fn prepare(&self, device: &Device, points: &[Point<'_, String>]) -> Result<Unit, Vec<ConfigError>> {
        let points = points.iter().map(|p| (p.slot, p.address.clone())).collect();
        Ok(Unit { device: device.name.clone(), points })
    }
    fn plan(&self, _: &Unit, due: &[usize]) -> Vec<Exchange<()>> {
        if due.is_empty() || *lock(&self.0.only_pushes) {
            vec![]
        } else {
            vec![Exchange { points: due.to_vec(), request: () }]
        }
    }
    async fn connect(&self, _: &String, _: &Cx) -> Result<Session, Error> {
        let mood = *lock(&self.0.mood);
        match mood {
            Mood::Offline => return Err(Error::Lost),
            Mood::Silent => std::future::pending().await, // as where a packet is dropped on the way
            Mood::Serving => {}
        }
        *lock(&self.0.connects) += 1;
        let lost = CancellationToken::new();
        *lock(&self.0.session) = lost.clone();
        Ok(Session { broker: self.0.clone(), lost })
    }
}

impl Session {
    async fn ask(&self, until: Instant) -> Result<(), Fault<Error>> {
        let cost = (*lock(&self.broker.mood) == Mood::Serving).then_some(COST);
        tokio::select! {
            () = self.lost.cancelled() => Err(Error::Lost.into()),
            answered = answers(cost, until) => if answered { Ok(()) } else { Err(Fault::Device(Error::Silent)) },
        }
    }
    fn refused() -> PointFault {
        PointFault::new(ErrorKind::Denied, "not for you")
    }
}

impl Link<Memory> for Session {
    fn limits(&self) -> Limits {
        Limits::at_once(4).per_unit(2).attached(*lock(&self.broker.slots))
    }
    async fn attach(&self, unit: &Arc<Unit>, port: Port, until: Instant) -> Result<(), Fault<Error>> {
        self.ask(until).await?;
        lock(&self.broker.subscribed).push((Instant::now(), unit.device.clone()));
        let mut stands = Samples::default();
        for (slot, name) in &unit.points {
            port.pushes(*slot);
            match self.broker.get(&unit.device, name) {
                _ if self.broker.refuses(&unit.device, name) => stands.fault(*slot, Self::refused()),
                Some(value) => stands.stood(*slot, value, 0, Quality::Good, None),
                None => {} // nothing was ever said of it
            }
        }
        port.put_all(&mut stands);
        let mut subscribers = lock(&self.broker.subscribers);
        subscribers.insert(unit.device.clone(), (unit.clone(), port));
        let mut most = lock(&self.broker.most);
        *most = (*most).max(subscribers.len());
        Ok(())
    }
    async fn detach(&self, unit: &Arc<Unit>, until: Instant) {
        lock(&self.broker.subscribers).remove(&unit.device);
        self.ask(until).await.ok(); // unsubscribed or not: nobody listens
    }
    async fn read(
        &self,
        unit: &Unit,
        exchange: &Exchange<()>,
        until: Instant,
        out: &mut Samples,
    ) -> Result<Done, Fault<Error>> {
        self.ask(until).await?;
        for (slot, name) in exchange.points.iter().filter_map(|p| unit.points.get(*p)) {
            match self.broker.get(&unit.device, name) {
                _ if self.broker.refuses(&unit.device, name) => out.fault(*slot, Self::refused()),
                Some(value) => out.put(*slot, value),
                None => out.fault(*slot, PointFault::new(ErrorKind::Other, "nothing was ever said of it")),
            }
        }
        Ok(Done::Ok)
    }
    async fn write(
        &self,
        unit: &Unit,
        values: &[(usize, Value)],
        until: Instant,
        out: &mut Written,
    ) -> Result<(), Fault<Error>> {
        for (i, (point, value)) in values.iter().enumerate() {
            let Some((_, name)) = unit.points.get(*point) else { continue };
            if self.lost.is_cancelled() {
                return Err(Error::Lost.into());
            }
            out.sending(i);
            self.ask(until).await?;
            if self.broker.refuses(&unit.device, name) {
                out.refused(i, Self::refused());
                continue;
            }
            if *lock(&self.broker.only_pushes) {
                lock(&self.broker.values).insert((unit.device.clone(), name.clone()), value.clone());
            } else {
                self.broker.publish(&unit.device, name, value.clone());
            }
            out.done(i);
        }
        Ok(())
    }
    async fn run(&self) -> Error {
        self.lost.cancelled().await;
        Error::Lost
    }
}
