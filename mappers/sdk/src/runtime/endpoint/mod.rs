//! One endpoint: its engine, and the twins of its devices.
mod act;
mod known;
mod leave;

use super::{
    Shared,
    channels::{ChannelName, channel},
    compile::{Compiled, named},
    driven::{Driven, Settings},
    kept::Kept,
    saver::{Attempts, Saved, Saver},
};
use crate::{
    Change, Command, ControlError, Cx, DeviceKey, Engine, Instant, LinkState, Load, News, PointFault, Protocol,
    Secrets, Status, WriteReply, telemetry,
    twin::{Now, Twin},
};
use futures_util::{
    FutureExt,
    future::BoxFuture,
    stream::{FuturesUnordered, StreamExt},
};
use leave::Leaving;
use pollux_crds::{EffectiveDevice, Writes};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinError,
    time::{sleep_until, timeout},
};
use tokio_util::task::AbortOnDropHandle;

/// Commands that may wait for the engine, which takes them as they come.
const COMMANDS: usize = 256;
/// Changes kept for sinks; none reads them yet, so the queue is as small as can be.
const TELEMETRY: usize = 0;
/// Longest wait without looking at a twin.
const LONGEST: Duration = Duration::from_mins(1);
/// What the disk may take for the last records when the process stops.
pub(crate) const LAST_RECORDS: Duration = Duration::from_secs(3);

/// What an endpoint is told.
pub(super) enum Order<P: Protocol> {
    /// A device, new or changed.
    Apply {
        device: Arc<EffectiveDevice>,
        compiled: Box<Compiled<P>>,
        /// What drove it elsewhere until now; None: it is driven here already.
        twin: Option<Box<Twin>>,
        writes: Writes,
        reply: oneshot::Sender<Result<(), Refused>>,
    },
    /// Whether a newer edit of a device is not in force, and why.
    EditRefused { key: DeviceKey, why: Option<String> },
    /// A device that is gone; answered when nothing of it is under way.
    Remove { key: DeviceKey, reply: oneshot::Sender<Option<Box<Twin>>> },
    /// Forget what was learned of a device.
    Forget { key: DeviceKey, reply: ReadReply },
    /// Read a device now.
    Read { key: DeviceKey, reply: ReadReply },
}
type ReadReply = oneshot::Sender<Result<(), ControlError>>;

/// The driver refuses a configuration. The twin comes back of a device that is not driven here yet.
pub(super) struct Refused {
    pub(super) errors: Vec<String>,
    pub(super) twin: Option<Box<Twin>>,
}

/// What ended that was waited for.
enum Ended {
    /// A record that nobody waits for; one that is not on the disk is tried again.
    Saved {
        key: DeviceKey,
        saved: Saved,
        again: Attempts,
    },
    /// A newer record took its place.
    Overtaken,
    /// What was learned of a device is on the disk, or is learned again.
    Kept,
    /// The record of a write is on the disk, or cannot be.
    OnRecord {
        key: DeviceKey,
        ticket: u64,
        saved: Saved,
    },
    Wrote {
        key: DeviceKey,
        ticket: u64,
        reply: WriteReply,
    },
    Read {
        key: DeviceKey,
        asked: Duration,
        result: Result<Vec<Change>, PointFault>,
        answer: Option<ReadReply>,
    },
    /// Nothing of it is on the wire any more.
    Silent(DeviceKey),
}

/// One endpoint: its engine, and the twins of its devices.
struct Endpoint<P: Protocol> {
    shared: Arc<Shared<P>>,
    resource: String,
    saver: Saver,
    engine: mpsc::Sender<Command<P>>,
    /// Boxed: most endpoints have few, and a node of the map has room for eleven.
    devices: BTreeMap<DeviceKey, Box<Driven<P>>>,
    leaving: BTreeMap<DeviceKey, Leaving<P>>,
    waiting: FuturesUnordered<BoxFuture<'static, Ended>>,
    link: Option<LinkState>,
    load: Load,
    /// Channels of its devices, and how many have each.
    channels: BTreeMap<ChannelName, usize>,
    /// The process stops: nothing new is sent, and nothing more is said.
    stopping: bool,
}

