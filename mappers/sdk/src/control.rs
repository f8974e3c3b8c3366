//! How the local API and the command line reach into the runtime.
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
}

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// It is not driven here.
    #[error("no such device on this mapper")]
    NoSuchDevice,
    /// It does not answer; the text is the protocol's.
    #[error("device does not answer: {0}")]
    NotConnected(String),
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
}
