//! From what the watches see to what the runtime drives: one task, newest state only.
use super::{
    Judge, Said, SourceStats,
    assemble::{Built, Outcome, Own, Revisions, Set, assemble, count},
    cache::Cache,
    token::Reader,
    watch::{Chunks, Map, follow},
};
use crate::{
    Instant, NodeConfig, Origin,
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

/// With the API server in reach, so long its word is waited for before the disk decides: what was edited while no mapper ran
/// must not be overlooked.
const PATIENCE: Duration = Duration::from_secs(10);

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
    judge: Judge,
    built: Built,
    revisions: Revisions,
    /// What the disk says, until it is known whether the API server says otherwise.
    held: Option<Outcome>,
    /// The set that was taken last, if nothing of it is missing.
    settled: Option<Set>,
    refused: BTreeMap<String, String>,
    incomplete: Said,
    fetching: Said,
}

impl Compiler {
    pub(super) fn new(own: Own, cache: Cache, judge: Judge, out: Outlet, stats: Arc<SourceStats>) -> Self {
        let (built, revisions, refused) = (Built::default(), Revisions::new(), BTreeMap::new());
        let (incomplete, fetching) = (Said::default(), Said::default());
        let (held, settled) = (None, None);
        Self { own, cache, out, stats, judge, built, revisions, held, settled, refused, incomplete, fetching }
    }
    /// What a mapper without API server goes by.
    pub(super) async fn read_disk(&mut self) {
        if let Some((set, revisions)) = self.cache.load().await {
            self.revisions = revisions;
            let mut outcome = self.built.build(&set, &self.revisions, &self.judge);
            outcome.config.origin = Origin::Disk;
            self.held = Some(outcome);
        }
    }
    pub(super) fn go_by_disk(&mut self) {
        if let Some(outcome) = self.held.take() {
            tracing::info!(devices = outcome.config.devices.len(), "started from the slices on disk");
            self.publish(outcome, 0);
        }
    }
    /// For ever. As many watches run as the index says; they end with this future. `secrets`: turns true when they are known.
    pub(super) async fn follow(&mut self, reader: &Arc<Reader>, chunks: &Arc<Chunks>, secrets: watch::Receiver<bool>) {
        let mut seen = chunks.subscribe();
        let mut watches = vec![self.watch(0, reader, chunks)];
        let (mut failures, mut retry): (u32, Option<Instant>) = (0, None);
        let patience = Instant::now() + PATIENCE;
        loop {
            tokio::select! {
                Ok(()) = seen.changed() => {}
                () = at(retry) => {}
                () = sleep_until(patience), if self.held.is_some() => {
                    self.go_by_disk();
                    continue;
                }
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
            // Nothing is dialled without its secrets; but they do not hold up for ever what needs none.
            let known = async |mut secrets: watch::Receiver<bool>| secrets.wait_for(|known| *known).await.is_ok();
            timeout_at(patience, known(secrets.clone())).await.ok();
            let again = self.take(&map, reader, patience).await;
            failures = if again { failures + 1 } else { 0 };
            retry = again.then(|| Instant::now() + backoff(failures, RETRY.0, RETRY.1, fastrand::f64()));
        }
    }
    /// A task of its own: while a revision is asked for, edits go on arriving.
    fn watch(&self, chunk: usize, reader: &Arc<Reader>, chunks: &Arc<Chunks>) -> AbortOnDropHandle<()> {
        let (reader, chunks, name, stats) = (reader.clone(), chunks.clone(), self.own.slice(chunk), self.stats.clone());
        AbortOnDropHandle::new(tokio::spawn(async move { follow(&reader, &chunks, chunk, &name, &stats).await }))
    }
    /// Says whether something of it is missing, so that it has to be tried again.
    async fn take(&mut self, map: &Map, reader: &Reader, patience: Instant) -> bool {
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
        if self.settled.as_ref() == Some(&set) {
            return false;
        }
        let end = Instant::now() + REVISIONS;
        self.fetch(&set, reader, if self.held.is_some() { end.min(patience) } else { end }).await;
        let missing = self.lacking(&set).len();
        let mut outcome = self.built.build(&set, &self.revisions, &self.judge);
        outcome.config.origin = set.origin();
        self.revisions.retain(|name, _| {
            set.revisions().contains(name.as_str()) || outcome.in_force.revisions().contains(name.as_str())
        });
        // On the disk first: a restart must not know less than what was acted upon.
        let saved = self.cache.save(&outcome.in_force, &self.revisions).await;
        self.held = None;
        self.publish(outcome, missing);
        let again = missing > 0 || !saved;
        self.settled = Some(set).filter(|_| !again);
        again
    }
    fn lacking(&self, set: &Set) -> Vec<String> {
        set.revisions().into_iter().filter(|name| !self.revisions.contains_key(*name)).map(str::to_owned).collect()
    }
    /// Immutable, so each is read once: from memory, the disk, the API server.
    async fn fetch(&mut self, set: &Set, reader: &Reader, end: Instant) {
        let names = self.lacking(set);
        if names.is_empty() {
            return;
        }
        self.revisions.extend(self.cache.revisions(names).await);
        let Ok(client) = timeout_at(end, reader.client()).await else { return };
        let mut answers = stream::iter(self.lacking(set)).map(|n| get(client.clone(), n)).buffer_unordered(AT_ONCE);
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
        if self.lacking(set).is_empty() {
            self.fetching.over("all revisions are there");
        }
    }
    fn publish(&mut self, outcome: Outcome, missing: usize) {
        let Outcome { config, refused, .. } = outcome;
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