/// Runs an endpoint until its orders end or the process stops. Err: a driver ended abnormally.
pub(super) async fn run<P: Protocol>(
    shared: Arc<Shared<P>>,
    endpoint: P::Endpoint,
    saver: Saver,
    mut orders: mpsc::Receiver<Order<P>>,
) -> Result<(), JoinError> {
    let (telemetry, _) = telemetry(TELEMETRY);
    let resource = endpoint.to_string();
    let named = shared.protocol.secrets(&endpoint);
    let (engine, mut status) = Engine::new(shared.protocol.clone(), endpoint, telemetry);
    shared.engines.add(&resource, engine.stats());
    let (commands, receiver) = mpsc::channel(COMMANDS);
    let mut vault = Vault { named, secrets: shared.secrets.clone(), folder: shared.store.folder().map(Path::to_owned) };
    let cx = vault.newest();
    let stop = shared.stop.clone();
    let _renews = AbortOnDropHandle::new(tokio::spawn(vault.renew(cx.clone(), commands.downgrade())));
    let engine = tokio::spawn(async move { drop(engine.run(receiver, cx, stop).await) });
    let mut this = Endpoint {
        shared,
        resource,
        saver,
        engine: commands,
        devices: BTreeMap::new(),
        leaving: BTreeMap::new(),
        waiting: FuturesUnordered::new(),
        link: None,
        load: Load::default(),
        channels: BTreeMap::new(),
        stopping: false,
    };
    this.serve(&mut orders, &mut status).await;
    drop(this); // the engine's end too
    engine.await
}

/// What the driver of this link may know of its surroundings.
struct Vault {
    /// Secrets that it reads; None: all.
    named: Option<Vec<String>>,
    secrets: watch::Receiver<Secrets>,
    folder: Option<PathBuf>,
}

impl Vault {
    fn newest(&mut self) -> Arc<Cx> {
        Arc::new(self.secrets.borrow_and_update().cx(self.named.as_deref(), self.folder.as_deref()))
    }
    /// New contents go to the engine, for as long as there is one; what this link does not read is no news.
    async fn renew<P: Protocol>(mut self, mut last: Arc<Cx>, engine: mpsc::WeakSender<Command<P>>) {
        while self.secrets.changed().await.is_ok() {
            let cx = self.newest();
            if cx.secrets == last.secrets {
                continue;
            }
            last = cx.clone();
            let Some(engine) = engine.upgrade() else { return };
            engine.send(Command::Context(cx)).await.ok(); // it ended: so does this
        }
    }
}

