//! Which device goes to which endpoint: the configuration's changes, in the order in which they are safe.
use super::{
    Shared,
    compile::{Compiled, compile},
    endpoint::{self, Order},
    saver::Saver,
};
use crate::{ControlError, DeviceKey, NodeConfig, Protocol, Request, twin::Twin};
use futures_util::future::join_all;
use pollux_crds::{EffectiveDevice, Mode, Writes};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};

/// Orders that may wait for an endpoint.
const ORDERS: usize = 64;

/// An endpoint that runs.
struct Running<P: Protocol> {
    orders: mpsc::Sender<Order<P>>,
    task: JoinHandle<()>,
}

/// Where a device is.
enum Place<P: Protocol> {
    /// Driven.
    At(P::Endpoint),
    /// Mode Off, or refused: its twin goes on saying so.
    Parked(Box<Twin>),
}
struct Known<P: Protocol> {
    key: DeviceKey,
    device: Arc<EffectiveDevice>,
    writes: Writes,
    place: Place<P>,
}

/// Why a device is not driven.
enum Parked {
    Off,
    Refused { reason: &'static str, message: String },
}

/// All devices of this mapper.
pub(super) struct Placement<P: Protocol> {
    shared: Arc<Shared<P>>,
    saver: Saver,
    endpoints: HashMap<P::Endpoint, Running<P>>,
    known: BTreeMap<String, Known<P>>,
    keys: u64,
}

impl<P: Protocol> Placement<P> {
    pub(super) fn new(shared: Arc<Shared<P>>) -> Self {
        let saver = Saver::start(shared.store.clone());
        Self { shared, saver, endpoints: HashMap::new(), known: BTreeMap::new(), keys: 0 }
    }
    pub(super) async fn run(
        mut self, mut config: watch::Receiver<Arc<NodeConfig>>, mut requests: mpsc::Receiver<Request>,
    ) {
        let stop = self.shared.stop.clone();
        config.mark_changed();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                changed = config.changed() => match changed {
                    Ok(()) => {
                        let newest = config.borrow_and_update().clone();
                        self.apply(&newest).await;
                    }
                    Err(_) => stop.cancelled().await, // the source ended: what it last said stays in force
                },
                Some(request) = requests.recv() => self.request(request),
            }
        }
        let tasks: Vec<_> = self.endpoints.drain().map(|(_, Running { orders, task })| { drop(orders); task }).collect();
        for ended in join_all(tasks).await {
            if let Err(error) = ended {
                tracing::error!(%error, "endpoint ended abnormally");
            }
        }
    }
    fn request(&mut self, request: Request) {
        let Request::Read { uid, reply } = request;
        let Some(Known { key, place: Place::At(endpoint), .. }) = self.known.get(&uid) else {
            let known = self.known.contains_key(&uid);
            let parked = || ControlError::NotConnected("it is off, or its configuration was refused".into());
            let answer = if known { parked() } else { ControlError::NoSuchDevice };
            reply.send(Err(answer)).ok(); // who asked may have left
            return;
        };
        if let Some(running) = self.endpoints.get(endpoint)
            && let Err(error) = running.orders.try_send(Order::Read { key: *key, reply })
            && let Order::Read { reply, .. } = error.into_inner()
        {
            reply.send(Err(ControlError::Busy)).ok(); // who asked may have left
        }
    }

    /// First what goes, then what comes, so that no resource is open twice.
    async fn apply(&mut self, config: &NodeConfig) {
        let wanted = self.wanted(config);
        let stays: BTreeSet<&str> = config.devices.iter().map(|d| d.uid.as_str()).collect();
        let gone: Vec<String> = self.known.keys().filter(|uid| !stays.contains(uid.as_str())).cloned().collect();
        self.take_off(gone.iter().cloned()).await;
        for uid in &gone {
            self.known.remove(uid);
            self.shared.hub.release(uid);
        }
        let moves: Vec<String> = wanted.iter().filter(|w| self.leaves(w)).map(|w| w.device.uid.clone()).collect();
        self.take_off(moves.into_iter()).await;
        self.close_unused().await; // before another endpoint of the same resource is opened
        for wish in wanted {
            self.put(wish, config.writes).await;
        }
        self.close_unused().await;
        for uid in config.tombstones.iter().filter(|uid| !self.known.contains_key(*uid)) {
            self.shared.hub.release(uid);
        }
        self.shared.hub.forget_released(&config.tombstones);
    }
    /// Each device with its endpoint, or why it has none. The first that opens a resource decides on its settings.
    fn wanted(&mut self, config: &NodeConfig) -> Vec<Wish<P>> {
        let mut open: HashMap<String, (P::Endpoint, String)> = HashMap::new();
        let mut wishes = vec![];
        for device in &config.devices {
            let key = self.key(&device.uid);
            let goal = match compile(&*self.shared.protocol, key, device) {
                _ if device.mode == Mode::Off => Err(Parked::Off),
                Err(message) => Err(Parked::Refused { reason: "ConfigError", message }),
                Ok(compiled) => {
                    let resource = compiled.endpoint.to_string();
                    let (first, holder) =
                        open.entry(resource).or_insert_with(|| (compiled.endpoint.clone(), device.key()));
                    if *first == compiled.endpoint { Ok(compiled) } else { Err(conflict(&compiled.endpoint, holder)) }
                }
            };
            wishes.push(Wish { device: device.clone(), goal });
        }
        wishes
    }
    /// The engine's name of a device: the one it has, or one that was never used.
    fn key(&mut self, uid: &str) -> DeviceKey {
        if let Some(known) = self.known.get(uid) {
            return known.key;
        }
        self.keys += 1;
        DeviceKey(self.keys)
    }
    fn leaves(&self, wish: &Wish<P>) -> bool {
        match (self.known.get(&wish.device.uid).map(|k| &k.place), &wish.goal) {
            (Some(Place::At(old)), Ok(compiled)) => *old != compiled.endpoint,
            (Some(Place::At(_)), Err(_)) => true,
            _ => false,
        }
    }
    /// Devices that are driven come to rest: when this returns nothing of them is under way. All at once, because each may
    /// have to wait for its time-out.
    async fn take_off(&mut self, uids: impl Iterator<Item = String>) {
        let mut leaving = vec![];
        for uid in uids {
            let Some(Known { key, place: Place::At(endpoint), .. }) = self.known.get(&uid) else { continue };
            let Some(running) = self.endpoints.get(endpoint) else { continue };
            let (reply, twin) = oneshot::channel();
            let (orders, key) = (running.orders.clone(), *key);
            leaving.push(async move {
                let sent = orders.send(Order::Remove { key, reply }).await.is_ok();
                (uid, if sent { twin.await.ok().flatten() } else { None })
            });
        }
        for (uid, twin) in join_all(leaving).await {
            if let (Some(twin), Some(known)) = (twin, self.known.get_mut(&uid)) {
                known.place = Place::Parked(twin);
            }
        }
    }
    async fn put(&mut self, wish: Wish<P>, writes: Writes) {
        let Wish { device, goal } = wish;
        let uid = device.uid.clone();
        if let (Some(known), Ok(_)) = (self.known.get(&uid), &goal)
            && known.device == device
            && known.writes == writes
            && matches!(known.place, Place::At(_))
        {
            return;
        }
        let twin = match self.known.remove(&uid) {
            Some(Known { place: Place::Parked(twin), .. }) => twin,
            _ => Box::new(self.twin(&device, writes)),
        };
        match goal {
            Err(why) => self.park(device, writes, twin, &why),
            Ok(compiled) => self.drive(device, writes, twin, compiled).await,
        }
    }
    /// A twin that goes by what the disk knows of the device.
    fn twin(&self, device: &Arc<EffectiveDevice>, writes: Writes) -> Twin {
        let record = self.shared.store.load_record(&device.uid);
        Twin::new(device.clone(), record, writes, self.shared.clock.now())
    }
    fn park(&mut self, device: Arc<EffectiveDevice>, writes: Writes, mut twin: Box<Twin>, why: &Parked) {
        let now = self.shared.clock.now();
        let key = self.key(&device.uid);
        twin.configure(device.clone(), writes, now);
        if let Parked::Refused { reason, message } = why {
            tracing::warn!(device = %device.key(), reason, message, "refused");
            twin.refused(reason, message, now);
        }
        self.shared.hub.publish(&device, twin.status(now));
        self.known.insert(device.uid.clone(), Known { key, device, writes, place: Place::Parked(twin) });
    }
    async fn drive(&mut self, device: Arc<EffectiveDevice>, writes: Writes, twin: Box<Twin>, compiled: Compiled<P>) {
        let (endpoint, key) = (compiled.endpoint.clone(), compiled.spec.key);
        let (reply, answer) = oneshot::channel();
        let order = Order::Apply { device: device.clone(), compiled, twin, writes, reply };
        let sent = self.endpoint(&endpoint).send(order).await;
        let answer = if sent.is_ok() { answer.await.ok() } else { None };
        match answer {
            Some(Ok(())) => {
                self.known.insert(device.uid.clone(), Known { key, device, writes, place: Place::At(endpoint) });
            }
            Some(Err(refused)) => {
                let message = refused.errors.join("; ");
                if let Some(twin) = refused.twin {
                    let why = Parked::Refused { reason: "ConfigError", message };
                    return self.park(device, writes, twin, &why);
                }
                // Driven here already: what was valid last stays in force, and its generation says so.
                tracing::warn!(device = %device.key(), message, "refused: the last valid configuration stays in force");
                self.known.insert(device.uid.clone(), Known { key, device, writes, place: Place::At(endpoint) });
            }
            None => tracing::debug!(device = %device.key(), "not driven: shutting down"),
        }
    }
    fn endpoint(&mut self, endpoint: &P::Endpoint) -> mpsc::Sender<Order<P>> {
        if let Some(running) = self.endpoints.get(endpoint) {
            return running.orders.clone();
        }
        let (orders, receiver) = mpsc::channel(ORDERS);
        let task = tokio::spawn(endpoint::run(self.shared.clone(), endpoint.clone(), self.saver.clone(), receiver));
        self.endpoints.insert(endpoint.clone(), Running { orders: orders.clone(), task });
        orders
    }
    async fn close_unused(&mut self) {
        let used: Vec<&P::Endpoint> =
            self.known.values().filter_map(|k| if let Place::At(e) = &k.place { Some(e) } else { None }).collect();
        let unused: Vec<P::Endpoint> = self.endpoints.keys().filter(|e| !used.contains(e)).cloned().collect();
        for endpoint in unused {
            let Some(Running { orders, task }) = self.endpoints.remove(&endpoint) else { continue };
            drop(orders);
            if let Err(error) = task.await {
                tracing::error!(%error, %endpoint, "endpoint ended abnormally");
            }
        }
    }
}

/// A device and its goal.
struct Wish<P: Protocol> {
    device: Arc<EffectiveDevice>,
    goal: Result<Compiled<P>, Parked>,
}

fn conflict(endpoint: &impl std::fmt::Display, holder: &str) -> Parked {
    let message = format!("{endpoint} is open for {holder} with other settings; give both the same");
    Parked::Refused { reason: "EndpointConflict", message }
}
