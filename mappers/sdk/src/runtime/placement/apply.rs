//! From goals to orders: first what goes, then what comes, and nothing comes to a resource before all others have left it.
use super::{
    DISK_RETRY, Event, Known, Place, Placement,
    goals::{Aim, Goal, Why},
};
use crate::{
    DeviceKey, NodeConfig, Origin, Protocol,
    runtime::{
        compile::{Compiled, Specs, compile_again},
        endpoint::{Order, Refused},
        saver::Saved,
    },
    twin::Twin,
};
use futures_util::FutureExt;
use pollux_crds::{EffectiveDevice, Writes};
use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};
use tokio::{
    sync::oneshot,
    task::spawn_blocking,
    time::{Instant, sleep_until},
};

impl<P: Protocol> Placement<P> {
    pub(super) async fn reconcile(&mut self) {
        let config = self.config.clone();
        self.sweep(&config).await;
        self.name(&config);
        // Twice where only the engine refuses a form: then the last valid one is in force at once.
        if self.strive(&config).await {
            self.strive(&config).await;
        }
        self.release(&config);
    }
    /// Says whether an engine refused a form that the driver had not.
    async fn strive(&mut self, config: &NodeConfig) -> bool {
        let mut specs = Specs::default();
        let goals = self.goals(config, &mut specs);
        self.remember_identities(&goals);
        self.let_go(&goals);
        self.close_unused();
        let mut refused = false;
        for Aim { device, goal, refused: why } in goals {
            let uid = device.uid.clone();
            refused |= self.put(device, goal, config.writes, &mut specs).await;
            self.tell(&uid, why).await;
        }
        refused
    }
    /// Once it is known for certain what is entrusted to this node, records of all other devices go: they are of another time.
    async fn sweep(&mut self, config: &NodeConfig) {
        let Origin::Server(entrusted) = &config.origin else { return };
        if self.swept {
            return;
        }
        let (store, entrusted) = (self.shared.store.clone(), entrusted.clone());
        match spawn_blocking(move || store.keep_records(&entrusted)).await {
            Ok(Ok(())) => self.swept = true,
            Ok(Err(error)) => tracing::error!(%error, "records of devices that left are not removed, trying again"),
            Err(_) => {} // the process ends
        }
    }
    /// Devices not seen before get a twin and a name that no engine knows.
    fn name(&mut self, config: &NodeConfig) {
        for device in &config.devices {
            if self.known.contains_key(&device.uid) || self.forgetting.contains(&device.uid) {
                continue;
            }
            let place = Place::Parked(Box::new(self.twin(device)), None);
            let (key, device, writes) = (DeviceKey(self.keys), device.clone(), config.writes);
            self.keys += 1;
            let (uid, valid, refused, told) = (device.uid.clone(), None, None, None);
            self.known.insert(uid, Box::new(Known { key, device, writes, place, valid, refused, told }));
        }
    }
    /// What a refused name turned out to be is remembered while it is refused, or two names would take turns.
    fn remember_identities(&self, goals: &[Aim<P>]) {
        let conflict = |why: &Why| matches!(why, Why::Refused { reason: "EndpointConflict", .. });
        if goals.iter().any(|aim| matches!(&aim.goal, Goal::Park(why) if conflict(why))) {
            return;
        }
        let wanted = goals.iter().filter_map(|aim| aim.goal.endpoint());
        let names = wanted.chain(self.endpoints.keys()).map(|endpoint| endpoint.to_string().into()).collect();
        self.shared.links.keep(&names);
    }
    /// Devices that are gone, or go elsewhere, come to rest. Nobody waits for them here.
    fn let_go(&mut self, goals: &[Aim<P>]) {
        let goals: BTreeMap<&str, &Goal<P>> = goals.iter().map(|aim| (aim.device.uid.as_str(), &aim.goal)).collect();
        for (uid, known) in &mut self.known {
            let Place::At(at) = &known.place else { continue };
            if goals.get(uid.as_str()).and_then(|goal| goal.endpoint()) == Some(at) {
                continue;
            }
            let orders = self.endpoints.get(at).and_then(|running| running.orders.clone());
            let ((reply, twin), uid, key) = (oneshot::channel(), uid.clone(), known.key);
            known.place = Place::Leaving(at.clone());
            let left = async move {
                if let Some(orders) = orders {
                    orders.send(Box::new(Order::Remove { key, reply })).await.ok(); // it ended: then the twin is lost with it
                }
                Event::Left { uid, twin: twin.await.ok().flatten() }
            };
            self.events.push(left.boxed());
        }
    }
    fn close_unused(&mut self) {
        let place = |known: &Known<P>| match &known.place {
            Place::At(endpoint) | Place::Leaving(endpoint) => Some(endpoint.clone()),
            Place::Parked(..) => None,
        };
        let used: HashSet<Arc<P::Endpoint>> = self.known.values().filter_map(|known| place(known)).collect();
        for (_, running) in self.endpoints.iter_mut().filter(|(endpoint, _)| !used.contains(*endpoint)) {
            running.orders = None;
        }
    }
    /// Somebody else has not yet left the resource, or it is just being closed.
    fn is_taken(&self, endpoint: &Arc<P::Endpoint>) -> bool {
        let resource = endpoint.to_string().into();
        let twins = self.shared.links.of_one_identity(&resource);
        self.endpoints.iter().any(|(other, running)| {
            if other == endpoint { running.orders.is_none() } else { twins.contains(&running.resource) }
        })
    }