impl<P: Protocol> Endpoint<P> {
    async fn serve(&mut self, orders: &mut mpsc::Receiver<Order<P>>, status: &mut Status) {
        let stop = self.shared.stop.clone();
        loop {
            // Answers come before news: an answer is never newer than news that came later.
            while let Some(Some(ended)) = self.waiting.next().now_or_never() {
                self.ended(ended);
            }
            let wake = self.wake();
            tokio::select! {
                () = stop.cancelled(), if !self.stopping => self.heed_stop(),
                order = orders.recv() => match order {
                    Some(order) => self.order(order).await,
                    None => return self.drain(status).await,
                },
                news = status.next() => match news {
                    Some(news) => self.news(news),
                    None => return self.drain(status).await,
                },
                Some(ended) = self.waiting.next() => self.ended(ended),
                () = sleep_until(wake) => self.tick(),
            }
        }
    }
    /// The engine heard it too, and says that all is down: whatever comes in, this is looked at first.
    fn heed_stop(&mut self) {
        if self.shared.stop.is_cancelled() && !self.stopping {
            self.stop();
        }
    }
    /// From here on nothing new is written; what was acknowledged is still put on record.
    fn stop(&mut self) {
        self.stopping = true;
        let now = self.shared.clock.now();
        self.devices.values_mut().for_each(|driven| driven.allow(Writes::Disabled, now));
        let keys: Vec<DeviceKey> = self.devices.keys().copied().collect();
        for key in keys {
            self.settle(key);
        }
    }
    /// The engine answers all that is under way, and then ends; what it said is put on record, as far as the disk lets it.
    async fn drain(&mut self, status: &mut Status) {
        if !self.stopping {
            self.stop();
        }
        self.engine = mpsc::channel(1).0; // nobody tells the engine anything any more: it ends, told to stop or not
        loop {
            tokio::select! {
                news = status.next() => match news {
                    Some(news) => self.news(news),
                    None => break,
                },
                Some(ended) = self.waiting.next() => self.ended(ended),
            }
        }
        let rest = async {
            while let Some(ended) = self.waiting.next().await {
                self.ended(ended);
            }
        };
        if timeout(LAST_RECORDS, rest).await.is_err() {
            tracing::error!(resource = self.resource, "the disk takes too long: the last records may be lost");
        }
    }
    fn wake(&self) -> Instant {
        let clock = &self.shared.clock;
        let latest = Instant::now() + LONGEST;
        let wakes = self.devices.values().filter_map(|d| d.twin.wake());
        wakes.map(|w| clock.instant(w)).min().unwrap_or(latest).min(latest)
    }

    async fn order(&mut self, order: Order<P>) {
        self.heed_stop();
        match order {
            Order::Apply { device, compiled, twin, writes, reply } => {
                if let Some(answer) = self.apply(device, compiled, twin, writes).await {
                    reply.send(answer).ok(); // who asked may have ended
                }
            }
            Order::EditRefused { key, why } => {
                let now = self.shared.clock.now();
                if let Some(driven) = self.devices.get_mut(&key) {
                    driven.twin.edit_refused(why, now);
                }
                self.settle(key);
            }
            Order::Remove { key, reply } => self.remove(key, reply).await,
            Order::Forget { key, reply } => self.forget(key, reply),
            Order::Read { key, reply } => self.read(key, vec![], Some(reply)),
        }
    }
    /// None: the engine has ended.
    async fn apply(
        &mut self,
        device: Arc<EffectiveDevice>,
        compiled: Box<Compiled<P>>,
        twin: Option<Box<Twin>>,
        writes: Writes,
    ) -> Option<Result<(), Refused>> {
        let Compiled { spec, points, .. } = *compiled;
        let (key, timeout, wiring) = (spec.key, spec.timeout, spec.wiring);
        let stale = self.recall(key, &device.uid, wiring).await;
        let (reply, answer) = oneshot::channel();
        self.engine.send(Command::Apply { spec, reply }).await.ok()?;
        let layout = match answer.await.ok()? {
            Ok(layout) => layout,
            Err(errors) => return Some(Err(Refused { errors: named(&device, &points, errors), twin })),
        };
        self.withdraw(key).await;
        let now = self.shared.clock.now();
        self.shared.engines.came(&self.resource, key, device.key());
        let new = channel(&device);
        if stale {
            self.keep_learned(&device.uid, Kept::nothing());
        }
        let knowledge = self.shared.protocol.knowledge(&layout.unit);
        let settings = Settings { device, points, layout, timeout, wiring, knowledge };
        let old = self.devices.get(&key).map(|driven| channel(&driven.device));
        match (self.devices.get_mut(&key), twin) {
            (Some(driven), _) => driven.renew(settings, writes, now),
            (None, Some(twin)) => drop(self.devices.insert(key, Box::new(Driven::new(settings, *twin, writes, now)))),
            (None, None) => tracing::error!(?key, "neither driven here nor elsewhere"), // the placement knows better
        }
        if let Some(driven) = self.devices.get_mut(&key) {
            driven.twin.overloaded(self.load.warning.as_deref(), now);
        }
        self.joins(new);
        self.parts(old.flatten());
        if self.stopping {
            self.stop();
        }
        self.settle(key);
        Some(Ok(()))
    }
    /// A write that waits for its turn in the engine is taken back before anything else is in force: once that is said,
    /// what was decided upon before does not leave.
    async fn withdraw(&mut self, key: DeviceKey) {
        let Some(flight) = self.devices.get_mut(&key).and_then(|driven| driven.flight.as_mut()) else { return };
        flight.withdrawn = true;
        let (reply, withdrawn) = oneshot::channel();
        if self.engine.send(Command::Withdraw { device: key, reply }).await.is_ok() {
            withdrawn.await.ok(); // an engine that ended sends nothing either
        }
    }
    /// One more device of a Channel.
    fn joins(&mut self, name: Option<ChannelName>) {
        let Some(name) = name else { return };
        if let Some(link) = &self.link {
            self.shared.channels.set([&name].into_iter(), link, &self.load);
        }
        *self.channels.entry(name).or_default() += 1;
    }
    /// One device less of a Channel.
    fn parts(&mut self, name: Option<ChannelName>) {
        let Some((name, count)) = name.and_then(|name| self.channels.remove_entry(&name)) else { return };
        if count > 1 {
            self.channels.insert(name, count - 1);
        } else {
            self.shared.channels.forget([&name].into_iter());
        }
    }

