//! (c) One session that heals itself: values pushed through `run`, reads, writes and calls beside it, some nodes polled.
use super::{answers, lock};
use pollux_mapper::{Port, *};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{sync::mpsc, time::sleep};

const HEAL: Duration = Duration::from_secs(10); // then the link ends, and the engine's backoff takes over

#[derive(Debug, Default)]
pub struct Server {
    pub points_read: Mutex<usize>,
    pub connects: Mutex<usize>,
    pub nodes: Mutex<BTreeMap<String, f64>>,
    pub unsubscribable: Mutex<Vec<String>>,
    pub offline: Mutex<bool>,
    session: Mutex<Option<mpsc::Sender<(u32, f64)>>>,
    items: Mutex<BTreeMap<String, u32>>,
}
impl Server {
    pub fn set(&self, node: &str, value: f64) {
        lock(&self.nodes).insert(node.into(), value);
        if let (Some(handle), Some(s)) = (lock(&self.items).get(node), &*lock(&self.session)) {
            s.try_send((*handle, value)).ok();
        }
    }
    /// All sessions and subscriptions are gone.
    pub fn restart(&self) {
        lock(&self.items).clear();
        lock(&self.session).take();
    }
    fn open(&self) -> Result<mpsc::Receiver<(u32, f64)>, Closed> {
        if *lock(&self.offline) {
            return Err(Closed);
        }
        let (send, receive) = mpsc::channel(1024);
        *lock(&self.session) = Some(send);
        Ok(receive)
    }
    fn lost(&self) -> bool {
        lock(&self.session).is_none()
    }
}
#[derive(Debug, Clone)]
pub struct Opcua(pub Arc<Server>);
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
pub struct Device {
    pub url: String,
}
#[derive(Debug)]
pub struct Unit {
    points: Vec<(Slot, String)>,
}
#[derive(Debug, thiserror::Error)]
#[error("session closed")]
pub struct Closed;
impl DriverError for Closed {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Unreachable
    }
}
/// `items`: one row per monitored item, found by its number (client handle), never by name.
#[derive(Debug)]
pub struct Session {
    server: Arc<Server>,
    notifications: tokio::sync::Mutex<mpsc::Receiver<(u32, f64)>>,
    items: Mutex<Vec<(Slot, String, Port)>>,
}

impl Protocol for Opcua {
    const NAME: &'static str = "opcua";
    type Device = Device;
    type Address = String;
    type Endpoint = String;
    type Unit = Unit;
    type Request = ();
    type Error = Closed;
    type Link = Session;
    fn endpoint(&self, device: &Device) -> Result<String, ConfigError> {
        Ok(device.url.clone())
    }
    fn prepare(&self, _: &Device, points: &[Point<'_, String>]) -> Result<Unit, Vec<ConfigError>> {
        Ok(Unit { points: points.iter().map(|p| (p.slot, p.address.clone())).collect() })
    }
    fn plan(&self, _: &Unit, due: &[usize]) -> Vec<Exchange<()>> {
        due.chunks(500).map(|c| Exchange { points: c.to_vec(), request: () }).collect()
    }
    async fn connect(&self, _: &String, _: &Cx) -> Result<Session, Closed> {
        *lock(&self.0.connects) += 1;
        Ok(Session { server: self.0.clone(), notifications: self.0.open()?.into(), items: Mutex::default() })
    }
}
impl Session {
    fn monitor(&self, handle: usize, (slot, node, port): &(Slot, String, Port)) {
        port.pushes(*slot);
        match lock(&self.server.nodes).get(node) {
            Some(v) => {
                port.put(*slot, *v);
                lock(&self.server.items).insert(node.clone(), u32::try_from(handle).unwrap());
            }
            None => {
                port.fault(*slot, PointFault::new(ErrorKind::Config, "BadNodeIdUnknown"));
            }
        }
    }
    /// Every port hears of the outage, and of its end; bounded.
    async fn heal(&self) -> Result<mpsc::Receiver<(u32, f64)>, Closed> {
        for (_, _, port) in lock(&self.items).iter() {
            port.down("session lost, healing");
        }
        let until = Instant::now() + HEAL;
        while Instant::now() < until {
            sleep(Duration::from_millis(200)).await;
            let Ok(notifications) = self.server.open() else { continue };
            for (handle, item) in lock(&self.items).iter().enumerate() {
                self.monitor(handle, item);
                item.2.up();
            }
            return Ok(notifications);
        }
        Err(Closed)
    }
    async fn service(&self, cost: u64, until: Instant) -> Result<(), Fault<Closed>> {
        if answers(Duration::from_millis(cost), until).await && !self.server.lost() {
            Ok(())
        } else {
            Err(Fault::Device(Closed))
        }
    }
}
impl Link<Opcua> for Session {
    fn limits(&self) -> Limits {
        Limits::at_once(8).per_unit(8)
    }
    async fn attach(&self, unit: &Arc<Unit>, port: Port, _: Instant) -> Result<(), Fault<Closed>> {
        if self.server.lost() {
            return Err(Fault::Device(Closed));
        }
        let mut items = lock(&self.items);
        for (slot, node) in unit.points.iter().filter(|(_, n)| !lock(&self.server.unsubscribable).contains(n)) {
            items.push((*slot, node.clone(), port.clone()));
            self.monitor(items.len() - 1, &items[items.len() - 1]);
        }
        Ok(())
    }
    async fn read(
        &self,
        unit: &Unit,
        e: &Exchange<()>,
        until: Instant,
        out: &mut Samples,
    ) -> Result<Done, Fault<Closed>> {
        self.service(5, until).await?;
        *lock(&self.server.points_read) += e.points.len();
        let nodes = lock(&self.server.nodes);
        for (slot, node) in e.points.iter().map(|p| &unit.points[*p]) {
            match nodes.get(node) {
                Some(v) => out.put(*slot, *v),
                None => out.fault(*slot, PointFault::new(ErrorKind::Config, "BadNodeIdUnknown")),
            }
        }
        Ok(Done::Ok)
    }
    /// One Write service for the group: a status code for each value comes back.
    async fn write(
        &self,
        unit: &Unit,
        values: &[(usize, Value)],
        until: Instant,
        out: &mut Written,
    ) -> Result<(), Fault<Closed>> {
        (0..values.len()).for_each(|i| out.sending(i));
        self.service(5, until).await?;
        for (i, (point, value)) in values.iter().enumerate() {
            let Value::Float(v) = value else {
                out.refused(i, PointFault::new(ErrorKind::Denied, "BadTypeMismatch"));
                continue;
            };
            self.server.set(&unit.points[*point].1, *v);
            out.done(i);
        }
        Ok(())
    }
    async fn call(&self, _: &Unit, call: &Call, until: Instant) -> Result<Value, Fault<Closed>> {
        self.service(3000, until).await?;
        if let ("reset", [(_, code)]) = (&*call.name, &call.arguments[..]) {
            Ok(code.clone())
        } else {
            Err(Fault::Point(PointFault::new(ErrorKind::Config, "BadMethodInvalid")))
        }
    }
    async fn run(&self) -> Closed {
        let mut notifications = self.notifications.lock().await;
        loop {
            while let Some((handle, value)) = notifications.recv().await {
                if let Some((slot, _, port)) = lock(&self.items).get(handle as usize) {
                    port.put(*slot, value);
                }
            }
            match self.heal().await {
                Ok(healed) => *notifications = healed,
                Err(closed) => return closed,
            }
        }
    }
}
