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
    #[error("the connection takes no more bytes")]
    Stalled,
    #[error("half an answer ({0} bytes), then silence")]
    HalfFrame(usize),
    /// How long it was waited for is not said: the engine asks a suspect for a shorter time, and words that change at each
    /// try would be a write of status each.
    #[error("unit {unit}: no answer{}", too_late(*.late))]
    Silent { unit: u8, late: bool },
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

fn too_late(late: bool) -> &'static str {
    if late { " (answers to earlier requests came meanwhile, and were dropped)" } else { "" }
}

impl DriverError for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Secret(_) => ErrorKind::Config,
            Self::Session(_) => ErrorKind::Denied,
            Self::Connect(_) | Self::Port { .. } | Self::Closed | Self::Lost(_) => ErrorKind::Unreachable,
            Self::ConnectTimeout(_) | Self::Stalled | Self::HalfFrame(_) | Self::Silent { .. } | Self::Deaf => {
                ErrorKind::Timeout
            }
            Self::Exception { code, .. } if crate::frame::is_gateway(*code) => ErrorKind::Unreachable,
            Self::Exception { .. } | Self::Answer { .. } | Self::Stream(_) => ErrorKind::Protocol,
            Self::Abandoned => ErrorKind::Other,
        }
    }
}
