//! One endpoint: its engine, and the twins of its devices.
use super::{
    Shared,
    channels::ChannelName,
    compile::Compiled,
    driven::Driven,
    saver::Saver,
};
use crate::{
    Change, Command, ControlError, DeviceKey, Engine, Instant, LinkState, News, PointFault, Protocol, Status, Value, Write,
    WriteReply, Wrote, telemetry,
    twin::{Action, Now, Twin},
};
use futures_util::{
    FutureExt,
    future::BoxFuture,
    stream::{FuturesUnordered, StreamExt},
};
use pollux_crds::{EffectiveDevice, Writes};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::sleep_until,
};

/// Commands that may wait for the engine, which takes them as they come.
const COMMANDS: usize = 256;
/// Changes kept for sinks; none reads them yet, so the queue is as small as can be.
const TELEMETRY: usize = 0;
/// Rounds in which a twin may ask for something at one moment: it never needs more than two.
const ROUNDS: usize = 8;
/// Longest wait without looking at a twin.
const LONGEST: Duration = Duration::from_mins(1);

/// What an endpoint is told.
pub(super) enum Order<P: Protocol> {
    /// A device, new or changed. `twin` is what drove it elsewhere until now.
    Apply {
        device: Arc<EffectiveDevice>,
        compiled: Compiled<P>,
        twin: Box<Twin>,
        writes: Writes,
        /// The twin comes back if the driver refuses the configuration of a device that is not driven here yet.
        reply: oneshot::Sender<Result<(), Refused>>,
    },
    /// A device that is gone; answered when nothing of it is under way.
    Remove { key: DeviceKey, reply: oneshot::Sender<Option<Box<Twin>>> },
    /// Read a device now.
    Read { key: DeviceKey, reply: oneshot::Sender<Result<(), ControlError>> },
}

/// The driver refuses a configuration.
pub(super) struct Refused {
    pub(super) errors: Vec<String>,
    pub(super) twin: Option<Box<Twin>>,
}

/// What ended that was waited for.
enum Ended {
    Wrote { key: DeviceKey, ticket: u64, values: Vec<(usize, Value)>, reply: WriteReply },
    SaveFailed { key: DeviceKey, ticket: u64, why: String },
    Saved(Result<(), String>),
    Read { key: DeviceKey, asked: Duration, result: ReadResult, answer: Option<oneshot::Sender<Result<(), ControlError>>> },
    Removed { key: DeviceKey, reply: oneshot::Sender<Option<Box<Twin>>> },
}
type ReadResult = Result<Vec<Change>, PointFault>;

/// One endpoint: its engine, and the twins of its devices.
pub(super) struct Endpoint<P: Protocol> {
    shared: Arc<Shared<P>>,
    resource: String,
    saver: Saver,
    engine: mpsc::Sender<Command<P>>,
    devices: BTreeMap<DeviceKey, Driven<P>>,
    /// On their way out: nothing new is asked of them, what is under way is still answered.
    leaving: BTreeMap<DeviceKey, Driven<P>>,
    waiting: FuturesUnordered<BoxFuture<'static, Ended>>,
    link: Option<LinkState>,
}

/// Runs an endpoint until its orders end or the process stops.
pub(super) async fn run<P: Protocol>(
    shared: Arc<Shared<P>>, endpoint: P::Endpoint, saver: Saver, mut orders: mpsc::Receiver<Order<P>>,
) {
    let (telemetry, _) = telemetry(TELEMETRY);
    let resource = endpoint.to_string();
    let (engine, mut status) = Engine::new(shared.protocol.clone(), endpoint, telemetry);
    shared.engines.add(&resource, engine.stats());
    let (commands, receiver) = mpsc::channel(COMMANDS);
    let engine = tokio::spawn(engine.run(receiver, shared.cx.clone(), shared.stop.clone()));
    let mut this = Endpoint {
        shared: shared.clone(),
        resource: resource.clone(),
        saver,
        engine: commands,
        devices: BTreeMap::new(),
        leaving: BTreeMap::new(),
        waiting: FuturesUnordered::new(),
        link: None,
    };
    this.serve(&mut orders, &mut status).await;
    let Endpoint { engine: commands, .. } = this;
    drop(commands); // the engine's end too
    if let Err(error) = engine.await {
        tracing::error!(%error, %resource, "engine ended abnormally");
    }
    shared.engines.remove(&resource);
}

