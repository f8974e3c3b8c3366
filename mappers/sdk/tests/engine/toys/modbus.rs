//! (a) RTU bus and (b) pipelined gateway: one driver, two limits. The fake bus charges time and forbids what a wire forbids.
use super::{answers, lock};
use pollux_mapper::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

#[derive(Debug, Default)]
pub struct Wire {
    pub registers: Mutex<BTreeMap<(u8, u16), f64>>,
    pub dead: Mutex<BTreeSet<u8>>,
    pub slow: Mutex<BTreeMap<u8, Duration>>,
    pub log: Mutex<Vec<(Instant, String)>>,
    pub dead_time: Mutex<Duration>,
    /// Answers have no names: a unit that did not answer must be left alone so long.
    pub rest: Mutex<Option<Duration>>,
    given_up: Mutex<BTreeMap<u8, Instant>>,
    busy: AtomicUsize,
    pub cut: Mutex<bool>,
    /// A write to this register cuts the line before it is answered.
    pub cut_at: Mutex<Option<u16>>,
}
#[derive(Debug, Clone)]
pub struct Modbus {
    pub wire: Arc<Wire>,
    pub depth: usize,
}
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
pub struct Device {
    pub path: String,
    pub unit_id: u8,
}
#[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema)]
pub struct Address {
    pub register: u16,
}
#[derive(Debug)]
pub struct Unit {
    id: u8,
    points: Vec<(Slot, u16)>,
    holes: Mutex<BTreeSet<u16>>,
}
#[derive(Debug)]
pub struct Range {
    start: u16,
    count: u16,
    items: Vec<(Slot, u16)>,
}
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("unit {0}: no answer")]
    Silent(u8),
    #[error("port closed")]
    Closed,
}
impl DriverError for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Error::Silent(_) => ErrorKind::Timeout,
            Error::Closed => ErrorKind::Unreachable,
        }
    }
}
#[derive(Debug)]
pub struct Port {
    wire: Arc<Wire>,
    depth: usize,
}

