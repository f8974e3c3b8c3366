//! One endpoint: its engine, and the twins of its devices.
mod act;
mod alarms;
mod call;
mod known;
mod leave;
mod take;
mod vault;
mod waiting;

use super::{
    Shared,
    channels::ChannelName,
    compile::Compiled,
    driven::{Driven, Told},
    saver::{Attempts, Saved, Saver},
};
use crate::{
    Change, Command, ControlError, DeviceKey, Engine, Instant, LinkState, Load, News, PointFault, Protocol,
    QueueReceiver, QueueSender, Request, Standing, Stats, Status, TelemetryOut, WriteReply,
    control::CallReply,
    few::Few,
    queue,
    twin::{Now, Twin},
};
use alarms::Alarms;
use futures_util::FutureExt;
use leave::Leaving;
use pollux_crds::{EffectiveDevice, Values, Writes};
use std::{collections::BTreeSet, path::Path, pin::pin, sync::Arc, time::Duration};
use tokio::{
    sync::oneshot,
    task::{JoinError, JoinHandle},
    time::{sleep_until, timeout},
};
use tokio_util::task::AbortOnDropHandle;
use vault::Vault;
use waiting::Waiting;

/// Commands that may wait for the engine, which takes them as they come.
const COMMANDS: usize = 256;
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
    /// Carry out a command of a device's model.
    Call { key: DeviceKey, command: String, arguments: Values, reply: CallReply },
}
impl<P: Protocol> Order<P> {
    /// What somebody asks of a device.
    pub(super) fn of(key: DeviceKey, request: Request) -> Self {
        match request {
            Request::Read { reply, .. } => Self::Read { key, reply },
            Request::Forget { reply, .. } => Self::Forget { key, reply },
            Request::Call { command, arguments, reply, .. } => Self::Call { key, command, arguments, reply },
        }
    }
    /// Answers who asked; the replies of the rest are dropped.
    pub(super) fn refuse(self, why: ControlError) {
        match self {
            Self::Read { reply, .. } | Self::Forget { reply, .. } => drop(reply.send(Err(why))), // who asked may have left
            Self::Call { reply, .. } => drop(reply.send(Err(why))),
            Self::Apply { .. } | Self::EditRefused { .. } | Self::Remove { .. } => {}
        }
    }
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
    resource: Arc<str>,
    saver: Saver,
    engine: QueueSender<Box<Command<P>>>,
    counted: Arc<Stats>,
    devices: Few<DeviceKey, Box<Driven<P>>>,
    /// Of the devices: set whenever one was [settled](Self::settle).
    alarms: Alarms,
    leaving: Few<DeviceKey, Leaving<P>>,
    waiting: Waiting,
    link: Option<LinkState>,
    load: Load,
    /// Channels of its devices, and how many have each.
    channels: Few<ChannelName, usize>,
    /// The process stops: nothing new is sent, and nothing more is said.
    stopping: bool,
}

/// Runs an endpoint, which has this name, until its orders end or the process stops. Err: a driver ended abnormally.
pub(super) async fn run<P: Protocol>(
    shared: Arc<Shared<P>>,
    (endpoint, resource): (P::Endpoint, Arc<str>),
    saver: Saver,
    mut orders: QueueReceiver<Box<Order<P>>>,
) -> Result<(), JoinError> {
    let (commands, engine, mut status, _renews, counted) = start(&shared, endpoint, &resource);
    let mut this = Endpoint {
        shared,
        resource,
        saver,
        engine: commands,
        counted,
        devices: Few::default(),
        alarms: Alarms::default(),
        leaving: Few::default(),
        waiting: Waiting::default(),
        link: None,
        load: Load::default(),
        channels: Few::default(),
        stopping: false,
    };
    this.serve(&mut orders, &mut status).await;
    drop(this); // the engine's end too
    engine.await
}

/// An engine at work: how it is told, its task, what it says, who tells it of other secrets, and what it counts.
type Running<P> = (QueueSender<Box<Command<P>>>, JoinHandle<()>, Status, Option<AbortOnDropHandle<()>>, Arc<Stats>);

