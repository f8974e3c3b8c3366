//! A protocol whose devices are cells of memory: what a command line does is seen in the cells.
use crate::{
    ConfigError, Cx, Done, DriverError, ErrorKind, Exchange, Fault, Hold, Instant, Link, Point, PointFault, Protocol,
    Samples, Slot, Value, Written,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

pub(super) type Cells = Arc<Mutex<BTreeMap<String, f64>>>;

/// Cells named `locked` refuse, a line named `dead` cannot be opened, one named `narrow` has one slot.
#[derive(Debug, Default, Clone)]
pub(super) struct Toy(pub(super) Cells);

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
pub(super) struct Device {
    line: String,
    #[serde(default)]
    speed: u32,
    #[serde(default)]
    keeps: bool,
}
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
pub(super) struct Address {
    cell: String,
}
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Endpoint(String, u32);
impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "toy://{}", self.0)
    }
}
#[derive(Debug, thiserror::Error)]
#[error("the line is dead")]
pub(super) struct Dead;
impl DriverError for Dead {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Unreachable
    }
}
#[derive(Debug)]
pub(super) struct Unit {
    cells: Vec<(Slot, String)>,
    /// What a request costs, in milliseconds; 0: not known.
    speed: u32,
    keeps: bool,
}

impl Protocol for Toy {
    const NAME: &'static str = "toy";
    type Device = Device;
    type Address = Address;
    type Endpoint = Endpoint;
    type Unit = Unit;
    type Request = ();
    type Error = Dead;
    type Link = Self;

    fn endpoint(&self, device: &Device) -> Result<Endpoint, ConfigError> {
        assert_ne!(device.line, "panic", "as a driver should not");
        Ok(Endpoint(device.line.clone(), device.speed))
    }
    fn prepare(&self, device: &Device, points: &[Point<'_, Address>]) -> Result<Unit, Vec<ConfigError>> {
        let empty = points.iter().enumerate().filter(|(_, p)| p.address.cell.is_empty());
        let errors: Vec<_> = empty.map(|(at, _)| ConfigError::point(at, "cell must not be empty")).collect();
        if errors.is_empty() {
            let cells = points.iter().map(|p| (p.slot, p.address.cell.clone())).collect();
            Ok(Unit { cells, speed: device.speed, keeps: device.keeps })
        } else {
            Err(errors)
        }
    }
    fn plan(&self, _: &Unit, due: &[usize]) -> Vec<Exchange<()>> {
        if due.is_empty() { vec![] } else { vec![Exchange { points: due.to_vec(), request: () }] }
    }
    fn hold(&self, unit: &Unit) -> Hold {
        if unit.keeps { Hold::Kept } else { Hold::Turns }
    }
    fn slots(&self, endpoint: &Endpoint) -> Option<usize> {
        (endpoint.0 == "narrow").then_some(1)
    }
    fn cost(&self, unit: &Unit, _: &Exchange<()>) -> Option<Duration> {
        (unit.speed > 0).then(|| Duration::from_millis(unit.speed.into()))
    }
    async fn connect(&self, endpoint: &Endpoint, _: &Cx) -> Result<Self, Dead> {
        if endpoint.0 == "dead" { Err(Dead) } else { Ok(self.clone()) }
    }
}

fn locked() -> PointFault {
    PointFault::new(ErrorKind::Denied, "the cell is locked")
}

impl Link<Toy> for Toy {
    async fn read(
        &self,
        unit: &Unit,
        exchange: &Exchange<()>,
        _: Instant,
        out: &mut Samples,
    ) -> Result<Done, Fault<Dead>> {
        for (slot, cell) in exchange.points.iter().filter_map(|at| unit.cells.get(*at)) {
            match self.0.lock().unwrap().get(cell) {
                Some(value) => out.put(*slot, *value),
                None => out.fault(*slot, PointFault::new(ErrorKind::Protocol, "there is no such cell")),
            }
        }
        Ok(Done::Ok)
    }
    async fn write(
        &self,
        unit: &Unit,
        values: &[(usize, Value)],
        _: Instant,
        out: &mut Written,
    ) -> Result<(), Fault<Dead>> {
        for (at, (point, value)) in values.iter().enumerate() {
            let (_, cell) = &unit.cells[*point];
            out.sending(at);
            if cell == "locked" {
                out.refused(at, locked());
                continue;
            }
            self.0.lock().unwrap().insert(cell.clone(), number(value));
            out.done(at);
        }
        Ok(())
    }
}
fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value:?} is no number"))
}
