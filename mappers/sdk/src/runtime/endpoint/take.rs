//! What an endpoint is told to do, and the devices that come.
use super::{Endpoint, Order, Refused};
use crate::{
    Command, DeviceKey, Protocol,
    engine::LINGER,
    runtime::{
        channels::{ChannelName, channel},
        compile::{Compiled, named},
        driven::{Driven, Settings},
        kept::Kept,
    },
    twin::Twin,
};
use pollux_crds::{EffectiveDevice, Writes};
use std::sync::Arc;
use tokio::sync::oneshot;

impl<P: Protocol> Endpoint<P> {
    pub(super) async fn order(&mut self, order: Order<P>) {
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
            Order::Call { key, command, arguments, reply } => self.call(key, &command, &arguments, reply),
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
        let (key, timeout, wiring) = (spec.key, spec.timeout + LINGER, spec.wiring);
        let stale = self.recall(key, &device.uid, wiring).await;
        let (reply, answer) = oneshot::channel();
        self.engine.send(Box::new(Command::Apply { spec, reply })).await.ok()?;
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
            (None, Some(twin)) => drop(self.devices.insert(key, Box::new(Driven::new(settings, twin, writes, now)))),
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
    /// A write or a command that waits for its turn in the engine is taken back before anything else is in force: once that is said,
    /// what was decided upon before does not leave.
    async fn withdraw(&mut self, key: DeviceKey) {
        let Some(driven) = self.devices.get_mut(&key) else { return };
        if let Some(flight) = &mut driven.flight {
            flight.withdrawn = true;
        }
        let (reply, withdrawn) = oneshot::channel();
        if self.engine.send(Box::new(Command::Withdraw { device: key, reply })).await.is_ok() {
            withdrawn.await.ok(); // an engine that ended sends nothing either
        }
    }
    /// One more device of a Channel.
    fn joins(&mut self, name: Option<ChannelName>) {
        let Some(name) = name else { return };
        if let Some(link) = &self.link {
            self.shared.channels.set([&name].into_iter(), link, &self.load);
        }
        let count = self.channels.get(&name).map_or(1, |count| count + 1);
        self.channels.insert(name, count);
    }
    /// One device less of a Channel.
    pub(super) fn parts(&mut self, name: Option<ChannelName>) {
        let Some(name) = name else { return };
        let Some(count) = self.channels.remove(&name) else { return };
        if count > 1 {
            self.channels.insert(name, count - 1);
        } else {
            self.shared.channels.forget([&name].into_iter());
        }
    }
}
