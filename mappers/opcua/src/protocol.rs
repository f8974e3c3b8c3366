//! OPC UA as the engine sees it: configuration to sessions, units and plans; and `connect`.
use crate::{
    error::Error,
    limits::Operation,
    link::Link,
    plan::{Due, plan},
    read::Request,
    settings::Settings,
    unit::Unit,
    write::encode_again,
};
use pollux_crds::{OpcUaBinding, OpcUaDevice};
use pollux_mapper::{ConfigError, Cx, Exchange, Job, Knowledge, Point, PointFault, Precision, Protocol, Value};
use std::time::Duration;

/// Requests, one after the other, in an attach: paths, types and what they are made of, registering, subscribing.
const ATTACH: u32 = 4;
/// Requests of one piece of work, at most, that are granted time.
const PARTS: u32 = 8;

/// The protocol.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpcUa;

impl Protocol for OpcUa {
    const NAME: &'static str = "opcua";
    type Device = OpcUaDevice;
    type Address = OpcUaBinding;
    type Endpoint = Settings;
    type Unit = Unit;
    type Request = Request;
    type Error = Error;
    type Link = Link;

    fn endpoint(&self, device: &OpcUaDevice) -> Result<Settings, ConfigError> {
        Settings::new(device)
    }

    fn secrets(&self, endpoint: &Settings) -> Option<Vec<String>> {
        Some(endpoint.secrets())
    }

    fn prepare(&self, device: &OpcUaDevice, points: &[Point<'_, OpcUaBinding>]) -> Result<Unit, Vec<ConfigError>> {
        Unit::new(device, points)
    }

    fn plan(&self, unit: &Unit, due: &[usize]) -> Vec<Exchange<Request>> {
        let due = due.iter().filter_map(|at| Some((*at, unit.items().get(*at).filter(|item| !item.event)?)));
        let due = due.map(|(point, item)| Due { point, group: item.group.as_deref() });
        let planned = plan(&due.collect::<Vec<_>>(), unit.cap(Operation::Read));
        planned.into_iter().map(|points| Exchange { points, request: Request::default() }).collect()
    }

    fn generation(&self, unit: &Unit) -> u64 {
        unit.generation()
    }

    fn knowledge(&self, unit: &Unit) -> Knowledge {
        unit.knowledge()
    }

    fn recall(&self, unit: &Unit, kept: &serde_json::Value) {
        unit.recall(kept);
    }

    fn encoded(&self, unit: &Unit, point: usize, value: &Value) -> Result<Value, PointFault> {
        encode_again(unit, point, value)
    }

    fn precision(&self, unit: &Unit, point: usize) -> Precision {
        let places = unit.places();
        let kind = places.as_ref().and_then(|places| places.points.get(point)?.kind.as_ref().ok());
        kind.map(|kind| kind.precision()).unwrap_or_default()
    }

    fn patience(&self, unit: &Unit, job: Job<'_, Request>, timeout: Duration) -> Duration {
        let parts = |count: usize, cap: usize| u32::try_from(count.div_ceil(cap.max(1))).unwrap_or(u32::MAX);
        match job {
            Job::Attach => timeout * ATTACH,
            Job::Write(values) => timeout * parts(values.len(), unit.cap(Operation::Write)).clamp(1, PARTS),
            _ => timeout,
        }
    }

    async fn connect(&self, endpoint: &Settings, cx: &Cx) -> Result<Link, Error> {
        Link::open(endpoint, cx).await
    }
}