/// Not in `run`: an async function keeps room, as long as it lives, for all that it ever held, an engine too.
fn start<P: Protocol>(shared: &Arc<Shared<P>>, endpoint: P::Endpoint, resource: &Arc<str>) -> Running<P> {
    let named = shared.protocol.secrets(&endpoint);
    let (engine, status) = Engine::new(shared.protocol.clone(), endpoint, TelemetryOut::unread());
    let engine = engine.count_from(shared.clock.instant(Duration::ZERO));
    let counted = engine.stats();
    shared.engines.add(resource.clone(), counted.clone());
    let (commands, receiver) = queue(COMMANDS);
    let mut vault =
        Vault { named, secrets: shared.secrets.clone(), folder: shared.store.drivers().map(Path::to_owned) };
    let cx = if vault.reads() { vault.newest() } else { shared.bare.clone() };
    let ended = engine.run(receiver, cx.clone(), shared.stop.clone()).map(drop);
    // A link that reads no secret has no news of them.
    let renews = vault.reads().then(|| tokio::spawn(vault.renew(cx, commands.downgrade())));
    (commands, tokio::spawn(ended), status, renews.map(AbortOnDropHandle::new), counted)
}

impl<P: Protocol> Endpoint<P> {
    async fn serve(&mut self, orders: &mut QueueReceiver<Box<Order<P>>>, status: &mut Status) {
        let stop = self.shared.stop.clone();
        // Registered once, and not in every round.
        let (mut stopped, mut alarm) = (pin!(stop.cancelled()), pin!(sleep_until(Instant::now())));
        loop {
            // Answers come before news: an answer is never newer than news that came later.
            while let Some(Some(ended)) = self.waiting.next().now_or_never() {
                self.ended(ended);
            }
            let wake = self.wake();
            if alarm.deadline() != wake {
                alarm.as_mut().reset(wake);
            }
            tokio::select! {
                () = &mut stopped, if !self.stopping => self.heed_stop(),
                order = orders.recv() => match order {
                    Some(order) => Box::pin(self.order(*order)).await, // rare, and large
                    None => return Box::pin(self.drain(status)).await,
                },
                news = status.next() => match news {
                    Some(news) => self.news(news),
                    None => return Box::pin(self.drain(status)).await,
                },
                Some(ended) = self.waiting.next() => self.ended(ended),
                // An alarm of a time when it is stopping stays past, and would go off without end.
                () = &mut alarm, if !self.stopping => {
                    if let Some(news) = status.try_next() {
                        self.news(news); // what is here is not decided without
                    }
                    self.tick();
                }
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
        self.engine = queue(1).0; // nobody tells the engine anything any more: it ends, told to stop or not
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
            tracing::error!(resource = &*self.resource, "the disk takes too long: the last records may be lost");
        }
    }
    fn wake(&self) -> Instant {
        let latest = Instant::now() + LONGEST;
        self.alarms.first().map_or(latest, |first| self.shared.clock.instant(first).min(latest))
    }

    fn news(&mut self, news: News) {
        self.heed_stop();
        let now = self.shared.clock.now();
        let mut touched = BTreeSet::new();
        if let Some(load) = &news.load {
            self.loaded(load, now);
            touched.extend(self.devices.keys().copied());
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
        // Faults and texts first: each point stands in one of the two, and what a number means may hang on one that is none now.
        self.changed(news.changes, false, now, &mut touched);
        for (key, generation, numbers) in news.numbers.parts() {
            if let Some(driven) = self.devices.get_mut(&key) {
                driven.numbers(generation, numbers, &self.shared.protocol, now);
                touched.insert(key);
            }
        }
        for change in news.happened {
            let key = change.device;
            if let Some(driven) = self.devices.get_mut(&key) {
                match driven.happened(change, &self.shared.protocol, now) {
                    Told::Yes(happening) => self.shared.hub.happened(happening),
                    Told::Missed => self.counted.lost_pushes.add(1),
                    Told::None => {}
                }
                touched.insert(key);
            }
        }
        self.stands(news.standing, now, &mut touched);
        self.changed(news.confirmed, true, now, &mut touched);
        for known in &news.known {
            self.known(known, now);
            touched.insert(known.device);
        }
        for key in touched {
            self.settle(key);
        }
    }
    fn stands(&mut self, standing: Standing, now: Now, touched: &mut BTreeSet<DeviceKey>) {
        for change in standing.stood {
            if let Some(driven) = self.devices.get_mut(&change.device) {
                touched.insert(change.device);
                driven.stood(change, &self.shared.protocol, now);
            }
        }
        for quiet in standing.quiet {
            if let Some(driven) = self.devices.get_mut(&quiet.device) {
                driven.quiet(quiet, now);
                touched.insert(quiet.device);
            }
        }
    }
    fn changed(&mut self, changes: Vec<Change>, confirmed: bool, now: Now, touched: &mut BTreeSet<DeviceKey>) {
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
        for key in self.alarms.due(self.shared.clock.now().mono) {
            self.settle(key);
        }
    }
}
