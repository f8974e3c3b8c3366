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
    /// As the driver of one link gets them; `names`: only those Secrets.
    pub(crate) fn cx(&self, names: Option<&[String]>, state_dir: Option<&Path>) -> Cx {
        let of = |key: &str, name: &String| key.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('.'));
        let wanted = |key: &str| names.is_none_or(|names| names.iter().any(|name| of(key, name)));
        let secrets =
            self.contents.iter().filter(|(key, _)| wanted(key)).map(|(key, value)| (key.clone(), value.clone()));
        Cx { secrets: secrets.collect(), state_dir: state_dir.map(Path::to_owned), rotation: self.rotation }
    }
}
