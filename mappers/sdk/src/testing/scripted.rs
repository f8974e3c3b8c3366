//! A polling protocol whose devices do what a test lays out. It obeys `until` for real: it never ends early, and what was
//! sent stays sent.
use super::{answers, lock};
use crate::{
    Call, ConfigError, Cx, Done, DriverError, ErrorKind, Exchange, Fault, Instant, Job, Knowledge, Limits, Link, Point,
    PointFault, Port, Protocol, Samples, Slot, Value, Written,
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// What a device does with one request, in place of what it would do by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Answer {
    /// As always.
    #[default]
    Normal,
    /// It takes so long.
    Late(Duration),
    /// It takes the request, does it, and says nothing.
    Silent,
    /// It says no.
    Refuse(PointFault),
    /// The line is cut after the request left.
    Cut,
}

/// What reached a device, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    /// It was attached.
    Attach(String),
    /// It was detached.
    Detach(String),
    /// These addresses were read.
    Read(String, Vec<String>),
    /// This was written.
    Write(String, String, Value),
    /// This was called.
    Call(String, String),
}

/// What there is on the wire, and what happened there. Shared between a test and the protocol.
#[derive(Debug, Default)]
pub struct Script {
    /// By device and address. An address that is not there is refused.
    pub values: Mutex<BTreeMap<(String, String), Value>>,
    /// Devices that take requests and do not answer.
    pub silent: Mutex<BTreeSet<String>>,
    /// Refusals, by device and address.
    pub refused: Mutex<BTreeMap<(String, String), PointFault>>,
    /// For the next requests of all devices, before all else.
    pub answers: Mutex<VecDeque<Answer>>,
    /// What a request takes; nought: 10 ms.
    pub cost: Mutex<Duration>,
    /// What a request is said to cost, before any was timed.
    pub foreseen: Mutex<Option<Duration>>,
    /// The endpoint refuses connections.
    pub offline: Mutex<bool>,
    /// What a dial meets. `Silent`: nothing, for as long as it is waited for.
    pub dial: Mutex<Answer>,
    /// What attaching a device meets.
    pub attaching: Mutex<Answer>,
    /// What detaching a device takes.
    pub detaching: Mutex<Duration>,
    /// Requests that a write is said to take; nought: one.
    pub requests: Mutex<u32>,
    /// What the link says it can carry.
    pub limits: Mutex<Limits>,
    /// What [`Protocol::identity`] answers.
    pub identity: Mutex<Option<String>>,
    /// What [`Protocol::recognize`] answers.
    pub recognized: Mutex<Option<String>>,
    /// Devices of which nothing can be asked, and what finding that out takes of the engine's own thread.
    pub mute: Mutex<BTreeMap<String, Duration>>,
    /// What is found out about a device with its next read.
    pub finds: Mutex<BTreeMap<String, Knowledge>>,
    /// Who a device says it is, whenever it is attached.
    pub presents: Mutex<BTreeMap<String, BTreeMap<String, String>>>,
    /// What units were told of an earlier life, or to forget, by device.
    pub recalled: Mutex<Vec<(String, serde_json::Value)>>,
    /// What [`Protocol::secrets`] answers.
    pub secrets: Mutex<Option<Vec<String>>>,
    /// Endpoints that it names next, whatever the configuration says.
    pub named: Mutex<VecDeque<String>>,
    /// What happened, and when.
    pub log: Mutex<Vec<(Instant, Seen)>>,
    /// Ports of the devices attached.
    pub ports: Mutex<BTreeMap<String, Port>>,
    /// How often it was connected, and with which rotation last.
    pub connects: Mutex<(usize, u64)>,
    cut: Mutex<CancellationToken>,
}

