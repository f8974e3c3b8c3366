//! Modbus TCP as the engine sees it: configuration to endpoints, units and plans; and `connect`.
use crate::{
    error::Error,
    link::{self, Link},
    plan::{self, Range},
    unit::Unit,
};
use pollux_crds::{ModbusBinding, ModbusDevice, ModbusTcp};
use pollux_mapper::{ConfigError, Cx, Exchange, Job, Point, PointFault, Precision, Protocol, Value};
use socket2::{SockRef, TcpKeepalive};
use std::{fmt, io, time::Duration};
use tokio::net::TcpStream;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A gateway that lost its power is noticed, even where nothing is polled for hours.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// And while it is polled: where sent bytes wait for their acknowledgement no keep-alive is sent, and Linux would try again
/// for a quarter of an hour.
const UNACKNOWLEDGED: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, Copy, Default)]
pub struct Modbus;

/// One connection. Devices behind one gateway share it; what differs in more than `Display` shows is a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    host: String,
    port: u16,
    connect_timeout: Duration,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, connect_timeout: _ } = self;
        if host.contains(':') { write!(f, "tcp://[{host}]:{port}") } else { write!(f, "tcp://{host}:{port}") }
    }
}

impl Endpoint {
    fn new(tcp: &ModbusTcp, connect_timeout: Duration) -> Result<Self, ConfigError> {
        let port = u16::try_from(tcp.port).ok().filter(|port| *port != 0);
        let port = port.ok_or_else(|| ConfigError::device(format!("tcp.port is {}, must be 1..=65535", tcp.port)))?;
        Ok(Self { host: tcp.host.to_ascii_lowercase(), port, connect_timeout })
    }
}

impl Protocol for Modbus {
    const NAME: &'static str = "modbus";
    type Device = ModbusDevice;
    type Address = ModbusBinding;
    type Endpoint = Endpoint;
    type Unit = Unit;
    type Request = Range;
    type Error = Error;
    type Link = Link<TcpStream>;

    fn endpoint(&self, device: &ModbusDevice) -> Result<Endpoint, ConfigError> {
        let tcp =
            device.tcp.as_ref().ok_or_else(|| ConfigError::device("tcp must be set, or channel name a Channel"))?;
        Endpoint::new(tcp, device.connect_timeout.map_or(CONNECT_TIMEOUT, pollux_crds::Span::duration))
    }

    fn prepare(&self, device: &ModbusDevice, points: &[Point<'_, ModbusBinding>]) -> Result<Unit, Vec<ConfigError>> {
        Unit::new(device, points)
    }

    fn plan(&self, unit: &Unit, due: &[usize]) -> Vec<Exchange<Range>> {
        let due = due.iter().filter_map(|at| unit.items.get(*at).map(|item| (*at, item.block)));
        let planned = plan::plan(due, &unit.learned());
        planned.into_iter().map(|one| Exchange { points: one.points, request: one.range }).collect()
    }

    fn describe(&self, unit: &Unit, exchange: &Exchange<Range>) -> Option<String> {
        Some(link::describe(unit, exchange))
    }

    fn encoded(&self, unit: &Unit, point: usize, value: &Value) -> Result<Value, PointFault> {
        let (item, _) = unit.encode(point, value)?;
        item.format.round_trip(value)
    }

    fn precision(&self, unit: &Unit, point: usize) -> Precision {
        unit.items.get(point).map(|item| item.format.precision()).unwrap_or_default()
    }

    /// A bit is read, changed and written back.
    fn patience(&self, unit: &Unit, job: Job<'_, Range>, timeout: Duration) -> Duration {
        match job {
            Job::Write(values) => timeout * link::requests(unit, values),
            _ => timeout,
        }
    }

    async fn connect(&self, endpoint: &Endpoint, _: &Cx) -> Result<Link<TcpStream>, Error> {
        let Endpoint { host, port, connect_timeout } = endpoint;
        let stream = tokio::time::timeout(*connect_timeout, TcpStream::connect((host.as_str(), *port)))
            .await
            .map_err(|_| Error::ConnectTimeout(*connect_timeout))?
            .and_then(configured)
            .map_err(|error| Error::Connect(error.to_string()))?;
        let peer = stream.peer_addr().ok().map(|address| format!("tcp://{address}"));
        Ok(Link::new(stream, peer))
    }

    fn identity(&self, link: &Link<TcpStream>) -> Option<String> {
        link.peer.clone()
    }
}

fn configured(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 3).with_retries(3);
    let socket = SockRef::from(&stream);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
    Ok(stream)
}