    fn news(&mut self, news: News) {
        self.heed_stop();
        let now = self.shared.clock.now();
        let mut touched = BTreeSet::new();
        if let Some(load) = &news.load {
            self.loaded(load, now);
            touched.extend(self.devices.keys());
        }
        if let Some(link) = &news.link {
            self.linked(link);
        }
        for word in &news.connected {
            if let Some(driven) = self.devices.get_mut(&word.device) {
                driven.connected(word, now);
                touched.insert(word.device);
            }
        }
        for (changes, confirmed) in [(news.changes, false), (news.confirmed, true)] {
            let mut changes = changes.into_iter().peekable();
            while let Some(key) = changes.peek().map(|change| change.device) {
                let its = std::iter::from_fn(|| changes.next_if(|change| change.device == key));
                let Some(driven) = self.devices.get_mut(&key) else {
                    its.for_each(drop);
                    continue;
                };
                let asked = if confirmed { driven.confirmed_at(now.mono) } else { driven.asked_at(now.mono) };
                its.for_each(|change| driven.changed(change, asked, &self.shared.protocol, now));
                touched.insert(key);
            }
        }
        for known in &news.known {
            self.known(known, now);
            touched.insert(known.device);
        }
        for key in touched {
            self.settle(key);
        }
    }
    fn linked(&mut self, link: &LinkState) {
        if let Some(identity) = &link.identity {
            self.shared.links.is(&self.resource, identity);
        }
        self.link = Some(link.clone());
        self.say_channels();
    }
    fn say_channels(&self) {
        if let Some(link) = self.link.as_ref().filter(|_| !self.stopping) {
            self.shared.channels.set(self.channels.keys(), link, &self.load);
        }
    }
    /// What is wrong with the link is said by its devices too: most people look there.
    fn loaded(&mut self, load: &Load, now: Now) {
        self.load = load.clone();
        for driven in self.devices.values_mut() {
            driven.twin.overloaded(load.warning.as_deref(), now);
        }
        self.say_channels();
    }
    fn tick(&mut self) {
        let now = self.shared.clock.now();
        let due = |d: &Driven<P>| d.twin.wake().is_some_and(|wake| wake <= now.mono);
        let keys: Vec<DeviceKey> = self.devices.iter().filter(|(_, d)| due(d)).map(|(key, _)| *key).collect();
        for key in keys {
            self.settle(key);
        }
    }
}
