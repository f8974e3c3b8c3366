//! Our agent: what BlueZ asks when a device wants to pair (doc/org.bluez.Agent.rst). Nobody sits there to be asked: what a device may do
//! is configured.
#![allow(
    clippy::needless_pass_by_value,
    clippy::used_underscore_binding,
    clippy::unused_self,
    reason = "BlueZ's interface, and what zbus makes of it"
)]
use super::{Adapter, adapter::CALL, bus, names, names::Place};
use crate::{
    address::Address,
    error::{Error, Result},
    radio::Consent,
};
use pollux_mapper::Instant;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use zbus::{DBusError, ObjectPath, interface};

const PATH: &str = "/rs/pollux/agent";
/// We know passkeys that devices show, and see nothing that two sides might compare.
const CAPABILITY: &str = "KeyboardOnly";

/// By device; the agent is BlueZ's to call, so it is shared.
pub(super) type Consents = Arc<Mutex<HashMap<Address, Wish>>>;

/// One device's pairing.
#[derive(Debug)]
pub(super) struct Wish {
    consent: Consent,
    /// When it was refused last, and why.
    refused: Option<(Instant, String)>,
    /// When the device was last let pair. Whether it then did is another matter.
    let_on: Option<Instant>,
}

#[derive(Debug)]
struct Agent {
    /// hci0
    adapter: String,
    consents: Consents,
}

/// BlueZ takes any error for a no.
#[derive(Debug, DBusError)]
#[zbus(prefix = "org.bluez.Error")]
enum No {
    #[zbus(error)]
    Bus(zbus::Error),
    Rejected(String),
}

impl Agent {
    fn consent(&self, path: &ObjectPath<'_>) -> Option<Consent> {
        let device = Place::of(path.as_str(), &self.adapter)?.device;
        self.consents.lock().unwrap_or_else(PoisonError::into_inner).get(&device).map(|wish| wish.consent)
    }
    fn let_on(&self, path: &ObjectPath<'_>) {
        if let Some(place) = Place::of(path.as_str(), &self.adapter)
            && let Some(wish) = self.consents.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&place.device)
        {
            wish.let_on = Some(Instant::now());
        }
    }
    fn refuse<T>(&self, path: &ObjectPath<'_>, why: &str) -> std::result::Result<T, No> {
        tracing::info!(device = path.as_str(), why, "pairing refused");
        if let Some(place) = Place::of(path.as_str(), &self.adapter)
            && let Some(wish) = self.consents.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&place.device)
        {
            wish.refused = Some((Instant::now(), why.to_owned()));
        }
        Err(No::Rejected(why.to_owned()))
    }
    /// Without a passkey.
    fn just_works(&self, path: &ObjectPath<'_>) -> std::result::Result<(), No> {
        match self.consent(path) {
            Some(Consent::JustWorks) => {
                self.let_on(path);
                Ok(())
            }
            Some(Consent::Passkey(_)) => self.refuse(path, "it pairs without the passkey that is configured"),
            Some(Consent::No) => self.refuse(path, "pairing is Never"),
            None => self.refuse(path, "it is not configured"),
        }
    }
}

#[interface(name = "org.bluez.Agent1")]
impl Agent {
    fn release(&self) {}
    fn cancel(&self) {}
    fn request_passkey(&self, device: ObjectPath<'_>) -> std::result::Result<u32, No> {
        match self.consent(&device) {
            Some(Consent::Passkey(passkey)) => {
                self.let_on(&device);
                Ok(passkey)
            }
            Some(Consent::JustWorks) => self.refuse(&device, "it wants a passkey: passkeyFrom"),
            Some(Consent::No) => self.refuse(&device, "pairing is Never"),
            None => self.refuse(&device, "it is not configured"),
        }
    }
    fn request_confirmation(&self, device: ObjectPath<'_>, _passkey: u32) -> std::result::Result<(), No> {
        self.just_works(&device)
    }
    fn request_authorization(&self, device: ObjectPath<'_>) -> std::result::Result<(), No> {
        self.just_works(&device)
    }
    fn authorize_service(&self, device: ObjectPath<'_>, _uuid: String) -> std::result::Result<(), No> {
        tracing::info!(device = device.as_str(), "it wants to use a service of this node: refused");
        Err(No::Rejected("it may use no service of this node".to_owned())) // that is no word about its pairing
    }
    fn request_pin_code(&self, device: ObjectPath<'_>) -> std::result::Result<String, No> {
        self.refuse(&device, "a PIN is of Bluetooth Classic")
    }
    fn display_passkey(&self, device: ObjectPath<'_>, _passkey: u32, _entered: u16) {
        tracing::info!(device = device.as_str(), "it wants a passkey of ours typed in, where nobody sits");
    }
    fn display_pin_code(&self, device: ObjectPath<'_>, _code: String) -> std::result::Result<(), No> {
        self.refuse(&device, "a PIN is of Bluetooth Classic")
    }
}

