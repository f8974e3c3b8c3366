//! How the local API and the command line reach into the runtime.
use pollux_crds::Values;
use serde_json::Value as Json;
use tokio::sync::{mpsc, oneshot};

/// Requests that may wait for the runtime.
const WAITING: usize = 64;

/// One request to the runtime.
#[derive(Debug)]
pub enum Request {
    /// Read every readable property of a device now; answered when the values are published.
    Read {
        /// uid of the device.
        uid: String,
        /// What became of it.
        reply: oneshot::Sender<Result<(), ControlError>>,
    },
    /// Forget what was learned of a device; answered when nothing goes by it any more.
    Forget {
        /// uid of the device.
        uid: String,
        /// What became of it.
        reply: oneshot::Sender<Result<(), ControlError>>,
    },
    /// Carry out a command of the device's model; answered with its result.
    Call {
        /// uid of the device.
        uid: String,
        /// Name of the command.
        command: String,
        /// Its arguments by name.
        arguments: Values,
        /// Its result, or why there is none.
        reply: CallReply,
    },
}

/// Who waits for the result of a command.
pub(crate) type CallReply = oneshot::Sender<Result<Json, ControlError>>;

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// It is not driven here.
    #[error("no such device on this mapper")]
    NoSuchDevice,
    /// It does not answer; the text is the protocol's.
    #[error("device does not answer: {0}")]
    NotConnected(String),
    /// There is no such command: the text says which there are.
    #[error("{0}")]
    NoSuchCommand(String),
    /// Its arguments do not fit: the text says what is allowed.
    #[error("{0}")]
    Invalid(String),
    /// The device must not be told anything: its mode, or its class.
    #[error("{0}")]
    Refused(String),
    /// The device said no; the text is the protocol's.
    #[error("device refused: {0}")]
    Failed(String),
    /// It left and was not answered.
    #[error("unknown whether it was done: {0}")]
    Unknown(String),
    /// The runtime is busy or ending.
    #[error("the mapper is busy or shutting down, try again")]
    Busy,
}

/// The caller's end.
#[derive(Debug, Clone)]
pub struct Control(mpsc::Sender<Request>);

/// Makes both ends.
pub fn control() -> (Control, mpsc::Receiver<Request>) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (Control(sender), receiver)
}

impl Control {
    /// Reads a device now.
    pub async fn read(&self, uid: &str) -> Result<(), ControlError> {
        let (reply, answer) = oneshot::channel();
        self.0.try_send(Request::Read { uid: uid.to_owned(), reply }).map_err(|_| ControlError::Busy)?;
        answer.await.unwrap_or(Err(ControlError::Busy))
    }
    /// Forgets what was learned of a device.
    pub async fn forget(&self, uid: &str) -> Result<(), ControlError> {
        let (reply, answer) = oneshot::channel();
        self.0.try_send(Request::Forget { uid: uid.to_owned(), reply }).map_err(|_| ControlError::Busy)?;
        answer.await.unwrap_or(Err(ControlError::Busy))
    }
    /// Carries out a command of a device's model. Sent at most once, whatever comes of it.
    pub async fn call(&self, uid: &str, command: &str, arguments: Values) -> Result<Json, ControlError> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Call { uid: uid.to_owned(), command: command.to_owned(), arguments, reply };
        self.0.try_send(request).map_err(|_| ControlError::Busy)?;
        answer.await.unwrap_or_else(|_| Err(ControlError::Unknown("the mapper is shutting down".to_owned())))
    }
}

impl Request {
    /// Who asked may have left.
    pub(crate) fn refuse(self, why: ControlError) {
        match self {
            Self::Read { reply, .. } | Self::Forget { reply, .. } => drop(reply.send(Err(why))),
            Self::Call { reply, .. } => drop(reply.send(Err(why))),
        }
    }
    /// Of one that has no result.
    pub(crate) fn done(self) {
        match self {
            Self::Read { reply, .. } | Self::Forget { reply, .. } => drop(reply.send(Ok(()))),
            Self::Call { reply, .. } => drop(reply.send(Ok(Json::Null))),
        }
    }
}
