//! What one link serves: the way to it, and how it wants to be treated.
use crate::tls::Secure;
use pollux_crds::{ModbusDevice, ModbusPacing, ModbusRtu, Span};
use pollux_mapper::ConfigError;
use std::{fmt, sync::Arc, time::Duration};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The most that `pipeline` may be.
pub const MAX_PIPELINE: usize = 64;

/// One connection or serial port. Devices that share it agree on all of this; what differs in more than `Display` shows is a
/// conflict.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    pub transport: Transport,
    pub connect_timeout: Duration,
    /// Requests under way at once; always 1 where answers are nameless.
    pub pipeline: usize,
    pub pacing: Pacing,
}

/// How bytes come to the device, and so how they are framed. What is large is boxed: most are TCP, and each is kept several times.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Modbus TCP.
    Tcp(Host),
    /// A serial port of this node, framed as RTU.
    Rtu(Box<ModbusRtu>),
    /// A serial line behind a TCP server, framed as RTU.
    RtuOverTcp(Host),
    /// Modbus TCP inside of TLS.
    Tls(Box<Secure>),
}

/// A listener on TCP.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Host {
    /// Shared: each part that has to do with the endpoint has one.
    pub name: Arc<str>,
    pub port: u16,
}

/// Pauses that a gateway or a device needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Pacing {
    /// Between connecting and the first request.
    pub after_connect: Duration,
    /// Between an answer and the next request.
    pub between_requests: Duration,
    /// Closed when nothing was asked for so long.
    pub close_after_idle: Option<Duration>,
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, port } = self;
        if name.contains(':') { write!(f, "[{name}]:{port}") } else { write!(f, "{name}:{port}") }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host) => write!(f, "tcp://{host}"),
            Self::Rtu(port) => write!(f, "rtu:{}", port.path),
            Self::RtuOverTcp(host) => write!(f, "rtuOverTcp://{host}"),
            Self::Tls(secure) => write!(f, "tls://{}", secure.host),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.transport.fmt(f)
    }
}

impl Transport {
    /// Whether an answer names neither its request nor its address, as in RTU.
    pub fn is_nameless(&self) -> bool {
        matches!(self, Self::Rtu(_) | Self::RtuOverTcp(_))
    }

    fn of(device: &ModbusDevice) -> Result<Self, ConfigError> {
        match device {
            ModbusDevice { tcp: Some(tcp), .. } => Host::new("tcp", &tcp.host, tcp.port).map(Self::Tcp),
            ModbusDevice { rtu: Some(rtu), .. } => Ok(Self::Rtu(Box::new(rtu.clone()))),
            ModbusDevice { rtu_over_tcp: Some(tcp), .. } => {
                Host::new("rtuOverTcp", &tcp.host, tcp.port).map(Self::RtuOverTcp)
            }
            ModbusDevice { tls: Some(tls), .. } => Secure::new(tls).map(|secure| Self::Tls(Box::new(secure))),
            _ => Err(ConfigError::device("one of tcp, rtu, rtuOverTcp, tls must be set, or channel name a Channel")),
        }
    }
}

impl Host {
    pub(crate) fn new(field: &str, name: &str, port: i32) -> Result<Self, ConfigError> {
        let number = u16::try_from(port).ok().filter(|port| *port != 0);
        let port = number.ok_or_else(|| ConfigError::device(format!("{field}.port is {port}, must be 1..=65535")))?;
        Ok(Self { name: name.to_ascii_lowercase().into(), port })
    }
}

impl Endpoint {
    pub fn new(device: &ModbusDevice) -> Result<Self, ConfigError> {
        let transport = Transport::of(device)?;
        let pipeline = device.pipeline.and_then(|n| usize::try_from(n).ok()).unwrap_or(1).clamp(1, MAX_PIPELINE);
        Ok(Self {
            pipeline: if transport.is_nameless() { 1 } else { pipeline },
            transport,
            connect_timeout: device.connect_timeout.map_or(CONNECT_TIMEOUT, Span::duration),
            pacing: Pacing::new(device.pacing.as_ref())?,
        })
    }
}

