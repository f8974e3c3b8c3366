//! Leader election by a Lease: the IO around `decide`.
mod decide;

pub use decide::{LEASE, RENEW, RENEW_DEADLINE, Seen, Step, decide, must_stop, observe};

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client, ResourceExt,
    api::{ObjectMeta, PostParams},
};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Name of the Lease.
pub const LEASE_NAME: &str = "pollux-operator";

/// This replica's view of the Lease.
pub struct Elector {
    api: Api<Lease>,
    me: String,
    seen: Option<Seen>,
    lease: Option<Lease>,
}
impl std::fmt::Debug for Elector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Elector").field("me", &self.me).field("seen", &self.seen).finish_non_exhaustive()
    }
}

impl Elector {
    /// For the replica `me`; the Lease is in `namespace`.
    pub fn new(client: Client, namespace: &str, me: String) -> Self {
        Self { api: Api::namespaced(client, namespace), me, seen: None, lease: None }
    }

    /// Waits until this replica leads; false when `stop` came first. Gives the time at which the Lease was asked for.
    pub async fn acquire(&mut self, stop: &CancellationToken) -> Option<Instant> {
        loop {
            let began = Instant::now();
            match self.step().await {
                Ok(true) => return Some(began),
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "cannot read or take the lease"),
            }
            tokio::select! {
                () = stop.cancelled() => return None,
                () = sleep(jittered(Duration::from_secs(2))) => {}
            }
        }
    }

    /// Renews until `stop`, or until it did not succeed for [`RENEW_DEADLINE`].
    pub async fn keep(&mut self, mut renewed: Instant, stop: &CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(jittered(RENEW / 2)) => {}
            }
            let began = Instant::now();
            // At half the period: two tries fit into the deadline.
            match tokio::time::timeout_at(must_stop(renewed), self.step()).await {
                Ok(Ok(true)) => renewed = began,
                Ok(Ok(false)) => {
                    tracing::warn!("another replica holds the lease");
                    return;
                }
                Ok(Err(error)) => tracing::warn!(%error, "cannot renew the lease"),
                Err(_) => tracing::warn!("renewing the lease took too long"),
            }
            if Instant::now() >= must_stop(renewed) {
                tracing::error!("the lease could not be renewed in time: this replica stops leading");
                return;
            }
        }
    }

    /// Gives the Lease back, so that another replica need not wait for it to run out.
    pub async fn release(&mut self) {
        let Some(mut lease) = self.lease.take() else { return };
        if let Some(spec) = lease.spec.as_mut() {
            spec.holder_identity = Some(String::new());
            spec.lease_duration_seconds = Some(1);
        }
        let params = PostParams::default();
        let put = self.api.replace(LEASE_NAME, &params, &lease);
        match timeout(Duration::from_secs(2), put).await {
            Ok(Ok(_)) => tracing::info!("the lease is given back"),
            Ok(Err(error)) => tracing::warn!(%error, "the lease was not given back"),
            Err(_) => tracing::warn!("giving back the lease took too long"),
        }
    }

    /// One look and one step. Ok(true): this replica holds the Lease.
    async fn step(&mut self) -> kube::Result<bool> {
        let current = self.api.get_opt(LEASE_NAME).await?;
        let now = Instant::now();
        self.seen = current.as_ref().map(|lease| {
            let spec = lease.spec.clone().unwrap_or_default();
            let seconds = u64::try_from(spec.lease_duration_seconds.unwrap_or(0)).unwrap_or(0);
            let version = lease.resource_version().unwrap_or_default();
            observe(self.seen.take(), spec.holder_identity, version, Duration::from_secs(seconds), now)
        });
        let step = decide(self.seen.as_ref(), &self.me, now);
        self.lease = None;
        let written = match (step, current) {
            (Step::Wait, _) => return Ok(false),
            (_, None) => self.api.create(&PostParams::default(), &self.made()).await,
            (step, Some(lease)) => {
                let next = self.renewed(lease, step);
                self.api.replace(LEASE_NAME, &PostParams::default(), &next).await
            }
        };
        match written {
            Ok(lease) => {
                self.lease = Some(lease);
                Ok(true)
            }
            // Another replica was faster.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn made(&self) -> Lease {
        let metadata = ObjectMeta { name: Some(LEASE_NAME.into()), ..ObjectMeta::default() };
        self.renewed(Lease { metadata, spec: None }, Step::Take)
    }

    fn renewed(&self, mut lease: Lease, step: Step) -> Lease {
        let now = MicroTime(Timestamp::now());
        let old = lease.spec.take().unwrap_or_default();
        let took = step != Step::Renew;
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(self.me.clone()),
            lease_duration_seconds: i32::try_from(LEASE.as_secs()).ok(),
            acquire_time: if took { Some(now.clone()) } else { old.acquire_time },
            renew_time: Some(now),
            lease_transitions: Some(old.lease_transitions.unwrap_or(0).saturating_add(i32::from(took))),
            ..LeaseSpec::default()
        });
        lease
    }
}

