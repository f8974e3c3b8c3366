//! Two clients. A request that hangs must end before the Lease could be lost and taken by another replica; a watch is quiet
//! for as long as nothing happens, and one that outlives its own time-out is cut.
use kube::{Client, Config};
use std::time::Duration;

/// Longest that one request may wait for an answer, or for its bytes to be taken; see `leader::RENEW_DEADLINE`. A leader that
/// must stop does not wait for it: its reconciles are cut off.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
const WATCH_SILENCE: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 10);
/// The API server ends a watch after this; it is begun anew where it ended. A connection that is dead is noticed by then too,
/// and until then a lost node or Pod is not: hence no minutes.
pub const WATCH_SECONDS: u32 = 40;

/// Clients of one API server.
#[derive(Clone)]
pub struct Clients {
    /// For reads and writes.
    pub requests: Client,
    /// For lists and watches.
    pub watches: Client,
}
impl std::fmt::Debug for Clients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clients")
    }
}

/// As kubectl finds the cluster: `$KUBECONFIG`, or the Pod's ServiceAccount.
pub async fn connect() -> anyhow::Result<Clients> {
    let base = Config::infer().await?;
    let with = |read: Duration, retry: bool| {
        let mut config = base.clone();
        config.connect_timeout = Some(Duration::from_secs(4));
        config.read_timeout = Some(read);
        config.write_timeout = Some(REQUEST_TIMEOUT);
        // A connection that was idle in the pool has its full time for the next answer.
        config.reset_reader_on_write = true;
        config.default_retry = retry;
        Client::try_from(config)
    };
    // Retries are the queue's: a retry inside the client could end after the Lease is lost.
    Ok(Clients { requests: with(REQUEST_TIMEOUT, false)?, watches: with(WATCH_SILENCE, true)? })
}
