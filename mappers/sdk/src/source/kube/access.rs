//! The two clients of a mapper: its own, which writes status, and the reader's, whose token it obtains with the first.
use kube::{Client, Config, config::AuthInfo};
use std::{sync::Arc, time::Duration};

const CONNECT: Duration = Duration::from_secs(5);
/// Longer than the minute between two bookmarks of a watch; requests have shorter bounds of their own.
const SILENCE: Duration = Duration::from_secs(100);

type MakeReader = dyn Fn(&str) -> Result<Client, kube::Error> + Send + Sync;

/// The way to the API server.
#[derive(Clone)]
pub struct Access {
    own: Client,
    reader: Arc<MakeReader>,
}
impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Access")
    }
}

impl Access {
    /// From the Pod's ServiceAccount, or `$KUBECONFIG`: one whose identity may ask for the reader's token.
    pub fn new(mut config: Config) -> Result<Self, kube::Error> {
        config.connect_timeout = Some(CONNECT);
        config.read_timeout = Some(SILENCE);
        config.write_timeout = Some(SILENCE);
        config.reset_reader_on_write = true;
        // Retries are ours: they know what is worth one, and how much may be spent.
        config.default_retry = false;
        let own = Client::try_from(config.clone())?;
        let reader = move |token: &str| {
            let auth_info = AuthInfo { token: Some(token.to_owned().into()), ..AuthInfo::default() };
            let mut config = config.clone();
            config.auth_info = auth_info;
            Client::try_from(config)
        };
        Ok(Self::custom(own, reader))
    }
    /// From clients made elsewhere: `reader` makes one that shows the given token.
    pub fn custom(own: Client, reader: impl Fn(&str) -> Result<Client, kube::Error> + Send + Sync + 'static) -> Self {
        Self { own, reader: Arc::new(reader) }
    }
    /// The client with the mapper's own token.
    pub fn own(&self) -> Client {
        self.own.clone()
    }
    pub(super) fn reader(&self, token: &str) -> Result<Client, kube::Error> {
        (self.reader)(token)
    }
}