impl Pacing {
    fn new(pacing: Option<&ModbusPacing>) -> Result<Self, ConfigError> {
        let Some(ModbusPacing { after_connect, between_requests, close_after_idle }) = pacing else {
            return Ok(Self::default());
        };
        let most = |field, span: Option<Span>, most: Duration| match span.map(Span::duration) {
            Some(given) if given > most => {
                Err(ConfigError::device(format!("pacing.{field} is {given:?}, must be at most {most:?}")))
            }
            given => Ok(given.unwrap_or_default()),
        };
        let close_after_idle = close_after_idle.map(Span::duration);
        if close_after_idle.is_some_and(|idle| idle < Duration::from_secs(1)) {
            return Err(ConfigError::device("pacing.closeAfterIdle must be at least 1s"));
        }
        Ok(Self {
            after_connect: most("afterConnect", *after_connect, Duration::from_mins(1))?,
            between_requests: most("betweenRequests", *between_requests, Duration::from_secs(10))?,
            close_after_idle,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pollux_crds::{ModbusRtuOverTcp, ModbusTcp};

    fn rtu_over_tcp(host: &str) -> ModbusDevice {
        let rtu_over_tcp = Some(ModbusRtuOverTcp { host: host.into(), port: 4001 });
        ModbusDevice { rtu_over_tcp, ..ModbusDevice::default() }
    }
    fn shown(device: &ModbusDevice) -> Result<String, String> {
        Endpoint::new(device).map(|endpoint| endpoint.to_string()).map_err(|error| error.text)
    }

    #[test]
    fn a_resource_is_shown_as_people_write_it() {
        let tcp = |host: &str, port| ModbusDevice {
            tcp: Some(ModbusTcp { host: host.into(), port }),
            ..ModbusDevice::default()
        };
        let rtu: ModbusRtu = serde_json::from_str(r#"{"path": "/dev/ttyUSB0"}"#).expect("valid");
        assert_eq!(shown(&tcp("PLC-1", 502)).as_deref(), Ok("tcp://plc-1:502"));
        assert_eq!(shown(&tcp("2001:db8::5", 502)).as_deref(), Ok("tcp://[2001:db8::5]:502"));
        assert_eq!(shown(&rtu_over_tcp("10.0.0.5")).as_deref(), Ok("rtuOverTcp://10.0.0.5:4001"));
        let device = ModbusDevice { rtu: Some(rtu), ..ModbusDevice::default() };
        assert_eq!(shown(&device).as_deref(), Ok("rtu:/dev/ttyUSB0"));
        assert_eq!(shown(&tcp("a", 0)), Err("tcp.port is 0, must be 1..=65535".into()));
        assert!(shown(&ModbusDevice::default()).is_err());
    }

    #[test]
    fn a_line_whose_answers_have_no_names_has_no_pipeline() {
        let device = ModbusDevice { pipeline: Some(8), ..rtu_over_tcp("a") };
        assert_eq!(Endpoint::new(&device).expect("valid").pipeline, 1);
    }

    #[test]
    fn pauses_out_of_bounds_are_refused_by_name() {
        let idle = |text: &str| {
            let pacing: ModbusPacing = serde_json::from_str(text).expect("typed");
            shown(&ModbusDevice { pacing: Some(pacing), ..rtu_over_tcp("a") })
        };
        assert_eq!(idle(r#"{"closeAfterIdle": "500ms"}"#), Err("pacing.closeAfterIdle must be at least 1s".into()));
        assert_eq!(
            idle(r#"{"betweenRequests": "11s"}"#),
            Err("pacing.betweenRequests is 11s, must be at most 10s".into())
        );
        assert!(idle(r#"{"afterConnect": "1m", "betweenRequests": "10s", "closeAfterIdle": "1s"}"#).is_ok());
    }
}
