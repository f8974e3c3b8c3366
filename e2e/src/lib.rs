//! What the stories stand on: the cluster that `KUBECONFIG` names, kubectl and helm as a person uses them, foreign devices in
//! the field, and waiting for a condition, never for a time.
mod cluster;
mod ground;
mod peer;
mod plant;
mod process;

pub use cluster::{Cluster, installed};
pub use ground::Ground;
pub use peer::Peer;
pub use plant::{Plant, device_is, message, reason, reported};
pub use process::Process;

use anyhow::{Context, Result, anyhow};
use std::{future::Future, time::Duration};

/// A bound for what should take seconds: it ends a test that hangs, it judges no speed.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// Runs one story on a runtime of its own, within ten minutes. One that fails shows how the cluster stands.
///
/// # Panics
/// When the story fails: it is a test.
#[allow(clippy::panic)] // how a test fails
pub fn story(what: &str, story: impl Future<Output = Result<()>>) {
    println!("story: {what}");
    let began = std::time::Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let limit = Duration::from_mins(10);
    let told = runtime.block_on(async { tokio::time::timeout(limit, story).await });
    if !matches!(told, Ok(Ok(()))) {
        let evidence = runtime.block_on(cluster::run("e2e/evidence", &[], None));
        println!("{}", evidence.unwrap_or_else(|error| format!("no evidence: {error:#}")));
    }
    match told {
        Ok(Ok(())) => println!("story: {what}: as told, in {:.0} s", began.elapsed().as_secs_f32()),
        Ok(Err(error)) => panic!("{what}: {error:?}"),
        Err(late) => panic!("{what}: did not end within {limit:?}: {late}"),
    }
}

/// Waits for a future, saying what for when it does not come.
pub async fn within<T>(what: &str, future: impl Future<Output = Result<T>>) -> Result<T> {
    bounded(PATIENCE, what, future).await
}

pub(crate) async fn bounded<T>(limit: Duration, what: &str, future: impl Future<Output = Result<T>>) -> Result<T> {
    let waited = tokio::time::timeout(limit, future).await;
    waited.map_err(|_| anyhow!("waited {limit:?} for: {what}"))?.with_context(|| what.to_owned())
}

/// Asks again and again until the answer is Some, for what cannot be watched.
pub async fn until<T, F: Future<Output = Result<Option<T>>>>(what: &str, mut ask: impl FnMut() -> F) -> Result<T> {
    let mut pace = tokio::time::interval(Duration::from_millis(200));
    within(what, async {
        loop {
            if let Some(answer) = ask().await? {
                return Ok(answer);
            }
            pace.tick().await;
        }
    })
    .await
}
