//! Edits while it runs: the system's word about the folders, and a slow look at the contents for where that word is not to be
//! had (network file systems).
use super::{FileSource, Report};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{sync::mpsc, time};
use tokio_util::sync::CancellationToken;

/// Editors write, rename and touch: what comes within this time is one edit.
const DEBOUNCE: Duration = Duration::from_millis(200);
/// How often the contents are looked at without being told.
const SLOWLY: Duration = Duration::from_secs(30);

impl FileSource {
    /// Follows the files until `stop`; each edit's report goes to `told`.
    pub async fn follow(mut self, stop: CancellationToken, mut told: impl FnMut(&Report)) {
        let (sender, mut edits) = mpsc::channel(1);
        let watcher = watcher(&self.paths, sender);
        if let Err(error) = &watcher {
            tracing::warn!(%error, "files cannot be watched: they are looked at every 30 s");
        }
        let mut slowly = time::interval_at(time::Instant::now() + SLOWLY, SLOWLY);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = slowly.tick() => {}
                Some(()) = edits.recv() => time::sleep(DEBOUNCE).await,
            }
            while edits.try_recv().is_ok() {} // holds one at most: all these are one edit
            let (source, report) = match tokio::task::spawn_blocking(move || {
                let report = self.reread();
                if report.is_some() {
                    pollux_crds::offline::forget(); // edits are rare
                }
                (self, report)
            })
            .await
            {
                Ok(read) => read,
                Err(error) => return tracing::error!(%error, "files are not followed any more"),
            };
            self = source;
            if let Some(report) = report {
                told(&report);
            }
        }
    }
}

/// Watches folders, not files: editors put a new file in the old one's place.
fn watcher(paths: &[PathBuf], edits: mpsc::Sender<()>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let reading = event.is_ok_and(|event| matches!(event.kind, notify::EventKind::Access(_)));
        if !reading {
            edits.try_send(()).ok(); // one that waits says it all
        }
    })?;
    let folders: BTreeSet<&Path> = paths.iter().map(|path| folder(path)).collect();
    for folder in folders {
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
    }
    Ok(watcher)
}
fn folder(path: &Path) -> &Path {
    if path.is_dir() {
        return path;
    }
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
