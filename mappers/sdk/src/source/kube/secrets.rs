//! What drivers need of people's Secrets stands in one Secret of this class and node (empty until a protocol names any), which is
//! followed by name with the reader's token. It is kept on disk, where only this process's user may read it: without it a mapper that starts
//! while the API server is away could not reach what it shall control.
use super::{Said, assemble::Own, token::Reader, watch::follow_named};
use crate::{Secrets, Store, report::backoff};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use pollux_crds::secret_name;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{sync::watch, task::spawn_blocking, time::sleep};

const FILE: &str = "secrets";
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

type Data = BTreeMap<String, ByteString>;

pub(super) struct Vault {
    name: String,
    store: Arc<Store>,
    out: watch::Sender<Secrets>,
    newest: watch::Sender<Data>,
    known: watch::Sender<bool>,
}

impl Vault {
    /// With what the disk knows.
    pub(super) async fn open(own: &Own, store: Arc<Store>, out: watch::Sender<Secrets>) -> Self {
        let disk = store.clone();
        let read = spawn_blocking(move || serde_json::from_slice(&disk.load(FILE).found()?).ok());
        let data: Data = read.await.ok().flatten().unwrap_or_default();
        let name = secret_name(&own.class, &own.node);
        let (newest, known) = (watch::Sender::new(Data::new()), watch::Sender::new(false));
        let vault = Self { name, store, out, newest, known };
        vault.take(data);
        vault
    }
    /// Turns true when the API server has said what there is.
    pub(super) fn known(&self) -> watch::Receiver<bool> {
        self.known.subscribe()
    }
    /// For ever. One that is not there (any more) leaves the last contents in force.
    pub(super) async fn follow(&self, reader: &Reader) {
        let saw = |secret: Option<Secret>| {
            if let Some(secret) = secret {
                self.take(secret.data.unwrap_or_default());
            }
            self.known.send_replace(true);
        };
        tokio::join!(follow_named(reader, "Secret", &self.name, None, saw), self.save());
    }
    fn take(&self, data: Data) {
        let contents = data.iter().map(|(key, value)| (key.clone(), value.0.clone())).collect();
        Secrets::renew(&self.out, contents);
        self.newest.send_if_modified(|newest| {
            let news = *newest != data;
            *newest = data;
            news
        });
    }
    async fn save(&self) {
        let (mut newest, mut said, mut failures) = (self.newest.subscribe(), Said::default(), 0);
        while failures > 0 || newest.changed().await.is_ok() {
            let (data, store) = (newest.borrow_and_update().clone(), self.store.clone());
            let work = move || store.save(FILE, &serde_json::to_vec(&data)?);
            match spawn_blocking(work).await {
                Ok(Err(error)) => {
                    failures += 1;
                    said.warn(
                        "secrets not saved, trying again: a restart without the API server would lack them",
                        &error,
                    );
                    sleep(backoff(failures, RETRY.0, RETRY.1, fastrand::f64())).await;
                }
                Ok(Ok(())) => {
                    failures = 0;
                    said.over("secrets are saved again");
                }
                Err(_) => return, // the process ends
            }
        }
    }
}
