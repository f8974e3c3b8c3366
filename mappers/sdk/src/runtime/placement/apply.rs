//! From goals to orders: first what goes, then what comes, and nothing comes to a resource before all others have left it.
use super::{
    Event, Known, Place, Placement,
    goals::{Goal, Why},
};
use crate::{
    DeviceKey, NodeConfig, Protocol,
    runtime::{
        compile::Compiled,
        endpoint::{Order, Refused},
    },
    twin::Twin,
};
use futures_util::FutureExt;
use pollux_crds::{EffectiveDevice, Writes};
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};
use tokio::sync::oneshot;

impl<P: Protocol> Placement<P> {
    pub(super) async fn reconcile(&mut self) {
        let config = self.config.clone();
        self.name(&config);
        let goals = self.goals(&config);
        self.remember_identities(&goals);
        self.let_go(&goals);
        self.close_unused();
        for (device, goal) in goals {
            self.put(device, goal, config.writes).await;
        }
        self.release(&config);
    }
    /// Devices not seen before get a twin and a name that no engine knows.
    fn name(&mut self, config: &NodeConfig) {
        for device in &config.devices {
            if !self.known.contains_key(&device.uid) {
                let place = Place::Parked(Box::new(self.twin(device)), None);
                let (key, writes) = (DeviceKey(self.keys), config.writes);
                self.keys += 1;
                self.known.insert(device.uid.clone(), Known { key, device: device.clone(), writes, place });
            }
        }
    }
    /// What a refused name turned out to be is remembered while it is refused, or two names would take turns.
    fn remember_identities(&self, goals: &[(Arc<EffectiveDevice>, Goal<P>)]) {
        let conflict = |why: &Why| matches!(why, Why::Refused { reason: "EndpointConflict", .. });
        if goals.iter().any(|(_, goal)| matches!(goal, Goal::Park(why) if conflict(why))) {
            return;
        }
        let wanted = goals.iter().filter_map(|(_, goal)| goal.endpoint());
        let names: BTreeSet<String> = wanted.chain(self.endpoints.keys()).map(ToString::to_string).collect();
        self.shared.links.keep(&names);
    }
    /// Devices that are gone, or go elsewhere, come to rest. Nobody waits for them here.
    fn let_go(&mut self, goals: &[(Arc<EffectiveDevice>, Goal<P>)]) {
        let goals: BTreeMap<&str, &Goal<P>> = goals.iter().map(|(device, goal)| (device.uid.as_str(), goal)).collect();
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
                    orders.send(Order::Remove { key, reply }).await.ok(); // it ended: then the twin is lost with it
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
        let used: HashSet<P::Endpoint> = self.known.values().filter_map(place).collect();
        for (_, running) in self.endpoints.iter_mut().filter(|(endpoint, _)| !used.contains(*endpoint)) {
            running.orders = None;
        }
    }
    /// Somebody else has not yet left the resource, or it is just being closed.
    fn is_taken(&self, endpoint: &P::Endpoint) -> bool {
        let identities = self.shared.links.all();
        let resource = endpoint.to_string();
        self.endpoints.iter().any(|(other, running)| {
            if other == endpoint {
                return running.orders.is_none();
            }
            let name = other.to_string();
            let known = identities.get(&name);
            name == resource || (known.is_some() && known == identities.get(&resource))
        })
    }

    async fn put(&mut self, device: Arc<EffectiveDevice>, goal: Goal<P>, writes: Writes) {
        let Some(mut known) = self.known.remove(&device.uid) else { return };
        let uid = device.uid.clone();
        match (goal, known.place) {
            (Goal::Drive(compiled), Place::At(at)) => {
                known.place = Place::At(at);
                self.drive(known, device, writes, compiled, None).await;
                return;
            }
            (Goal::Drive(compiled), Place::Parked(mut twin, said)) if !self.is_taken(&compiled.endpoint) => {
                if said.is_some() {
                    let now = self.shared.clock.now();
                    twin.configure(device.clone(), writes, now);
                    self.shared.hub.publish(&device, twin.status(now)); // what was said of it holds no more
                }
                known.place = Place::At(compiled.endpoint.clone());
                self.drive(known, device, writes, compiled, Some(twin)).await;
                return;
            }
            (Goal::Keep { endpoint, message }, place @ Place::At(_)) => {
                known.place = place;
                self.keep(&mut known, device, writes, &endpoint, &message).await;
            }
            (goal, Place::Parked(twin, said)) => {
                let why = if let Goal::Park(why) = goal { why } else { Why::Waiting };
                known.place = Place::Parked(twin, said);
                self.park(&mut known, device, writes, why);
            }
            (_, place) => known.place = place,
        }
        self.known.insert(uid, known);
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
        self.shared.hub.publish(&device, twin.status(now));
        *said = Some(why);
        (known.device, known.writes) = (device, writes);
    }
    /// What was valid last stays in force, and its generation says so; but a switch is a switch.
    async fn keep(
        &mut self,
        known: &mut Known<P>,
        device: Arc<EffectiveDevice>,
        writes: Writes,
        endpoint: &P::Endpoint,
        message: &str,
    ) {
        tracing::warn!(device = %device.key(), message, "refused: the last valid configuration stays in force");
        if known.writes != writes
            && let Some(orders) = self.endpoint(endpoint)
        {
            orders.send(Order::Allow { key: known.key, writes }).await.ok(); // it ended: an event says so
        }
        (known.device, known.writes) = (device, writes);
    }
    async fn drive(
        &mut self,
        mut known: Known<P>,
        device: Arc<EffectiveDevice>,
        writes: Writes,
        compiled: Compiled<P>,
        twin: Option<Box<Twin>>,
    ) {
        let uid = device.uid.clone();
        let (endpoint, (reply, answer)) = (compiled.endpoint.clone(), oneshot::channel());
        let order = Order::Apply { device: device.clone(), compiled, twin, writes, reply };
        let sent = match self.endpoint(&endpoint) {
            Some(orders) => orders.send(order).await.is_ok(),
            None => false,
        };
        let answer = if sent { answer.await.ok() } else { None };
        match answer {
            Some(Err(Refused { errors, twin: Some(twin) })) => {
                let why = Why::Refused { reason: "ConfigError", message: errors.join("; ") };
                known.place = Place::Parked(twin, None);
                self.park(&mut known, device, writes, why);
            }
            Some(Err(Refused { errors, twin: None })) => {
                self.keep(&mut known, device, writes, &endpoint, &errors.join("; ")).await;
            }
            // No answer: it ended, and an event says so.
            Some(Ok(())) | None => (known.device, known.writes) = (device, writes),
        }
        self.known.insert(uid, known);
    }

    /// What is no longer to be driven, and has left, is let go of.
    fn release(&mut self, config: &NodeConfig) {
        let wanted: HashSet<&str> = config.devices.iter().map(|device| device.uid.as_str()).collect();
        let (hub, released) = (&self.shared.hub, self.shared.hub.released());
        self.known.retain(|uid, known| {
            let gone = !wanted.contains(uid.as_str()) && matches!(known.place, Place::Parked(..));
            if gone {
                hub.release(uid);
            }
            !gone
        });
        let new = |uid: &&String| !self.known.contains_key(*uid) && !released.contains(*uid);
        for uid in config.tombstones.iter().filter(new) {
            self.saver.forget(uid); // elsewhere or anew it starts from what the API server knows
            hub.release(uid);
        }
        hub.forget_released(&config.tombstones);
    }
}