    /// Says whether an engine refused the form.
    async fn put(
        &mut self,
        device: Arc<EffectiveDevice>,
        goal: Goal<P>,
        writes: Writes,
        specs: &mut Specs<P::Address>,
    ) -> bool {
        let Some(mut known) = self.known.remove(&device.uid) else { return false };
        let uid = device.uid.clone();
        let there = match (&goal, &known.place) {
            (Goal::Drive(endpoint), Place::At(_)) => Some(endpoint),
            (Goal::Drive(endpoint), Place::Parked(..)) if !self.is_taken(endpoint) => Some(endpoint),
            _ => None,
        };
        if let Some(endpoint) = there {
            let compiled = match compile_again(&*self.shared.protocol, known.key, &device, specs) {
                Ok(compiled) if compiled.endpoint == **endpoint => Box::new(compiled),
                other => {
                    let twice = || format!("the driver names another endpoint for it each time, first {endpoint}");
                    known.refused = Some((device, other.err().map_or_else(twice, |errors| errors.join("; "))));
                    self.known.insert(uid, known);
                    return true;
                }
            };
            let twin = match known.place {
                Place::Parked(mut twin, said) => {
                    if said.is_some() {
                        let now = self.shared.clock.now();
                        twin.configure(device.clone(), writes, now);
                        self.shared.hub.publish(&device, twin.snapshot()); // what was said of it holds no more
                    }
                    let open = self.endpoints.get_key_value(endpoint).map(|(open, _)| open);
                    known.place = Place::At(open.unwrap_or(endpoint).clone());
                    Some(twin)
                }
                place => {
                    known.place = place;
                    None
                }
            };
            return self.drive(known, endpoint, device, writes, compiled, twin).await;
        }
        match known.place {
            Place::Parked(twin, said) => {
                let why = if let Goal::Park(why) = goal { why } else { Why::Waiting };
                known.place = Place::Parked(twin, said);
                self.park(&mut known, device, writes, why);
            }
            place => known.place = place,
        }
        self.known.insert(uid, known);
        false
    }
    /// What the twin says of an edit that is not in force.
    async fn tell(&mut self, uid: &str, refused: Option<String>) {
        let Some(known) = self.known.get_mut(uid).filter(|known| known.told != refused) else { return };
        match &mut known.place {
            Place::At(endpoint) => {
                if let Some(orders) = self.endpoints.get(endpoint).and_then(|running| running.orders.clone()) {
                    let order = Order::EditRefused { key: known.key, why: refused.clone() };
                    orders.send(Box::new(order)).await.ok(); // it ended: an event says so
                }
            }
            Place::Parked(twin, _) => {
                let now = self.shared.clock.now();
                twin.edit_refused(refused.clone(), now);
                self.shared.hub.publish(&known.device, twin.snapshot());
            }
            Place::Leaving(_) => return, // once it has come to rest
        }
        known.told = refused;
    }
    fn park(&self, known: &mut Known<P>, device: Arc<EffectiveDevice>, writes: Writes, why: Why) {
        let same = known.is(&device, writes);
        let Place::Parked(twin, said) = &mut known.place else { return };
        if same && said.as_ref() == Some(&why) {
            return;
        }
        let now = self.shared.clock.now();
        twin.configure(device.clone(), writes, now);
        if let Why::Refused { reason, message } = &why {
            tracing::warn!(device = %device.key(), reason, message, "refused");
            twin.refused(reason, message, now);
        }
        self.shared.hub.publish(&device, twin.snapshot());
        *said = Some(why);
        (known.device, known.writes) = (device, writes);
    }
    /// Says whether the engine refused the form.
    async fn drive(
        &mut self,
        mut known: Box<Known<P>>,
        endpoint: &Arc<P::Endpoint>,
        device: Arc<EffectiveDevice>,
        writes: Writes,
        compiled: Box<Compiled<P>>,
        twin: Option<Box<Twin>>,
    ) -> bool {
        let uid = device.uid.clone();
        let (reply, answer) = oneshot::channel();
        let order = Order::Apply { device: device.clone(), compiled, twin, writes, reply };
        let sent = match self.endpoint(endpoint) {
            Some(orders) => orders.send(Box::new(order)).await.is_ok(),
            None => false,
        };
        let answer = if sent { answer.await.ok() } else { None };
        let refused = matches!(answer, Some(Err(_)));
        match answer {
            Some(Err(Refused { errors, twin })) => {
                known.refused = Some((device.clone(), errors.join("; ")));
                if let Some(twin) = twin {
                    let why = Why::Refused { reason: "ConfigError", message: errors.join("; ") };
                    known.place = Place::Parked(twin, None);
                    self.park(&mut known, device, writes, why);
                }
            }
            Some(Ok(())) => {
                known.valid = Some(device.clone());
                (known.device, known.writes) = (device, writes);
            }
            // No answer: it ended, and an event says so.
            None => (known.device, known.writes) = (device, writes),
        }
        self.known.insert(uid, known);
        refused
    }

