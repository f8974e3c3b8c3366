//! Who leads. Pure: what a replica does about the Lease, given what it last saw of it. Clocks of different machines are never
//! compared: a foreign Lease has run out when it has not changed for its whole duration on our own clock.
use std::time::Duration;
use tokio::time::Instant;

/// How long a Lease holds after its last renewal.
pub const LEASE: Duration = Duration::from_secs(15);
/// How often the leader renews.
pub const RENEW: Duration = Duration::from_secs(5);
/// A leader that could not renew for this long stops. This and the time-out of one request
/// ([`crate::client::REQUEST_TIMEOUT`]) are less than [`LEASE`]: its last write ends before another may begin.
pub const RENEW_DEADLINE: Duration = Duration::from_secs(8);

/// The Lease as it was last read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Who holds it; None: nobody, it was given back.
    pub holder: Option<String>,
    /// What changes with every renewal.
    pub version: String,
    /// For how long it holds.
    pub duration: Duration,
    /// When this version was first seen, on our clock.
    pub since: Instant,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Make the Lease, as its first holder.
    Create,
    /// Take it: it is free or has run out.
    Take,
    /// Renew it: it is ours.
    Renew,
    /// Look again later.
    Wait,
}

/// What `me` does about the Lease.
pub fn decide(seen: Option<&Seen>, me: &str, now: Instant) -> Step {
    match seen {
        None => Step::Create,
        Some(Seen { holder: None, .. }) => Step::Take,
        Some(Seen { holder: Some(holder), .. }) if holder == me => Step::Renew,
        Some(seen) if now.saturating_duration_since(seen.since) >= seen.duration => Step::Take,
        Some(_) => Step::Wait,
    }
}

/// What is now known of the Lease: the same version as before keeps its time.
pub fn observe(
    before: Option<Seen>,
    holder: Option<String>,
    version: String,
    duration: Duration,
    now: Instant,
) -> Seen {
    match before {
        Some(before) if before.version == version => before,
        _ => Seen { holder: holder.filter(|h| !h.is_empty()), version, duration, since: now },
    }
}

/// When a leader must have stopped: counted from when it *began* its last renewal that succeeded.
pub fn must_stop(renewed: Instant) -> Instant {
    renewed + RENEW_DEADLINE
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seen(holder: Option<&str>, since: Instant) -> Seen {
        Seen { holder: holder.map(Into::into), version: "1".into(), duration: LEASE, since }
    }

    #[test]
    fn a_lease_is_taken_when_free_or_run_out_and_never_before() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        for (lease, now, step) in [
            (None, at(0), Step::Create),
            (Some(seen(None, start)), at(0), Step::Take),
            (Some(seen(Some("me"), start)), at(60), Step::Renew),
            (Some(seen(Some("other"), start)), at(14), Step::Wait),
            (Some(seen(Some("other"), start)), at(15), Step::Take),
        ] {
            assert_eq!(decide(lease.as_ref(), "me", now), step, "{lease:?}");
        }
    }

    #[test]
    fn a_renewal_starts_the_wait_anew() {
        let start = Instant::now();
        let old = seen(Some("other"), start);
        let same = observe(Some(old.clone()), Some("other".into()), "1".into(), LEASE, start + LEASE);
        assert_eq!(same, old);
        let renewed = observe(Some(old), Some("other".into()), "2".into(), LEASE, start + LEASE);
        assert_eq!(decide(Some(&renewed), "me", start + LEASE), Step::Wait);
    }

    proptest! {
        /// The leader renews (seen by the other at any later time), then is cut off; its last request runs into its time-out.
        #[test]
        fn a_leader_that_cannot_renew_has_stopped_before_another_may_write(begun in 0_u64..1_000, seen_after in 0_u64..60_000) {
            let start = Instant::now();
            let renewal_began = start + Duration::from_millis(begun);
            let last_write_ends = must_stop(renewal_began) + crate::client::REQUEST_TIMEOUT;
            let other = seen(Some("leader"), renewal_began + Duration::from_millis(seen_after));
            prop_assert_eq!(decide(Some(&other), "me", last_write_ends), Step::Wait);
        }
    }
}