impl Script {
    /// Lays out a value.
    pub fn set(&self, device: &str, address: &str, value: impl Into<Value>) {
        lock(&self.values).insert((device.into(), address.into()), value.into());
    }
    /// The value that stands there.
    pub fn get(&self, device: &str, address: &str) -> Option<Value> {
        lock(&self.values).get(&(device.to_owned(), address.to_owned())).cloned()
    }
    /// The link breaks now.
    pub fn cut(&self) {
        lock(&self.cut).cancel();
    }
    /// What happened, without the times.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.log).iter().map(|(_, seen)| seen.clone()).collect()
    }
    /// The values written, in order.
    pub fn written(&self) -> Vec<(String, String, Value)> {
        let writes = self.seen().into_iter().filter_map(|seen| match seen {
            Seen::Write(device, address, value) => Some((device, address, value)),
            Seen::Attach(_) | Seen::Detach(_) | Seen::Read(..) | Seen::Call(..) => None,
        });
        writes.collect()
    }
    fn log(&self, seen: Seen) {
        lock(&self.log).push((Instant::now(), seen));
    }
    fn fault(&self, device: &str, address: &str) -> Option<PointFault> {
        let key = (device.to_owned(), address.to_owned());
        let missing = || PointFault::new(ErrorKind::Protocol, "no such address");
        let known = lock(&self.values).contains_key(&key);
        lock(&self.refused).get(&key).cloned().or_else(|| (!known).then(missing))
    }
}

/// The protocol.
#[derive(Debug, Clone, Default)]
pub struct Scripted(pub Arc<Script>);

/// A device of the script.
#[derive(Debug, Clone, Default, serde::Deserialize, schemars::JsonSchema)]
pub struct Device {
    /// The endpoint: the name of the resource, and after `?` its settings.
    #[serde(default)]
    pub bus: String,
    /// Its name on the bus.
    pub name: String,
}

/// What one link serves; two of one name differ in settings.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Bus(String);
impl fmt::Display for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.split('?').next().unwrap_or_default())
    }
}

/// A compiled device.
#[derive(Debug)]
pub struct Unit {
    name: String,
    points: Vec<(Slot, String)>,
    /// Points that are read together.
    groups: Vec<Vec<usize>>,
    /// What is known of it, and how often that changed.
    known: Mutex<(Knowledge, u64)>,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It did not answer in time.
    #[error("{0}: no answer")]
    Silent(String),
    /// The link is gone.
    #[error("link cut")]
    Cut,
    /// The endpoint says no.
    #[error("{0}")]
    Refused(PointFault),
}

impl DriverError for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Silent(_) => ErrorKind::Timeout,
            Self::Cut => ErrorKind::Unreachable,
            Self::Refused(fault) => fault.kind,
        }
    }
}

/// An open link.
#[derive(Debug)]
pub struct Line {
    script: Arc<Script>,
    cut: CancellationToken,
}

const MOST: usize = 4; // points a request, so that plans have something to do

impl Protocol for Scripted {
    const NAME: &'static str = "scripted";
    type Device = Device;
    type Address = String;
    type Endpoint = Bus;
    type Unit = Unit;
    type Request = ();
    type Error = Error;
    type Link = Line;