impl<P: Protocol> Endpoint<P> {
    async fn serve(&mut self, orders: &mut mpsc::Receiver<Order<P>>, status: &mut Status) {
        loop {
            let wake = self.wake();
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.order(order).await,
                    None => return self.drain().await,
                },
                news = status.next() => match news {
                    Some(news) => self.news(news),
                    None => return self.drain().await,
                },
                Some(ended) = self.waiting.next() => self.ended(ended),
                () = sleep_until(wake) => self.tick(),
            }
        }
    }
    /// The engine answers all that is under way; what it says is put on record.
    async fn drain(&mut self) {
        while let Some(ended) = self.waiting.next().await {
            self.ended(ended);
        }
    }
    fn wake(&self) -> Instant {
        let clock = &self.shared.clock;
        let latest = Instant::now() + LONGEST;
        self.devices.values().filter_map(|d| d.twin.wake()).map(|w| clock.instant(w)).min().unwrap_or(latest).min(latest)
    }

    async fn order(&mut self, order: Order<P>) {
        match order {
            Order::Apply { device, compiled, twin, writes, reply } => {
                let answer = self.apply(device, compiled, twin, writes).await;
                reply.send(answer).ok(); // who asked may have ended
            }
            Order::Remove { key, reply } => self.remove(key, reply).await,
            Order::Read { key, reply } => self.read(key, vec![], Some(reply)),
        }
    }
    async fn apply(
        &mut self, device: Arc<EffectiveDevice>, compiled: Compiled<P>, mut twin: Box<Twin>, writes: Writes,
    ) -> Result<(), Refused> {
        let Compiled { spec, points, .. } = compiled;
        let (key, timeout) = (spec.key, spec.timeout);
        let (reply, answer) = oneshot::channel();
        let sent = self.engine.send(Command::Apply { spec, reply }).await;
        let answer = if sent.is_ok() { answer.await.ok() } else { None };
        let layout = match answer {
            Some(Ok(layout)) => layout,
            Some(Err(errors)) => {
                let name = |point: Option<usize>| point.and_then(|p| points.property(p)).and_then(|p| device.properties.get(p));
                let errors = errors.into_iter().map(|e| match name(e.point) {
                    Some(property) => format!("spec.properties[{}].binding: {}", property.name, e.text),
                    None => format!("spec.protocol.{}: {}", device.protocol, e.text),
                });
                return Err(Refused { errors: errors.collect(), twin: Some(twin).filter(|_| !self.devices.contains_key(&key)) });
            }
            None => return Err(Refused { errors: vec!["shutting down".into()], twin: None }),
        };
        let now = self.shared.clock.now();
        if let Some(old) = self.devices.remove(&key) {
            *twin = old.twin;
        }
        twin.configure(device.clone(), writes, now);
        if let Some(link) = &self.link {
            self.shared.channels.set(channel(&device).iter(), link);
        }
        self.devices.insert(key, Driven::new(device, points, layout, *twin, timeout));
        self.name_devices();
        self.settle(key);
        Ok(())
    }
    async fn remove(&mut self, key: DeviceKey, reply: oneshot::Sender<Option<Box<Twin>>>) {
        if let Some(driven) = self.devices.remove(&key) {
            let name = channel(&driven.device);
            if !self.devices.values().any(|d| channel(&d.device) == name) {
                self.shared.channels.forget(name.iter());
            }
            self.leaving.insert(key, driven);
        }
        self.name_devices();
        let (done, removed) = oneshot::channel();
        let sent = self.engine.send(Command::Remove { device: key, reply: done }).await;
        self.waiting.push(
            async move {
                if sent.is_ok() {
                    removed.await.ok(); // an engine that ended has nothing under way either
                }
                Ended::Removed { key, reply }
            }
            .boxed(),
        );
    }
    fn name_devices(&self) {
        let names = self.devices.iter().map(|(key, d)| (*key, d.device.key())).collect();
        self.shared.engines.name(&self.resource, names);
    }

    fn news(&mut self, news: News) {
        let now = self.shared.clock.now();
        let mut touched = BTreeSet::new();
        if let Some(link) = news.link {
            let names: BTreeSet<_> = self.devices.values().filter_map(|d| channel(&d.device)).collect();
            self.shared.channels.set(names.iter(), &link);
            self.link = Some(link);
        }
        for word in &news.connected {
            if let Some(driven) = self.devices.get_mut(&word.device) {
                driven.connected(word, now);
                touched.insert(word.device);
            }
        }
        for (changes, confirmed) in [(&news.changes, false), (&news.confirmed, true)] {
            for change in changes {
                let Some(driven) = self.devices.get_mut(&change.device) else { continue };
                let asked = if confirmed { now.mono } else { driven.asked_at(now) };
                driven.changed(change, asked, &self.shared.protocol, now);
                touched.insert(change.device);
            }
        }
        for key in touched {
            self.settle(key);
        }
    }
    fn tick(&mut self) {
        let now = self.shared.clock.now();
        let due = |d: &Driven<P>| d.twin.wake().is_some_and(|wake| wake <= now.mono);
        let keys: Vec<DeviceKey> = self.devices.iter().filter(|(_, d)| due(d)).map(|(key, _)| *key).collect();
        for key in keys {
            self.settle(key);
        }
    }
    /// Lets the twin decide, does what it says, and publishes what is worth it.
    fn settle(&mut self, key: DeviceKey) {
        for _ in 0..ROUNDS {
            let now = self.shared.clock.now();
            let Some(driven) = self.devices.get_mut(&key) else { return };
            driven.freshen(&self.shared.clock, now);
            let (twin, format) = driven.with_format(&self.shared.protocol);
            let actions = twin.step(&format, now);
            if actions.is_empty() {
                break;
            }
            for action in actions {
                self.act(key, action, now);
            }
        }
        let now = self.shared.clock.now();
        let Some(driven) = self.devices.get_mut(&key) else { return };
        if let Some(status) = driven.twin.report(now) {
            self.shared.hub.publish(&driven.device, status);
        }
    }
    fn act(&mut self, key: DeviceKey, action: Action, now: Now) {
        let Some(driven) = self.devices.get_mut(&key) else { return };
        match action {
            Action::Save { record } => {
                self.waiting.push(self.saver.save(&driven.device.uid, record).map(Ended::Saved).boxed());
            }
            Action::Read { properties } => {
                let points = properties.iter().filter_map(|p| driven.points.point(*p)).collect();
                self.read(key, points, None);
            }
            Action::Write { ticket, values, record } => {
                driven.write_began(now);
                let values = values.into_iter().filter_map(|(p, v)| Some((driven.points.point(p)?, v))).collect();
                let saved = self.saver.save(&driven.device.uid, record);
                self.waiting.push(write(self.engine.clone(), key, ticket, values, saved).boxed());
            }
        }
    }
    fn read(&mut self, key: DeviceKey, points: Vec<usize>, answer: Option<oneshot::Sender<Result<(), ControlError>>>) {
        let (engine, asked) = (self.engine.clone(), self.shared.clock.now().mono);
        self.waiting.push(
            async move {
                let (reply, result) = oneshot::channel();
                let lost = || PointFault::new(crate::ErrorKind::Unreachable, "shutting down");
                let sent = engine.send(Command::ReadNow { device: key, points, reply }).await;
                let result = match sent {
                    Ok(()) => result.await.unwrap_or_else(|_| Err(lost())),
                    Err(_) => Err(lost()),
                };
                Ended::Read { key, asked, result, answer }
            }
            .boxed(),
        );
    }

    fn ended(&mut self, ended: Ended) {
        let now = self.shared.clock.now();
        match ended {
            Ended::Saved(Ok(())) => {}
            Ended::Saved(Err(error)) => tracing::error!(%error, "cannot save state: acknowledged values may be forgotten"),
            Ended::Removed { key, reply } => {
                let twin = self.leaving.remove(&key).map(|mut driven| {
                    driven.twin.parted(now);
                    Box::new(driven.twin)
                });
                reply.send(twin).ok(); // who asked may have ended
            }
            Ended::SaveFailed { key, ticket, why } => {
                if let Some(driven) = self.devices.get_mut(&key) {
                    driven.write_ended(now);
                    driven.twin.save_failed(ticket, why, now);
                }
                self.settle(key);
            }
            Ended::Wrote { key, ticket, values, reply } => {
                if let Some(driven) = self.devices.get_mut(&key).or_else(|| self.leaving.get_mut(&key)) {
                    driven.write_ended(now);
                    audit(driven, &values, &reply);
                    driven.twin.wrote(ticket, &reply, now);
                }
                self.settle(key);
            }
            Ended::Read { key, asked, result, answer } => self.was_read(key, asked, result, answer, now),
        }
    }
    fn was_read(
        &mut self, key: DeviceKey, asked: Duration, result: ReadResult,
        answer: Option<oneshot::Sender<Result<(), ControlError>>>, now: Now,
    ) {
        let said = match result {
            Ok(changes) => {
                if let Some(driven) = self.devices.get_mut(&key) {
                    for change in &changes {
                        driven.changed(change, asked, &self.shared.protocol, now);
                    }
                }
                Ok(())
            }
            Err(fault) => Err(ControlError::NotConnected(fault.text.into())),
        };
        self.settle(key);
        if let Some(answer) = answer {
            answer.send(said).ok(); // who asked may have left
        }
    }
}

