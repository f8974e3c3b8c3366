//! The reader's token: the right to read the slices of this class and node and nothing else. Obtained with the Pod's own token,
//! bound to the Node, kept in memory only, renewed long before it ends.
use super::{Access, Said, SourceStats, assemble::Own};
use crate::report::{backoff, explain};
use k8s_openapi::{
    api::{
        authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec},
        core::v1::ServiceAccount,
    },
    jiff::Timestamp,
};
use kube::{Api, Client, api::PostParams};
use pollux_crds::{MAPPERS_NAMESPACE, reader_name};
use std::time::Duration;
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};

/// What policy allows at most.
const LIFETIME_SECONDS: u32 = 3600;
const TIMEOUT: Duration = Duration::from_secs(15);
/// Renewed at this share of its life, or a little earlier.
const RENEW_AT: f64 = 0.8;
const JITTER: f64 = 0.1;
/// A token just obtained and refused is not asked for again at once.
const LEAST: Duration = Duration::from_secs(10);
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// The client that may read, newest token inside.
#[derive(Debug)]
pub(super) struct Reader {
    client: watch::Sender<Option<Shown>>,
    refused: Notify,
}
#[derive(Clone)]
struct Shown(Client);
impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}
impl Default for Reader {
    fn default() -> Self {
        Self { client: watch::Sender::new(None), refused: Notify::new() }
    }
}

impl Reader {
    /// The newest client, once there is one.
    pub(super) async fn client(&self) -> Client {
        let mut seen = self.client.subscribe();
        let shown = seen.wait_for(Option::is_some).await.ok().and_then(|shown| shown.clone());
        match shown {
            Some(Shown(client)) => client,
            None => std::future::pending().await, // its sender is in `self`, so this cannot be
        }
    }
    /// The API server does not know the token (any more).
    pub(super) fn refused(&self) {
        self.refused.notify_one();
    }
}

/// Keeps the reader's client fresh, for ever.
pub(super) async fn keep(access: &Access, own: &Own, reader: &Reader, stats: &SourceStats) {
    let (mut failures, mut said) = (0, Said::default());
    loop {
        match timeout(TIMEOUT, mint(access, own)).await {
            Ok(Ok((client, lifetime))) => {
                failures = 0;
                said.over("the right to read the slices was obtained");
                stats.token();
                reader.client.send_replace(Some(Shown(client)));
                let wait = lifetime.mul_f64(RENEW_AT - JITTER * fastrand::f64());
                sleep(LEAST.min(wait)).await;
                tokio::select! {
                    () = sleep(wait.saturating_sub(LEAST)) => {}
                    () = reader.refused.notified() => {}
                }
                continue;
            }
            Ok(Err(error)) => said.warn("the right to read the slices is not obtained, trying again", &error),
            Err(_) => said.warn("the right to read the slices is not obtained, trying again", &"no answer in time"),
        }
        failures += 1;
        sleep(backoff(failures, RETRY.0, RETRY.1, fastrand::f64())).await;
    }
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
enum MintError {
    #[error("{}", explain(.0))]
    Refused(#[from] kube::Error),
    #[error("the API server's answer holds no token")]
    Empty,
}

async fn mint(access: &Access, own: &Own) -> Result<(Client, Duration), MintError> {
    let accounts = Api::<ServiceAccount>::namespaced(access.own(), MAPPERS_NAMESPACE);
    let name = reader_name(&own.class, &own.node);
    let answer = accounts.create_token_request(&name, &PostParams::default(), &request(&own.node)).await?;
    let status = answer.status.filter(|s| !s.token.is_empty()).ok_or(MintError::Empty)?;
    Ok((access.reader(&status.token)?, lifetime(status.expiration_timestamp.0, Timestamp::now())))
}

/// Bound to the Node by name alone: the API server looks the uid up, and policy compares the name with our own token's claim.
fn request(node: &str) -> TokenRequest {
    let bound = BoundObjectReference {
        api_version: Some("v1".into()),
        kind: Some("Node".into()),
        name: Some(node.to_owned()),
        uid: None,
    };
    let spec = TokenRequestSpec {
        audiences: vec![],
        bound_object_ref: Some(bound),
        expiration_seconds: Some(i64::from(LIFETIME_SECONDS)),
    };
    TokenRequest { spec, ..TokenRequest::default() }
}

/// How long it lives by our clock, which may be wrong: no less than a minute, no more than was asked for.
fn lifetime(ends: Timestamp, now: Timestamp) -> Duration {
    let seconds = ends.as_second().saturating_sub(now.as_second()).clamp(60, i64::from(LIFETIME_SECONDS));
    Duration::from_secs(u64::try_from(seconds).unwrap_or(60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_clock_neither_floods_the_server_nor_lets_the_token_end() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(lifetime(at(10_600), at(10_000)), Duration::from_mins(10));
        assert_eq!(lifetime(at(10_600), at(90_000)), Duration::from_mins(1));
        assert_eq!(lifetime(at(90_000), at(10)), Duration::from_hours(1));
    }
}
