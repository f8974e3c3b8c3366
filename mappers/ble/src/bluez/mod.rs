//! BlueZ over the system bus (docs/adr: BlueZ without a library of its own). One connection per adapter, and one stream of signals: what
//! BlueZ knows of a device is kept by them, and not asked for.
mod adapter;
mod agent;
mod air;
mod bus;
mod echo;
mod full;
mod gatt;
mod names;
mod property;
mod run;
mod scan;
mod silence;
mod socket;
mod tree;

use crate::{
    address::Address,
    error::{Error, Result},
    radio::{Advert, Characteristic, Consent, Radio, Stack, Watched},
};
use pollux_mapper::Instant;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicUsize},
    time::Duration,
};
use tokio::{sync::Notify, time::timeout_at};

/// So long others of a name are listened for, before the first that has it is taken.
const OTHERS: Duration = Duration::from_secs(3);
/// Who advertised this lately can be connected to, and does so within that time again.
const NEAR: Duration = Duration::from_secs(10);
/// So soon a connection is told of that there is: then it is known whether somebody is left to be scanned for.
const SIGNAL: Duration = Duration::from_millis(200);
/// What was advertised before is no word of how it is now.
const LATELY: Duration = Duration::from_mins(1);

/// The Bluetooth stack of Linux.
#[derive(Debug, Clone, Default)]
pub struct BlueZ {
    /// A D-Bus address; none: the system bus, where `DBUS_SYSTEM_BUS_ADDRESS` says or where it always is.
    pub bus: Option<String>,
}

impl Stack for BlueZ {
    type Radio = Adapter;
    async fn open(&self, adapter: Option<&str>) -> Result<Adapter> {
        Adapter::open(self.bus.as_deref(), adapter).await
    }
}

/// One adapter of it.
#[derive(Debug)]
pub struct Adapter {
    bus: zbus::Connection,
    /// hci0
    name: String,
    address: String,
    state: Mutex<State>,
    /// The tree has changed.
    changed: Notify,
    /// It is to be looked at by [`run`](Radio::run): somebody else is listened to, a connection came or went, or scanning has ended.
    look: Notify,
    /// There is something in `State::held`.
    held: Notify,
    scan: tokio::sync::Mutex<scan::Scan>,
    /// Connections that are being made. The kernel makes none before a scan ends, ten seconds later.
    connecting: AtomicUsize,
    /// Our agent is known to BlueZ.
    agent: tokio::sync::Mutex<bool>,
    consents: agent::Consents,
    full: full::Full,
}

#[derive(Debug, Default)]
struct State {
    tree: tree::Tree,
    /// Characteristics that notify, by path.
    subscribed: HashMap<Arc<str>, Subscribed>,
    /// BlueZ scans, for whomever.
    scans: bool,
    silence: silence::Silence,
    /// Somebody else is listened to: what BlueZ knows of them is yet to be asked.
    stale: bool,
    /// The last message that was looked at.
    seen: Option<zbus::message::Sequence>,
    /// To be told by [`run`](Radio::run).
    held: Vec<crate::radio::Event>,
}

#[derive(Debug)]
struct Subscribed {
    device: Address,
    handle: u16,
    echo: echo::Echo,
}

