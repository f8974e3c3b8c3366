//! What BlueZ shows of the devices that are listened to: kept by its signals, so that nobody has to ask. Pure.
use super::{
    names::{self, Place},
    property::{Properties, Property},
};
use crate::{
    address::Address,
    radio::{Advert, Can, Characteristic, Watched},
};
use pollux_ble_codec::Uuid;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;

/// Characteristics of one device, at most: more is not a device but an attack.
const MOST: usize = 4096;

/// A device.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is said by itself")]
pub(super) struct Device {
    pub(super) name: Option<String>,
    /// The name by which it is listened to: BlueZ puts another in its place when it has read that of the device itself.
    called: Option<String>,
    pub(super) connected: bool,
    /// Connections of it that ended.
    pub(super) ends: u32,
    /// We end its connection.
    left: bool,
    /// There are keys.
    pub(super) paired: bool,
    /// Its services are all listed.
    pub(super) resolved: bool,
    /// It was heard then.
    pub(super) heard: Option<Instant>,
    /// What it said then, or before where that did not come again.
    said: Option<(Instant, Advert)>,
    services: BTreeMap<String, Uuid>,
    characteristics: BTreeMap<String, (String, Uuid, Can)>,
}

impl Device {
    /// What it advertised last, if that was lately.
    pub(super) fn said(&self, within: Duration) -> Option<Advert> {
        let (at, advert) = self.said.as_ref()?;
        (at.elapsed() <= within).then(|| advert.clone())
    }
    fn says(&mut self, advert: &Advert) {
        let now = Instant::now();
        self.heard = Some(now);
        let (at, said) = self.said.get_or_insert_with(|| (now, Advert::default()));
        let Advert { rssi, tx_power, name, manufacturer, service } = advert.clone();
        (*at, said.rssi, said.tx_power) = (now, rssi.or(said.rssi), tx_power.or(said.tx_power));
        said.name = name.or(said.name.take());
        // BlueZ tells all data of a kind together.
        if !manufacturer.is_empty() {
            said.manufacturer = manufacturer;
        }
        if !service.is_empty() {
            said.service = service;
        }
    }
}

/// What a message meant.
#[derive(Debug, PartialEq)]
pub(super) enum News {
    Heard(Address, Advert),
    Value(Address, Vec<u8>),
    Paired(Address),
    Disconnected(Address),
}

/// All of one adapter.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// hci0
    pub(super) adapter: String,
    pub(super) watched: Watched,
    pub(super) devices: HashMap<Address, Device>,
    /// Nobody is heard any more, whoever is in the air.
    pub(super) deaf: bool,
    /// Names that somebody was looked for by.
    pub(super) asked: BTreeSet<String>,
}

