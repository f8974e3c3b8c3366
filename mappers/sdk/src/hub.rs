//! Where the runtime leaves the newest state of each device, and where reporter, local API and command line read it.
mod past;
pub use past::{Happening, Missed};

use crate::{Snapshot, snapshot::same_device};
use past::Past;
use pollux_crds::{DeviceStatus, EffectiveDevice, SliceChannel};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{broadcast, watch};

/// News that a slow listener may be behind before it is told that it lost some.
const BEHIND: usize = 1024;

/// One device as it stands now.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceView {
    /// What it shall be.
    pub device: Arc<EffectiveDevice>,
    /// What it is.
    pub snapshot: Snapshot,
    /// Grows with each publication of this hub; two views of one device with equal versions are the same.
    pub version: u64,
}

impl DeviceView {
    /// What it is, as people know it: the mapper's part of status, ready to be applied.
    pub fn status(&self) -> DeviceStatus {
        self.snapshot.status()
    }
}

/// What listeners hear.
#[derive(Debug, Clone)]
pub enum Word {
    /// A device is another one by now.
    Device(Arc<DeviceView>),
    /// Something happened at one.
    Happened(Arc<Happening>),
}

/// Latest state, and the last of what happened: bounded by the number of devices, whoever reads it or does not.
#[derive(Debug)]
pub struct Hub {
    inner: Mutex<Inner>,
    version: watch::Sender<u64>,
    news: broadcast::Sender<Word>,
}
#[derive(Debug, Default)]
struct Inner {
    devices: BTreeMap<String, Arc<DeviceView>>,
    released: BTreeSet<String>,
    releases: u64,
    channels: Vec<SliceChannel>,
    past: Past,
}

impl Default for Hub {
    fn default() -> Self {
        Self { inner: Mutex::default(), version: watch::Sender::new(0), news: broadcast::Sender::new(BEHIND) }
    }
}

impl Hub {
    /// The newest state of a device; nothing happens where it is what was published last.
    pub fn publish(&self, device: &Arc<EffectiveDevice>, snapshot: Snapshot) {
        let mut inner = self.lock();
        if let Some(old) = inner.devices.get(&device.uid)
            && same_device(&old.device, device)
            && old.snapshot == snapshot
        {
            return;
        }
        let version = *self.version.borrow() + 1;
        let view = Arc::new(DeviceView { device: device.clone(), snapshot, version });
        inner.devices.insert(device.uid.clone(), view.clone());
        self.version.send_replace(version);
        // Before anything else is published, for who comes back names the last that it heard, and is told what came later.
        self.news.send(Word::Device(view)).ok(); // nobody listens: nothing is lost, the state stands in the map
    }
    /// Something happened: told to those who listen now, and kept for a while for those who do not.
    pub fn happened(&self, happening: Happening) {
        let mut inner = self.lock();
        let kept = inner.past.keep(happening);
        self.news.send(Word::Happened(kept)).ok(); // nobody listens
    }
    /// How many things happened by now.
    pub fn happenings(&self) -> u64 {
        self.lock().past.count()
    }
    /// What happened after so many, as far as it is kept.
    pub fn since(&self, count: u64) -> Missed {
        self.lock().past.since(count)
    }
    /// The device is no longer driven here; nothing of it is under way on the wire.
    pub fn release(&self, uid: &str) {
        let mut inner = self.lock();
        inner.devices.remove(uid);
        inner.released.insert(uid.to_owned());
        inner.releases += 1;
        self.version.send_modify(|v| *v += 1);
    }
    /// Tombstones that are gone from the configuration need no acknowledgement any more.
    pub fn forget_released(&self, still: &[String]) {
        self.lock().released.retain(|uid| still.contains(uid));
    }
    /// How many devices were let go of so far.
    pub fn releases(&self) -> u64 {
        self.lock().releases
    }
    /// uids that were let go of.
    pub fn released(&self) -> BTreeSet<String> {
        self.lock().released.clone()
    }
    /// How the Channels stand on this node.
    pub fn set_channels(&self, channels: Vec<SliceChannel>) {
        let mut inner = self.lock();
        if inner.channels != channels {
            inner.channels = channels;
            self.version.send_modify(|v| *v += 1);
        }
    }
    /// How the Channels stand on this node.
    pub fn channels(&self) -> Vec<SliceChannel> {
        self.lock().channels.clone()
    }
    /// All devices, by uid.
    pub fn devices(&self) -> BTreeMap<String, Arc<DeviceView>> {
        self.lock().devices.clone()
    }
    /// One device; of one made anew, whose predecessor is not let go of yet, the newer.
    pub fn device(&self, namespace: &str, name: &str) -> Option<Arc<DeviceView>> {
        let inner = self.lock();
        let named = inner.devices.values().filter(|v| v.device.namespace == namespace && v.device.name == name);
        named.max_by_key(|view| view.version).cloned()
    }
    /// Wakes when anything changed.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }
    /// Every publication and all that happens from now on, in order. One that falls behind by a thousand is told so by the channel.
    pub fn news(&self) -> broadcast::Receiver<Word> {
        self.news.subscribe()
    }
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
