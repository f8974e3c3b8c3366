//! (e) One broker connection, many devices: nothing is polled, the availability topic speaks for each device.
use super::lock;
use pollux_mapper::{Port, *};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};
use tokio::sync::broadcast;

#[derive(Debug, Clone)]
pub struct Mqtt {
    pub broker: broadcast::Sender<(String, String)>,
}
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
pub struct Device {
    pub url: String,
    pub availability: Option<String>,
}
#[derive(Debug)]
pub struct Unit {
    availability: Option<String>,
    points: Vec<(Slot, String)>,
}
#[derive(Debug, thiserror::Error)]
#[error("broker connection lost")]
pub struct Lost;
impl DriverError for Lost {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Unreachable
    }
}
type Routes = HashMap<String, Vec<(Option<Slot>, Port)>>;
#[derive(Debug)]
pub struct Client {
    broker: broadcast::Sender<(String, String)>,
    events: tokio::sync::Mutex<broadcast::Receiver<(String, String)>>,
    routes: Mutex<Routes>,
}

impl Protocol for Mqtt {
    const NAME: &'static str = "mqtt";
    type Device = Device;
    type Address = String;
    type Endpoint = String;
    type Unit = Unit;
    type Request = ();
    type Error = Lost;
    type Link = Client;
    fn endpoint(&self, device: &Device) -> Result<String, ConfigError> {
        Ok(device.url.clone())
    }
    fn prepare(&self, device: &Device, points: &[Point<'_, String>]) -> Result<Unit, Vec<ConfigError>> {
        Ok(Unit {
            availability: device.availability.clone(),
            points: points.iter().map(|p| (p.slot, p.address.clone())).collect(),
        })
    }
    fn plan(&self, _: &Unit, _: &[usize]) -> Vec<Exchange<()>> {
        vec![]
    }
    async fn connect(&self, _: &String, _: &Cx) -> Result<Client, Lost> {
        Ok(Client { broker: self.broker.clone(), events: self.broker.subscribe().into(), routes: Mutex::default() })
    }
}
impl Link<Mqtt> for Client {
    async fn attach(&self, unit: &Arc<Unit>, port: Port, _: Instant) -> Result<(), Fault<Lost>> {
        let mut routes = lock(&self.routes);
        for (slot, topic) in &unit.points {
            port.pushes(*slot);
            routes.entry(topic.clone()).or_default().push((Some(*slot), port.clone()));
        }
        if let Some(topic) = &unit.availability {
            port.down("no availability message yet");
            routes.entry(topic.clone()).or_default().push((None, port));
        }
        Ok(())
    }
    async fn read(&self, _: &Unit, _: &Exchange<()>, _: Instant, _: &mut Samples) -> Result<Done, Fault<Lost>> {
        Ok(Done::Ok)
    }
    async fn write(
        &self,
        unit: &Unit,
        values: &[(usize, Value)],
        _: Instant,
        out: &mut Written,
    ) -> Result<(), Fault<Lost>> {
        for (i, (point, value)) in values.iter().enumerate() {
            out.sending(i);
            self.broker.send((format!("{}/set", unit.points[*point].1), format!("{value:?}"))).map_err(|_| Lost)?;
            out.done(i);
        }
        Ok(())
    }
    async fn run(&self) -> Lost {
        let mut events = self.events.lock().await;
        while let Ok((topic, payload)) = events.recv().await {
            for (slot, port) in lock(&self.routes).get(&topic).into_iter().flatten() {
                match (slot, payload.parse::<f64>()) {
                    (None, _) if payload == "online" => port.up(),
                    (None, _) => port.down("availability: offline"),
                    (Some(slot), Ok(v)) => {
                        port.put(*slot, v);
                    }
                    (Some(slot), Err(_)) => {
                        port.fault(*slot, PointFault::new(ErrorKind::Protocol, "payload is not a number"));
                    }
                }
            }
        }
        Lost
    }
}
