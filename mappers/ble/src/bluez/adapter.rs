//! Which adapter it is, and that it can be used.
use super::{Adapter, State, bus, names, property::Properties, tree::Tree};
use crate::error::{Error, Result};
use futures_util::StreamExt as _;
use pollux_mapper::{Instant, LINK_LASTED};
use std::{collections::HashMap, sync::Mutex, time::Duration};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};
use zbus::{Message, MessageStream, ObjectPath};

/// For all of opening but its last look, so that who comes a little later is met. The engine dials again at once after that: a radio that
/// was away for long is not waited for any longer than one that was away for a moment.
const OPEN: Duration = LINK_LASTED.saturating_add(PAUSE).saturating_add(QUIET);
/// Between two looks at who is there, at least; and so much longer where nothing is told.
const PAUSE: Duration = Duration::from_millis(250);
const QUIET: Duration = Duration::from_millis(750);
/// For one call of those that only look.
pub(super) const CALL: Duration = Duration::from_secs(5);
/// For the list of all that BlueZ knows: where ten thousand are in the air that is megabytes.
const LIST: Duration = Duration::from_secs(15);

/// All objects, by path and interface.
pub(super) type Objects<'m> = HashMap<ObjectPath<'m>, HashMap<&'m str, Properties<'m>>>;

/// An adapter that BlueZ shows.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shown {
    name: String,
    address: String,
    powered: bool,
}

impl Adapter {
    pub(super) async fn open(address: Option<&str>, wanted: Option<&str>) -> Result<Self> {
        let until = Instant::now() + OPEN;
        let bus = bus::connect(address, until).await.map_err(|text| unreachable(&text))?;
        bus::listen(&bus, until.min(Instant::now() + CALL)).await.ok(); // or else it is looked from time to time
        loop {
            let missing = match find(&bus, wanted).await {
                Ok(found) => return Ok(Self::of(bus, found)),
                // Not there yet, perhaps: one that starts, or is plugged in again.
                Err(missing @ (Error::NoAdapter(_) | Error::Stack(_))) => missing,
                Err(other) => return Err(other),
            };
            if Instant::now() + PAUSE + QUIET >= until {
                return Err(missing);
            }
            stirs(&bus).await;
        }
    }
    fn of(bus: zbus::Connection, Shown { name, address, .. }: Shown) -> Self {
        let tree = Tree { adapter: name.clone(), ..Tree::default() };
        let state = Mutex::new(State { tree, ..State::default() });
        let (changed, look, held) = (Notify::new(), Notify::new(), Notify::new());
        let (scan, connecting, agent, consents, full) = Default::default();
        Self { bus, name, address, state, changed, look, held, scan, connecting, agent, consents, full }
    }
}

/// Until something is told, or a while.
async fn stirs(bus: &zbus::Connection) {
    let mut messages = MessageStream::from(bus);
    sleep(PAUSE).await;
    drop(timeout(QUIET, messages.next()).await);
}

/// All that BlueZ shows. That it answers at all is asked before, for the list may take long.
pub(super) async fn objects(bus: &zbus::Connection) -> Result<Message> {
    // To whoever is asked himself the bus may start him, and somebody has perhaps stopped him.
    let owned = (names::BUS, names::BUS_PATH, names::BUS, "NameHasOwner");
    let owned = bus::ask(bus, owned, &names::BLUEZ, Instant::now() + CALL).await;
    let owned = owned.map_err(|failure| unanswered(&failure, "NameHasOwner"))?;
    if owned.body().deserialize::<bool>().is_ok_and(|there| !there) {
        return Err(stopped());
    }
    let ping = (names::BLUEZ, "/", names::PEER, "Ping");
    bus::ask(bus, ping, &(), Instant::now() + CALL).await.map_err(|failure| unanswered(&failure, "Ping"))?;
    let list = (names::BLUEZ, "/", names::OBJECTS, "GetManagedObjects");
    bus::ask(bus, list, &(), Instant::now() + LIST).await.map_err(|failure| unanswered(&failure, "GetManagedObjects"))
}
fn stopped() -> Error {
    Error::Stack("bluetoothd is not running on this node: systemctl start bluetooth".to_owned())
}
fn unanswered(failure: &bus::Failure, what: &'static str) -> Error {
    match failure {
        bus::Failure::Late => Error::Hung(what),
        _ if failure.is_denied() => Error::Denied(format!(
            "the host's D-Bus policy does not let this user talk to org.bluez ({})",
            failure.words()
        )),
        _ if failure.is_nobody() => stopped(),
        _ => Error::Stack(format!("BlueZ cannot be asked: {}", failure.words())),
    }
}

