//! What the driver of a link may know of its surroundings.
use crate::{Command, Cx, Protocol, Secrets, WeakQueueSender};
use std::{path::PathBuf, sync::Arc};
use tokio::sync::watch;

/// What the driver of this link may know of its surroundings.
pub(super) struct Vault {
    /// Secrets that it reads; None: all.
    pub(super) named: Option<Vec<String>>,
    pub(super) secrets: watch::Receiver<Secrets>,
    pub(super) folder: Option<PathBuf>,
}

impl Vault {
    /// Whether it is told any secret.
    pub(super) fn reads(&self) -> bool {
        self.named.as_ref().is_none_or(|named| !named.is_empty())
    }
    pub(super) fn newest(&mut self) -> Arc<Cx> {
        Arc::new(self.secrets.borrow_and_update().cx(self.named.as_deref(), self.folder.as_deref()))
    }
    /// New contents go to the engine, for as long as there is one; what this link does not read is no news.
    pub(super) async fn renew<P: Protocol>(mut self, mut last: Arc<Cx>, engine: WeakQueueSender<Box<Command<P>>>) {
        while self.secrets.changed().await.is_ok() {
            let cx = self.newest();
            if cx.secrets == last.secrets {
                continue;
            }
            last = cx.clone();
            let Some(engine) = engine.upgrade() else { return };
            engine.send(Box::new(Command::Context(cx))).await.ok(); // it ended: so does this
        }
    }
}
