//! Contents of Secrets, as a source hands them over to the runtime.
use crate::Cx;
use std::{collections::HashMap, path::Path, sync::Arc};
use tokio::sync::watch;

/// Contents of Secrets by `namespace.name.key`, and how often they have changed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    contents: Arc<HashMap<String, Vec<u8>>>,
    rotation: u64,
}

/// Never shows a secret.
impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets").field("keys", &self.contents.len()).field("rotation", &self.rotation).finish()
    }
}

impl Secrets {
    /// The content of one key.
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        self.contents.get(key).map(Vec::as_slice)
    }
    /// Hands new contents over; the same again are no news.
    pub fn renew(sender: &watch::Sender<Self>, contents: HashMap<String, Vec<u8>>) {
        sender.send_if_modified(|current| {
            let news = *current.contents != contents;
            if news {
                *current = Self { contents: Arc::new(contents), rotation: current.rotation + 1 };
            }
            news
        });
    }
    /// As a driver gets them.
    pub(crate) fn cx(&self, state_dir: Option<&Path>) -> Arc<Cx> {
        let (secrets, state_dir) = (HashMap::clone(&self.contents), state_dir.map(Path::to_owned));
        Arc::new(Cx { secrets, state_dir, rotation: self.rotation })
    }
}
