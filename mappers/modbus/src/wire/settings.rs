//! How a connection is treated, and what is asked of it.
use crate::{
    endpoint::{Endpoint, Pacing, Transport},
    error::Error,
    frame::{Request, rtu::Timing},
    stream::Stream,
};
use pollux_crds::{ModbusParity, ModbusRtu};
use pollux_mapper::Instant;
use std::{fmt, future::Future, pin::Pin, time::Duration};

/// How a PDU travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// A header with a transaction id and a length.
    Mbap,
    /// CRC, and silence.
    Rtu(Timing),
}

impl Framing {
    pub fn of(transport: &Transport) -> Self {
        match transport {
            Transport::Rtu(port) => Self::Rtu(timing(port)),
            Transport::RtuOverTcp(_) => Self::Rtu(Timing::over_tcp()),
            Transport::Tcp(_) | Transport::Tls(_) => Self::Mbap,
        }
    }
}

/// Opens the stream again, where it was closed because nothing was asked.
pub type Redial = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<Stream, Error>> + Send>> + Send + Sync>;

/// What is known of a connection beforehand.
pub struct Settings {
    pub framing: Framing,
    /// Requests under way at once, where framing can tell their answers apart.
    pub depth: usize,
    pub pacing: Pacing,
    pub redial: Option<Redial>,
    /// Whether a connection can hang so that a new one helps. A serial port cannot.
    pub can_hang: bool,
    /// What the line is called, by which the next connection to it knows what may still come.
    pub line: Option<String>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { framing, depth, pacing, redial, can_hang, line } = self;
        f.debug_struct("Settings")
            .field("framing", framing)
            .field("depth", depth)
            .field("pacing", pacing)
            .field("redial", &redial.is_some())
            .field("can_hang", can_hang)
            .field("line", line)
            .finish()
    }
}

/// Modbus TCP, one request at a time, no pauses.
impl Default for Settings {
    fn default() -> Self {
        Self { framing: Framing::Mbap, depth: 1, pacing: Pacing::default(), redial: None, can_hang: true, line: None }
    }
}

impl Settings {
    /// RTU, no other pauses than its own.
    pub fn rtu(timing: Timing) -> Self {
        Self { framing: Framing::Rtu(timing), ..Self::default() }
    }

    pub fn of(endpoint: &Endpoint, redial: Redial) -> Self {
        let Endpoint { transport, connect_timeout: _, pipeline, pacing } = endpoint;
        let framing = Framing::of(transport);
        let can_hang = !matches!(transport, Transport::Rtu(_));
        let redial = pacing.close_after_idle.map(|_| redial);
        let line = transport.is_nameless().then(|| transport.to_string());
        Self { framing, depth: *pipeline, pacing: *pacing, redial, can_hang, line }
    }
}

fn timing(port: &ModbusRtu) -> Timing {
    let parity = u32::from(port.parity.unwrap_or_default() != ModbusParity::None);
    let stop = if port.stop_bits == Some(2) { 2 } else { 1 };
    let baud = port.baud_rate.unwrap_or(ModbusRtu::BAUD_RATE);
    Timing::serial(u32::try_from(baud).unwrap_or(1), 1 + 8 + parity + stop)
}

/// One request, and how patient whoever asks is.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    pub unit: u8,
    pub request: &'a Request<'a>,
    /// By then it has ended, whatever came.
    pub until: Instant,
    pub manners: Manners,
}

/// What the configuration grants each request of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manners {
    /// How long an answer may take, beside its way on a serial port.
    pub timeout: Duration,
    /// How often a read without an answer is repeated.
    pub retries: u32,
    /// How often a request is repeated that was answered by exception 5 or 6, and the pause before.
    pub busy: (u32, Duration),
}

impl Manners {
    /// No second try.
    pub const fn once(timeout: Duration) -> Self {
        Self { timeout, retries: 0, busy: (0, Duration::ZERO) }
    }
}

impl Ask<'_> {
    pub(super) fn is_write(&self) -> bool {
        matches!(self.request.function_code().value(), 5 | 6 | 15 | 16 | 22)
    }
}
