//! What an endpoint waits for beside its orders and its engine's news.
use super::Ended;
use futures_util::{
    future::BoxFuture,
    stream::{FuturesUnordered, StreamExt},
};

/// Most endpoints wait for nothing most of the time: then there is no set.
#[derive(Debug, Default)]
pub(super) struct Waiting(Option<FuturesUnordered<BoxFuture<'static, Ended>>>);

impl Waiting {
    pub(super) fn push(&mut self, future: BoxFuture<'static, Ended>) {
        self.0.get_or_insert_default().push(future);
    }
    /// The next one that ends; None: there is none. Who stops waiting for it loses nothing.
    pub(super) async fn next(&mut self) -> Option<Ended> {
        let ended = self.0.as_mut()?.next().await;
        self.0.take_if(|waiting| waiting.is_empty());
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::future::{pending, ready};

    #[test]
    fn the_set_is_there_while_something_is_waited_for() {
        let mut waiting = Waiting::default();
        assert!(waiting.next().now_or_never().is_some_and(|ended| ended.is_none()), "nothing is waited for");
        waiting.push(ready(Ended::Kept).boxed());
        waiting.push(pending().boxed());
        assert!(matches!(waiting.next().now_or_never(), Some(Some(Ended::Kept))));
        assert!(waiting.next().now_or_never().is_none() && waiting.0.is_some(), "the other is");
        let mut waiting = Waiting::default();
        waiting.push(ready(Ended::Kept).boxed());
        assert!(matches!(waiting.next().now_or_never(), Some(Some(Ended::Kept))));
        assert!(waiting.0.is_none());
    }
}
