//! Making subscriptions and their items, and taking both away (Part 4, 5.13 and 5.14). What the server refuses of an item is that item's.
use super::{
    Epoch, Handle, Item, Session, Sink, Watched,
    book::{Book, Subscription},
};
use crate::{
    error::{Code, Error, Result},
    limits::Operation,
    wire::Wire,
};
use opcua::types::{CreateSubscriptionRequest, DeleteMonitoredItemsRequest, DeleteSubscriptionsRequest, StatusCode};
use pollux_crds::OpcUaDelivery;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::time::{Instant, timeout_at};

/// By our number of their subscription: the server's, and those of the items.
type Items = BTreeMap<u32, (u32, Vec<u32>)>;

/// Default of `subscription.items`.
const ITEMS: usize = 5000;

impl Session {
    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has items watched, whose nodes were found in that session, and `sink` told of them. One result for each, in order; an error is of
    /// the connection, and none is watched then.
    pub(crate) async fn subscribe(
        &self,
        items: Vec<Item>,
        sink: Arc<dyn Sink>,
        epoch: Epoch,
        until: Instant,
    ) -> Result<Vec<Watched>> {
        let refused = Watched::No(StatusCode::BadServiceUnsupported.into());
        let mut results = vec![refused; items.len()];
        if items.is_empty() || self.settings.subscription.mode == Some(OpcUaDelivery::Poll) {
            return Ok(results);
        }
        let late = |_| Error::Silent("CreateMonitoredItems");
        let (wire, _turn) = loop {
            let wire = self.wire(until).await?;
            let turn = timeout_at(until, self.turn.lock()).await.map_err(late)?;
            if !wire.is_dead() {
                break (wire, turn);
            }
        };
        // Not sooner: whoever decides that all is read takes the turn too, for what is there by then.
        if let Some(code) = self.unpublished() {
            return Ok(vec![Watched::Parked(code); items.len()]);
        }
        let sink = self.book().meet(sink);
        // Who is met is told of each later session, so it is looked after that.
        let done = match self.is_still(epoch) {
            Ok(()) => self.watch_all(&wire, sink, items, until, &mut results).await,
            another => another,
        };
        if done.is_err() {
            let handles: Vec<u32> = results.iter().copied().filter_map(handle).collect();
            self.take_away(&wire, &handles, until).await;
        }
        let mut book = self.book();
        book.part(sink);
        // Given up meanwhile, which was told before this is: it is to be found anew.
        let known = |watched: &Watched| handle(*watched).is_none_or(|handle| book.watch(handle).is_some());
        for result in results.iter_mut().filter(|result| !known(result)) {
            *result = Watched::No(StatusCode::BadNodeIdUnknown.into());
        }
        self.changed.notify_one();
        done.map(|()| results)
    }
    /// Gives items back. It cannot fail: what the server says of them later is ignored.
    pub(crate) async fn unsubscribe(&self, items: &[Handle], until: Instant) {
        let handles: Vec<u32> = items.iter().map(|handle| handle.0).collect();
        let _turn = timeout_at(until, self.turn.lock()).await.ok();
        if let Ok(wire) = self.wire(Instant::now()).await {
            self.take_away(&wire, &handles, until).await;
            return;
        }
        // The server cannot be told: what it still has of them goes when the subscriptions are made anew.
        let (items, _) = self.forget(&handles);
        let mut book = self.book();
        for number in items.keys() {
            book.with(*number, |one| one.broken = true);
        }
    }

