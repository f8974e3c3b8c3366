//! Modbus as the engine sees it: configuration to endpoints, units and plans; and `connect`.
use crate::{
    endpoint::{Endpoint, Transport},
    error::Error,
    link::{self, Link},
    plan::{self, Range},
    serial,
    unit::Unit,
};
use pollux_crds::{ModbusBinding, ModbusDevice};
use pollux_mapper::{
    ConfigError, Cx, Exchange, Instant, Job, Knowledge, Point, PointFault, Precision, Protocol, Value,
};
use std::time::Duration;

#[derive(Debug, Clone, Copy, Default)]
pub struct Modbus;

impl Protocol for Modbus {
    const NAME: &'static str = "modbus";
    type Device = ModbusDevice;
    type Address = ModbusBinding;
    type Endpoint = Endpoint;
    type Unit = Unit;
    type Request = Range;
    type Error = Error;
    type Link = Link;

    fn endpoint(&self, device: &ModbusDevice) -> Result<Endpoint, ConfigError> {
        Endpoint::new(device)
    }

    fn secrets(&self, endpoint: &Endpoint) -> Option<Vec<String>> {
        Some(match &endpoint.transport {
            Transport::Tls(to) => vec![to.secret.clone()],
            Transport::Tcp(_) | Transport::Rtu(_) | Transport::RtuOverTcp(_) => vec![],
        })
    }

    fn prepare(&self, device: &ModbusDevice, points: &[Point<'_, ModbusBinding>]) -> Result<Unit, Vec<ConfigError>> {
        Unit::new(device, points)
    }

    fn plan(&self, unit: &Unit, due: &[usize]) -> Vec<Exchange<Range>> {
        let due = due.iter().filter_map(|at| unit.items().get(*at).map(|item| (*at, item.block)));
        let planned = plan::plan(due, &unit.rules, &unit.learned());
        planned.into_iter().map(|one| Exchange { points: one.points, request: one.range }).collect()
    }

    fn describe(&self, unit: &Unit, exchange: &Exchange<Range>) -> Option<String> {
        Some(link::describe(unit, exchange))
    }

    fn cost(&self, unit: &Unit, exchange: &Exchange<Range>) -> Option<Duration> {
        Some(unit.rules.cost.of_request(exchange.request))
    }

    fn generation(&self, unit: &Unit) -> u64 {
        unit.generation()
    }

    fn knowledge(&self, unit: &Unit) -> Knowledge {
        unit.knowledge()
    }

    fn recall(&self, unit: &Unit, kept: &serde_json::Value) {
        unit.learned().recall(kept, Instant::now());
    }

    fn encoded(&self, unit: &Unit, point: usize, value: &Value) -> Result<Value, PointFault> {
        let (item, _) = unit.encode(point, value)?;
        item.format.round_trip(value)
    }

    fn precision(&self, unit: &Unit, point: usize) -> Precision {
        unit.items().get(point).map(|item| item.format.precision()).unwrap_or_default()
    }

    /// A bit is read, changed and written back.
    fn patience(&self, unit: &Unit, job: Job<'_, Range>, timeout: Duration) -> Duration {
        match job {
            Job::Read(exchange) => unit.patience.read(timeout, exchange.request),
            Job::Write(values) => unit.patience.write(timeout, link::requests(unit, values)),
            Job::Attach => unit.patience.attach(timeout),
            _ => timeout,
        }
    }

    async fn connect(&self, endpoint: &Endpoint, cx: &Cx) -> Result<Link, Error> {
        Link::open(endpoint, cx).await
    }

    fn recognize(&self, endpoint: &Endpoint) -> Option<String> {
        if let Transport::Rtu(port) = &endpoint.transport { serial::recognize(port) } else { None }
    }

    fn identity(&self, link: &Link) -> Option<String> {
        link.peer.clone()
    }
}
