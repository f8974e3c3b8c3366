//! Devices on their way out: nothing new is asked of them, what is under way is still answered and put on record.
use super::{Ended, Endpoint};
use crate::{
    Command, DeviceKey, Protocol,
    runtime::{channels::channel, driven::Driven},
    twin::{Action, Twin},
};
use futures_util::FutureExt;
use pollux_crds::Writes;
use tokio::sync::oneshot;

/// A device on its way out.
pub(super) struct Leaving<P: Protocol> {
    pub(super) driven: Box<Driven<P>>,
    reply: oneshot::Sender<Option<Box<Twin>>>,
    /// Nothing of it is on the wire any more.
    silent: bool,
}

impl<P: Protocol> Endpoint<P> {
    pub(super) async fn remove(&mut self, key: DeviceKey, reply: oneshot::Sender<Option<Box<Twin>>>) {
        let Some(mut driven) = self.devices.remove(&key) else {
            reply.send(None).ok(); // who asked may have ended
            return;
        };
        self.alarms.set(key, None);
        if let Some(flight) = &mut driven.flight {
            flight.withdrawn = true;
        }
        driven.allow(Writes::Disabled, self.shared.clock.now());
        self.parts(channel(&driven.device));
        self.shared.engines.left(&self.resource, key);
        self.leaving.insert(key, Leaving { driven, reply, silent: false });
        self.settle_leaving(key);
        let (done, removed) = oneshot::channel();
        // An engine that ended has nothing under way either.
        self.engine.send(Box::new(Command::Remove { device: key, reply: done })).await.ok();
        self.waiting.push(removed.map(move |_| Ended::Silent(key)).boxed());
    }
    pub(super) fn silent(&mut self, key: DeviceKey) {
        if let Some(leaving) = self.leaving.get_mut(&key) {
            leaving.silent = true;
        }
        self.settle_leaving(key);
    }
    /// Saves what there is to be saved. It has left when the wire is silent and its last write was answered.
    pub(super) fn settle_leaving(&mut self, key: DeviceKey) {
        let now = self.shared.clock.now();
        let Some(leaving) = self.leaving.get_mut(&key) else { return };
        let uid = leaving.driven.device.uid.clone();
        let gone = leaving.silent && leaving.driven.flight.is_none();
        for action in leaving.driven.step(&self.shared.protocol, &self.shared.clock, now) {
            if let Action::Save { record } = action {
                self.save(key, &uid, record);
            }
        }
        if gone && let Some(Leaving { mut driven, reply, .. }) = self.leaving.remove(&key) {
            driven.twin.parted(now);
            reply.send(Some(driven.twin)).ok(); // who asked may have ended
        }
    }
}
