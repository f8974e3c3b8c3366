//! A Bluetooth stack by script, on tokio's clock: what goes wrong in the air at a chosen moment, which no real adapter can be made to do.
#![allow(dead_code, reason = "each test takes what it needs")]
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]
mod radio;
mod world;

use pollux_ble::{
    Address, Error,
    radio::{Advert, Can, Characteristic, Stack},
};
pub(crate) use radio::Ether;
use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};
pub(crate) use world::{Device, Dial, Place, Say, World};

/// The number of a device is the last byte of its address.
pub(crate) fn address(number: u8) -> Address {
    Address([0xF0, 0xF1, 0xF2, 0xF3, 0xF4, number])
}
/// A UUID of the tests' own.
pub(crate) fn uuid(number: u16) -> String {
    format!("1234{number:04x}-0000-1000-8000-00805f9b0001")
}

/// All that is in the air, and the adapter.
#[derive(Debug, Clone, Default)]
pub(crate) struct Air(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    world: Mutex<World>,
    changed: Notify,
}

impl Air {
    pub(crate) fn with(devices: impl IntoIterator<Item = (u8, Device)>) -> Self {
        let air = Self::default();
        air.turn(|world| world.devices.extend(devices.into_iter().map(|(number, device)| (address(number), device))));
        air
    }
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.0.world.lock().expect("no panic")
    }
    /// Changes something, and lets it be felt.
    pub(crate) fn turn<T>(&self, turn: impl FnOnce(&mut World) -> T) -> T {
        let out = turn(&mut self.world());
        self.0.changed.notify_waiters();
        out
    }
    pub(crate) fn device<T>(&self, number: u8, turn: impl FnOnce(&mut Device) -> T) -> T {
        self.turn(|world| turn(world.of(address(number))))
    }
    /// Its connection breaks, if it has one.
    pub(crate) fn drop_of(&self, number: u8) {
        self.turn(|world| world.end(address(number)));
    }
    /// It says a new value, if it is listened to.
    pub(crate) fn notify(&self, number: u8, handle: u16, value: &[u8]) {
        self.turn(|world| world.notify(address(number), handle, value));
    }
    /// It is heard once with this, if anybody listens to it.
    pub(crate) fn advertise(&self, number: u8, advert: Advert) {
        self.turn(|world| world.advertise(address(number), advert));
    }
    /// The adapter is pulled, and comes back with [`Air::plug`].
    pub(crate) fn unplug(&self) {
        self.turn(World::unplug);
    }
    /// The stack hangs, until [`Air::plug`].
    pub(crate) fn hang(&self) {
        self.turn(World::hang);
    }
    pub(crate) fn plug(&self) {
        self.turn(|world| world.gone = None);
    }
    /// Until it is so; false: not until then.
    async fn until(&self, until: Instant, mut is: impl FnMut(&mut World) -> bool) -> bool {
        loop {
            let mut changed = std::pin::pin!(self.0.changed.notified());
            changed.as_mut().enable();
            if is(&mut self.world()) {
                return true;
            }
            if timeout_at(until, changed).await.is_err() {
                return false;
            }
        }
    }
}

impl Stack for Air {
    type Radio = Ether;
    async fn open(&self, _: Option<&str>) -> Result<Ether, Error> {
        match &self.world().gone {
            Some(why) => Err(why.clone()),
            None => Ok(Ether(self.clone())),
        }
    }
}

/// A characteristic with this handle, and UUID [`uuid`] of it.
pub(crate) fn place(handle: u16, can: Can, value: &[u8]) -> Place {
    Place {
        handle,
        uuid: uuid(handle).parse().unwrap(),
        can,
        value: value.to_vec(),
        says: Say::Good,
        writes: vec![],
        reads: 0,
        asked: 0,
    }
}
pub(crate) const READ: Can = Can { read: true, write: false, write_without_response: false, notify: false };
pub(crate) const WRITE: Can = Can { write: true, ..READ };
pub(crate) const NOTIFY: Can = Can { notify: true, ..READ };

/// There, and quick to connect to.
pub(crate) fn device(places: Vec<Place>) -> Device {
    Device { present: true, dial: Dial::Takes(Duration::from_millis(300)), places, ..Device::default() }
}
