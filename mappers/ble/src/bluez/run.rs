//! The stream of signals, and that it is scanned while somebody is to be heard.
use super::{
    Adapter,
    adapter::{CALL, Objects, objects},
    bus, names,
    property::Properties,
    tree::News,
};
use crate::{
    error::{Error, Result},
    radio::{Characteristic, Event},
};
use futures_util::StreamExt as _;
use pollux_mapper::Instant;
use std::{collections::HashMap, convert::Infallible, time::Duration};
use tokio::time::{timeout, timeout_at};
use zbus::{
    Message, MessageStream, ObjectPath,
    message::{Sequence, Type},
};

/// So often it is asked whether bluetoothd lives: one that hangs says nothing.
pub(super) const PULSE: Duration = Duration::from_secs(5);

/// So soon it is tried again where scanning was not to be had: a bluetoothd that has just started is busy.
pub(super) const SOON: Duration = Duration::from_secs(1);

type Heard<'h> = &'h (dyn Fn(Event) + Sync);

impl Adapter {
    pub(super) async fn listen(&self, heard: Heard<'_>) -> Error {
        let mut messages = MessageStream::from(&self.bus);
        tokio::select! {
            biased; // a list of all objects is taken in before the signals that came behind it
            error = self.tend() => match error { Ok(never) => match never {}, Err(error) => error },
            error = self.pump(&mut messages, heard) => error,
        }
    }