impl Adapter {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Until the tree says so.
    async fn until<T>(&self, until: Instant, mut look: impl FnMut(&tree::Tree) -> Option<T>) -> Option<T> {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(found) = look(&self.state().tree) {
                return Some(found);
            }
            if timeout_at(until, changed).await.is_err() {
                return None;
            }
        }
    }
    /// Until somebody is heard. Who spoke while a scan was being begun may not be told of again before its end, for each is told of once.
    async fn heard<T>(&self, until: Instant, mut look: impl FnMut(&tree::Tree) -> Option<T>) -> Option<T> {
        loop {
            let found = self.until(until.min(Instant::now() + scan::EARLY), &mut look).await;
            if found.is_some() || Instant::now() >= until {
                return found;
            }
            self.scan_again(until).await;
        }
    }
    fn is_connected(&self, device: Address) -> bool {
        self.state().tree.devices.get(&device).is_some_and(|device| device.connected)
    }
    fn is_paired(&self, device: Address) -> bool {
        self.state().tree.devices.get(&device).is_some_and(|device| device.paired)
    }
    fn unheard(&self, who: String) -> Error {
        if self.state().tree.deaf { Error::Deaf(who) } else { Error::Unheard(who) }
    }
    fn path(&self, device: Address) -> String {
        names::device(&self.name, device)
    }
    async fn ask_device(&self, device: Address, member: &str, until: Instant) -> std::result::Result<(), bus::Failure> {
        let whom = (names::BLUEZ, &*self.path(device), names::DEVICE, member);
        bus::ask(&self.bus, whom, &(), until).await.map(drop)
    }
    async fn dial(&self, device: Address, until: Instant) -> Result<Vec<Characteristic>> {
        let near = |tree: &tree::Tree| {
            let connected = tree.devices.get(&device).is_some_and(|device| device.connected);
            (connected || tree.is_near(device, NEAR)).then_some(connected)
        };
        let Some(connected) = self.heard(until, near).await else { return Err(self.unheard(device.to_string())) };
        if !connected {
            return self.connect_now(device, until).await;
        }
        match self.list(device, until).await {
            // Whoever had connected it has let go meanwhile.
            Err(Error::Gone(_)) => {
                let near = |tree: &tree::Tree| tree.is_near(device, NEAR).then_some(());
                self.heard(until, near).await.ok_or_else(|| self.unheard(device.to_string()))?;
                self.connect_now(device, until).await
            }
            listed => listed,
        }
    }
    async fn connect_now(&self, device: Address, until: Instant) -> Result<Vec<Characteristic>> {
        let paused = self.pause_scan(until).await?;
        let ends = |tree: &tree::Tree| tree.devices.get(&device).map_or(0, |device| device.ends);
        let before = ends(&self.state().tree);
        let asked = self.ask_device(device, "Connect", until.min(Instant::now() + NEAR)).await;
        asked.or_else(|failure| self.not_connected(device, &failure))?;
        // Its own word for being connected may come before the signal of it, and it may have let go by then.
        let connected = |tree: &tree::Tree| {
            let connected = tree.devices.get(&device).is_some_and(|device| device.connected);
            (connected || ends(tree) != before).then_some(())
        };
        self.until(until.min(Instant::now() + SIGNAL), connected).await;
        drop(paused);
        self.until(until, connected).await;
        self.list(device, until).await
    }
    async fn list(&self, device: Address, until: Instant) -> Result<Vec<Characteristic>> {
        let listed = |tree: &tree::Tree| match tree.characteristics(device) {
            Some(all) => Some(Some(all)),
            None if tree.devices.get(&device).is_none_or(|device| !device.connected) => Some(None),
            None => None,
        };
        match self.until(until, listed).await {
            Some(Some(_)) => {
                self.settle(until).await?;
                self.state().tree.characteristics(device).ok_or(Error::Gone(device))
            }
            Some(None) => Err(Error::Gone(device)),
            None => Err(Error::Services(device)),
        }
    }
    /// Connect was refused.
    fn not_connected(&self, device: Address, failure: &bus::Failure) -> Result<()> {
        if failure.is("AlreadyConnected") {
            return Ok(());
        }
        if failure.is("NotReady") {
            return Err(Error::NoAdapter(format!("adapter {} is powered off", self.name)));
        }
        if failure.is_nobody() {
            return Err(Error::Stack("bluetoothd is not running".to_owned()));
        }
        let words = failure.words();
        if words.contains("connection-limit") {
            let held = self.state().tree.devices.values().filter(|device| device.connected).count();
            tracing::info!(held, "the adapter takes no more connections");
            self.full.refused(held);
        }
        Err(Error::Connect(device, words))
    }
}

impl Radio for Adapter {
    fn identity(&self) -> String {
        self.address.clone()
    }
    fn most(&self) -> Option<usize> {
        self.full.most()
    }
    fn watch(&self, whom: Watched) {
        let mut state = self.state();
        state.tree.watch(whom);
        state.stale = true;
        drop(state);
        self.look.notify_one();
    }
    fn advertised(&self, device: Address) -> Option<Advert> {
        self.state().tree.devices.get(&device).and_then(|one| one.said(LATELY))
    }
    async fn named(&self, name: &str, until: Instant) -> Result<Address> {
        let named = |tree: &tree::Tree| Some(tree.named(name, NEAR)).filter(|named| !named.is_empty());
        let mut found = self.heard(until, named).await;
        if found.is_some() && self.state().tree.is_new(name) {
            // Another that has it may not have spoken yet.
            self.until(until.min(Instant::now() + OTHERS), |tree| named(tree).filter(|all| all.len() > 1)).await;
            found = named(&self.state().tree);
        }
        match found.as_deref() {
            Some([one]) => Ok(*one),
            Some(_) => Err(Error::Refused(format!("several devices are called \"{name}\": address tells which"))),
            None => Err(self.unheard(format!("\"{name}\""))),
        }
    }
    async fn connect(&self, device: Address, until: Instant) -> Result<Vec<Characteristic>> {
        self.dial(device, until).await
    }
    async fn consent(&self, device: Address, to: Consent) -> Result<()> {
        self.let_pair(device, to).await
    }
    async fn pair(&self, device: Address, until: Instant) -> Result<()> {
        self.pair_with(device, until).await
    }
    async fn disconnect(&self, device: Address, until: Instant) -> bool {
        {
            let mut state = self.state();
            state.subscribed.retain(|_, one| one.device != device);
            state.tree.leaves(device);
        }
        if let Err(failure) = self.ask_device(device, "Disconnect", until).await {
            tracing::debug!(%device, failure = failure.words(), "not disconnected");
            let gone = failure.is("NotConnected") || failure.is_unknown() || failure.is_nobody();
            if gone {
                self.state().tree.is_gone(device);
                self.changed.notify_waiters();
                self.look.notify_one(); // it is to be heard again
            }
            return gone;
        }
        let gone = |tree: &tree::Tree| tree.devices.get(&device).is_none_or(|one| !one.connected).then_some(());
        self.until(until, gone).await.is_some()
    }
    async fn read(&self, what: &Characteristic, until: Instant) -> Result<Vec<u8>> {
        self.fetch(what, until).await
    }
    async fn write(&self, what: &Characteristic, value: &[u8], answered: bool, until: Instant) -> Result<()> {
        self.send(what, value, answered, until).await
    }
    async fn subscribe(&self, what: &Characteristic, until: Instant) -> Result<()> {
        self.let_notify(what, until).await
    }
    async fn run(&self, heard: &(dyn Fn(crate::radio::Event) + Sync)) -> Error {
        self.listen(heard).await
    }
}