impl Adapter {
    fn consents(&self) -> std::sync::MutexGuard<'_, HashMap<Address, Wish>> {
        self.consents.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// What it wanted to pair for since then, and was refused: BlueZ lets that wait for half a minute.
    pub(super) fn refused_since(&self, device: Address, since: Instant) -> Option<Error> {
        let (refused, let_on) = {
            let consents = self.consents();
            let wish = consents.get(&device)?;
            (wish.refused.clone(), wish.let_on)
        };
        let why = match refused {
            Some((at, why)) if at >= since => why,
            // BlueZ ends the connection when the pairing fails, and says no more than that.
            _ if let_on.is_some_and(|at| at >= since) && !self.is_paired(device) => "the pairing failed".to_owned(),
            _ => return None,
        };
        Some(Error::Refused(format!("it wants to be paired for that: {why}")))
    }
    pub(super) async fn let_pair(&self, device: Address, to: Consent) -> Result<()> {
        {
            let mut consents = self.consents();
            let state = self.state();
            consents.retain(|known, _| {
                state.tree.watched.addresses.contains(known) || state.tree.devices.contains_key(known)
            });
            drop(state);
            consents.insert(device, Wish { consent: to, refused: None, let_on: None });
        }
        // Also to refuse: where there is no agent BlueZ pairs by itself with who needs no passkey.
        match (self.be_agent().await, to) {
            (Err(error @ (Error::Denied(_) | Error::Stack(_))), Consent::JustWorks) => {
                tracing::warn!(%device, %error, "it cannot be paired");
                Ok(()) // and perhaps it need not
            }
            (Err(Error::Denied(text) | Error::Stack(text)), _) => Err(Error::Pairing(device, text)),
            (done, _) => done,
        }
    }
    /// Once for each connection to the bus; BlueZ forgets it with that.
    async fn be_agent(&self) -> Result<()> {
        let mut is = self.agent.lock().await;
        if *is {
            return Ok(());
        }
        let agent = Agent { adapter: self.name.clone(), consents: self.consents.clone() };
        let served = self.bus.object_server().at(PATH, agent).await;
        served.map_err(|error| Error::Stack(format!("no agent: {error}")))?;
        let path = ObjectPath::try_from(PATH).map_err(|error| Error::Stack(error.to_string()))?;
        let until = Instant::now() + CALL;
        let whom = |member| (names::BLUEZ, "/org/bluez", "org.bluez.AgentManager1", member);
        let registered = match bus::ask(&self.bus, whom("RegisterAgent"), &(&path, CAPABILITY), until).await {
            Err(failure) if !failure.is("AlreadyExists") => Err(failure),
            // What is paired because a characteristic needs it is asked of the default agent.
            _ => bus::ask(&self.bus, whom("RequestDefaultAgent"), &(&path,), until).await.map(drop),
        };
        match registered {
            Ok(()) => {
                *is = true;
                Ok(())
            }
            Err(bus::Failure::Late) => Err(Error::Hung("RegisterAgent")),
            Err(failure) if failure.is_denied() => {
                Err(Error::Denied(format!("the host's D-Bus policy does not let BlueZ call us: {}", failure.words())))
            }
            Err(failure) => Err(Error::Stack(format!("no agent: {}", failure.words()))),
        }
    }
    pub(super) async fn pair_with(&self, device: Address, until: Instant) -> Result<()> {
        let paired = |tree: &super::tree::Tree| tree.devices.get(&device).filter(|device| device.paired).map(drop);
        if paired(&self.state().tree).is_some() {
            return Ok(());
        }
        match self.ask_device(device, "Pair", until).await {
            Ok(()) => {}
            Err(failure) if failure.is("AlreadyExists") => return Ok(()),
            Err(bus::Failure::Late) => return Err(Error::Pairing(device, "it did not answer in time".to_owned())),
            Err(failure) if failure.is_nobody() => return Err(Error::Stack("bluetoothd is not running".to_owned())),
            Err(failure) => return Err(Error::Pairing(device, failure.words())),
        }
        let told = self.until(until, paired).await;
        told.ok_or_else(|| Error::Pairing(device, "there are no keys".to_owned()))
    }
}