async fn write<P: Protocol>(
    engine: mpsc::Sender<Command<P>>, device: DeviceKey, ticket: u64, values: Vec<(usize, Value)>,
    saved: impl Future<Output = Result<(), String>>,
) -> Ended {
    if let Err(why) = saved.await {
        return Ended::SaveFailed { key: device, ticket, why };
    }
    let count = values.len();
    let (reply, answer) = oneshot::channel();
    let sent = engine.send(Command::Write(Write { device, values: values.clone(), reply })).await;
    let answer = if sent.is_ok() { answer.await.ok() } else { None };
    let reply = answer.unwrap_or_else(|| WriteReply {
        values: vec![Wrote::NotSent; count],
        why: Some(PointFault::new(crate::ErrorKind::Other, "shutting down")),
    });
    Ended::Wrote { key: device, ticket, values, reply }
}

/// Every write on the wire leaves one record (design §3.8): device, property, old and new value as the device has them.
fn audit<P: Protocol>(driven: &Driven<P>, values: &[(usize, Value)], reply: &WriteReply) {
    let (device, generation) = (driven.device.key(), driven.device.generation);
    for ((point, new), result) in values.iter().zip(&reply.values) {
        let property = driven.points.property(*point);
        let old = property.and_then(|p| driven.twin.raw(p));
        let property = property.and_then(|p| driven.device.properties.get(p)).map_or("", |p| p.name.as_str());
        let why = match result {
            Wrote::Done => "",
            Wrote::Refused(fault) => &fault.text,
            Wrote::NotSent | Wrote::Unknown => reply.why.as_ref().map_or("", |why| &why.text),
        };
        let result = match result {
            Wrote::Done => "done",
            Wrote::Refused(_) => "refused",
            Wrote::NotSent => "not sent",
            Wrote::Unknown => "unknown",
        };
        tracing::info!(target: "pollux::audit", %device, property, ?old, ?new, result, why, generation, "write");
    }
}

fn channel(device: &EffectiveDevice) -> Option<ChannelName> {
    device.channel.clone().map(|name| (device.namespace.clone(), name))
}
