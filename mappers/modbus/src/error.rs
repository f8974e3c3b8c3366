//! What goes wrong on the wire, in words for people and kinds for machines.
use crate::frame::{ExceptionCode, ProtocolError, describe_exception};
use pollux_mapper::{DriverError, ErrorKind};
use std::time::Duration;

/// Cloned to everyone who waits for an answer on a connection that is lost.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("cannot connect: {0}")]
    Connect(String),
    #[error("cannot connect: no answer within {0:?}")]
    ConnectTimeout(Duration),
    /// What stands in a Secret cannot be used.
    #[error("{0}")]
    Secret(String),
    /// There is no TLS session with who answered.
    #[error("{0}")]
    Session(String),
    /// A serial port that cannot be opened, or cannot be set so.
    #[error("{path}: {why}")]
    Port { path: String, why: String },
    #[error("the connection was closed by the other side")]
    Closed,
    #[error("the connection was lost: {0}")]
    Lost(String),
    /// Of a serial port.
    #[error("the port is gone: {0}; it is opened again when it is there")]
    Unplugged(String),
    #[error("the connection takes no more bytes")]
    Stalled,
    #[error("half an answer ({0} bytes), then silence")]
    HalfFrame(usize),
    /// How long it was waited for is not said: the engine asks a suspect for a shorter time, and words that change at each
    /// try would be a write of status each.
    #[error("unit {unit}: no answer{}", too_late(*.late))]
    Silent { unit: u8, late: bool },
    /// Answers do come, and too late.
    #[error("unit {unit}: no answer in time: its answers come {:.1} s after they are asked for; raise timeout", .after.as_secs_f64())]
    Late { unit: u8, after: Duration },
    /// Nothing was sent.
    #[error("unit {unit}: its turn did not come in time")]
    NoTurn { unit: u8 },
    /// Nothing was sent: the answer to an earlier request may still come, and would be taken for this one's.
    #[error("unit {unit}: not asked yet, because a late answer would pass for this one's")]
    Held { unit: u8 },
    #[error("unit {unit}: an answer with a wrong CRC")]
    Crc { unit: u8 },
    #[error("unit {unit}: half an answer, then silence")]
    Half { unit: u8 },
    #[error("unit {unit}: nothing came but our own request: the adapter or the wiring echoes what it sends")]
    Echo { unit: u8 },
    #[error("unit {unit}: no answer, but bytes that are no frame: another baud rate or parity, or a disturbed line")]
    Noise { unit: u8 },
    #[error("nothing is received any more, whoever is asked: the connection is made anew")]
    Deaf,
    #[error("unit {unit}: {}", describe_exception(*.code))]
    Exception { unit: u8, code: ExceptionCode },
    #[error("unit {unit}: {error}")]
    Answer { unit: u8, error: ProtocolError },
    #[error(transparent)]
    Stream(#[from] ProtocolError),
    #[error("a request was given up while it was being sent")]
    Abandoned,
}

impl Error {
    /// Whether silence says something of what was asked: it was sent, and not only given up too early.
    pub(crate) fn was_asked(&self) -> bool {
        !matches!(self, Self::NoTurn { .. } | Self::Held { .. } | Self::Late { .. })
    }

    /// Whether what came may have been of another request.
    pub(crate) fn is_doubt(&self) -> bool {
        matches!(self, Self::Held { .. })
    }

    /// Whether asking once more, at once, may help: nothing usable came.
    pub(crate) fn is_lost(&self) -> bool {
        matches!(
            self,
            Self::Silent { .. }
                | Self::Late { .. }
                | Self::Held { .. }
                | Self::Crc { .. }
                | Self::Half { .. }
                | Self::Noise { .. }
                | Self::Echo { .. }
        )
    }
}

fn too_late(late: bool) -> &'static str {
    if late { " (answers to earlier requests came meanwhile, too late: raise timeout)" } else { "" }
}

impl DriverError for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Secret(_) => ErrorKind::Config,
            Self::Session(_) => ErrorKind::Denied,
            Self::Connect(_) | Self::Port { .. } | Self::Closed | Self::Lost(_) | Self::Unplugged(_) => {
                ErrorKind::Unreachable
            }
            Self::ConnectTimeout(_)
            | Self::Stalled
            | Self::HalfFrame(_)
            | Self::Silent { .. }
            | Self::Late { .. }
            | Self::NoTurn { .. }
            | Self::Held { .. }
            | Self::Half { .. }
            | Self::Echo { .. }
            | Self::Deaf => ErrorKind::Timeout,
            Self::Exception { code, .. } if crate::frame::is_gateway(*code) => ErrorKind::Unreachable,
            Self::Exception { .. } | Self::Answer { .. } | Self::Crc { .. } | Self::Noise { .. } | Self::Stream(_) => {
                ErrorKind::Protocol
            }
            Self::Abandoned => ErrorKind::Other,
        }
    }
}