impl Protocol for Modbus {
    const NAME: &'static str = "modbus";
    type Device = Device;
    type Address = Address;
    type Endpoint = String;
    type Unit = Unit;
    type Request = Range;
    type Error = Error;
    type Link = Port;
    fn endpoint(&self, device: &Device) -> Result<String, ConfigError> {
        Ok(device.path.clone())
    }
    fn prepare(&self, device: &Device, points: &[Point<'_, Address>]) -> Result<Unit, Vec<ConfigError>> {
        Ok(Unit {
            id: device.unit_id,
            points: points.iter().map(|p| (p.slot, p.address.register)).collect(),
            holes: Mutex::default(),
        })
    }
    fn plan(&self, unit: &Unit, due: &[usize]) -> Vec<Exchange<Range>> {
        let holes = lock(&unit.holes);
        let mut due: Vec<(usize, Slot, u16)> = due.iter().map(|&i| (i, unit.points[i].0, unit.points[i].1)).collect();
        due.sort_by_key(|d| d.2);
        let mut out: Vec<Exchange<Range>> = vec![];
        for (i, slot, at) in due {
            if let Some(Exchange { points, request: r }) = out.last_mut()
                && at - r.start < 125
                && at - (r.start + r.count) <= 8
                && holes.range(r.start..=at).next().is_none()
            {
                points.push(i);
                r.items.push((slot, at - r.start));
                r.count = at - r.start + 1;
            } else {
                out.push(Exchange { points: vec![i], request: Range { start: at, count: 1, items: vec![(slot, 0)] } });
            }
        }
        out
    }
    fn describe(&self, unit: &Unit, e: &Exchange<Range>) -> Option<String> {
        Some(format!("unit {} fc 3 at {} count {}", unit.id, e.request.start, e.request.count))
    }
    async fn connect(&self, _: &String, _: &Cx) -> Result<Port, Error> {
        if *lock(&self.wire.cut) {
            return Err(Error::Closed);
        }
        self.wire.busy.store(0, SeqCst);
        Ok(Port { wire: self.wire.clone(), depth: self.depth })
    }
}
impl Port {
    async fn transact(&self, unit: u8, what: String, until: Instant) -> Result<(), Fault<Error>> {
        assert!(self.wire.busy.fetch_add(1, SeqCst) < self.depth, "two requests on a bus");
        let started = Instant::now();
        lock(&self.wire.log).push((started, what));
        if let (Some(rest), Some(given_up)) = (*lock(&self.wire.rest), lock(&self.wire.given_up).get(&unit)) {
            assert!(started >= *given_up + rest, "a late answer of unit {unit} would pass for this one's");
        }
        let dead = lock(&self.wire.dead).contains(&unit);
        let cost = lock(&self.wire.slow).get(&unit).copied().unwrap_or(Duration::from_millis(10));
        let answered = answers(if dead { Duration::from_hours(1) } else { cost }, until).await;
        self.wire.busy.fetch_sub(1, SeqCst);
        if *lock(&self.wire.cut) {
            return Err(Error::Closed.into());
        }
        if dead {
            *lock(&self.wire.dead_time) += started.elapsed();
        }
        if !answered {
            lock(&self.wire.given_up).insert(unit, Instant::now());
        }
        if answered { Ok(()) } else { Err(Fault::Device(Error::Silent(unit))) }
    }
    /// One request for registers that follow each other.
    async fn write_run(&self, unit: u8, start: u16, values: &[f64], until: Instant) -> Result<(), Fault<Error>> {
        if *lock(&self.wire.cut_at) == Some(start) {
            *lock(&self.wire.cut) = true;
        }
        let count = if values.len() > 1 { format!("+{}", values.len()) } else { String::new() };
        self.transact(unit, format!("w{unit}@{start}{count}"), until).await?;
        if start >= 1000 {
            return Err(Fault::Point(PointFault::new(ErrorKind::Denied, "exception 2: illegal data address")));
        }
        lock(&self.wire.registers).extend(values.iter().zip(start..).map(|(v, at)| ((unit, at), *v)));
        Ok(())
    }
}
impl Link<Modbus> for Port {
    fn limits(&self) -> Limits {
        Limits::at_once(self.depth).bus(self.depth <= 1).nameless(lock(&self.wire.rest).is_some())
    }
    async fn read(
        &self,
        unit: &Unit,
        e: &Exchange<Range>,
        until: Instant,
        out: &mut Samples,
    ) -> Result<Done, Fault<Error>> {
        let r = &e.request;
        self.transact(unit.id, format!("r{}@{}+{}", unit.id, r.start, r.count), until).await?;
        let registers = lock(&self.wire.registers);
        let illegal = (r.start..r.start + r.count).find(|a| !registers.contains_key(&(unit.id, *a)));
        match illegal {
            Some(at) if r.count > 1 => {
                lock(&unit.holes).insert(at);
                return Ok(Done::Replan);
            } // a real one bisects
            Some(_) => {
                return Err(Fault::Point(PointFault::new(ErrorKind::Protocol, "exception 2: illegal data address")));
            }
            None => {
                for (slot, offset) in &r.items {
                    out.put(*slot, registers[&(unit.id, r.start + offset)]);
                }
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
        let mut runs: Vec<(u16, Vec<usize>, Vec<f64>)> = vec![]; // start, positions in `values`, registers
        for (i, (point, value)) in values.iter().enumerate() {
            let Value::Float(v) = value else {
                out.refused(i, PointFault::new(ErrorKind::Denied, "only numbers"));
                continue;
            };
            let at = unit.points[*point].1;
            match runs.last_mut().filter(|r| usize::from(at - r.0.min(at)) == r.2.len()) {
                Some(run) => {
                    run.1.push(i);
                    run.2.push(*v);
                }
                None => runs.push((at, vec![i], vec![*v])),
            }
        }
        for (start, positions, registers) in runs {
            for i in &positions {
                out.sending(*i);
            }
            match self.write_run(unit.id, start, &registers, until).await {
                Ok(()) => positions.iter().for_each(|i| out.done(*i)),
                Err(Fault::Point(fault)) => positions.iter().for_each(|i| out.refused(*i, fault.clone())),
                Err(fault) => return Err(fault),
            }
        }
        Ok(())
    }
}
