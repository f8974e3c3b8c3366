//! Which device goes to which endpoint. Level-triggered: whatever happens, the newest configuration is looked at anew, and what
//! can be done towards it now is done. Nothing here waits for a device: one that takes its time to leave holds up only itself
//! and what waits for its resource. An edit waits for its engine's word on it, which an engine that gives up its link says when it has:
//! within its eight seconds for that ([`DRAIN`](crate::engine::DRAIN), [`FAREWELL`](crate::engine::FAREWELL)).
mod apply;
mod goals;

use super::{
    Shared,
    channels::channel,
    endpoint::{self, Order},
    kept::Kept,
    saver::{Saved, Saver},
};
use crate::{
    ControlError, DeviceKey, Knowledge, NodeConfig, NotSent, Origin, Protocol, QueueSender, Request, queue,
    twin::{Record, Twin},
};
use futures_util::{
    FutureExt,
    future::BoxFuture,
    stream::{FuturesUnordered, StreamExt},
};
use goals::Why;
use pollux_crds::{EffectiveDevice, Writes};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};
use tokio::sync::{mpsc, watch};

/// Orders that may wait for an endpoint.
const ORDERS: usize = 64;
/// An endpoint whose driver ended abnormally rests so long, and up to as long again.
const REST: Duration = Duration::from_secs(10);
/// A record that could not be removed is tried again after this.
const DISK_RETRY: Duration = Duration::from_secs(10);

/// An endpoint that runs. Without a way to give orders it is closing.
struct Running<P: Protocol> {
    orders: Option<QueueSender<Box<Order<P>>>>,
    /// Its name.
    resource: Arc<str>,
}

/// Where a device is.
enum Place<P: Protocol> {
    /// Driven.
    At(Arc<P::Endpoint>),
    /// Nothing new is asked of it; where it goes is decided when it has left.
    Leaving(Arc<P::Endpoint>),
    /// Not driven: its twin goes on saying so. None: to be said anew.
    Parked(Box<Twin>, Option<Why>),
}
struct Known<P: Protocol> {
    key: DeviceKey,
    /// The form by which its twin goes.
    device: Arc<EffectiveDevice>,
    writes: Writes,
    place: Place<P>,
    /// The form that the driver took last.
    valid: Option<Arc<EffectiveDevice>>,
    /// The newest form, if the driver refuses it, and why.
    refused: Option<(Arc<EffectiveDevice>, String)>,
    /// What its twin was told of an edit that is not in force.
    told: Option<String>,
}
impl<P: Protocol> Known<P> {
    /// It has a new twin, which was told nothing yet.
    fn park(&mut self, twin: Twin) {
        (self.place, self.told) = (Place::Parked(Box::new(twin), None), None);
    }
    fn is(&self, device: &Arc<EffectiveDevice>, writes: Writes) -> bool {
        self.writes == writes && (Arc::ptr_eq(&self.device, device) || self.device == *device)
    }
}

/// What happened.
enum Event<P: Protocol> {
    /// A device left its endpoint.
    Left { uid: String, twin: Option<Box<Twin>> },
    /// An endpoint ended; in order, or not.
    Ended { endpoint: Arc<P::Endpoint>, fault: Option<String> },
    /// One that failed has rested.
    Rested(Arc<P::Endpoint>),
    /// The record of a device is gone, or cannot be removed.
    Forgot { uid: String, saved: Saved },
}

/// What was learned of a device that is not driven. The disk is not waited for: it is tried before the process ends.
fn forget_parked<P: Protocol>(shared: &Shared<P>, saver: &Saver, known: &mut Known<P>) {
    drop(saver.learn(&known.device.uid, Kept::nothing()));
    if let Place::Parked(twin, _) = &mut known.place {
        let now = shared.clock.now();
        twin.known(&Knowledge::default(), now);
        shared.hub.publish(&known.device, twin.snapshot());
    }
}

/// All devices of this mapper.
pub(super) struct Placement<P: Protocol> {
    shared: Arc<Shared<P>>,
    saver: Saver,
    config: Arc<NodeConfig>,
    endpoints: HashMap<Arc<P::Endpoint>, Running<P>>,
    failed: HashSet<Arc<P::Endpoint>>,
    known: BTreeMap<String, Box<Known<P>>>,
    /// Devices that have left for good, and whose records are being removed. Come back, they start from nothing.
    forgetting: BTreeSet<String>,
    /// Records of another time were removed.
    swept: bool,
    /// The next engine's name of a device.
    keys: u64,
    events: FuturesUnordered<BoxFuture<'static, Event<P>>>,
}

