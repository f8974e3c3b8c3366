//! What an endpoint waits for beside its orders and its engine's news.
use super::Ended;
use futures_util::{
    future::BoxFuture,
    stream::{FuturesUnordered, StreamExt},
};

/// Most endpoints wait for nothing most of the time: then it takes no room.
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
