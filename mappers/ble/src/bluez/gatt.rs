//! Reading, writing and notifications of one characteristic.
use super::{Adapter, Subscribed, bus, echo::Echo, names};
use crate::{
    error::{Error, Result},
    radio::Characteristic,
};
use pollux_mapper::Instant;
use std::collections::HashMap;
use zbus::Variant;

impl Adapter {
    async fn ask_characteristic<B>(
        &self,
        what: &Characteristic,
        member: &'static str,
        body: &B,
        until: Instant,
    ) -> Result<zbus::Message>
    where
        B: serde::Serialize + zbus::DynamicType + Sync,
    {
        let (whom, began) = ((names::BLUEZ, &*what.path, names::CHARACTERISTIC, member), Instant::now());
        bus::ask(&self.bus, whom, body, until).await.map_err(|failure| {
            let unpaired = self.refused_since(what.device, began);
            unpaired.unwrap_or_else(|| self.refusal(what, member, &failure))
        })
    }
    fn refusal(&self, what: &Characteristic, member: &'static str, failure: &bus::Failure) -> Error {
        match failure {
            bus::Failure::Late => Error::Silent(member),
            bus::Failure::Bus(text) => Error::Stack(text.clone()),
            _ if failure.is_nobody() => Error::Stack("bluetoothd is not running".to_owned()),
            _ if failure.is_unknown() || failure.is("NotConnected") || !self.is_connected(what.device) => {
                Error::Gone(what.device)
            }
            bus::Failure::Refused(name, text) => {
                let word = name.rsplit('.').next().unwrap_or(name);
                let text = if text.is_empty() { word.to_owned() } else { format!("{word}: {text}") };
                Error::Refused(att(&text))
            }
        }
    }
    pub(super) async fn fetch(&self, what: &Characteristic, until: Instant) -> Result<Vec<u8>> {
        let echo = |with: &mut dyn FnMut(&mut Echo)| {
            if let Some(one) = self.state().subscribed.get_mut(&what.path) {
                with(&mut one.echo);
            }
        };
        echo(&mut Echo::asked);
        let answer = self.ask_characteristic(what, "ReadValue", &bus::nothing(), until).await;
        let answer = answer.and_then(|message| {
            let value = message.body().deserialize::<Vec<u8>>();
            let value = value.map_err(|error| Error::Refused(format!("not a value: {error}")))?;
            Ok((message.recv_position(), value))
        });
        let mut held = vec![];
        echo(&mut |echo| {
            let known = answer.as_ref().ok().map(|(at, value)| (*at, value.as_slice()));
            held.extend(echo.answered(known));
        });
        self.release(what, held);
        answer.map(|(_, value)| value)
    }
    pub(super) async fn send(&self, what: &Characteristic, value: &[u8], answered: bool, until: Instant) -> Result<()> {
        let kind = Variant::from(if answered { "request" } else { "command" });
        let options = HashMap::from([("type", kind)]);
        self.ask_characteristic(what, "WriteValue", &(value, options), until).await.map(drop)
    }
    pub(super) async fn let_notify(&self, what: &Characteristic, until: Instant) -> Result<()> {
        // From now on, for the first may come before the answer.
        let one = Subscribed { device: what.device, handle: what.handle, echo: Echo::default() };
        self.state().subscribed.insert(what.path.clone(), one);
        let started = self.ask_characteristic(what, "StartNotify", &(), until).await;
        if started.is_err() {
            self.state().subscribed.remove(&what.path);
        }
        started.map(drop)
    }
}

/// ATT errors by their names (Core specification, Vol 3 Part F 3.4.1.1).
fn att(text: &str) -> String {
    let code = text.rsplit_once("0x").and_then(|(_, code)| u8::from_str_radix(code.trim(), 16).ok());
    let name = match code {
        Some(0x01) => "invalid handle",
        Some(0x02) => "read not permitted",
        Some(0x03) => "write not permitted",
        Some(0x05) => "insufficient authentication",
        Some(0x06) => "request not supported",
        Some(0x07) => "invalid offset",
        Some(0x08) => "insufficient authorization",
        Some(0x0d) => "invalid attribute value length",
        Some(0x0e) => "unlikely error",
        Some(0x0f) => "insufficient encryption",
        Some(0x11) => "insufficient resources",
        Some(0x13) => "value not allowed",
        Some(0x80..=0x9f) => "application error",
        _ => return text.to_owned(),
    };
    format!("{text} ({name})")
}