impl<P: Protocol> Placement<P> {
    pub(super) fn new(shared: Arc<Shared<P>>) -> Self {
        let saver = Saver::start(shared.store.clone());
        Self {
            shared,
            saver,
            config: Arc::default(),
            endpoints: HashMap::new(),
            failed: HashSet::new(),
            known: BTreeMap::new(),
            forgetting: BTreeSet::new(),
            swept: false,
            keys: 0,
            events: FuturesUnordered::new(),
        }
    }
    pub(super) async fn run(
        mut self,
        mut config: watch::Receiver<Arc<NodeConfig>>,
        mut requests: mpsc::Receiver<Request>,
    ) {
        let shared = self.shared.clone();
        let mut source = true; // once it has ended, what it last said stays in force
        config.mark_changed();
        loop {
            tokio::select! {
                () = shared.stop.cancelled() => break,
                changed = config.changed(), if source => match changed {
                    Ok(()) => self.config = config.borrow_and_update().clone(),
                    Err(_) => source = false,
                },
                () = shared.links.changed() => {}
                Some(event) = self.events.next() => {
                    self.event(event); // and all others that are there, with one look
                    while let Some(Some(event)) = self.events.next().now_or_never() {
                        self.event(event);
                    }
                }
                Some(request) = requests.recv() => {
                    self.request(request);
                    continue;
                }
            }
            self.reconcile().await;
        }
        self.end().await;
    }
    /// The endpoints saw the same signal; their engines end within five seconds.
    async fn end(mut self) {
        self.endpoints.values_mut().for_each(|running| running.orders = None);
        while !self.endpoints.is_empty() {
            match self.events.next().await {
                Some(Event::Ended { endpoint, fault }) => {
                    self.endpoints.remove(&endpoint);
                    if let Some(fault) = fault {
                        tracing::error!(%endpoint, fault, "ended abnormally");
                    }
                }
                Some(Event::Left { .. } | Event::Rested(_) | Event::Forgot { .. }) => {}
                None => return,
            }
        }
    }
    fn event(&mut self, event: Event<P>) {
        match event {
            Event::Left { uid, twin } => {
                let Some(device) = self.known.get(&uid).map(|known| known.device.clone()) else { return };
                let new = twin.is_none().then(|| self.twin(&device));
                match (self.known.get_mut(&uid), twin, new) {
                    (Some(known), Some(twin), _) => known.place = Place::Parked(twin, None),
                    (Some(known), None, Some(new)) => known.park(new),
                    _ => {}
                }
            }
            Event::Ended { endpoint, fault } => self.ended(endpoint, fault),
            Event::Rested(endpoint) => drop(self.failed.remove(&endpoint)),
            Event::Forgot { uid, saved } => self.forgot(uid, saved),
        }
    }
    /// One whose driver ended abnormally takes its twins with it: what they must not forget is on the disk.
    fn ended(&mut self, endpoint: Arc<P::Endpoint>, fault: Option<String>) {
        self.endpoints.remove(&endpoint);
        self.shared.engines.remove(&endpoint.to_string());
        let Some(fault) = fault else { return };
        tracing::error!(%endpoint, fault, "a driver ended abnormally: its endpoint rests");
        let here = |known: &Known<P>| matches!(&known.place, Place::At(at) if *at == endpoint);
        let devices: Vec<_> =
            self.known.values().filter(|known| here(known)).map(|known| known.device.clone()).collect();
        self.shared.channels.forget(devices.iter().filter_map(|device| channel(device)).collect::<Vec<_>>().iter());
        for device in devices {
            let twin = self.twin(&device);
            if let Some(known) = self.known.get_mut(&device.uid) {
                known.park(twin);
            }
        }
        self.failed.insert(endpoint.clone());
        let rest = tokio::time::sleep(REST.mul_f64(1.0 + fastrand::f64()));
        self.events.push(rest.map(|()| Event::Rested(endpoint)).boxed());
    }
    fn request(&mut self, request: Request) {
        let (Request::Read { uid, .. } | Request::Forget { uid, .. } | Request::Call { uid, .. }) = &request;
        let refused = match self.known.get_mut(uid).map(Box::as_mut) {
            None => ControlError::NoSuchDevice,
            Some(Known { key, place: Place::At(endpoint), .. }) => {
                let (key, orders) = (*key, self.endpoints.get(endpoint).and_then(|running| running.orders.as_ref()));
                let Some(orders) = orders else { return request.refuse(ControlError::Busy) };
                if let Err(NotSent::Full(order) | NotSent::Closed(order)) =
                    orders.try_send(Box::new(Order::of(key, request)))
                {
                    order.refuse(ControlError::Busy);
                }
                return;
            }
            Some(known) if matches!(request, Request::Forget { .. }) => {
                forget_parked(&self.shared, &self.saver, known);
                return request.done();
            }
            Some(_) => ControlError::NotConnected("it is off, or it cannot be driven as it is configured".into()),
        };
        request.refuse(refused);
    }
    /// A twin that goes by what the disk knows of the device.
    fn twin(&self, device: &Arc<EffectiveDevice>) -> Twin {
        let mut record = self.shared.store.load_record::<Record>(&device.uid);
        if let Some(record) = record.as_mut().filter(|_| self.config.origin != Origin::Disk) {
            // Newer than what is said now there is nothing: generations began anew, and so did texts.
            record.generation = record.generation.min(device.generation);
            record.rewritten.clear();
        }
        Twin::new(device.clone(), record, self.config.writes, self.shared.clock.now())
    }
    /// The way to an endpoint, which is opened for it.
    fn endpoint(&mut self, endpoint: &Arc<P::Endpoint>) -> Option<QueueSender<Box<Order<P>>>> {
        if let Some(running) = self.endpoints.get(endpoint) {
            return running.orders.clone();
        }
        let (orders, receiver) = queue(ORDERS);
        let resource: Arc<str> = endpoint.to_string().into();
        let names = (P::Endpoint::clone(endpoint), resource.clone());
        let running = endpoint::run(self.shared.clone(), names, self.saver.clone(), receiver);
        let (task, endpoint) = (tokio::spawn(running), endpoint.clone());
        self.endpoints.insert(endpoint.clone(), Running { orders: Some(orders.clone()), resource });
        let ended = task.map(|ended| {
            let fault = ended.and_then(|ended| ended).err().map(|error| error.to_string());
            Event::Ended { endpoint, fault }
        });
        self.events.push(ended.boxed());
        Some(orders)
    }
}
