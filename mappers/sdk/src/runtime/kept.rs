//! What a driver learned of a device, as it stands on the disk: it holds for the wiring that it was learned by.
use crate::Store;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// Longest that is kept.
const MOST: usize = 256 * 1024;

/// What a driver learned of a device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) wiring: u64,
    /// In the driver's own form; Null: nothing.
    pub(super) kept: Json,
}

impl Kept {
    pub(super) fn nothing() -> Self {
        Self { wiring: 0, kept: Json::Null }
    }
    /// What cannot be saved is learned again.
    pub(super) fn save(&self, store: &Store, uid: &str) {
        let long = self.kept.to_string().len() > MOST;
        let done = if self.kept.is_null() || long { store.remove_learned(uid) } else { store.save_learned(uid, self) };
        if long {
            tracing::warn!(uid, "what was learned of the device is too long to be kept");
        }
        if let Err(error) = done {
            tracing::warn!(uid, %error, "what was learned of the device is not kept: it will be learned again");
        }
    }
}