impl Tree {
    /// Whether a message about this object is to be looked into.
    fn wants(&self, device: Address, inner: bool) -> bool {
        let named = !inner && !self.watched.names.is_empty();
        named || self.watched.addresses.contains(&device) || self.devices.contains_key(&device)
    }
    pub(super) fn wants_path(&self, path: &str) -> bool {
        let Some(place) = Place::of(path, &self.adapter) else { return false };
        self.wants(place.device, place.inner.is_some())
    }
    /// Those who are not listened to are forgotten.
    pub(super) fn watch(&mut self, watched: Watched) {
        self.watched = watched;
        let watched = &self.watched;
        self.asked.retain(|name| watched.names.contains_key(name));
        self.devices.retain(|address, device| {
            let named = device.called.as_ref().is_some_and(|name| watched.names.contains_key(name));
            watched.addresses.contains(address) || named
        });
    }
    /// Somebody is to be heard.
    pub(super) fn listens(&self) -> bool {
        self.watched.always || self.waits()
    }
    /// Somebody who is listened to has no connection, and would be heard if it were there; or everybody is listened to.
    pub(super) fn waits(&self) -> bool {
        let Watched { addresses, names, .. } = &self.watched;
        let connected = |address: &Address| self.devices.get(address).is_some_and(|device| device.connected);
        // One that is listened to by its address is not the one that is meant by a name: that is to be heard, too, and be it to refuse both.
        let others = || self.devices.iter().filter(|(address, one)| one.connected && !addresses.contains(address));
        let called = |name: &String| others().filter(|(_, one)| one.called.as_ref() == Some(name)).count();
        let all_of = |(name, count): (&String, &usize)| called(name) >= *count;
        addresses.is_empty() && names.is_empty() || !addresses.iter().all(connected) || !names.iter().all(all_of)
    }
    /// An object is there, with these interfaces. `live`: what it advertises came just now, or a short while ago.
    pub(super) fn added(&mut self, path: &str, interfaces: &HashMap<&str, Properties<'_>>, live: bool) -> Option<News> {
        let place = Place::of(path, &self.adapter)?;
        let Some(inner) = place.inner else {
            return self.device(place.device, interfaces.get(names::DEVICE)?, live);
        };
        let device = self.devices.get_mut(&place.device)?;
        if let Some(service) = interfaces.get(names::SERVICE)
            && let Some(uuid) = uuid(service)
            && device.services.len() < MOST
        {
            device.services.insert(inner.to_owned(), uuid);
        }
        if let Some(found) = interfaces.get(names::CHARACTERISTIC)
            && let Some(uuid) = uuid(found)
            && device.characteristics.len() < MOST
        {
            let can = flags(found.texts("Flags"));
            device.characteristics.insert(inner.to_owned(), (path.to_owned(), uuid, can));
        }
        None
    }
    pub(super) fn removed(&mut self, path: &str, interfaces: &[&str]) -> Option<News> {
        let place = Place::of(path, &self.adapter)?;
        match place.inner {
            None if interfaces.contains(&names::DEVICE) => {
                let was = self.devices.remove(&place.device)?;
                was.connected.then_some(News::Disconnected(place.device))
            }
            Some(inner) => {
                let device = self.devices.get_mut(&place.device)?;
                device.services.remove(inner);
                device.characteristics.remove(inner);
                None
            }
            None => None,
        }
    }
    pub(super) fn changed(&mut self, path: &str, interface: &str, properties: &Properties<'_>) -> Option<News> {
        let place = Place::of(path, &self.adapter)?;
        match (interface, place.inner) {
            (names::DEVICE, None) => self.device(place.device, properties, true),
            (names::CHARACTERISTIC, Some(_)) => Some(News::Value(place.device, properties.bytes("Value")?.to_vec())),
            _ => None,
        }
    }
    /// What is new of a device itself.
    fn device(&mut self, address: Address, properties: &Properties<'_>, live: bool) -> Option<News> {
        let named = properties.text("Name");
        let wanted = self.watched.addresses.contains(&address)
            || named.is_some_and(|name| self.watched.names.contains_key(name));
        if !wanted && !self.devices.contains_key(&address) {
            return None;
        }
        let device = self.devices.entry(address).or_default();
        if let Some(name) = named {
            device.name = Some(name.to_owned());
            if self.watched.names.contains_key(name) {
                device.called = Some(name.to_owned());
            }
        }
        let (was, unpaired) = (device.connected, !device.paired);
        if let Some(connected) = properties.bool("Connected") {
            device.connected = connected;
        }
        if let Some(resolved) = properties.bool("ServicesResolved") {
            device.resolved = resolved;
            // BlueZ (5.66) at times does not say that it is connected, only this.
            device.connected |= resolved;
        }
        if let Some(paired) = properties.bool("Paired") {
            device.paired = paired;
        }
        if was && !device.connected {
            (device.resolved, device.ends) = (false, device.ends.wrapping_add(1));
            // Whose link is lost may be out of reach: what was heard of it before says nothing any more.
            if !std::mem::take(&mut device.left) {
                device.heard = None;
            }
            return Some(News::Disconnected(address));
        }
        // BlueZ says a name once, when it comes to know it; whose it is has to be known each time.
        let advert = advert(properties, named.or(device.called.as_deref()));
        if live && advert != Advert::default() {
            device.says(&advert);
            return Some(News::Heard(address, advert));
        }
        (live && unpaired && device.paired).then_some(News::Paired(address))
    }
    /// It has no connection, whatever was told of it.
    pub(super) fn is_gone(&mut self, address: Address) {
        if let Some(device) = self.devices.get_mut(&address) {
            (device.connected, device.resolved, device.left) = (false, false, false);
        }
    }
    /// We end its connection: it is no less near for that.
    pub(super) fn leaves(&mut self, address: Address) {
        if let Some(device) = self.devices.get_mut(&address) {
            device.left = device.connected;
        }
    }
    /// Whether nobody was looked for by this name yet.
    pub(super) fn is_new(&mut self, name: &str) -> bool {
        self.asked.insert(name.to_owned())
    }
    /// All who are called so and are there.
    pub(super) fn named(&self, name: &str, within: Duration) -> Vec<Address> {
        let there = |address: &Address, device: &Device| device.connected || self.is_near(*address, within);
        let named = self.devices.iter().filter(|(_, device)| device.called.as_deref() == Some(name));
        named.filter(|(address, device)| there(address, device)).map(|(address, _)| *address).collect()
    }
    /// It has not been heard since it is listened to.
    pub(super) fn is_unheard(&self, path: &str) -> bool {
        let device = Place::of(path, &self.adapter).and_then(|place| self.devices.get(&place.device));
        device.is_none_or(|device| device.heard.is_none())
    }
    /// It advertised within that time.
    pub(super) fn is_near(&self, device: Address, within: Duration) -> bool {
        let heard = self.devices.get(&device).and_then(|device| device.heard);
        heard.is_some_and(|heard| heard.elapsed() <= within)
    }
    /// Once its services are listed.
    pub(super) fn characteristics(&self, address: Address) -> Option<Vec<Characteristic>> {
        let device = self.devices.get(&address).filter(|device| device.connected && device.resolved)?;
        let all = device.characteristics.iter().filter_map(|(inner, (path, uuid, can))| {
            let (service, own) = inner.split_once('/')?;
            Some(Characteristic {
                service: *device.services.get(service)?,
                uuid: *uuid,
                handle: u16::from_str_radix(own.strip_prefix("char")?, 16).ok()?,
                can: *can,
                device: address,
                path: Arc::from(path.as_str()),
            })
        });
        Some(all.collect())
    }
}

