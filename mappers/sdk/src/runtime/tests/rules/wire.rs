//! The scripted protocol with a tape running: what people set, what left, what came back, what stands on the disk, and when.
use super::oracle::{Answer, Config, Event};
use crate::{
    Call, ConfigError, Cx, Done, Exchange, Fault, Instant, Limits, Link, Point, Port, Protocol, Samples, Value,
    Written, Wrote,
    testing::scripted::{Bus, Device, Error, Line, Script, Scripted, Unit},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

/// Where the records lie, and where while the disk is full.
pub(super) const RECORDS: &str = "records";
pub(super) const AWAY: &str = "away";

/// What happened to one device, in order. None: by now the mapper has taken the configuration before it.
type Strip = Vec<(Duration, Option<Event>)>;

/// Runs through all processes.
#[derive(Debug)]
pub(super) struct Tape {
    script: Arc<Script>,
    records: PathBuf,
    /// Where they lie while the disk is full: nothing is added, and what was there still is.
    away: PathBuf,
    inner: Mutex<Inner>,
}
#[derive(Debug, Default)]
struct Inner {
    /// When the present process began, by the tape and by its own clock. None: there is none, and nobody hears anything.
    process: Option<(Duration, Instant)>,
    ended_at: Duration,
    stopping: bool,
    /// They go by a configuration that is older than what was acted upon: nothing is written.
    outdated: Vec<String>,
    strips: BTreeMap<String, Strip>,
    on_disk: BTreeMap<String, Vec<u8>>,
    /// When each device was last asked in vain.
    asked_in_vain: BTreeMap<String, Duration>,
    wrong: Vec<String>,
}

impl Tape {
    pub(super) fn new(script: Arc<Script>, folder: &Path) -> Self {
        let [records, away] = [RECORDS, AWAY].map(|name| folder.join(name));
        Self { script, records, away, inner: Mutex::default() }
    }
    /// A process begins: its clock knows nothing of those before.
    pub(super) fn begin(&self) {
        let mut inner = self.inner.lock().unwrap();
        let after = inner.ended_at + Duration::from_secs(1);
        (inner.process, inner.stopping) = (Some((after, Instant::now())), false);
    }
    pub(super) fn stop(&self) {
        self.inner.lock().unwrap().stopping = true;
    }
    /// From here on nobody hears what is said. Within the process.
    pub(super) fn end(&self) {
        let mut inner = self.inner.lock().unwrap();
        inner.ended_at = inner.now().unwrap_or(inner.ended_at);
        inner.process = None;
    }
    pub(super) fn log(&self, device: &str, event: Event) {
        let mut inner = self.inner.lock().unwrap();
        let Some(now) = inner.now() else { return };
        self.look(&mut inner, device, now);
        inner.strips.entry(device.into()).or_default().push((now, Some(event)));
    }
    /// It was tried, and nothing left: so the status says, some time after.
    pub(super) fn tried(&self, device: &str, property: usize) {
        let mut inner = self.inner.lock().unwrap();
        let Some(now) = inner.now() else { return };
        let long_ago = now.saturating_sub(Duration::from_secs(10));
        inner.strips.entry(device.into()).or_default().push((long_ago, Some(Event::Stopped { property })));
    }
    /// The mapper had every occasion to take the newest configuration.
    pub(super) fn taken(&self) {
        let mut inner = self.inner.lock().unwrap();
        let Some(now) = inner.now() else { return };
        inner.strips.values_mut().for_each(|strip| strip.push((now, None)));
    }
    /// What the disk has by now.
    pub(super) fn look_at_the_disk(&self, devices: &[&str]) {
        let mut inner = self.inner.lock().unwrap();
        let now = inner.now().unwrap_or(inner.ended_at);
        for device in devices {
            self.look(&mut inner, device, now);
        }
    }
    pub(super) fn has_record(&self, device: &str) -> bool {
        self.record(device).is_some()
    }
    pub(super) fn outdated(&self, devices: Vec<String>) {
        self.inner.lock().unwrap().outdated = devices;
    }
    /// The generation that the mapper acted upon last, as far as its disk knows.
    pub(super) fn acted_upon(&self, device: &str) -> i64 {
        self.record(device).and_then(|record| json(&record)?["generation"].as_i64()).unwrap_or(0)
    }
    /// The last text of the annotation that it acted upon, as far as its disk knows.
    pub(super) fn rewritten(&self, device: &str) -> u32 {
        let text = self.record(device).and_then(|record| json(&record)?["rewrite"].as_str()?.parse().ok());
        text.unwrap_or(0)
    }
    fn record(&self, device: &str) -> Option<Vec<u8>> {
        let name = format!("uid-{device}");
        fs::read(self.records.join(&name)).or_else(|_| fs::read(self.away.join(name))).ok()
    }
    fn look(&self, inner: &mut Inner, device: &str, now: Duration) {
        let Some(record) = self.record(device) else { return };
        if inner.on_disk.get(device) != Some(&record) {
            inner.on_disk.insert(device.into(), record);
            inner.strips.entry(device.into()).or_default().push((now, Some(Event::Saved)));
        }
    }
    /// It is attached. Where that is done again on one line, the device was away when it was last asked in vain: what it
    /// answers to who asked after that is as good as what it says now.
    fn attached(&self, device: &str, again: bool) {
        let mut inner = self.inner.lock().unwrap();
        let Some(now) = inner.now() else { return };
        let since = inner.asked_in_vain.get(device).copied().filter(|_| again).unwrap_or(now);
        inner.strips.entry(device.into()).or_default().push((since, Some(Event::Connected)));
    }
    fn in_vain(&self, device: &str, asked_at: Duration) {
        let mut inner = self.inner.lock().unwrap();
        let last = inner.asked_in_vain.entry(device.into()).or_default();
        *last = asked_at.max(*last);
    }
    /// The record of a write stands on the disk before its first byte leaves.
    fn sent(&self, device: &str, property: usize, value: i64) {
        let on_record = || {
            let record = self.record(device)?;
            json(&record)?["values"][format!("p{property}")]["value"].as_i64()
        };
        let on_record = on_record();
        self.log(device, Event::Sent { property, value });
        let mut inner = self.inner.lock().unwrap();
        let now = inner.now().unwrap_or_default();
        if on_record != Some(value) {
            inner.wrong.push(format!("{now:?}: {device}: p{property} := {value} is not on record: {on_record:?}"));
        }
        if inner.outdated.iter().any(|name| name == device) {
            inner.wrong.push(format!("{now:?}: {device}: p{property} := {value} by an old configuration"));
        }
        if inner.stopping {
            inner.wrong.push(format!("{now:?}: {device}: p{property} := {value} after SIGTERM"));
        }
    }
    /// What no rule about one device's history says.
    pub(super) fn wrong(&self) -> Vec<String> {
        self.inner.lock().unwrap().wrong.clone()
    }
    /// What left in the moment in which a configuration was handed over, and before it can have been taken, went by the one
    /// before.
    pub(super) fn history(&self, device: &str) -> Vec<(Duration, Event)> {
        let strip = self.inner.lock().unwrap().strips.get(device).cloned().unwrap_or_default();
        let (mut history, mut before, mut open) = (vec![], None::<Config>, None::<(usize, Config, bool)>);
        for (at, event) in strip {
            match (&event, &open) {
                (Some(Event::Sent { property, value }), Some((place, old, false)))
                    if old.may_write && old.desired.get(property) == Some(value) =>
                {
                    history.insert(*place, (at, Event::Sent { property: *property, value: *value }));
                    continue;
                }
                (Some(Event::Config(new)), _) => {
                    let rewrite = |old: &Config| old.rewrite != new.rewrite; // what leaves then may well go by it
                    open = before.replace(new.clone()).map(|old| (history.len(), old.clone(), rewrite(&old)));
                }
                (Some(Event::Start { config, .. }), _) => (before, open) = (Some(config.clone()), None),
                (None, _) => open = None,
                _ => {}
            }
            history.extend(event.map(|event| (at, event)));
        }
        history
    }
}
impl Inner {
    fn now(&self) -> Option<Duration> {
        self.process.map(|(before, began)| before + began.elapsed())
    }
}

fn json(record: &[u8]) -> Option<serde_json::Value> {
    let body = record.iter().position(|b| *b == b'\n')?;
    serde_json::from_slice(&record[body..]).ok()
}
/// `p3.1`: property 3, wired for the second time.
fn property(address: &str) -> usize {
    address.trim_start_matches('p').split('.').next().and_then(|n| n.parse().ok()).expect("an address of these tests")
}
fn whole(value: &Value) -> i64 {
    value.as_i128().and_then(|n| i64::try_from(n).ok()).expect("whole")
}

#[derive(Debug)]
pub(super) struct Taped(pub(super) Scripted, pub(super) Arc<Tape>);
#[derive(Debug)]
pub(super) struct TapedUnit {
    unit: Arc<Unit>,
    device: String,
    addresses: Vec<String>,
}
#[derive(Debug)]
pub(super) struct TapedLine(Line, Arc<Tape>, Mutex<BTreeSet<String>>);

impl Protocol for Taped {
    const NAME: &'static str = "scripted";
    type Device = Device;
    type Address = String;
    type Endpoint = Bus;
    type Unit = TapedUnit;
    type Request = ();
    type Error = Error;
    type Link = TapedLine;

    fn endpoint(&self, device: &Device) -> Result<Bus, ConfigError> {
        self.0.endpoint(device)
    }
    fn prepare(&self, device: &Device, points: &[Point<'_, String>]) -> Result<TapedUnit, Vec<ConfigError>> {
        let unit = Arc::new(self.0.prepare(device, points)?);
        let addresses = points.iter().map(|point| point.address.clone()).collect();
        Ok(TapedUnit { unit, device: device.name.clone(), addresses })
    }
    fn plan(&self, unit: &TapedUnit, due: &[usize]) -> Vec<Exchange<()>> {
        self.0.plan(&unit.unit, due)
    }
    async fn connect(&self, bus: &Bus, cx: &Cx) -> Result<TapedLine, Error> {
        Ok(TapedLine(self.0.connect(bus, cx).await?, self.1.clone(), Mutex::default()))
    }
}

impl TapedLine {
    fn there(&self, unit: &TapedUnit, exchange: &Exchange<()>) -> Vec<(usize, Option<i64>)> {
        let script = &self.1.script;
        let look = |point: &usize| {
            let address = &unit.addresses[*point];
            let refused = script.refused.lock().unwrap().contains_key(&(unit.device.clone(), address.clone()));
            let value = script.get(&unit.device, address).filter(|_| !refused);
            (property(address), value.as_ref().map(whole))
        };
        exchange.points.iter().map(look).collect()
    }
}

impl Link<Taped> for TapedLine {
    fn limits(&self) -> Limits {
        self.0.limits()
    }
    async fn attach(&self, unit: &Arc<TapedUnit>, port: Port, until: Instant) -> Result<(), Fault<Error>> {
        let again = !self.2.lock().unwrap().insert(unit.device.clone());
        self.1.attached(&unit.device, again);
        self.0.attach(&unit.unit, port, until).await
    }
    async fn detach(&self, unit: &Arc<TapedUnit>, until: Instant) {
        self.0.detach(&unit.unit, until).await;
    }
    async fn read(
        &self,
        unit: &TapedUnit,
        exchange: &Exchange<()>,
        until: Instant,
        out: &mut Samples,
    ) -> Result<Done, Fault<Error>> {
        let asked_at = self.1.inner.lock().unwrap().now().unwrap_or_default();
        let there = self.there(unit, exchange);
        let read = self.0.read(&unit.unit, exchange, until, out).await;
        let refused = matches!(read, Err(Fault::Point(_)));
        if matches!(read, Err(Fault::Device(_))) {
            self.1.in_vain(&unit.device, asked_at);
        }
        if read.is_ok() || refused {
            for (property, value) in there {
                let value = value.filter(|_| !refused);
                self.1.log(&unit.device, Event::Read { property, value, asked_at });
            }
        }
        read
    }
    async fn write(
        &self,
        unit: &TapedUnit,
        values: &[(usize, Value)],
        until: Instant,
        out: &mut Written,
    ) -> Result<(), Fault<Error>> {
        let [(point, value)] = values else { panic!("one at a time: {values:?}") };
        let property = property(&unit.addresses[*point]);
        self.1.sent(&unit.device, property, whole(value));
        let mut heard = Heard { tape: &self.1, device: &unit.device, property, answer: Answer::Unknown };
        let written = self.0.write(&unit.unit, values, until, out).await;
        heard.answer = match out.results()[..] {
            [Wrote::Done] => Answer::Done,
            [Wrote::Refused(_)] => Answer::Refused,
            _ => Answer::Unknown,
        };
        written
    }
    async fn call(&self, _: &TapedUnit, _: &Call, _: Instant) -> Result<Value, Fault<Error>> {
        unreachable!("nothing is called here")
    }
    async fn run(&self) -> Error {
        self.0.run().await
    }
}

/// However a write ends, that is what is heard of it.
struct Heard<'a> {
    tape: &'a Tape,
    device: &'a str,
    property: usize,
    answer: Answer,
}
impl Drop for Heard<'_> {
    fn drop(&mut self) {
        self.tape.log(self.device, Event::Answer { property: self.property, answer: self.answer });
    }
}
