//! (d) Endpoint = adapter with a few connection slots. Who may have one is the engine's business ([`Limits::attached`]).
use super::{answers, lock};
use pollux_mapper::{Port, *};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

#[derive(Debug, Default)]
pub struct Radio {
    pub connected: Mutex<BTreeSet<String>>,
    pub most: Mutex<usize>,
    pub away: Mutex<BTreeSet<String>>,
    pub values: Mutex<BTreeMap<String, f64>>,
    /// Of devices that notify, while they are attached.
    pub ports: Mutex<BTreeMap<String, (Slot, Port)>>,
    pub served: Mutex<Vec<(Instant, String)>>,
    /// Of all that were ever attached, the newest; and how often they were.
    pub attached: Mutex<BTreeMap<String, (Slot, Port, usize)>>,
    /// What is known of each by now: its generation.
    pub learned: Mutex<BTreeMap<String, u64>>,
}
#[derive(Debug, Clone)]
pub struct Ble {
    pub radio: Arc<Radio>,
    pub slots: usize,
}
#[derive(Debug, Default, serde::Deserialize, schemars::JsonSchema)]
pub struct Device {
    pub adapter: String,
    pub address: String,
    pub notify: bool,
    /// `keeps` its slot; is `listened` to, and needs none; is `heard`: its first point comes without one.
    #[serde(default)]
    pub role: String,
}
#[derive(Debug)]
pub struct Unit {
    address: String,
    notify: bool,
    heard: bool,
    hold: Hold,
    points: Vec<Slot>,
}
#[derive(Debug, thiserror::Error)]
#[error("{0} is not in range")]
pub struct Away(String);
impl DriverError for Away {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Unreachable
    }
}
#[derive(Debug)]
pub struct Adapter {
    radio: Arc<Radio>,
    slots: usize,
}

impl Protocol for Ble {
    const NAME: &'static str = "ble";
    type Device = Device;
    type Address = String;
    type Endpoint = String;
    type Unit = Unit;
    type Request = ();
    type Error = Away;
    type Link = Adapter;
    fn endpoint(&self, device: &Device) -> Result<String, ConfigError> {
        Ok(device.adapter.clone())
    }
    fn prepare(&self, device: &Device, points: &[Point<'_, String>]) -> Result<Unit, Vec<ConfigError>> {
        Ok(Unit {
            address: device.address.clone(),
            notify: device.notify,
            heard: device.role == "heard",
            hold: match &*device.role {
                "listened" => Hold::None,
                "keeps" => Hold::Kept,
                _ => Hold::Turns,
            },
            points: points.iter().map(|p| p.slot).collect(),
        })
    }
    fn plan(&self, _: &Unit, due: &[usize]) -> Vec<Exchange<()>> {
        vec![Exchange { points: due.to_vec(), request: () }]
    }
    fn hold(&self, unit: &Unit) -> Hold {
        unit.hold
    }
    fn generation(&self, unit: &Unit) -> u64 {
        lock(&self.radio.learned).get(&unit.address).copied().unwrap_or(0)
    }
    fn knowledge(&self, unit: &Unit) -> Knowledge {
        Knowledge { kept: self.generation(unit).into(), ..Knowledge::default() }
    }
    async fn connect(&self, _: &String, _: &Cx) -> Result<Adapter, Away> {
        Ok(Adapter { radio: self.radio.clone(), slots: self.slots })
    }
}
impl Adapter {
    async fn ask(&self, address: &str, cost: u64, until: Instant) -> Result<(), Fault<Away>> {
        let away = lock(&self.radio.away).contains(address);
        if answers(if away { Duration::from_hours(1) } else { Duration::from_millis(cost) }, until).await {
            return Ok(());
        }
        Err(Fault::Device(Away(address.to_owned())))
    }
}
impl Link<Ble> for Adapter {
    fn limits(&self) -> Limits {
        Limits::at_once(self.slots).attached(Some(self.slots))
    }
    async fn attach(&self, unit: &Arc<Unit>, port: Port, until: Instant) -> Result<(), Fault<Away>> {
        let first = unit.points[0];
        {
            let mut attached = lock(&self.radio.attached);
            let count = attached.get(&unit.address).map_or(0, |(.., count)| *count);
            attached.insert(unit.address.clone(), (first, port.clone(), count + 1));
        }
        if unit.heard {
            port.hears(first);
        }
        if unit.hold == Hold::None {
            unit.points.iter().for_each(|slot| port.hears(*slot));
            return Ok(());
        }
        {
            let mut connected = lock(&self.radio.connected);
            assert!(connected.insert(unit.address.clone()), "{} is connected already", unit.address);
            let mut most = lock(&self.radio.most);
            *most = (*most).max(connected.len());
        }
        if let Err(away) = self.ask(&unit.address, 700, until).await {
            lock(&self.radio.connected).remove(&unit.address);
            return Err(away);
        }
        if unit.notify {
            unit.points.iter().for_each(|slot| port.pushes(*slot));
            if let Some(slot) = unit.points.first() {
                lock(&self.radio.ports).insert(unit.address.clone(), (*slot, port));
            }
            lock(&self.radio.served).push((Instant::now(), unit.address.clone()));
        }
        Ok(())
    }
    async fn detach(&self, unit: &Arc<Unit>, until: Instant) {
        answers(Duration::from_millis(30), until).await;
        lock(&self.radio.ports).remove(&unit.address);
        lock(&self.radio.connected).remove(&unit.address);
    }
    async fn read(
        &self,
        unit: &Unit,
        e: &Exchange<()>,
        until: Instant,
        out: &mut Samples,
    ) -> Result<Done, Fault<Away>> {
        assert!(lock(&self.radio.connected).contains(&unit.address), "{} is not connected", unit.address);
        self.ask(&unit.address, 50, until).await?;
        lock(&self.radio.served).push((Instant::now(), unit.address.clone()));
        let value = lock(&self.radio.values).get(&unit.address).copied().unwrap_or(0.0);
        for p in &e.points {
            out.put(unit.points[*p], value);
        }
        Ok(Done::Ok)
    }
    async fn write(
        &self,
        unit: &Unit,
        values: &[(usize, Value)],
        until: Instant,
        out: &mut Written,
    ) -> Result<(), Fault<Away>> {
        for (i, (_, value)) in values.iter().enumerate() {
            out.sending(i);
            self.ask(&unit.address, 50, until).await?;
            if let Value::Float(v) = value {
                lock(&self.radio.values).insert(unit.address.clone(), *v);
            }
            out.done(i);
        }
        Ok(())
    }
}