fn uuid(properties: &Properties<'_>) -> Option<Uuid> {
    properties.text("UUID")?.parse().ok()
}
fn flags(flags: &[&str]) -> Can {
    let mut can = Can::default();
    for flag in flags {
        match *flag {
            "read" | "encrypt-read" | "encrypt-authenticated-read" => can.read = true,
            "write" | "encrypt-write" | "encrypt-authenticated-write" => can.write = true,
            "write-without-response" => can.write_without_response = true,
            "notify" | "indicate" => can.notify = true,
            _ => {}
        }
    }
    can
}
pub(super) fn advert(properties: &Properties<'_>, name: Option<&str>) -> Advert {
    let mut advert =
        Advert { rssi: properties.number("RSSI"), tx_power: properties.number("TxPower"), ..Advert::default() };
    if let Some(Property::Companies(all)) = properties.get("ManufacturerData") {
        advert.manufacturer = all.iter().map(|(company, data)| (*company, data.to_vec())).collect();
    }
    if let Some(Property::Services(all)) = properties.get("ServiceData") {
        advert.service = all.iter().filter_map(|(uuid, data)| Some((uuid.parse().ok()?, data.to_vec()))).collect();
    }
    // The name alone says that BlueZ knows it, and not that it was heard.
    if advert != Advert::default() {
        advert.name = name.map(str::to_owned);
    }
    advert
}

#[cfg(test)]
mod tests;
