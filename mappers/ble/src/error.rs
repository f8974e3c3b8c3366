//! What goes wrong between us and a device: at the stack, in the air, or at the device.
use crate::address::Address;
use pollux_mapper::{DriverError, ErrorKind, Fault, PointFault};

/// Result of all that asks the radio.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no way to the Bluetooth stack of this node.
    #[error("{0}")]
    Stack(String),
    /// The stack is there, and has no adapter that could be used.
    #[error("{0}")]
    NoAdapter(String),
    /// The stack may not be used.
    #[error("{0}")]
    Denied(String),
    /// The stack took a call and did not answer.
    #[error("bluetoothd does not answer ({0})")]
    Hung(&'static str),
    /// Not heard within the time that there was.
    #[error("{0} is not heard")]
    Unheard(String),
    /// Nobody is heard: what the kernel said of its scan was lost.
    #[error("{0} is not heard: bluetoothd believes that it scans, and does not (systemctl restart bluetooth mends it)")]
    Deaf(String),
    /// A connection could not be made.
    #[error("cannot connect to {0}: {1}")]
    Connect(Address, String),
    /// It is connected, and does not say what it has.
    #[error("{0} is connected and does not list its services")]
    Services(Address),
    /// It does not pair with us.
    #[error("{0} does not pair: {1}")]
    Pairing(Address, String),
    /// The connection is gone.
    #[error("{0} is not connected")]
    Gone(Address),
    /// It took a request and did not answer.
    #[error("no answer to {0} in time")]
    Silent(&'static str),
    /// It answered: no.
    #[error("{0}")]
    Refused(String),
    /// Only an edit can mend it.
    #[error("{0}")]
    Config(String),
}

impl DriverError for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoAdapter(_) => ErrorKind::NoAdapter,
            Self::Stack(_) | Self::Unheard(_) | Self::Deaf(_) | Self::Connect(..) | Self::Gone(_) => {
                ErrorKind::Unreachable
            }
            Self::Hung(_) | Self::Silent(_) | Self::Services(_) => ErrorKind::Timeout,
            Self::Denied(_) | Self::Pairing(..) => ErrorKind::Denied,
            Self::Refused(_) => ErrorKind::Protocol,
            Self::Config(_) => ErrorKind::Config,
        }
    }
}

impl Error {
    /// How far it reaches, where it happened to one device.
    pub(crate) fn of_device(self) -> Fault<Self> {
        match self {
            Self::Stack(_) | Self::NoAdapter(_) | Self::Denied(_) | Self::Hung(_) => Fault::Link(self),
            Self::Refused(text) => Fault::Point(PointFault::new(ErrorKind::Protocol, text)),
            Self::Config(text) => Fault::Point(PointFault::new(ErrorKind::Config, text)),
            other => Fault::Device(other),
        }
    }
    /// It was refused because the link is not paired.
    pub(crate) fn wants_pairing(&self) -> bool {
        let words = ["wants to be paired", "insufficient authentication", "insufficient encryption"];
        matches!(self, Self::Refused(text) if words.iter().any(|word| text.contains(word)))
    }
    /// Its words for one point.
    pub(crate) fn of_point(&self) -> PointFault {
        PointFault::new(self.kind(), self.to_string())
    }
}
