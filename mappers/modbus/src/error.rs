//! What goes wrong on the wire, in words for people and kinds for machines.
use crate::frame::{ExceptionCode, ProtocolError, describe_exception};
use pollux_mapper::{DriverError, ErrorKind, Instant};
use std::time::Duration;

/// Cloned to everyone who waits for an answer on a connection that is lost.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("cannot connect: {0}")]
    Connect(String),
    #[error("cannot connect: no answer within {0:?}")]
    ConnectTimeout(Duration),
    #[error("the connection was closed by the other side")]
    Closed,
    #[error("the connection was lost: {0}")]
    Lost(String),
    #[error("the connection takes no more bytes: nothing could be sent within {0:?}")]
    Stalled(Duration),
    #[error("half an answer ({0} bytes), then silence")]
    HalfFrame(usize),
    #[error("unit {unit}: no answer within {waited:?}{}", late(*.dropped))]
    Silent { unit: u8, waited: Duration, dropped: u64 },
    #[error("nothing was received for {0:?}, whoever was asked: the connection is made anew")]
    Deaf(Duration),
    #[error("unit {unit}: {}", describe_exception(*.code))]
    Exception { unit: u8, code: ExceptionCode },
    #[error("unit {unit}: {error}")]
    Answer { unit: u8, error: ProtocolError },
    #[error(transparent)]
    Stream(#[from] ProtocolError),
    #[error("a request was given up while it was being sent")]
    Abandoned,
}

/// As people say it: whole milliseconds.
pub(crate) fn since(began: Instant) -> Duration {
    let micros = began.elapsed().as_micros() + 500;
    Duration::from_millis(u64::try_from(micros / 1000).unwrap_or(u64::MAX))
}

fn late(dropped: u64) -> String {
    if dropped == 0 { String::new() } else { format!(" ({dropped} answers to earlier requests were dropped)") }
}

impl DriverError for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Connect(_) | Self::Closed | Self::Lost(_) => ErrorKind::Unreachable,
            Self::ConnectTimeout(_) | Self::Stalled(_) | Self::HalfFrame(_) | Self::Silent { .. } | Self::Deaf(_) => {
                ErrorKind::Timeout
            }
            Self::Exception { code, .. } if crate::frame::is_gateway(*code) => ErrorKind::Unreachable,
            Self::Exception { .. } | Self::Answer { .. } | Self::Stream(_) => ErrorKind::Protocol,
            Self::Abandoned => ErrorKind::Other,
        }
    }
}
