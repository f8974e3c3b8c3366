//! Numbers of a subscription (Part 4, 5.14.1): how often it publishes, how often it says that it is there, how long it outlives its
//! session, and how many values of an item are kept meanwhile. Pure.
use super::Item;
use pollux_crds::{OpcUaSession, OpcUaSubscription, Span};
use std::time::Duration;

/// Defaults of `subscription` and `session`.
const PUBLISHING: Span = Span::from_millis(100);
const KEEP_ALIVE: Span = Span::from_secs(5);
const SESSION: Span = Span::from_secs(60);
const HEAL: Span = Span::from_secs(30);
/// How much more seldom than asked for a server may speak.
const SELDOM: u32 = 10;
/// Longest queue that is asked for.
const QUEUE: u64 = 10_000;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Intervals {
    /// Shortest publishing interval.
    pub(super) publishing: Duration,
    /// How often the server says that it is there.
    pub(super) keep_alive: Duration,
    /// How long the server keeps a session of which it hears nothing.
    pub(super) session: Duration,
    /// How long a connection is mended.
    pub(super) heal: Duration,
}

impl Intervals {
    pub(super) fn new(subscription: &OpcUaSubscription, session: &OpcUaSession) -> Self {
        Self {
            publishing: subscription.min_publishing_interval.unwrap_or(PUBLISHING).duration(),
            keep_alive: subscription.keep_alive.unwrap_or(KEEP_ALIVE).duration(),
            session: session.timeout.unwrap_or(SESSION).duration(),
            heal: session.heal_within.unwrap_or(HEAL).duration(),
        }
    }
    /// Publishing interval of what is sampled so often: of few steps (1, 2, 5, 10 …), so that there are few subscriptions. Not so long that
    /// nothing would say that the server is there.
    pub(super) fn publishing(&self, sampling: Duration) -> Duration {
        let wanted = sampling.clamp(self.publishing, self.keep_alive.max(self.publishing));
        let steps = (0..)
            .map(|power| 10_u64.saturating_pow(power))
            .flat_map(|ten| [1, 2, 5].map(|step| ten.saturating_mul(step)));
        let fits = steps.map(Duration::from_millis).take_while(|step| *step <= wanted).last();
        fits.unwrap_or(wanted).max(self.publishing)
    }
    /// Publishing intervals without news until the server says that it is there.
    pub(super) fn keep_alive_count(&self, publishing: Duration) -> u32 {
        times(self.keep_alive, publishing)
    }
    /// How often a subscription speaks at least, by the numbers that the server made of ours. Where that is ever so seldom, it is not waited
    /// for: nobody would notice that it is gone.
    pub(super) fn speaks(&self, publishing: Duration, count: u32) -> Duration {
        publishing.saturating_mul(count.max(1)).min(self.keep_alive.saturating_mul(SELDOM))
    }
    /// Publishing intervals without a Publish until the server gives the subscription up: it outlives the session and its mending.
    pub(super) fn lifetime_count(&self, publishing: Duration) -> u32 {
        let keep_alive = self.keep_alive_count(publishing).saturating_mul(3); // the least that the standard allows
        times(self.session.saturating_add(self.heal), publishing).max(keep_alive)
    }
}

/// How often the shorter fits into the longer, rounded up; once at least.
fn times(long: Duration, short: Duration) -> u32 {
    let short = short.as_millis().max(1);
    u32::try_from(long.as_millis().div_ceil(short)).unwrap_or(u32::MAX).max(1)
}

/// Values of an item that are kept, so that none is lost between two messages.
pub(super) fn queue(item: &Item, publishing: Duration) -> u32 {
    let sampled = u64::from(times(publishing, item.interval.max(Duration::from_millis(1))));
    item.queue.unwrap_or_else(|| u32::try_from(sampled.saturating_add(1).min(QUEUE)).unwrap_or(u32::MAX)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use opcua::types::{NodeId, NumericRange};
    use proptest::prelude::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }
    fn intervals() -> Intervals {
        Intervals::new(&OpcUaSubscription::default(), &OpcUaSession::default())
    }

    #[test]
    fn few_publishing_intervals_none_longer_than_the_keep_alive() {
        for (sampling, publishing) in
            [(10, 100), (100, 100), (250, 200), (500, 500), (1000, 1000), (3000, 2000), (3_600_000, 5000)]
        {
            assert_eq!(intervals().publishing(ms(sampling)), ms(publishing), "{sampling}");
        }
        assert_eq!((intervals().keep_alive_count(ms(100)), intervals().lifetime_count(ms(100))), (50, 900));
    }
    proptest! {
        /// What is sampled in one publishing interval fits, and one more; a subscription outlives its session.
        #[test]
        fn queues_hold_what_is_sampled(sampling in 1_u64..100_000, least in 10_u64..10_000, keep_alive in 1000_u64..600_000) {
            let intervals = Intervals { publishing: ms(least), keep_alive: ms(keep_alive), ..intervals() };
            let publishing = intervals.publishing(ms(sampling));
            prop_assert!(publishing >= ms(least));
            let item = Item { key: 0, node: NodeId::null(), range: NumericRange::None, interval: ms(sampling), queue: None, deadband: None, each: false };
            let queue = u64::from(queue(&item, publishing));
            prop_assert!(queue > QUEUE || u128::from(queue - 1) * u128::from(sampling) >= publishing.as_millis().min(u128::from((QUEUE - 1) * sampling)));
            prop_assert!(publishing * intervals.lifetime_count(publishing) >= intervals.session + intervals.heal);
            prop_assert!(intervals.lifetime_count(publishing) >= 3 * intervals.keep_alive_count(publishing));
        }
    }
}
