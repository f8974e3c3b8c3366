//! What the driver knows of a device beside its values: plans follow it, and the readers of status are told.
use super::{DeviceKey, Engine};
use crate::{Protocol, outbox::Known};

impl<P: Protocol> Engine<P> {
    /// A piece of work ended; `ask`: in a way after which more may be known.
    pub(super) fn look_at_known(&mut self, device: usize, ask: bool) {
        let Some(held) = self.devices.get_mut(device).and_then(Option::as_mut) else { return };
        let version = self.protocol.generation(&held.unit);
        if version == held.version && !ask {
            return;
        }
        if version != held.version {
            held.version = version;
            held.plan_anew();
        }
        let known = self.protocol.knowledge(&held.unit);
        if known != held.known {
            (held.known, held.known_untold) = (known, true);
            self.untold.insert(device);
        }
    }
    pub(super) fn forget(&mut self, key: DeviceKey) {
        let Some(device) = self.find(key) else { return };
        let Some(held) = self.held(device) else { return };
        self.protocol.recall(&held.unit, &serde_json::Value::Null);
        self.look_at_known(device, true);
        // The reader of status has taken all of it away, and some of it may have stayed.
        if let Some(held) = self.held_mut(device) {
            held.known_untold = true;
            self.untold.insert(device);
        }
        self.flush();
    }
    /// What is known of a device, if the reader has not seen it.
    pub(super) fn untold_of(&mut self, device: usize) -> Option<Known> {
        let held = self.held_mut(device)?;
        let told = Known { device: held.key, wiring: held.wiring, knowledge: held.known.clone() };
        std::mem::take(&mut held.known_untold).then_some(told)
    }
}
