//! The adapter.
use super::{Address, Advert, Air, Characteristic, Dial, Error, Say, World};
use pollux_ble::radio::{Consent, Event, Radio, Watched};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Of each answer.
const ANSWER: Duration = Duration::from_millis(20);
/// BlueZ takes a while for it.
const LEAVE: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(crate) struct Ether(pub(super) Air);

impl Ether {
    async fn dial(&self, device: Address, until: Instant) -> Result<(), Error> {
        let present = |world: &mut World| {
            world.held.contains(&device) || world.devices.get(&device).is_some_and(|one| one.present)
        };
        if !self.0.until(until, present).await {
            return Err(Error::Unheard(device.to_string()));
        }
        if self.0.world().held.contains(&device) {
            return Ok(());
        }
        self.0.world().overhear(device);
        self.0.world().take(device)?;
        let dial = self.0.world().of(device).dial;
        let made = match dial {
            Dial::Takes(time) => Instant::now() + time,
            Dial::Refused => Instant::now() + ANSWER,
            Dial::Hangs => until,
        };
        // Who goes away meanwhile is not reached; whose connection breaks meanwhile is not connected.
        let broke = |world: &mut World| !world.held.contains(&device);
        let broken = self.0.until(made.min(until), broke).await;
        let reached = matches!(dial, Dial::Takes(_)) && made <= until && self.0.world().of(device).present;
        match (broken, reached) {
            (false, true) => Ok(()),
            _ => Err(Error::Connect(device, "le-connection-abort-by-local".to_owned())),
        }
    }
    /// One request and its answer.
    async fn ask<T>(
        &self,
        what: &Characteristic,
        until: Instant,
        answer: impl FnOnce(&mut World) -> T,
    ) -> Result<T, Error> {
        let device = what.device;
        let gone = |world: &mut World| !world.held.contains(&device);
        let (mute, says) = {
            let mut world = self.0.world();
            if gone(&mut world) {
                return Err(Error::Gone(device));
            }
            let one = world.of(device);
            (one.mute || !one.present, one.place(what.handle).says)
        };
        let hangs = mute || says == Say::Hang;
        let at = if hangs { until } else { until.min(Instant::now() + ANSWER) };
        if self.0.until(at, gone).await {
            return Err(Error::Gone(device));
        }
        match says {
            _ if hangs => Err(Error::Silent("ReadValue")),
            Say::Refuse(why) => Err(Error::Refused(why.to_owned())),
            Say::Drop => {
                self.0.turn(|world| world.end(device));
                Err(Error::Gone(device))
            }
            Say::Good | Say::Hang | Say::Unreadable => Ok(self.0.turn(answer)),
        }
    }
}

impl Radio for Ether {
    fn identity(&self) -> String {
        "00:00:00:00:00:01".to_owned()
    }
    fn most(&self) -> Option<usize> {
        self.0.world().learned
    }
    fn watch(&self, whom: Watched) {
        self.0.world().watched = whom;
    }
    fn advertised(&self, device: Address) -> Option<Advert> {
        self.0.world().said.get(&device).cloned()
    }
    async fn named(&self, name: &str, until: Instant) -> Result<Address, Error> {
        let mut found = vec![];
        let named = |world: &mut World| {
            let fits = |one: &&super::Device| one.present && one.name.as_deref() == Some(name);
            found = world.devices.iter().filter(|(_, one)| fits(one)).map(|(address, _)| *address).collect();
            !found.is_empty()
        };
        self.0.until(until, named).await;
        match found[..] {
            [one] => Ok(one),
            [] => Err(Error::Unheard(name.to_owned())),
            _ => Err(Error::Refused(format!("several devices are called \"{name}\": address tells which"))),
        }
    }
    async fn connect(&self, device: Address, until: Instant) -> Result<Vec<Characteristic>, Error> {
        // What was given up goes on at the stack, until it is asked to end it.
        self.dial(device, until).await.map(|()| self.0.world().characteristics(device))
    }
    async fn disconnect(&self, device: Address, until: Instant) -> bool {
        sleep_until(until.min(Instant::now() + LEAVE)).await;
        self.0.turn(|world| world.end(device));
        true
    }
    async fn read(&self, what: &Characteristic, until: Instant) -> Result<Vec<u8>, Error> {
        let read = |world: &mut World| {
            let device = world.of(what.device);
            device.served.push(Instant::now());
            let place = device.place(what.handle);
            place.reads += 1;
            let (value, flees) = (place.value.clone(), device.flees);
            if flees {
                world.end(what.device);
            }
            value
        };
        if self.0.world().of(what.device).place(what.handle).says == Say::Unreadable {
            return Err(Error::Refused("NotPermitted".to_owned()));
        }
        self.ask(what, until, read).await
    }
    async fn write(&self, what: &Characteristic, value: &[u8], answered: bool, until: Instant) -> Result<(), Error> {
        let write = |world: &mut World| {
            let place = world.of(what.device).place(what.handle);
            place.writes.push((value.to_vec(), answered));
            place.value = value.to_vec();
        };
        self.ask(what, until, write).await
    }
    async fn subscribe(&self, what: &Characteristic, until: Instant) -> Result<(), Error> {
        let breaks = self.0.turn(|world| {
            let device = world.of(what.device);
            device.place(what.handle).asked += 1;
            let breaks = device.breaks > 0;
            device.breaks = device.breaks.saturating_sub(1);
            if breaks {
                world.end(what.device);
            }
            breaks
        });
        if breaks {
            // The signal comes before the answer, as it does from BlueZ, and the stack holds it for one that the caller gave up.
            self.0.until(Instant::now() + ANSWER, |world| world.events.is_empty()).await;
            return Ok(());
        }
        let subscribe = |world: &mut World| {
            world.of(what.device).subscribed.insert(what.handle);
        };
        self.ask(what, until, subscribe).await
    }
    async fn consent(&self, _: Address, _: Consent) -> Result<(), Error> {
        Ok(())
    }
    /// Nobody here asks for it.
    async fn pair(&self, _: Address, _: Instant) -> Result<(), Error> {
        Ok(())
    }
    async fn run(&self, heard: &(dyn Fn(Event) + Sync)) -> Error {
        loop {
            let next = self.0.world().advertisers(Instant::now());
            let events = {
                let mut world = self.0.world();
                if let Some(why) = &world.gone {
                    return why.clone();
                }
                world.told += world.events.len();
                std::mem::take(&mut world.events)
            };
            if !events.is_empty() {
                events.into_iter().for_each(heard);
                self.0.turn(|_| ());
            }
            let far = Instant::now() + Duration::from_hours(1);
            self.0.until(next.unwrap_or(far), |world| world.gone.is_some() || !world.events.is_empty()).await;
        }
    }
}