fn jittered(period: Duration) -> Duration {
    period.mul_f64(0.8 + fastrand::f64() * 0.4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FakeApi;

    const PATH: &str = "/apis/coordination.k8s.io/v1/namespaces/pollux-system/leases/pollux-operator";

    fn elector(api: &FakeApi, me: &str) -> Elector {
        Elector::new(api.client(), "pollux-system", me.into())
    }
    fn holder(api: &FakeApi) -> String {
        api.get(PATH).unwrap()["spec"]["holderIdentity"].as_str().unwrap().to_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_is_given_back_is_taken_at_the_next_look() {
        let (api, stop) = (FakeApi::default(), CancellationToken::new());
        let (mut one, mut two) = (elector(&api, "one"), elector(&api, "two"));
        one.acquire(&stop).await.unwrap();
        assert_eq!((two.step().await.unwrap(), holder(&api)), (false, "one".into()));
        one.release().await;
        let began = Instant::now();
        two.acquire(&stop).await.unwrap();
        assert_eq!((holder(&api), began.elapsed()), ("two".into(), Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn the_lease_of_one_that_died_is_taken_when_it_has_run_out_on_our_own_clock() {
        let (api, stop) = (FakeApi::default(), CancellationToken::new());
        let (mut one, mut two) = (elector(&api, "one"), elector(&api, "two"));
        one.acquire(&stop).await.unwrap();
        let began = Instant::now();
        two.acquire(&stop).await.unwrap();
        assert!(began.elapsed() >= LEASE, "{:?}", began.elapsed());
        assert_eq!((holder(&api), one.step().await.unwrap()), ("two".into(), false));
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_renews_while_it_may_and_stops_when_it_cannot_or_another_leads() {
        let (api, stop) = (FakeApi::default(), CancellationToken::new());
        let (mut one, mut two) = (elector(&api, "one"), elector(&api, "two"));
        let renewed = one.acquire(&stop).await.unwrap();
        let patient = async {
            assert!(tokio::time::timeout(LEASE * 10, two.acquire(&stop)).await.is_err(), "it is renewed");
            stop.cancel();
        };
        tokio::join!(one.keep(renewed, &stop), patient);
        // Somebody else holds it.
        let stop = CancellationToken::new();
        let mut lease = api.get(PATH).unwrap();
        lease["spec"]["holderIdentity"] = "three".into();
        api.put(PATH, lease);
        one.keep(Instant::now(), &stop).await;
        assert_eq!(holder(&api), "three");
        // Nobody answers: it must have stopped before the lease has run out.
        let mut lost = Elector::new(nobody(), "pollux-system", "one".into());
        let began = Instant::now();
        lost.keep(began, &stop).await;
        assert!(began.elapsed() <= RENEW_DEADLINE + RENEW, "{:?}", began.elapsed());
    }

    /// An API server that takes requests and never answers.
    fn nobody() -> Client {
        let never = |_: http::Request<kube::client::Body>| {
            std::future::pending::<Result<http::Response<kube::client::Body>, std::convert::Infallible>>()
        };
        Client::new(tower::service_fn(never), "default")
    }
}