    fn endpoint(&self, device: &Device) -> Result<Bus, ConfigError> {
        Ok(Bus(lock(&self.0.named).pop_front().unwrap_or_else(|| device.bus.clone())))
    }
    fn prepare(&self, device: &Device, points: &[Point<'_, String>]) -> Result<Unit, Vec<ConfigError>> {
        let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (i, group) in points.iter().enumerate().filter_map(|(i, p)| Some((i, p.read_group?))) {
            groups.entry(group).or_default().push(i);
        }
        let too_big = groups.iter().filter(|(_, members)| members.len() > MOST);
        let too_big = too_big.map(|(name, _)| format!("readGroup {name}: at most {MOST} members fit into one request"));
        let empty = points.iter().enumerate().filter(|(_, p)| p.address.is_empty());
        let empty = empty.map(|(i, p)| ConfigError::point(i, format!("{}: address must not be empty", p.name)));
        let errors: Vec<ConfigError> = too_big.map(ConfigError::device).chain(empty).collect();
        if !errors.is_empty() {
            return Err(errors);
        }
        let points = points.iter().map(|p| (p.slot, p.address.clone())).collect();
        Ok(Unit { name: device.name.clone(), points, groups: groups.into_values().collect(), known: Mutex::default() })
    }
    fn generation(&self, unit: &Unit) -> u64 {
        lock(&unit.known).1
    }
    fn knowledge(&self, unit: &Unit) -> Knowledge {
        lock(&unit.known).0.clone()
    }
    /// What was kept is the line that is told; who the device is stays.
    fn recall(&self, unit: &Unit, kept: &serde_json::Value) {
        lock(&self.0.recalled).push((unit.name.clone(), kept.clone()));
        let learned = kept.as_str().map(str::to_owned).into_iter().collect();
        let mut known = lock(&unit.known);
        let identification = std::mem::take(&mut known.0.identification);
        *known = (Knowledge { kept: kept.clone(), learned, identification }, known.1 + 1);
    }
    fn plan(&self, unit: &Unit, due: &[usize]) -> Vec<Exchange<()>> {
        if let Some(takes) = lock(&self.0.mute).get(&unit.name) {
            std::thread::sleep(*takes);
            return vec![];
        }
        let mut alone = due.to_vec();
        let mut out = vec![];
        for group in &unit.groups {
            let members: Vec<usize> = alone.extract_if(.., |p| group.contains(p)).collect();
            out.extend((!members.is_empty()).then_some(Exchange { points: members, request: () }));
        }
        out.extend(alone.chunks(MOST).map(|c| Exchange { points: c.to_vec(), request: () }));
        out
    }
    fn secrets(&self, _: &Bus) -> Option<Vec<String>> {
        lock(&self.0.secrets).clone()
    }
    fn cost(&self, _: &Unit, _: &Exchange<()>) -> Option<Duration> {
        *lock(&self.0.foreseen)
    }
    fn patience(&self, _: &Unit, job: Job<'_, ()>, timeout: Duration) -> Duration {
        if matches!(job, Job::Write(_)) { timeout * (*lock(&self.0.requests)).max(1) } else { timeout }
    }
    async fn connect(&self, _: &Bus, cx: &Cx) -> Result<Line, Error> {
        let dial = lock(&self.0.dial).clone();
        match dial {
            Answer::Normal => {}
            Answer::Late(cost) => tokio::time::sleep(cost).await,
            Answer::Silent => std::future::pending().await,
            Answer::Refuse(fault) => return Err(Error::Refused(fault)),
            Answer::Cut => return Err(Error::Cut),
        }
        if *lock(&self.0.offline) {
            return Err(Error::Cut);
        }
        let cut = CancellationToken::new();
        *lock(&self.0.cut) = cut.clone();
        lock(&self.0.ports).clear();
        let mut connects = lock(&self.0.connects);
        *connects = (connects.0 + 1, cx.rotation);
        Ok(Line { script: self.0.clone(), cut })
    }
    fn recognize(&self, _: &Bus) -> Option<String> {
        lock(&self.0.recognized).clone()
    }
    fn identity(&self, _: &Line) -> Option<String> {
        lock(&self.0.identity).clone()
    }
}

impl Line {
    /// Some: the device says no to this request.
    async fn ask(&self, unit: &Unit, until: Instant) -> Result<Option<PointFault>, Fault<Error>> {
        let answer = lock(&self.script.answers).pop_front().unwrap_or(Answer::Normal);
        let cost = Some(*lock(&self.script.cost)).filter(|c| !c.is_zero()).unwrap_or(Duration::from_millis(10));
        let silent = lock(&self.script.silent).contains(&unit.name);
        let cost = match &answer {
            Answer::Late(cost) => Some(*cost),
            Answer::Silent => None,
            Answer::Normal | Answer::Refuse(_) | Answer::Cut => (!silent).then_some(cost),
        };
        if answer == Answer::Cut {
            self.cut.cancel();
        }
        let answered = self.takes(cost, until).await?;
        match answer {
            _ if !answered => Err(Fault::Device(Error::Silent(unit.name.clone()))),
            Answer::Refuse(fault) => Ok(Some(fault)),
            Answer::Normal | Answer::Late(_) | Answer::Silent | Answer::Cut => Ok(None),
        }
    }
    /// False: no answer by `until`.
    async fn takes(&self, cost: Option<Duration>, until: Instant) -> Result<bool, Error> {
        tokio::select! {
            () = self.cut.cancelled() => Err(Error::Cut),
            answered = answers(cost, until) => Ok(answered),
        }
    }
    fn address(unit: &Unit, point: usize) -> Option<&(Slot, String)> {
        unit.points.get(point)
    }
}

impl Link<Scripted> for Line {
    fn limits(&self) -> Limits {
        *lock(&self.script.limits)
    }
    async fn attach(&self, unit: &Arc<Unit>, port: Port, until: Instant) -> Result<(), Fault<Error>> {
        self.script.log(Seen::Attach(unit.name.clone()));
        let silent = || Fault::Device(Error::Silent(unit.name.clone()));
        let meets = lock(&self.script.attaching).clone();
        match meets {
            Answer::Normal => {}
            Answer::Late(cost) => self.takes(Some(cost), until).await?.then_some(()).ok_or_else(silent)?,
            Answer::Silent => self.takes(None, until).await?.then_some(()).ok_or_else(silent)?,
            Answer::Refuse(fault) => return Err(Fault::Device(Error::Refused(fault))),
            Answer::Cut => {
                self.cut.cancel();
                return Err(Error::Cut.into());
            }
        }
        if let Some(objects) = lock(&self.script.presents).get(&unit.name) {
            let mut known = lock(&unit.known);
            known.0.identification.clone_from(objects);
            known.1 += 1;
        }
        lock(&self.script.ports).insert(unit.name.clone(), port);
        Ok(())
    }
    async fn detach(&self, unit: &Arc<Unit>, until: Instant) {
        lock(&self.script.ports).remove(&unit.name);
        let cost = *lock(&self.script.detaching);
        if !cost.is_zero() {
            self.takes(Some(cost), until).await.ok(); // answered or not: it is forgotten
        }
        self.script.log(Seen::Detach(unit.name.clone()));
    }
    async fn read(
        &self,
        unit: &Unit,
        exchange: &Exchange<()>,
        until: Instant,
        out: &mut Samples,
    ) -> Result<Done, Fault<Error>> {
        let addresses = || exchange.points.iter().filter_map(|p| Self::address(unit, *p));
        self.script.log(Seen::Read(unit.name.clone(), addresses().map(|(_, a)| a.clone()).collect()));
        // What is there when the request arrives, however late the answer is.
        let look = |(slot, address): &(Slot, String)| {
            (*slot, self.script.fault(&unit.name, address), self.script.get(&unit.name, address))
        };
        let there: Vec<_> = addresses().map(look).collect();
        if let Some(fault) = self.ask(unit, until).await? {
            return Err(Fault::Point(fault));
        }
        if let Some(found) = lock(&self.script.finds).remove(&unit.name) {
            let mut known = lock(&unit.known);
            *known = (found, known.1 + 1);
        }
        for answer in there {
            match answer {
                (slot, None, Some(value)) => out.put(slot, value),
                (slot, fault, _) => out.fault(slot, fault.unwrap_or(PointFault::new(ErrorKind::Other, "no value"))),
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
            let Some((_, address)) = Self::address(unit, *point) else { continue };
            if self.cut.is_cancelled() {
                return Err(Error::Cut.into());
            }
            out.sending(i);
            self.script.log(Seen::Write(unit.name.clone(), address.clone(), value.clone()));
            let fault = self.script.fault(&unit.name, address);
            if fault.is_none() && !lock(&self.script.answers).front().is_some_and(|a| matches!(a, Answer::Refuse(_))) {
                self.script.set(&unit.name, address, value.clone()); // done on the device, whatever we hear of it
            }
            match self.ask(unit, until).await?.or(fault) {
                Some(fault) => out.refused(i, fault),
                None => out.done(i),
            }
        }
        Ok(())
    }
    async fn call(&self, unit: &Unit, call: &Call, until: Instant) -> Result<Value, Fault<Error>> {
        self.script.log(Seen::Call(unit.name.clone(), call.name.clone()));
        self.ask(unit, until).await?.map_or_else(
            || Ok(call.arguments.first().map_or(Value::Bool(true), |(_, value)| value.clone())),
            |fault| Err(Fault::Point(fault)),
        )
    }
    async fn run(&self) -> Error {
        self.cut.cancelled().await;
        Error::Cut
    }
}
