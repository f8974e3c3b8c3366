//! From what the watches see to what the runtime drives: one task, newest state only.
use super::{
    Said, SourceStats,
    assemble::{Built, Own, Revisions, Set, assemble, count},
    cache::Cache,
    token::Reader,
    watch::{Chunks, Map, follow},
};
use crate::{
    Instant, NodeConfig,
    report::{backoff, explain},
};
use futures_util::{StreamExt, stream};
use kube::{Api, Client};
use pollux_crds::{DeviceModelRevision, DeviceModelRevisionSpec, MAPPERS_NAMESPACE};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{sleep_until, timeout, timeout_at},
};
use tokio_util::task::AbortOnDropHandle;

/// Longest time for one revision, and for all that are missing together.
const REVISION: Duration = Duration::from_secs(15);
const REVISIONS: Duration = Duration::from_secs(30);
const AT_ONCE: usize = 4;
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// Where the configuration goes.
#[derive(Debug)]
pub(super) struct Outlet {
    pub(super) config: watch::Sender<Arc<NodeConfig>>,
    pub(super) ready: watch::Sender<bool>,
}

pub(super) struct Compiler {
    own: Own,
    cache: Cache,
    out: Outlet,
    stats: Arc<SourceStats>,
    built: Built,
    revisions: Revisions,
    current: Option<Set>,
    refused: BTreeMap<String, String>,
    incomplete: Said,
    fetching: Said,
}

impl Compiler {
    pub(super) fn new(own: Own, cache: Cache, out: Outlet, stats: Arc<SourceStats>) -> Self {
        let (built, revisions, refused) = (Built::default(), Revisions::new(), BTreeMap::new());
        let (incomplete, fetching) = (Said::default(), Said::default());
        Self { own, cache, out, stats, built, revisions, current: None, refused, incomplete, fetching }
    }
    /// What a mapper without API server goes by.
    pub(super) async fn read_disk(&mut self) {
        if let Some((set, revisions)) = self.cache.load(&self.own).await {
            tracing::info!(devices = set.devices().count(), "started from the slices on disk");
            self.revisions = revisions;
            self.publish(&set);
            self.current = Some(set);
        }
    }
    /// For ever. As many watches run as the index says; they end with this future.
    pub(super) async fn follow(&mut self, reader: &Arc<Reader>, chunks: &Arc<Chunks>) {
        let mut seen = chunks.subscribe();
        let mut watches = vec![self.watch(0, reader, chunks)];
        let (mut failures, mut retry): (u32, Option<Instant>) = (0, None);
        loop {
            tokio::select! {
                Ok(()) = seen.changed() => {}
                () = at(retry) => {}
            }
            let map = seen.borrow_and_update().clone();
            let wanted = count(map.get(&0).map(|s| &s.spec));
            for chunk in watches.len()..wanted {
                watches.push(self.watch(chunk, reader, chunks));
            }
            for gone in wanted..watches.len() {
                chunks.set(gone, None);
            }
            watches.truncate(wanted);
            let missing = self.take(&map, reader).await;
            failures = if missing { failures + 1 } else { 0 };
            retry = missing.then(|| Instant::now() + backoff(failures, RETRY.0, RETRY.1, fastrand::f64()));
        }
    }
    /// A task of its own: while a revision is asked for, edits go on arriving.
    fn watch(&self, chunk: usize, reader: &Arc<Reader>, chunks: &Arc<Chunks>) -> AbortOnDropHandle<()> {
        let (reader, chunks, name, stats) = (reader.clone(), chunks.clone(), self.own.slice(chunk), self.stats.clone());
        AbortOnDropHandle::new(tokio::spawn(async move { follow(&reader, &chunks, chunk, &name, &stats).await }))
    }
    /// Says whether a revision is missing, so that it has to be asked for again.
    async fn take(&mut self, map: &Map, reader: &Reader) -> bool {
        let set = match assemble(&self.own, |n| map.get(&n).map(|s| &s.spec)) {
            Ok(set) => set,
            Err(error) => {
                if map.contains_key(&0) {
                    self.incomplete.warn("the slices are not consistent, the last ones stay in force", &error);
                }
                return false;
            }
        };
        self.incomplete.over("the slices are consistent");
        let missing = self.fetch(&set, reader).await;
        if self.current.as_ref() == Some(&set) && !missing && self.stats.missing_revisions() == 0 {
            return false;
        }
        self.publish(&set);
        self.revisions.retain(|name, _| set.revisions().contains(name.as_str()));
        self.cache.save(set.clone(), &self.revisions).await;
        self.current = Some(set);
        missing
    }
    /// Immutable, so each is read once: from memory, the disk, the API server.
    async fn fetch(&mut self, set: &Set, reader: &Reader) -> bool {
        let lacking = |have: &Revisions| -> Vec<String> {
            set.revisions().into_iter().filter(|name| !have.contains_key(*name)).map(str::to_owned).collect()
        };
        let names = lacking(&self.revisions);
        if names.is_empty() {
            return false;
        }
        self.revisions.extend(self.cache.revisions(names).await);
        let (client, end) = (reader.client().await, Instant::now() + REVISIONS);
        let mut answers =
            stream::iter(lacking(&self.revisions)).map(|n| get(client.clone(), n)).buffer_unordered(AT_ONCE);
        while let Ok(Some((name, answer))) = timeout_at(end, answers.next()).await {
            match answer {
                Ok(revision) => {
                    self.revisions.insert(name, Arc::new(revision));
                }
                Err(error) => {
                    self.fetching.warn("a revision cannot be read, trying again", &format!("{name}: {error}"));
                }
            }
        }
        drop(answers);
        let missing = !lacking(&self.revisions).is_empty();
        if !missing {
            self.fetching.over("all revisions are there");
        }
        missing
    }
    fn publish(&mut self, set: &Set) {
        let (config, refused) = self.built.build(set, &self.revisions);
        let missing = set.revisions().into_iter().filter(|name| !self.revisions.contains_key(*name)).count();
        self.stats.configured(refused.len(), missing);
        let said = std::mem::take(&mut self.refused);
        for entry in refused {
            if said.get(&entry.device) != Some(&entry.why) {
                tracing::warn!(
                    device = entry.device,
                    error = entry.why,
                    "entry not taken, the last one stays in force"
                );
            }
            self.refused.insert(entry.device, entry.why);
        }
        self.out.config.send_if_modified(|old| {
            let differs = **old != config;
            if differs {
                *old = Arc::new(config);
            }
            differs
        });
        self.out.ready.send_replace(true);
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

async fn get(client: Client, name: String) -> (String, Result<DeviceModelRevisionSpec, String>) {
    let api = Api::<DeviceModelRevision>::namespaced(client, MAPPERS_NAMESPACE);
    let answer = match timeout(REVISION, api.get(&name)).await {
        Ok(answer) => answer.map(|revision| revision.spec).map_err(|error| explain(&error)),
        Err(_) => Err("no answer in time".into()),
    };
    (name, answer)
}
