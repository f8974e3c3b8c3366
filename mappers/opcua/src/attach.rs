//! A device at its server: found, subscribed, and what of it is lost found again.
use crate::{
    error::Result,
    feed::{Feed, Flaw, Notes, is_lost},
    link::Link,
    places::{Place, Places},
    session::{Item, Watched},
    unit::Unit,
};
use opcua::types::{NodeId, UnregisterNodesRequest};
use pollux_mapper::{Instant, Port};
use std::{collections::BTreeMap, convert::Infallible, sync::Arc, time::Duration};
use tokio::time::sleep_until;

/// Patience with one attempt to mend.
const MEND: Duration = Duration::from_secs(10);
/// How long nobody looks when there is nothing to mend.
const IDLE: Duration = Duration::from_mins(1);

impl Link {
    /// From its first request on.
    pub(crate) async fn open_unit(&self, unit: &Arc<Unit>, port: Port, until: Instant) -> Result<()> {
        self.close_unit(unit, until).await;
        self.share(unit);
        let feed = Feed::new(unit.clone(), port, self.wake().clone());
        self.find(&feed, until).await?;
        self.feeds().insert(unit.id(), feed);
        self.wake().notify_one();
        Ok(())
    }
    /// To its last.
    pub(crate) async fn close_unit(&self, unit: &Unit, until: Instant) {
        let Some(feed) = self.feeds().remove(&unit.id()) else { return };
        self.session().unsubscribe(&feed.end(), until).await;
        let epoch = self.session().epoch();
        let aliases = |places: Arc<Places>| -> Vec<NodeId> {
            let here = places.link == self.id() && places.epoch == epoch;
            places.points.iter().filter(|_| here).filter_map(|place| place.alias.clone()).collect()
        };
        let aliases = unit.places().map(aliases).unwrap_or_default();
        if let (false, Ok(wire)) = (aliases.is_empty(), self.session().wire_of(epoch, until).await) {
            let request =
                UnregisterNodesRequest { request_header: wire.header(until), nodes_to_unregister: Some(aliases) };
            wire.call(request, until).await.ok(); // they end with the session
        }
    }
    /// All of its points: where they are, and that they be watched.
    async fn find(&self, feed: &Arc<Feed>, until: Instant) -> Result<()> {
        let places = self.place_all(&feed.unit, until).await?;
        let all: Vec<usize> = (0..places.points.len()).collect();
        self.watch(feed, &places, &all, until).await
    }
    /// Those that can be watched are; the others are read.
    async fn watch(&self, feed: &Arc<Feed>, places: &Places, points: &[usize], until: Instant) -> Result<()> {
        let unit = &feed.unit;
        let (mut asked, mut items) = (vec![], vec![]);
        for at in points {
            let (Some(item), Some(place)) = (unit.items().get(*at), places.points.get(*at)) else { continue };
            match place.known() {
                Ok((node, _)) if item.readable && !item.polled && !feed.is_alone(*at) => {
                    asked.push((*at, item));
                    items.push(Item {
                        key: *at as u64,
                        node: node.clone(),
                        range: item.range.clone(),
                        interval: item.interval,
                        queue: item.queue,
                        deadband: item.deadband.clone(),
                        each: item.event,
                    });
                }
                known => feed.poll(*at, known.is_err()),
            }
        }
        let mut watched = vec![];
        if !items.is_empty() {
            feed.begin(asked.iter().map(|(at, ..)| *at));
            watched = self.session().subscribe(items, feed.clone(), places.epoch, until).await?;
        }
        let mut notes = Notes::default();
        for ((at, item), watched) in asked.into_iter().zip(watched) {
            let name = &item.name;
            match watched {
                Watched::Yes { handle, filtered } => {
                    feed.watch(at, handle);
                    let plain = (!filtered).then(|| (at, name.clone()));
                    notes.alike.extend(plain.clone().filter(|_| item.event));
                    notes.unfiltered.extend(plain.filter(|_| item.deadband.is_some()));
                }
                Watched::No(code) => {
                    feed.poll(at, is_lost(code));
                    notes.refused.extend((!is_lost(code)).then(|| (at, format!("{name} ({code})"))));
                }
                Watched::Parked(code) => {
                    feed.park(at);
                    notes.refused.insert(at, format!("{name} ({code})"));
                }
            }
        }
        let [read, unfiltered, alike] = feed.note(points, notes);
        let line = |names: Vec<String>, what: &str| (!names.is_empty()).then(|| format!("{what}: {}", some(&names)));
        unit.remark("read", line(read, "read in cycles, for the server does not watch"));
        unit.remark("deadband", line(unfiltered, "all changes are sent, for the server refuses a dead-band of"));
        unit.remark(
            "events",
            line(alike, "told when the value changes alone, for the server refuses to look at its time of"),
        );
        feed.settle();
        Ok(())
    }
    /// What is lost is looked for again, as long as the link lives.
    pub(crate) async fn mend(&self) -> Infallible {
        loop {
            let feeds: Vec<Arc<Feed>> = self.feeds().values().cloned().collect();
            let next = feeds.iter().filter_map(|feed| feed.next()).min();
            tokio::select! {
                () = self.wake().notified() => {}
                () = sleep_until(next.unwrap_or_else(|| Instant::now() + IDLE)) => {}
            }
            let publishes = self.session().unpublished().is_none();
            for feed in feeds {
                if publishes {
                    feed.unpark();
                }
                let Some(flaw) = feed.flaw(Instant::now()) else { continue };
                let until = Instant::now() + MEND;
                let mended = match flaw {
                    Flaw::Anew => self.find(&feed, until).await.map(|()| feed.is_back()),
                    Flaw::Lost(points) => self.look(&feed, &points, until).await,
                };
                let attached = self.feeds().get(&feed.unit.id()).is_some_and(|now| Arc::ptr_eq(now, &feed));
                if !attached {
                    // Its end came meanwhile, and what was subscribed since then is nobody's.
                    self.session().unsubscribe(&feed.end(), until).await;
                }
                if let Err(error) = mended {
                    tracing::debug!(unit = feed.unit.id(), %error, "not mended yet");
                }
            }
        }
    }
    async fn look(&self, feed: &Arc<Feed>, points: &[usize], until: Instant) -> Result<()> {
        let unit = &feed.unit;
        let before = self.places(unit, until).await?;
        let found: Vec<(usize, Place)> = points.iter().copied().zip(self.place(unit, points, until).await?).collect();
        let (back, away): (Vec<_>, Vec<_>) = found.iter().partition(|(_, place)| place.known().is_ok());
        let [back, away] = [back, away].map(|points| points.into_iter().map(|(at, _)| *at).collect::<Vec<usize>>());
        feed.lose(&away); // nor are they read then
        let found: BTreeMap<usize, Place> = found.into_iter().collect();
        let place = |(at, place): (usize, &Place)| match found.get(&at) {
            Some(found) => Place { alone: place.alone, ..found.clone() },
            None => place.clone(),
        };
        let points = before.points.iter().enumerate().map(place).collect();
        let places = Arc::new(Places { points, ..*before });
        unit.set_places(places.clone());
        self.session().unsubscribe(&feed.give_back(&back), until).await;
        self.watch(feed, &places, &back, until).await
    }
}

/// The first few of them.
fn some(names: &[String]) -> String {
    const FEW: usize = 8;
    let more = names.len().saturating_sub(FEW);
    let few = names.iter().take(FEW).map(String::as_str).collect::<Vec<_>>().join(", ");
    if more == 0 { few } else { format!("{few} and {more} more") }
}
