//! What the driver knows of its devices beside their values: kept on the disk for their next life, and told to their twins.
use super::{Ended, Endpoint, ReadReply};
use crate::{Command, ControlError, DeviceKey, Known, Protocol, runtime::kept::Kept, twin::Now};
use futures_util::FutureExt;

impl<P: Protocol> Endpoint<P> {
    /// What an earlier life of the device knew, for a unit that is prepared anew. True: what the disk has is of another wiring.
    pub(super) async fn recall(&mut self, device: DeviceKey, uid: &str, wiring: u64) -> bool {
        if self.devices.get(&device).is_some_and(|driven| driven.is_wired(wiring)) {
            return false;
        }
        match self.shared.store.learned::<Kept>(uid) {
            Some(Kept { wiring: old, kept }) if old == wiring => {
                self.engine.send(Box::new(Command::Recall { device, kept })).await.ok(); // an engine that ended is told nothing more
                false
            }
            found => found.is_some(),
        }
    }
    pub(super) fn known(&mut self, known: &Known, now: Now) {
        let Some(driven) = self.devices.get_mut(&known.device) else { return };
        if let Some(kept) = driven.known(known, now) {
            let uid = driven.device.uid.clone();
            self.keep_learned(&uid, kept);
        }
    }
    pub(super) fn keep_learned(&mut self, uid: &str, learned: Kept) {
        self.waiting.push(self.saver.learn(uid, learned).map(|()| Ended::Kept).boxed());
    }
    pub(super) fn forget(&mut self, key: DeviceKey, reply: ReadReply) {
        let now = self.shared.clock.now();
        let answer = match self.devices.get_mut(&key) {
            None => Err(ControlError::NoSuchDevice),
            Some(_) if self.engine.try_send(Box::new(Command::Forget { device: key })).is_err() => {
                Err(ControlError::Busy)
            }
            Some(driven) => {
                driven.forget(now);
                let uid = driven.device.uid.clone();
                self.keep_learned(&uid, Kept::nothing());
                Ok(())
            }
        };
        self.settle(key);
        reply.send(answer).ok(); // who asked may have left
    }
}
