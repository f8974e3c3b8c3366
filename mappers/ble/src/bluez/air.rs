//! Listening to everybody, for `discover`: no device is kept here.
use super::{
    Adapter,
    adapter::{CALL, Objects, objects},
    bus, names,
    property::Properties,
    tree::advert,
};
use crate::{
    air::Sighting,
    error::{Error, Result},
    radio::Advert,
};
use futures_util::StreamExt as _;
use pollux_ble_codec::Uuid;
use pollux_mapper::Instant;
use std::{collections::HashMap, convert::Infallible, time::Duration};
use tokio::time::timeout;
use zbus::{Message, MessageStream, ObjectPath, message::Type};

/// A bluetoothd that makes objects of thousands of devices answers late.
const PATIENCE: Duration = Duration::from_secs(20);

type Each<'e> = &'e (dyn Fn(Sighting) + Sync);

impl Adapter {
    /// Tells of all who are heard, until the adapter or the stack is gone. `each` does not wait.
    pub async fn everybody(&self, each: &(dyn Fn(Sighting) + Sync)) -> Error {
        let mut messages = MessageStream::from(&self.bus);
        let pump = async {
            while let Some(message) = messages.next().await {
                let told = message.map_err(|error| Error::Stack(format!("the system bus is gone: {error}")));
                if let Err(error) = told.and_then(|message| self.overheard(&message, each)) {
                    return error;
                }
            }
            Error::Stack("the system bus is gone".to_owned())
        };
        tokio::select! {
            error = pump => error,
            ended = self.scan_on(each) => match ended { Ok(never) => match never {}, Err(error) => error },
        }
    }
    /// Ends scanning, as far as it is ours.
    pub async fn stop_scanning(&self) {
        self.pause_scan(Instant::now() + CALL).await.ok(); // with our connection to the bus it ends at the latest
    }
    fn overheard(&self, message: &Message, each: Each<'_>) -> Result<()> {
        let header = message.header();
        let (Type::Signal, Some(path), Some(member)) = (message.message_type(), header.path(), header.member()) else {
            return Ok(());
        };
        let (path, body) = (path.as_str(), message.body());
        match member.as_str() {
            "PropertiesChanged" => {
                let Ok((interface, changed, _)) = body.deserialize::<(&str, Properties<'_>, Vec<&str>)>() else {
                    return Ok(());
                };
                if interface == names::ADAPTER && path == names::adapter(&self.name) {
                    return self.adapter_changed(&changed);
                }
                if interface == names::DEVICE {
                    self.sighted(path, &changed, true, each);
                }
            }
            "InterfacesAdded" => {
                let Ok((path, added)) = body.deserialize::<(ObjectPath<'_>, HashMap<&str, Properties<'_>>)>() else {
                    return Ok(());
                };
                if let Some(device) = added.get(names::DEVICE) {
                    self.sighted(path.as_str(), device, true, each);
                }
            }
            "InterfacesRemoved" => {
                let Ok((path, gone)) = body.deserialize::<(ObjectPath<'_>, Vec<&str>)>() else { return Ok(()) };
                if path.as_str() == names::adapter(&self.name) && gone.contains(&names::ADAPTER) {
                    return Err(Error::NoAdapter(format!("adapter {} was removed", self.name)));
                }
            }
            "NameOwnerChanged" => return Err(Error::Stack("bluetoothd has ended".to_owned())),
            _ => {}
        }
        Ok(())
    }
    fn sighted(&self, path: &str, properties: &Properties<'_>, live: bool, each: Each<'_>) {
        if live {
            self.somebody(path, properties);
        }
        if let Some(place) = names::Place::of(path, &self.name).filter(|place| place.inner.is_none()) {
            each(sighting(place.device, properties, live));
        }
    }
    async fn scan_on(&self, each: Each<'_>) -> Result<Infallible> {
        let listening = bus::listen(&self.bus, Instant::now() + CALL).await;
        listening.map_err(|failure| match failure {
            bus::Failure::Late => Error::Hung("AddMatch"),
            other => Error::Stack(other.words()),
        })?;
        self.remembered(each).await?;
        loop {
            let wait = self.keep_scanning().await?;
            if timeout(wait, self.look.notified()).await.is_err() {
                self.pulse(Instant::now() + PATIENCE).await?;
            }
        }
    }
    /// Who is there already: BlueZ does not say again what has not changed.
    async fn remembered(&self, each: Each<'_>) -> Result<()> {
        let message = objects(&self.bus).await?;
        let body = message.body();
        let Ok(objects) = body.deserialize::<Objects<'_>>() else {
            return Err(Error::Stack("not BlueZ: its objects cannot be read".to_owned()));
        };
        for (path, interfaces) in &objects {
            if let Some(device) = interfaces.get(names::DEVICE) {
                // BlueZ takes the strength away when it has not heard it for a while.
                self.sighted(path.as_str(), device, device.get("RSSI").is_some(), each);
            }
            let own = interfaces.get(names::ADAPTER).filter(|_| path.as_str() == names::adapter(&self.name));
            if let Some(scans) = own.and_then(|properties| properties.bool("Discovering")) {
                self.state().scans = scans;
            }
        }
        Ok(())
    }
}

fn sighting(address: crate::Address, properties: &Properties<'_>, live: bool) -> Sighting {
    let name = properties.text("Name").map(str::to_owned);
    let services: Vec<Uuid> = properties.texts("UUIDs").iter().filter_map(|uuid| uuid.parse().ok()).collect();
    let advert = advert(properties, None);
    // That it is connected, or that BlueZ forgets its strength, was not heard.
    let live = live && advert != Advert::default();
    let random = properties.text("AddressType").map(|kind| kind == "random");
    Sighting { address, name, random, services, advert, live }
}
