//! How a device is connected to, and what is set up over its connection before it is used.
use super::{LOOK, Link, NOT_TOLD};
use crate::{
    address::Address,
    error::{Error, Result},
    feed::Feed,
    radio::{Characteristic, Consent, Radio as _, Stack, earlier},
    unit::{Unit, Whom},
};
use pollux_ble_codec::advert::bthome::Key;
use pollux_crds::BlePairing;
use pollux_mapper::Instant;
use std::{convert::Infallible, sync::Arc, time::Duration};

/// For a subscription that is asked for again.
const ASK: Duration = Duration::from_secs(10);

impl<S: Stack> Link<S> {
    pub(super) async fn connect(&self, feed: &Feed, until: Instant) -> Result<()> {
        feed.unit.unpaired()?;
        let work = earlier(until);
        let address = match &feed.unit.whom {
            Whom::Address(address) => *address,
            Whom::Name(name) => self.radio.named(name, work).await?,
        };
        feed.is(address);
        self.radio.consent(address, self.consent(&feed.unit)?).await?;
        let all = match self.dial(&feed.unit, address, work).await {
            Ok(all) => all,
            // Whatever the stack still tries to do would hold a place of the adapter.
            Err(error) => {
                if matches!(error, Error::Unheard(_) | Error::Deaf(_)) {
                    self.ours.remove(address);
                } else {
                    self.end(address, until).await;
                }
                return Err(error);
            }
        };
        feed.made();
        feed.unit.is_at(Some(address));
        feed.find(&all);
        let ready = self.make_ready(feed, address, work).await.and_then(|()| feed.used(address));
        match ready {
            Ok(()) => {
                feed.unit.is_there();
                self.tell_said(&feed.unit, address);
            }
            Err(_) => self.end(address, until).await,
        }
        ready
    }
    async fn dial(&self, unit: &Unit, address: Address, until: Instant) -> Result<Vec<Characteristic>> {
        self.ours.add(address);
        let all = self.radio.connect(address, until).await?;
        if !unit.misses_words() || self.radio.advertised(address).is_some() || self.ours.has_neighbour() {
            return Ok(all);
        }
        // It was connected before we came, and not by a mapper that lives, beside which we are a `read`. It does not advertise as long as it is, and what it advertises is wanted.
        tracing::info!(device = %address, "it was connected before it was heard: it is connected anew");
        self.radio.disconnect(address, until).await;
        self.ours.add(address);
        self.radio.connect(address, until).await
    }
    /// What it said before it was connected, to one that has not heard it: it says nothing in the air meanwhile.
    fn tell_said(&self, unit: &Unit, address: Address) {
        if unit.misses_words()
            && let Some(advert) = self.radio.advertised(address)
        {
            unit.hear(address, &advert, true);
        }
    }
    async fn make_ready(&self, feed: &Feed, address: Address, until: Instant) -> Result<()> {
        if feed.unit.pairing == BlePairing::Required {
            let paired = self.radio.pair(address, until).await;
            paired.inspect_err(|error| feed.unit.not_paired(error))?;
        }
        self.subscribe(feed, until).await
    }
    fn consent(&self, unit: &Unit) -> Result<Consent> {
        let Some(entry) = unit.passkey.as_ref().filter(|_| unit.pairing != BlePairing::Never) else {
            return Ok(if unit.pairing == BlePairing::Never { Consent::No } else { Consent::JustWorks });
        };
        let text = self.secret("passkeyFrom", entry)?;
        let six = text.len() == 6 && text.bytes().all(|digit| digit.is_ascii_digit());
        let passkey = text.parse().ok().filter(|_| six);
        passkey.map(Consent::Passkey).ok_or_else(|| Error::Config("passkeyFrom: a passkey has six digits".to_owned()))
    }
    /// What stands in a Secret, without the end of its line.
    fn secret(&self, field: &str, entry: &str) -> Result<&str> {
        let missing = || Error::Config(format!("{field}: there is no {entry} in the Secrets of this mapper"));
        let text = self.secrets.get(entry).ok_or_else(missing)?;
        Ok(std::str::from_utf8(text).unwrap_or_default().trim())
    }
    /// What can notify does.
    async fn subscribe(&self, feed: &Feed, until: Instant) -> Result<()> {
        for place in 0..feed.unit.places.len() {
            self.subscribe_to(feed, place, until).await?;
        }
        Ok(())
    }
    /// Its value now is read, for it may not change for long.
    async fn subscribe_to(&self, feed: &Feed, place: usize, until: Instant) -> Result<()> {
        let found = match feed.place(place) {
            Ok(found) if found.can.notify && feed.wants_notify(place) => found,
            Ok(_) => {
                feed.has_no_events(place, &NOT_TOLD);
                return Ok(());
            }
            Err(fault) => {
                feed.has_no_events(place, &fault);
                return Ok(());
            }
        };
        if let Some(fault) = feed.unit.is_sealed(place) {
            feed.has_no_events(place, &fault);
            feed.wants_pairing(place, Instant::now(), fastrand::f64());
            return Ok(());
        }
        if let Err(error) = self.radio.subscribe(&found, until).await {
            return not_subscribed(feed, place, &found, error);
        }
        feed.decided(place);
        let items = || feed.points_of(place).filter_map(|at| feed.unit.items.get(at));
        let pushed = || items().filter(|item| item.notify != pollux_crds::BleNotify::Never);
        feed.pushes(pushed().map(|item| item.slot));
        feed.has_events(place);
        if found.can.read {
            match self.radio.read(&found, until).await {
                Ok(bytes) => feed.stood(found.handle, &bytes),
                Err(Error::Refused(_)) => {} // then it only notifies
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }
    /// What was refused for want of a pairing: the device may have been paired since, or let pair. One after the other, each with an end.
    pub(super) async fn ask_again(&self) -> Infallible {
        loop {
            tokio::time::sleep(LOOK).await;
            let feeds: Vec<Arc<Feed>> = self.state().feeds.values().cloned().collect();
            for feed in feeds {
                let now = Instant::now();
                let Some(place) = feed.due(now) else { continue };
                if let Err(error) = self.subscribe_to(&feed, place, now + ASK).await {
                    tracing::debug!(%error, "not subscribed to");
                    feed.wants_pairing(place, Instant::now(), fastrand::f64());
                }
            }
        }
    }
    pub(super) fn key(&self, unit: &Unit) -> Result<Option<Key>> {
        let Some(entry) = &unit.bind_key else { return Ok(None) };
        let text = self.secret("bindKeyFrom", entry)?;
        text.parse().map(Some).map_err(|error| Error::Config(format!("bindKeyFrom: {error}")))
    }
}

/// One that refuses is read instead.
fn not_subscribed(feed: &Feed, place: usize, found: &Characteristic, error: Error) -> Result<()> {
    if !matches!(error, Error::Refused(_)) {
        return Err(error);
    }
    tracing::info!(characteristic = %found.uuid, %error, "cannot be subscribed to: it is read");
    if error.wants_pairing() {
        feed.has_no_events(place, &error.of_point());
        feed.wants_pairing(place, Instant::now(), fastrand::f64());
    } else {
        feed.has_no_events(place, &NOT_TOLD);
        feed.decided(place);
    }
    feed.unit.failed_at(place, &error);
    Ok(())
}