async fn find(bus: &zbus::Connection, wanted: Option<&str>) -> Result<Shown> {
    let message = objects(bus).await?;
    let body = message.body();
    let objects: Objects<'_> = body.deserialize().map_err(|error| Error::Stack(format!("not BlueZ: {error}")))?;
    let mut shown: Vec<Shown> = objects.iter().filter_map(|(path, all)| show(path, all.get(names::ADAPTER)?)).collect();
    shown.sort_by_key(|one| (!one.powered, one.name.len(), one.name.clone()));
    choose(&shown, wanted)
}

fn show(path: &ObjectPath<'_>, properties: &Properties<'_>) -> Option<Shown> {
    let name = path.as_str().rsplit('/').next()?.to_owned();
    let (address, powered) = (properties.text("Address")?.to_owned(), properties.bool("Powered") == Some(true));
    Some(Shown { name, address, powered })
}

/// Of those shown, the best first.
fn choose(shown: &[Shown], wanted: Option<&str>) -> Result<Shown> {
    let fits =
        |one: &&Shown| wanted.is_none_or(|wanted| one.name == wanted || one.address.eq_ignore_ascii_case(wanted));
    match shown.iter().find(fits) {
        Some(one) if one.powered => Ok(one.clone()),
        Some(one) => Err(Error::NoAdapter(format!(
            "adapter {} is powered off: bluetoothctl power on, or rfkill unblock bluetooth",
            one.name
        ))),
        None if shown.is_empty() => Err(Error::NoAdapter(
            "this node has no Bluetooth adapter: plug one in, or look in dmesg whether its firmware is missing"
                .to_owned(),
        )),
        None => {
            let there: Vec<String> = shown.iter().map(|one| format!("{} ({})", one.name, one.address)).collect();
            Err(Error::NoAdapter(format!(
                "there is no adapter {}; there are: {}",
                wanted.unwrap_or("at all"),
                there.join(", ")
            )))
        }
    }
}

/// There is no bus, or it does not want us.
fn unreachable(text: &str) -> Error {
    let lower = text.to_ascii_lowercase();
    if lower.contains("apparmor") {
        return Error::Denied(format!(
            "AppArmor does not let this program use the system bus: a class says its profile in appArmorProfile ({text})"
        ));
    }
    // A bus that cannot look up the groups of a uid hangs up behind the handshake.
    if ["permission denied", "auth", "handshake", "read from socket"].iter().any(|word| lower.contains(word)) {
        return Error::Denied(format!(
            "the system bus refuses this user: its uid must be one that the host knows ({text})"
        ));
    }
    Error::Stack(format!("there is no D-Bus system bus: is bluetoothd installed, and /run/dbus mounted? ({text})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pollux_mapper::DriverError as _;

    #[test]
    fn the_best_adapter_is_one_that_is_powered_and_a_wrong_name_is_told_the_right_ones() {
        let one = |name: &str, powered| Shown {
            name: name.into(),
            address: format!("00:00:00:00:00:{}", name.len()),
            powered,
        };
        let all = [one("hci0", true), one("hci10", true), one("hci1", false)];
        assert_eq!(choose(&all, None).unwrap().name, "hci0");
        assert_eq!(choose(&all, Some("00:00:00:00:00:5")).unwrap().name, "hci10");
        let told = |wanted| choose(&all, wanted).unwrap_err().to_string();
        assert!(told(Some("hci1")).contains("powered off"), "{}", told(Some("hci1")));
        assert!(told(Some("hci7")).contains("there are: hci0 (00:00:00:00:00:4), hci10"), "{}", told(Some("hci7")));
        let none = choose(&[], None).unwrap_err();
        assert!(none.to_string().starts_with("this node has no Bluetooth adapter: plug one in"), "{none}");
        assert_eq!(none.kind().as_str(), "NoAdapter");
    }

    #[test]
    fn a_bus_that_apparmor_keeps_from_us_is_told_by_that_name() {
        // As a container's default profile on Ubuntu refuses the first call.
        let text = "An AppArmor policy prevents this sender from sending this message to this recipient; type=\"method_call\", \
                    interface=\"org.freedesktop.DBus\" member=\"Hello\"";
        let kept = unreachable(text);
        assert!(matches!(&kept, Error::Denied(text) if text.contains("appArmorProfile")), "{kept}");
    }

    #[test]
    fn a_bus_that_is_not_there_and_one_that_hangs_up_are_told_apart() {
        let hung_up = unreachable("I/O error: failed to read from socket");
        assert!(matches!(&hung_up, Error::Denied(text) if text.contains("its uid must be one that the host knows")));
        let absent =
            unreachable("failed to connect to `unix:path=/run/dbus/system_bus_socket`: No such file or directory");
        assert!(matches!(&absent, Error::Stack(text) if text.contains("no D-Bus system bus")), "{absent}");
    }
}
