//! What this driver needs of a Bluetooth stack, and no more: BlueZ stands behind it, and a script in tests of what cannot be provoked
//! at a real one.
use crate::{
    address::Address,
    error::{Error, Result},
};
use pollux_ble_codec::Uuid;
use pollux_mapper::Instant;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    future::Future,
    sync::Arc,
    time::Duration,
};

/// Who is listened to; all others in the air cost nothing and are not remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watched {
    /// By address.
    pub addresses: BTreeSet<Address>,
    /// By the name that they advertise; how many are to have it.
    pub names: BTreeMap<String, usize>,
    /// What one of them advertises is wanted, also while all are connected.
    pub always: bool,
}

/// What was advertised. What did not come with it is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Advert {
    /// Signal strength in dBm.
    pub rssi: Option<i16>,
    /// Transmit power in dBm.
    pub tx_power: Option<i16>,
    /// Complete or shortened local name.
    pub name: Option<String>,
    /// By company identifier, without it.
    pub manufacturer: Vec<(u16, Vec<u8>)>,
    /// By service UUID.
    pub service: Vec<(Uuid, Vec<u8>)>,
}

/// Something that nobody asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It was heard.
    Heard(Address, Advert),
    /// What it advertised a short while ago, for who did not listen then: one that says the same again is not told of again.
    Known(Address, Advert),
    /// It notified or indicated a value of the characteristic with this handle.
    Notified(Address, u16, Vec<u8>),
    /// It has become paired with us.
    Paired(Address),
    /// Its connection ended.
    Disconnected(Address),
}

/// What may be done with a characteristic (Core specification, Vol 3 Part G 3.3.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a bit of the standard's")]
pub struct Can {
    /// Read.
    pub read: bool,
    /// Written, and answered.
    pub write: bool,
    /// Written without an answer.
    pub write_without_response: bool,
    /// Notify or indicate.
    pub notify: bool,
}

/// A characteristic of a connected device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Characteristic {
    /// Of the service that it stands in.
    pub service: Uuid,
    /// Its type.
    pub uuid: Uuid,
    /// Of its declaration; that of its value is the next.
    pub handle: u16,
    /// What it offers.
    pub can: Can,
    /// Whose it is.
    pub device: Address,
    /// Its name at the stack.
    pub path: Arc<str>,
}

/// What a device may do that asks to be paired.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// Nothing.
    No,
    /// Pair without a passkey.
    JustWorks,
    /// Pair by this passkey, and not without one.
    Passkey(u32),
}

/// Never shows the passkey.
impl fmt::Debug for Consent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::No => "No",
            Self::JustWorks => "JustWorks",
            Self::Passkey(_) => "Passkey(…)",
        })
    }
}

/// To take back what was tried: BlueZ needs two seconds to end a connection.
pub(crate) const REPAIR: Duration = Duration::from_secs(3);

/// When an attempt has to be given up, so that there is time by `until` to take back what it did.
#[must_use]
pub fn earlier(until: Instant) -> Instant {
    let left = until.saturating_duration_since(Instant::now());
    until - REPAIR.min(left / 2)
}

/// One adapter. Each wait ends by its `until`.
pub trait Radio: Send + Sync + 'static {
    /// Address of the adapter.
    fn identity(&self) -> String;
    /// Connections that it was seen to carry at most; none: not known.
    fn most(&self) -> Option<usize>;
    /// Whom to listen to from now on.
    fn watch(&self, whom: Watched);
    /// What it advertised last, of those who are listened to; none: it was not heard lately.
    fn advertised(&self, device: Address) -> Option<Advert>;
    /// Who advertises this name, once it is heard.
    fn named(&self, name: &str, until: Instant) -> impl Future<Output = Result<Address>> + Send;
    /// Connects where it is not, and lists its characteristics. After it failed the stack may go on trying until it is asked to `disconnect`,
    /// but not where the device was [not heard](Error::Unheard).
    fn connect(&self, device: Address, until: Instant) -> impl Future<Output = Result<Vec<Characteristic>>> + Send;
    /// What it may do from now on.
    fn consent(&self, device: Address, to: Consent) -> impl Future<Output = Result<()>> + Send;
    /// Pairs with it where we are not. When it returns its link is encrypted.
    fn pair(&self, device: Address, until: Instant) -> impl Future<Output = Result<()>> + Send;
    /// Whether there is no connection any more, as far as the stack knows, and none is being made.
    fn disconnect(&self, device: Address, until: Instant) -> impl Future<Output = bool> + Send;
    /// Its value.
    fn read(&self, what: &Characteristic, until: Instant) -> impl Future<Output = Result<Vec<u8>>> + Send;
    /// Sends a value; with an answer where `answered`.
    fn write(
        &self,
        what: &Characteristic,
        value: &[u8],
        answered: bool,
        until: Instant,
    ) -> impl Future<Output = Result<()>> + Send;
    /// Lets it notify, or indicate.
    fn subscribe(&self, what: &Characteristic, until: Instant) -> impl Future<Output = Result<()>> + Send;
    /// Listens; returns when the adapter or the stack is gone. Polled as long as the radio is used; `heard` does not wait.
    fn run(&self, heard: &(dyn Fn(Event) + Sync)) -> impl Future<Output = Error> + Send;
}

/// Opens radios.
pub trait Stack: Send + Sync + 'static {
    /// What it opens.
    type Radio: Radio;
    /// An adapter by name or address; none: the best there is.
    fn open(&self, adapter: Option<&str>) -> impl Future<Output = Result<Self::Radio>> + Send;
}
