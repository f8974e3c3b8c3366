//! What goes wrong: how far it reaches, what kind it is, and in whose words.
use std::{borrow::Cow, fmt::Display};

/// How far a failure reaches. It depends on where it happened, not on which error it is: hence not a method of the error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault<E> {
    /// The link is dead: all its devices are; dropped and reconnected with backoff. `?` on a bare error means this.
    Link(E),
    /// This device does not answer; its neighbours are served on. Once: suspect. `offlineAfter` in a row: not Connected,
    /// and probed by `attach` and one exchange within 5 % of the link's time.
    Device(E),
    /// The device answered: no. Only the points of this request are Bad.
    Point(PointFault),
}

impl<E: DriverError> From<E> for Fault<E> {
    fn from(error: E) -> Self {
        Self::Link(error)
    }
}

impl<E: DriverError> Fault<E> {
    pub(crate) fn to_point(&self) -> PointFault {
        match self {
            Self::Point(fault) => fault.clone(),
            Self::Device(error) | Self::Link(error) => PointFault::new(error.kind(), error.to_string()),
        }
    }
}

/// An error of a driver. The kind drives retry, condition reasons and metric labels; the text (`Display`) is for people.
pub trait DriverError: std::error::Error + Send + Sync + 'static {
    /// What kind of failure it is.
    fn kind(&self) -> ErrorKind;
}

/// For drivers whose only errors are the socket's.
impl DriverError for std::io::Error {
    fn kind(&self) -> ErrorKind {
        use std::io::ErrorKind as Io;
        match std::io::Error::kind(self) {
            Io::TimedOut => ErrorKind::Timeout,
            Io::PermissionDenied => ErrorKind::Denied,
            Io::InvalidData | Io::InvalidInput => ErrorKind::Protocol,
            _ => ErrorKind::Unreachable,
        }
    }
}

/// What kind of failure it is, for those who act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Only an edit can mend it.
    Config,
    /// There is no way to the device.
    Unreachable,
    /// No answer in time.
    Timeout,
    /// The answer was a refusal, or nonsense.
    Protocol,
    /// Credentials or rights are missing.
    Denied,
    /// The node lacks what it would be reached by, such as a Bluetooth adapter.
    NoAdapter,
    /// None of the others.
    Other,
}

impl ErrorKind {
    /// All kinds, in the order of their discriminants.
    pub const ALL: [Self; 7] =
        [Self::Config, Self::Unreachable, Self::Timeout, Self::Protocol, Self::Denied, Self::NoAdapter, Self::Other];

    /// The word for labels and condition reasons.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Config => "Config",
            Self::Unreachable => "Unreachable",
            Self::Timeout => "Timeout",
            Self::Protocol => "Protocol",
            Self::Denied => "Denied",
            Self::NoAdapter => "NoAdapter",
            Self::Other => "Other",
        }
    }
}

/// Why one point failed, in the protocol's words. Static text costs no allocation per cycle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PointFault {
    /// What kind of failure it is.
    pub kind: ErrorKind,
    /// The protocol's words, for people.
    pub text: Cow<'static, str>,
}

impl PointFault {
    /// A fault of this kind, in these words.
    pub fn new(kind: ErrorKind, text: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, text: text.into() }
    }
}

impl Display for PointFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// What is wrong with a device's configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct ConfigError {
    /// A position in `points` of `prepare`; none: the device's own configuration.
    pub point: Option<usize>,
    /// Names the field and what is allowed.
    pub text: String,
}

impl ConfigError {
    /// The device's own configuration is wrong.
    pub fn device(text: impl Into<String>) -> Self {
        Self { point: None, text: text.into() }
    }
    /// One point's configuration is wrong.
    pub fn point(point: usize, text: impl Into<String>) -> Self {
        Self { point: Some(point), text: text.into() }
    }
}