    // ---- what comes
    async fn pump(&self, messages: &mut MessageStream, heard: Heard<'_>) -> Error {
        loop {
            let message = tokio::select! {
                biased; // what waited is older than what comes
                () = self.held.notified() => {
                    let held = std::mem::take(&mut self.state().held);
                    held.into_iter().for_each(heard);
                    continue;
                }
                message = messages.next() => message,
            };
            if let Some(Ok(message)) = &message {
                self.state().seen = Some(message.recv_position());
            }
            match message {
                Some(Ok(message)) if message.message_type() == Type::Signal => {
                    if let Err(error) = self.signal(&message, heard) {
                        return error;
                    }
                }
                Some(Ok(_)) => self.changed.notify_waiters(),
                Some(Err(error)) => return Error::Stack(format!("the system bus is gone: {error}")),
                None => return Error::Stack("the system bus is gone".to_owned()),
            }
        }
    }
    fn signal(&self, message: &Message, heard: Heard<'_>) -> Result<()> {
        let header = message.header();
        let (Some(path), Some(member)) = (header.path(), header.member()) else { return Ok(()) };
        let body = message.body();
        match member.as_str() {
            "PropertiesChanged" => {
                let path = path.as_str();
                let own = path == names::adapter(&self.name);
                if own || self.wants(path) {
                    let Ok((interface, changed, _)) = body.deserialize::<(&str, Properties<'_>, Vec<&str>)>() else {
                        return Ok(());
                    };
                    if own && interface == names::ADAPTER {
                        return self.adapter_changed(&changed);
                    }
                    if interface == names::DEVICE {
                        self.somebody(path, &changed);
                    }
                    let news = self.state().tree.changed(path, interface, &changed);
                    if changed.get("Connected").is_some() || changed.get("ServicesResolved").is_some() {
                        self.look.notify_one(); // there may be nobody left to be heard, or somebody again
                    }
                    self.tell(news, message, path, heard);
                }
            }
            "InterfacesAdded" => {
                let Ok((path, interfaces)) = body.deserialize::<(ObjectPath<'_>, HashMap<&str, Properties<'_>>)>()
                else {
                    return Ok(());
                };
                if let Some(device) = interfaces.get(names::DEVICE) {
                    self.somebody(path.as_str(), device);
                }
                if self.state().tree.wants_path(path.as_str()) {
                    let news = self.state().tree.added(path.as_str(), &interfaces, true);
                    if interfaces.get(names::DEVICE).is_some_and(|one| one.bool("Connected") == Some(true)) {
                        self.look.notify_one(); // there may be nobody left to be heard
                    }
                    self.tell(news, message, path.as_str(), heard);
                }
            }
            "InterfacesRemoved" => {
                let Ok((path, interfaces)) = body.deserialize::<(ObjectPath<'_>, Vec<&str>)>() else { return Ok(()) };
                if path.as_str() == names::adapter(&self.name) && interfaces.contains(&names::ADAPTER) {
                    return Err(Error::NoAdapter(format!("adapter {} was removed: plug it in again", self.name)));
                }
                let news = self.state().tree.removed(path.as_str(), &interfaces);
                self.tell(news, message, path.as_str(), heard);
            }
            "NameOwnerChanged" => return Err(Error::Stack("bluetoothd has ended".to_owned())),
            _ => {}
        }
        Ok(())
    }
    /// Whether a message about it is to be looked into: of those who are listened to each, and of all others one now and then.
    fn wants(&self, path: &str) -> bool {
        let state = self.state();
        state.tree.wants_path(path) || state.silence.asks(Instant::now())
    }
    /// Something is told of somebody; if that is that it was heard, it is scanned.
    pub(super) fn somebody(&self, path: &str, properties: &Properties<'_>) {
        if properties.number("RSSI").is_none() || names::Place::of(path, &self.name).is_none() {
            return;
        }
        let mut state = self.state();
        let again = state.silence.heard(Instant::now());
        state.tree.deaf = false;
        drop(state);
        if again {
            tracing::info!(adapter = %self.name, "something is heard again");
        }
    }
    pub(super) fn adapter_changed(&self, changed: &Properties<'_>) -> Result<()> {
        if changed.bool("Powered") == Some(false) {
            return Err(Error::NoAdapter(format!("adapter {} is powered off", self.name)));
        }
        if let Some(scans) = changed.bool("Discovering") {
            self.state().scans = scans;
            self.look.notify_one();
        }
        Ok(())
    }
    fn tell(&self, news: Option<News>, message: &Message, path: &str, heard: Heard<'_>) {
        self.changed.notify_waiters();
        match news {
            None => {}
            Some(News::Heard(device, advert)) => heard(Event::Heard(device, advert)),
            Some(News::Paired(device)) => heard(Event::Paired(device)),
            Some(News::Disconnected(device)) => {
                self.state().subscribed.retain(|_, one| one.device != device);
                self.look.notify_one();
                heard(Event::Disconnected(device));
            }
            Some(News::Value(device, value)) => {
                let mut state = self.state();
                let Some(one) = state.subscribed.get_mut(path) else { return };
                let handle = one.handle;
                let real = one.echo.signalled(message.recv_position(), value);
                drop(state);
                for value in real {
                    heard(Event::Notified(device, handle, value));
                }
            }
        }
    }
    /// Signals that waited while a read was under way, and are notifications.
    pub(super) fn release(&self, what: &Characteristic, values: Vec<Vec<u8>>) {
        if !values.is_empty() {
            let events = values.into_iter().map(|value| Event::Notified(what.device, what.handle, value));
            self.state().held.extend(events);
            self.held.notify_one();
        }
    }

    // ---- what has to be looked after
    async fn tend(&self) -> Result<Infallible> {
        let hung = |failure: bus::Failure| match failure {
            bus::Failure::Late => Error::Hung("AddMatch"),
            other => Error::Stack(other.words()),
        };
        bus::listen(&self.bus, Instant::now() + CALL).await.map_err(hung)?;
        self.load().await?;
        loop {
            if std::mem::take(&mut self.state().stale) {
                self.load().await?;
            }
            let wait = self.keep_scanning().await?;
            // Somebody wants a look, or it is time.
            if timeout(wait, self.look.notified()).await.is_err() {
                self.pulse(Instant::now() + CALL).await?;
            }
        }
    }
    pub(super) async fn pulse(&self, until: Instant) -> Result<Sequence> {
        let whom = (names::BLUEZ, "/", names::PEER, "Ping");
        match bus::ask(&self.bus, whom, &(), until).await {
            Ok(answer) => Ok(answer.recv_position()),
            Err(bus::Failure::Late) => Err(Error::Hung("Ping")),
            Err(failure) => Err(Error::Stack(format!("bluetoothd is gone: {}", failure.words()))),
        }
    }
    /// Until all that BlueZ has said by now is in the tree. Signals of several objects come in an order of their own: that all services
    /// are listed may be said before the last of them is.
    pub(super) async fn settle(&self, until: Instant) -> Result<()> {
        let at = match self.pulse(until).await {
            Err(Error::Hung(_)) => return Err(Error::Silent("Ping")), // there was little time; who looks after it has more
            at => at?,
        };
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.state().seen.is_some_and(|seen| seen >= at) || timeout_at(until, changed).await.is_err() {
                return Ok(());
            }
        }
    }
    /// What BlueZ knows already of those who are listened to.
    async fn load(&self) -> Result<()> {
        let message = objects(&self.bus).await?;
        let body = message.body();
        let Ok(objects) = body.deserialize::<Objects<'_>>() else {
            return Err(Error::Stack("not BlueZ: its objects cannot be read".to_owned()));
        };
        // Those above come first: a service before its characteristics.
        let mut all: Vec<_> = objects.iter().collect();
        all.sort_by_key(|(path, _)| path.as_str().to_owned());
        let mut state = self.state();
        for (path, interfaces) in all {
            // BlueZ takes the strength away when it has not heard it for a while.
            let near = interfaces.get(names::DEVICE).is_some_and(|properties| properties.get("RSSI").is_some());
            let near = near && state.tree.is_unheard(path.as_str());
            match state.tree.added(path.as_str(), interfaces, near) {
                Some(News::Heard(device, advert)) => state.held.push(Event::Known(device, advert)),
                // Its link was lost since it was asked, and the signal of it will say nothing new.
                Some(News::Disconnected(device)) => {
                    state.subscribed.retain(|_, one| one.device != device);
                    state.held.push(Event::Disconnected(device));
                }
                _ => {}
            }
            let own = interfaces.get(names::ADAPTER).filter(|_| path.as_str() == names::adapter(&self.name));
            if let Some(scans) = own.and_then(|properties| properties.bool("Discovering")) {
                state.scans = scans;
            }
        }
        drop(state);
        self.held.notify_one();
        self.changed.notify_waiters();
        Ok(())
    }
}