    async fn watch_all(
        &self,
        wire: &Wire,
        sink: u32,
        items: Vec<Item>,
        until: Instant,
        results: &mut [Watched],
    ) -> Result<()> {
        let mut groups: BTreeMap<Duration, Vec<(usize, Item)>> = BTreeMap::new();
        for (at, item) in items.into_iter().enumerate() {
            groups.entry(self.intervals.publishing(item.interval)).or_default().push((at, item));
        }
        let most = self.settings.subscription.items.and_then(|most| usize::try_from(most).ok()).unwrap_or(ITEMS);
        for (wanted, mut rest) in groups {
            let mut again = true;
            while !rest.is_empty() {
                let found = self.book().room(wanted, most);
                let (number, room) = match found {
                    Some(found) => found,
                    None => match self.open_subscription(wire, wanted, until).await? {
                        Ok(made) => (self.book().open(made), most),
                        Err(code) => {
                            set(results, rest.iter().map(|(at, _)| *at), Watched::No(code));
                            break;
                        }
                    },
                };
                let more = rest.split_off(room.min(rest.len()));
                let part = std::mem::replace(&mut rest, more);
                let gone = self.watch(wire, number, sink, &part, until, results).await?;
                if !gone.is_empty() {
                    // It was deleted, and nobody knew yet: another takes them. A server that says so of that one too does not watch them.
                    self.book().gone(number);
                    let once = std::mem::take(&mut again);
                    rest.extend(part.into_iter().filter(|(at, _)| once && gone.contains(at)));
                }
            }
        }
        Ok(())
    }
    /// Makes one. The inner error: the server refuses.
    pub(super) async fn open_subscription(
        &self,
        wire: &Wire,
        wanted: Duration,
        until: Instant,
    ) -> Result<std::result::Result<Subscription, Code>> {
        let request = CreateSubscriptionRequest {
            request_header: wire.header(until),
            requested_publishing_interval: wanted.as_secs_f64() * 1e3,
            requested_lifetime_count: self.intervals.lifetime_count(wanted),
            requested_max_keep_alive_count: self.intervals.keep_alive_count(wanted),
            max_notifications_per_publish: self.notifications.load(Relaxed),
            publishing_enabled: true,
            priority: 0,
        };
        let made = match wire.call(request, until).await {
            Ok(made) => made,
            Err(error) => return refused(error).map(Err),
        };
        let revised = made.revised_publishing_interval;
        let sane = revised.is_finite() && (1.0..=1e8).contains(&revised);
        let publishing = if sane { Duration::from_secs_f64(revised / 1e3) } else { wanted };
        let keep_alive = self.intervals.speaks(publishing, made.revised_max_keep_alive_count);
        Ok(Ok(Subscription::new(made.subscription_id, wanted, publishing, keep_alive, Instant::now())))
    }
    async fn watch(
        &self,
        wire: &Wire,
        number: u32,
        sink: u32,
        items: &[(usize, Item)],
        until: Instant,
        results: &mut [Watched],
    ) -> Result<BTreeSet<usize>> {
        let (places, handles): (Vec<usize>, Vec<Option<u32>>) = {
            let mut book = self.book();
            items.iter().map(|(at, item)| (*at, book.add(number, sink, item.clone()))).unzip()
        };
        let each = || places.iter().zip(&handles);
        let known: Vec<(usize, u32)> = each().filter_map(|(at, handle)| Some((*at, (*handle)?))).collect();
        let full = Watched::No(StatusCode::BadTooManyMonitoredItems.into());
        set(results, each().filter(|(_, handle)| handle.is_none()).map(|(at, _)| *at), full);
        for (at, handle) in &known {
            set(results, [*at], Watched::Yes { handle: Handle(*handle), filtered: false }); // so that an error gives it back
        }
        let all: Vec<u32> = known.iter().map(|(_, handle)| *handle).collect();
        let refusals = self.make_items(wire, number, &all, until).await?;
        let mut gone = BTreeSet::new();
        for (at, handle) in &known {
            let filtered = self.book().watch(*handle).is_some_and(|watch| watch.filtered);
            let watched = match refusals.get(handle) {
                None => Watched::Yes { handle: Handle(*handle), filtered },
                Some(code) => Watched::No(*code),
            };
            set(results, [*at], watched);
            gone.extend((watched == Watched::No(StatusCode::BadSubscriptionIdInvalid.into())).then_some(*at));
        }
        Ok(gone)
    }
    /// Forgets items, and tells the server so; a subscription that is empty then goes too.
    pub(super) async fn take_away(&self, wire: &Wire, handles: &[u32], until: Instant) {
        let (items, subscriptions) = self.forget(handles);
        for (subscription, ids) in items.into_values() {
            for part in ids.chunks(self.limits.cap(Operation::Items)) {
                let request = DeleteMonitoredItemsRequest {
                    request_header: wire.header(until),
                    subscription_id: subscription,
                    monitored_item_ids: Some(part.to_vec()),
                };
                wire.call(request, until).await.ok(); // what it says of them is ignored from now on
            }
        }
        self.delete(wire, subscriptions, until).await;
    }
    /// Those of them that the book does not have: a server may give the number of one that is gone to the next.
    pub(super) async fn delete(&self, wire: &Wire, mut subscriptions: Vec<u32>, until: Instant) {
        {
            let book = self.book();
            subscriptions.retain(|id| book.of(*id).is_none());
        }
        self.end(wire, subscriptions, until).await;
    }
    /// Whatever the book has.
    pub(super) async fn end(&self, wire: &Wire, subscriptions: Vec<u32>, until: Instant) {
        if !subscriptions.is_empty() {
            let request = DeleteSubscriptionsRequest {
                request_header: wire.header(until),
                subscription_ids: Some(subscriptions),
            };
            wire.call(request, until).await.ok(); // it ends by its lifetime too
        }
    }
    /// What is to be deleted at the server: items, and subscriptions that have none any more.
    fn forget(&self, handles: &[u32]) -> (Items, Vec<u32>) {
        let mut book = self.book();
        let mut items = Items::new();
        for handle in handles {
            let Some((watch, _)) = book.remove(*handle) else { continue };
            let of = book.subscriptions.get(&watch.of).map(|one| one.id);
            // By a number that is another's by now, the other's items would go.
            if let (Some(of), Some(id)) = (of.filter(|of| book.of(*of) == Some(watch.of)), watch.id) {
                items.entry(watch.of).or_insert_with(|| (of, vec![])).1.push(id);
            }
        }
        let mut empty = vec![];
        book.subscriptions.retain(|number, one| {
            let kept = !one.handles.is_empty();
            if !kept {
                items.remove(number);
                empty.push(one.id);
            }
            kept
        });
        (items, empty)
    }
}

/// The server's refusal of what was asked; what is of the session or the connection stays an error.
pub(super) fn refused(error: Error) -> Result<Code> {
    match error {
        Error::Refused { code, .. } if !super::is_of_session(code) => Ok(code),
        Error::Decode { .. } | Error::Encode { .. } => Ok(StatusCode::BadDecodingError.into()),
        error => Err(error),
    }
}

fn handle(watched: Watched) -> Option<u32> {
    match watched {
        Watched::Yes { handle, .. } => Some(handle.0),
        Watched::No(_) | Watched::Parked(_) => None,
    }
}
fn set(results: &mut [Watched], places: impl IntoIterator<Item = usize>, watched: Watched) {
    for at in places {
        if let Some(result) = results.get_mut(at) {
            *result = watched;
        }
    }
}