    /// What is no longer to be driven, and has left, is let go of. Where it is certain that it is gone for good, its record goes
    /// first: elsewhere or anew it starts from what the API server knows.
    fn release(&mut self, config: &NodeConfig) {
        let wanted: HashSet<&str> = config.devices.iter().map(|device| device.uid.as_str()).collect();
        let for_good = |uid: &String| match &config.origin {
            Origin::Server(entrusted) => !entrusted.contains(uid),
            Origin::Files | Origin::Disk => config.tombstones.contains(uid),
        };
        let (hub, released) = (self.shared.hub.clone(), self.shared.hub.released());
        let gone =
            |uid: &String, known: &Known<P>| !wanted.contains(uid.as_str()) && matches!(known.place, Place::Parked(..));
        let gone: Vec<String> =
            self.known.iter().filter(|(uid, known)| gone(uid, known)).map(|(uid, _)| uid.clone()).collect();
        for uid in gone {
            self.known.remove(&uid);
            if for_good(&uid) {
                self.forget(uid, None);
            } else {
                hub.release(&uid);
            }
        }
        let known = |uid: &String| self.known.contains_key(uid) || self.forgetting.contains(uid);
        let buried: Vec<String> =
            config.tombstones.iter().filter(|uid| !known(uid) && !released.contains(*uid)).cloned().collect();
        for uid in buried {
            self.forget(uid, None);
        }
        hub.forget_released(&config.tombstones);
    }
    fn forget(&mut self, uid: String, at: Option<Instant>) {
        self.forgetting.insert(uid.clone());
        let disk = self.saver.clone();
        let forgot = async move {
            if let Some(at) = at {
                sleep_until(at).await;
            }
            let saved = disk.forget(&uid).await;
            Event::Forgot { uid, saved }
        };
        self.events.push(forgot.boxed());
    }
    /// A device is let go of when nothing of it is left.
    pub(super) fn forgot(&mut self, uid: String, saved: Saved) {
        if let Err(error) = saved {
            tracing::error!(uid, error, "the record of a device that left cannot be removed, trying again");
            return self.forget(uid, Some(Instant::now() + DISK_RETRY));
        }
        self.forgetting.remove(&uid);
        self.shared.hub.release(&uid);
    }
}
