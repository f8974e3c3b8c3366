//! What goes wrong at an OPC UA server. Status codes are told by the standard's names.
use opcua::types::{StatusCode, SubStatusCode};
use pollux_mapper::{DriverError, ErrorKind, PointFault};
use std::{borrow::Cow, fmt};

/// Result of all that asks a server.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// A status code, told by its name.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(pub u32);

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No connection.
    #[error("cannot connect to {place}: {why}")]
    Dial {
        /// Host and port.
        place: String,
        /// In the system's words.
        why: String,
    },
    /// No answer in time.
    #[error("no answer to {0} in time")]
    Silent(&'static str),
    /// The connection is gone.
    #[error("connection closed: {0}")]
    Closed(String),
    /// The server hung up, and said why.
    #[error("the server ended the connection: {code}{}", told(.text))]
    Ended {
        /// Its code.
        code: Code,
        /// Its own words, cut.
        text: String,
    },
    /// What came is not what the protocol allows.
    #[error("not OPC UA: {0}")]
    Nonsense(String),
    /// An answer that cannot be decoded; the connection lives on.
    #[error("cannot decode the answer to {service}: {why}")]
    Decode {
        /// Which service.
        service: &'static str,
        /// In the codec's words.
        why: String,
    },
    /// A request that cannot be encoded, or is too large for the server. Nothing was sent.
    #[error("cannot send {service}: {why}")]
    Encode {
        /// Which service.
        service: &'static str,
        /// In the codec's words.
        why: String,
    },
    /// A service as a whole was refused.
    #[error("{service}: {code}")]
    Refused {
        /// Which service.
        service: &'static str,
        /// The server's code.
        code: Code,
    },
    /// An answer with more or fewer results than were asked for: none can be told whose it is.
    #[error("{service}: {results} results for {asked} operations")]
    Miscounted {
        /// Which service.
        service: &'static str,
        /// How many came.
        results: usize,
        /// How many were asked for.
        asked: usize,
    },
    /// An answer is larger than what is taken.
    #[error("answer to {0} is too large")]
    TooLarge(&'static str),
    /// A matter of certificates, policies or identities; the text says what to do.
    #[error("{0}")]
    Security(String),
    /// Only an edit can mend it.
    #[error("{0}")]
    Config(String),
}

impl Error {
    /// The code that the server or the codec gave, where there is one.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Refused { code, .. } | Self::Ended { code, .. } => Some(*code),
            Self::TooLarge(_) => Some(Code(StatusCode::BadResponseTooLarge.bits())),
            Self::Encode { .. } => Some(Code(StatusCode::BadRequestTooLarge.bits())),
            Self::Decode { .. } => Some(Code(StatusCode::BadDecodingError.bits())),
            _ => None,
        }
    }
}

impl DriverError for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Dial { .. } | Self::Closed(_) => ErrorKind::Unreachable,
            Self::Silent(_) => ErrorKind::Timeout,
            Self::Nonsense(_)
            | Self::Decode { .. }
            | Self::Encode { .. }
            | Self::Miscounted { .. }
            | Self::TooLarge(_) => ErrorKind::Protocol,
            Self::Refused { code, .. } | Self::Ended { code, .. } => code.kind(),
            Self::Security(_) => ErrorKind::Denied,
            Self::Config(_) => ErrorKind::Config,
        }
    }
}

impl Code {
    /// The standard's name, such as BadNodeIdUnknown; a number where it has none.
    pub fn name(self) -> Cow<'static, str> {
        match SubStatusCode::from_value(self.0 & 0xFFFF_0000) {
            Some(SubStatusCode::Invalid) | None => format!("0x{:08X}", self.0).into(),
            Some(code) => code.name().into(),
        }
    }
    /// What it means for those who act on it.
    pub fn kind(self) -> ErrorKind {
        use SubStatusCode as S;
        match SubStatusCode::from_value(self.0 & 0xFFFF_0000) {
            Some(S::BadTimeout | S::BadRequestTimeout) => ErrorKind::Timeout,
            Some(
                S::BadNoCommunication
                | S::BadServerHalted
                | S::BadShutdown
                | S::BadServerNotConnected
                | S::BadConnectionClosed
                | S::BadNotConnected
                | S::BadDeviceFailure,
            ) => ErrorKind::Unreachable,
            Some(
                S::BadUserAccessDenied
                | S::BadNotReadable
                | S::BadNotWritable
                | S::BadIdentityTokenInvalid
                | S::BadIdentityTokenRejected
                | S::BadSecurityChecksFailed
                | S::BadCertificateUntrusted
                | S::BadCertificateInvalid
                | S::BadApplicationSignatureInvalid
                | S::BadUserSignatureInvalid,
            ) => ErrorKind::Denied,
            Some(S::BadNodeIdUnknown | S::BadNodeIdInvalid | S::BadNoMatch | S::BadTypeMismatch) => ErrorKind::Config,
            _ => ErrorKind::Protocol,
        }
    }
    /// Why a point has no value.
    pub fn fault(self) -> PointFault {
        PointFault::new(self.kind(), self.name())
    }
    /// Severity bits say so; 3 is Bad too.
    pub fn is_bad(self) -> bool {
        self.0 >> 31 != 0
    }
    /// Neither Good nor Bad.
    pub fn is_uncertain(self) -> bool {
        self.0 >> 30 == 1
    }
}
impl From<StatusCode> for Code {
    fn from(code: StatusCode) -> Self {
        Self(code.bits())
    }
}
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}
impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (0x{:08X})", self.name(), self.0)
    }
}

fn told(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(" ({text})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_by_name_whatever_their_info_bits_say() {
        assert_eq!(Code(0x8034_0000).name(), "BadNodeIdUnknown");
        assert_eq!(Code(0x8034_0480).name(), "BadNodeIdUnknown");
        assert_eq!(Code(0x8FFF_0000).name(), "0x8FFF0000");
        assert!(Code(0xC000_0000).is_bad() && Code(0x4000_0000).is_uncertain() && !Code(0x480).is_uncertain());
    }
}
