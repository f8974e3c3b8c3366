//! One record after the other onto the disk, in the order given, off the field's thread: an older record never lands on a
//! newer one, and a slow disk does not hold up the wire.
use crate::{Store, twin::Record};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Records that may wait. Beyond that a device's write waits for room, and with it nothing else.
const WAITING: usize = 1024;

type Saved = Result<(), String>;
struct Job {
    uid: String,
    record: Record,
    reply: oneshot::Sender<Saved>,
}

/// The way to the disk.
#[derive(Clone)]
pub(super) struct Saver(mpsc::Sender<Job>);

impl Saver {
    /// Ends when the last clone is gone and all is written.
    pub(super) fn start(store: Arc<Store>) -> Self {
        let (sender, mut jobs) = mpsc::channel::<Job>(WAITING);
        tokio::spawn(async move {
            while let Some(Job { uid, record, reply }) = jobs.recv().await {
                let store = store.clone();
                let write = tokio::task::spawn_blocking(move || store.save_record(&uid, &record).map_err(|e| e.to_string()));
                let saved = write.await.unwrap_or_else(|error| Err(error.to_string()));
                reply.send(saved).ok(); // who asked may have ended
            }
        });
        Self(sender)
    }
    /// Resolves when the record is on the disk.
    pub(super) fn save(&self, uid: &str, record: Record) -> impl Future<Output = Saved> + Send + use<> {
        let (sender, uid) = (self.0.clone(), uid.to_owned());
        let (reply, answer) = oneshot::channel();
        // Queued now where there is room, so that the order of calls is the order on the disk.
        let queued = sender.try_send(Job { uid, record, reply });
        async move {
            match queued {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(job)) => sender.send(job).await.map_err(|_| "shutting down".to_owned())?,
                Err(mpsc::error::TrySendError::Closed(_)) => return Err("shutting down".to_owned()),
            }
            answer.await.unwrap_or_else(|_| Err("shutting down".to_owned()))
        }
    }
}
