//! Calls over the system bus, each with an end.
use super::{names, socket};
use pollux_mapper::Instant;
use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    net::UnixStream,
    time::{sleep, timeout_at},
};
use zbus::{
    Address, Connection, DBusError as _, DynamicType, Message, Variant,
    address::transport::{Transport, UnixSocket},
    connection::Builder,
};

/// Why a call came to nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// No answer in time.
    Late,
    /// An error, by its name and in its words.
    Refused(String, String),
    /// The bus itself.
    Bus(String),
}

impl Failure {
    fn of(error: &zbus::Error) -> Self {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        match error {
            zbus::Error::MethodError(name, words, _) => Self::Refused(name.as_str().to_owned(), text(words.as_deref())),
            zbus::Error::FDO(error) => Self::Refused(error.name().as_str().to_owned(), text(error.description())),
            other => Self::Bus(other.to_string()),
        }
    }
    /// The object or its interface is not there (any more).
    pub(super) fn is_unknown(&self) -> bool {
        matches!(self, Self::Refused(name, _) if name.starts_with("org.freedesktop.DBus.Error.Unknown"))
    }
    /// Nobody is there to ask.
    pub(super) fn is_nobody(&self) -> bool {
        let Self::Refused(name, _) = self else { return false };
        // Spawn.…: the bus has tried to start it. NoReply: it has ended, and owed an answer.
        let word = name.strip_prefix("org.freedesktop.DBus.Error.").unwrap_or_default();
        matches!(word, "ServiceUnknown" | "NameHasNoOwner" | "Disconnected" | "NoReply") || word.starts_with("Spawn.")
    }
    pub(super) fn is_denied(&self) -> bool {
        matches!(self, Self::Refused(name, _) if name == "org.freedesktop.DBus.Error.AccessDenied")
    }
    /// `org.bluez.Error.` and this.
    pub(super) fn is(&self, word: &str) -> bool {
        matches!(self, Self::Refused(name, _) if name.strip_prefix("org.bluez.Error.") == Some(word))
    }
    /// For people.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Late => "no answer in time".to_owned(),
            Self::Refused(name, text) if text.is_empty() => name.rsplit('.').next().unwrap_or(name).to_owned(),
            Self::Refused(_, text) | Self::Bus(text) => text.clone(),
        }
    }
}

/// Asks somebody on the bus.
pub(super) async fn ask<B>(
    bus: &Connection,
    (whom, path, interface, member): (&str, &str, &str, &str),
    body: &B,
    until: Instant,
) -> Result<Message, Failure>
where
    B: serde::Serialize + DynamicType + Sync,
{
    let call = bus.call_method(Some(whom), path, Some(interface), member, body);
    match timeout_at(until, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(Failure::of(&error)),
        Err(_) => Err(Failure::Late),
    }
}

/// No options.
pub(super) fn nothing() -> HashMap<&'static str, Variant<'static>> {
    HashMap::new()
}

/// A connection to that bus, or to the system's.
pub(super) async fn connect(address: Option<&str>, until: Instant) -> Result<Connection, String> {
    let connecting = async {
        let builder = match path(address) {
            Some(path) => {
                let stream =
                    dial(&path).await.map_err(|error| format!("failed to connect to {}: {error}", path.display()))?;
                Builder::socket(socket::Bus(stream))
            }
            None => address.map_or_else(Builder::system, Builder::address),
        };
        builder.max_queued(QUEUE).build().await.map_err(|error| error.to_string())
    };
    timeout_at(until, connecting).await.unwrap_or_else(|_| Err("no answer in time".to_owned()))
}
/// A bus that has many who want to be let in is asked again.
async fn dial(path: &Path) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(AGAIN).await,
            other => return other,
        }
    }
}
/// None: it is no socket of the file system, or says which bus it has to be.
fn path(address: Option<&str>) -> Option<PathBuf> {
    let address = address.map_or_else(Address::system, str::parse).ok()?;
    let Transport::Unix(unix) = address.transport() else { return None };
    let UnixSocket::File(path) = unix.path() else { return None };
    address.guid().is_none().then(|| path.clone())
}

/// So soon it is tried again to be let in.
const AGAIN: Duration = Duration::from_millis(50);

/// Messages that wait to be looked at; the bus keeps more.
const QUEUE: std::num::NonZeroUsize = std::num::NonZeroUsize::new(512).unwrap();

/// Signals of these are sent to us.
pub(super) async fn listen(bus: &Connection, until: Instant) -> Result<(), Failure> {
    for rule in [
        "type='signal',sender='org.bluez'",
        "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='org.bluez'",
    ] {
        ask(bus, (names::BUS, names::BUS_PATH, names::BUS, "AddMatch"), &rule, until).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bluetoothd_that_the_bus_cannot_start_is_not_there() {
        let refused = |name: &str| Failure::Refused(name.into(), String::new());
        for name in ["ServiceUnknown", "NameHasNoOwner", "NoReply", "Spawn.ChildExited", "Spawn.ExecFailed"] {
            assert!(refused(&format!("org.freedesktop.DBus.Error.{name}")).is_nobody(), "{name}");
        }
        for name in ["org.freedesktop.DBus.Error.AccessDenied", "org.bluez.Error.Failed", "Spawn.ChildExited"] {
            assert!(!refused(name).is_nobody(), "{name}");
        }
        assert!(!Failure::Late.is_nobody());
    }
}
