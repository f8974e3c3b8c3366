//! `discover`: who is in the air, and a DeviceModel and a Device of one of them.
use super::{
    ask::{Found, How, ask},
    end, list,
    list::{Sort, View},
    model::{self, Made},
    names, note, print,
    whom::{Whom, is_alone, readable},
    yaml::{Chosen, Way},
};
use crate::{
    Address, Error,
    air::{Air, ROOM},
    bluez::{Adapter, BlueZ},
    radio::{Consent, Stack as _},
};
use clap::{ArgMatches, Args, Command, FromArgMatches};
use pollux_ble_codec::advert::bthome::Key;
use pollux_crds::Span;
use pollux_mapper::{Exit, Instant, Out, Stopped, printable};
use std::{
    env,
    pin::pin,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::{interval, sleep_until};

/// Where keys stand, so that they need not be arguments, which others on the machine see.
pub(super) const KEY_VARIABLE: &str = "POLLUX_BLE_BIND_KEY";
const PASSKEY_VARIABLE: &str = "POLLUX_BLE_PASSKEY";
/// How long it is listened where nobody watches, or for the sake of one.
const LISTEN: Span = Span::from_secs(10);
/// Connecting takes no longer, whatever is asked for.
const CONNECT: Duration = Duration::from_mins(10);
/// Between two pictures.
const PICTURE: Duration = Duration::from_millis(500);
const EXAMPLES: &str = "\
Examples:
  pollux-ble discover                                      who is in the air, until Ctrl-C
  pollux-ble discover --filter bthome --sort heard         those in whose line that stands, the last one first
  pollux-ble discover --for 1m > table.txt                 one table at the end
  pollux-ble discover A4:C1:38:00:11:22 --yaml > s.yaml    one that only advertises: what it was heard sending
  pollux-ble discover 'Cold store' --yaml > s.yaml         one that is connected: its characteristics
  pollux-ble discover 'Front door' --yaml --pair           … which it shows to who is paired with it
  pollux-ble check s.yaml; pollux-ble read s.yaml          what was written works as it is

One that advertises in a known format (BTHome, Ruuvi, iBeacon, Eddystone) is written as it was heard, every other is connected and
asked: --connect and --advertised say otherwise. Known characteristics are written by their names and fields, others as bytes.
The Device is of mode Monitor: nothing is written to it until that is changed, nor is anything now. A key of BTHome stands in the
environment as POLLUX_BLE_BIND_KEY, a passkey as POLLUX_BLE_PASSKEY. What is said beside the YAML goes to standard error.";

/// Show who is in the air; with --yaml write a DeviceModel and a Device of one
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
struct Options {
    /// With --yaml: whom, by address or by the name that it advertises
    #[arg(value_name = "ADDRESS|NAME", requires = "yaml")]
    whom: Option<String>,
    /// Write a DeviceModel and a Device
    #[arg(long, requires = "whom")]
    yaml: bool,
    /// hci0, or the adapter's address [default: the best there is]
    #[arg(long)]
    adapter: Option<String>,
    /// How long to listen [default: 10s; on a terminal without --yaml until Ctrl-C]
    #[arg(long = "for", value_name = "TIME")]
    lasts: Option<Span>,
    /// Only those with this text in their line, in capitals or not; given again: or that
    #[arg(long, value_name = "TEXT", conflicts_with = "yaml")]
    filter: Vec<String>,
    /// By what the table is sorted
    #[arg(long, value_enum, default_value_t)]
    sort: Sort,
    /// With --yaml: connect, also where it advertises in a known format
    #[arg(long, requires = "yaml", conflicts_with = "advertised")]
    connect: bool,
    /// With --yaml: do not connect, also where it advertises in no known format: its data are bytes
    #[arg(long, requires = "yaml")]
    advertised: bool,
    /// With --yaml: pair when connected, by the passkey in POLLUX_BLE_PASSKEY or, without one, by just works
    #[arg(long, requires = "yaml", conflicts_with = "advertised")]
    pair: bool,
    /// With --yaml: also counters and addresses in advertisements, and the characteristics of the stack itself (1800, 1801)
    #[arg(long, requires = "yaml")]
    all: bool,
    /// With --yaml: how often what does not notify is to be read
    #[arg(long, default_value = "1m")]
    interval: Span,
    /// With --yaml: how long connecting may take, and pairing
    #[arg(long, value_name = "TIME", default_value = "20s")]
    timeout: Span,
    /// With --yaml: name of the Secret that is to have the device's keys
    #[arg(long, default_value = "ble-keys")]
    secret: String,
    /// With --yaml: node from which the Device is to be reached: in a cluster of several it needs one
    #[arg(long)]
    node: Option<String>,
    /// With --yaml: what it is to be called [default: by the name that it advertises, or its address]
    #[arg(long)]
    name: Option<String>,
}

pub(super) fn command() -> Command {
    Options::augment_args(Command::new("discover")).after_help(EXAMPLES)
}

pub(super) async fn run(stack: &BlueZ, matches: &ArgMatches, mut out: Out, mut stopped: Stopped) -> Exit {
    let options = match Options::from_arg_matches(matches) {
        Ok(options) => options,
        Err(error) => return end(&mut out, Exit::Usage, &error.to_string()),
    };
    let keys = match options.keys() {
        Ok(keys) => keys,
        Err(text) => return end(&mut out, Exit::Usage, &text),
    };
    let done = match &options.whom {
        None => options.list(stack, &mut out, &mut stopped).await,
        Some(whom) => options.write(stack, whom, keys, &mut out, &mut stopped).await,
    };
    match done {
        Ok(exit) => exit,
        Err(Ended::Stopped) if !options.yaml => Exit::Ok,
        Err(Ended::Stopped) => end(&mut out, Exit::Fault, "stopped before it was done"),
        Err(Ended::Fault(text)) => end(&mut out, Exit::Fault, &printable(&text)),
    }
}

/// Why it is over before its time.
pub(super) enum Ended {
    Stopped,
    Fault(String),
}
impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Self::Fault(error.to_string())
    }
}

/// What the environment has.
struct Keys {
    bind: Option<Key>,
    passkey: Option<u32>,
}

fn lock(air: &Mutex<Air>) -> MutexGuard<'_, Air> {
    air.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Listens for that time, or until it is asked to stop; no time: for ever.
async fn listen(
    adapter: &Adapter,
    air: &Mutex<Air>,
    time: Option<Span>,
    stopped: &mut Stopped,
    mut show: impl FnMut(&Air) -> std::io::Result<()>,
) -> Result<(), Ended> {
    let until = time.and_then(|time| Instant::now().checked_add(time.duration())); // none: for ever
    let ended: Result<(), Ended> = {
        let hear = |sighting| lock(air).hear(&sighting, Instant::now());
        let mut listening = pin!(adapter.everybody(&hear));
        let mut pictures = interval(PICTURE);
        loop {
            tokio::select! {
                error = &mut listening => break Err(error.into()),
                () = &mut *stopped => break Err(Ended::Stopped),
                () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => break Ok(()),
                _ = pictures.tick() => if show(&lock(air)).is_err() { break Ok(()) }, // who read has left
            }
        }
    };
    adapter.stop_scanning().await;
    ended
}

impl Options {
    fn keys(&self) -> Result<Keys, String> {
        if let Some(name) = &self.name {
            names::checked("--name", name)?;
        }
        names::checked("--secret", &self.secret)?;
        let bind = env::var(KEY_VARIABLE).ok().filter(|_| self.yaml);
        let bind = bind.map(|text| text.trim().parse::<Key>().map_err(|error| format!("{KEY_VARIABLE}: {error}")));
        let passkey = env::var(PASSKEY_VARIABLE).ok().filter(|_| self.pair);
        let passkey = passkey.map(|text| {
            let six = text.len() == 6 && text.bytes().all(|digit| digit.is_ascii_digit());
            text.parse::<u32>()
                .ok()
                .filter(|_| six)
                .ok_or_else(|| format!("{PASSKEY_VARIABLE}: a passkey has six digits"))
        });
        Ok(Keys { bind: bind.transpose()?, passkey: passkey.transpose()? })
    }
    async fn open(&self, stack: &BlueZ, stopped: &mut Stopped, out: &mut Out) -> Result<Adapter, Ended> {
        out.progress("looking for the adapter");
        tokio::select! {
            adapter = stack.open(self.adapter.as_deref()) => Ok(adapter?),
            () = stopped => Err(Ended::Stopped),
        }
    }
    // ---- the table
    async fn list(&self, stack: &BlueZ, out: &mut Out, stopped: &mut Stopped) -> Result<Exit, Ended> {
        let view = View { sort: self.sort, filter: self.filter.iter().map(|text| text.to_lowercase()).collect() };
        let wanted = view.clone();
        let air = Mutex::new(Air::new(ROOM, Box::new(move |address, heard| wanted.wants(address, heard)), None));
        let adapter = self.open(stack, stopped, out).await?;
        let time = self.lasts.or(out.screen().is_none().then_some(LISTEN));
        let show = |air: &Air| {
            if let Some(screen) = out.screen() {
                return out.draw(&view.picture(air, Instant::now(), screen));
            }
            out.progress(&format!("{} heard{}", air.all().count(), list::left_out(air)));
            Ok(())
        };
        let ended = listen(&adapter, &air, time, stopped, show).await;
        let air = lock(&air);
        if out.screen().is_none() && print(out, &view.whole(&air, Instant::now())) != Exit::Ok {
            return Ok(Exit::Fault);
        }
        let count = air.all().count();
        out.remark(&format!("{count} devices were heard{}", list::left_out(&air)));
        match ended {
            Ok(()) | Err(Ended::Stopped) => Ok(Exit::Ok),
            Err(fault) => Err(fault),
        }
    }

    // ---- one of them
    async fn write(
        &self,
        stack: &BlueZ,
        whom: &str,
        keys: Keys,
        out: &mut Out,
        stopped: &mut Stopped,
    ) -> Result<Exit, Ended> {
        let is = Whom::of(whom);
        let wanted = is.clone();
        let has_key = keys.bind.is_some();
        let air = Mutex::new(Air::new(ROOM, Box::new(move |address, heard| wanted.is(address, heard)), keys.bind));
        let adapter = self.open(stack, stopped, out).await?;
        let time = self.lasts.unwrap_or(LISTEN);
        let show = |air: &Air| {
            let there = if is.all(air).is_empty() { "not heard yet" } else { "heard" };
            out.progress(&format!("listening for {time}: {} {there}", printable(whom)));
            Ok(())
        };
        listen(&adapter, &air, Some(time), stopped, show).await?;
        drop(adapter);
        let (address, heard) = is.one(&lock(&air), time)?;
        let chosen = Chosen {
            address,
            heard: &heard,
            by_name: heard.rotates(address) && is_alone(&lock(&air), &heard),
            adapter: self.adapter.as_deref(),
            name: self.name.as_deref(),
            node: self.node.as_deref(),
            secret: &self.secret,
            interval: self.interval,
        };
        if self.advertised || !(self.connect || self.pair || heard.formats.is_empty()) {
            let way = Way::Heard { encrypted: heard.formats.values().any(|(_, spoken)| spoken.encrypted) };
            readable(&heard, has_key).map_err(Ended::Fault)?;
            return Ok(self.finish(&chosen, way, &model::heard(&heard, self.all), out));
        }
        let found = self.ask(stack, address, keys.passkey, out, stopped).await?;
        let way = Way::Connected { paired: self.pair.then_some(keys.passkey.is_some()) };
        Ok(self.finish(&chosen, way, &model::connected(&found, self.all), out))
    }
    async fn ask(
        &self,
        stack: &BlueZ,
        address: Address,
        passkey: Option<u32>,
        out: &mut Out,
        stopped: &mut Stopped,
    ) -> Result<Vec<Found>, Ended> {
        let adapter = self.open(stack, stopped, out).await?;
        let pair = self.pair.then_some(passkey.map_or(Consent::JustWorks, Consent::Passkey));
        let how = How { connect: self.timeout.duration().min(CONNECT), pair };
        match ask(&adapter, address, how, stopped, out).await {
            None => Err(Ended::Stopped),
            Some(Ok(found)) => Ok(found),
            Some(Err(error @ Error::Connect(..))) => {
                let hint = "it may hold a connection already; one that only advertises is written by --advertised";
                Err(Ended::Fault(format!("{error}: {hint}")))
            }
            Some(Err(error @ Error::Pairing(..))) => {
                Err(Ended::Fault(format!("{error}; its passkey, if it has one, stands in {PASSKEY_VARIABLE}")))
            }
            Some(Err(error)) => Err(error.into()),
        }
    }
    fn finish(&self, chosen: &Chosen<'_>, way: Way, made: &Made, out: &mut Out) -> Exit {
        for remark in &made.remarks {
            note(out, remark);
        }
        if made.properties.is_empty() {
            return end(
                out,
                Exit::Fault,
                "nothing that may be read or written was found; see --all, --connect and --advertised",
            );
        }
        if chosen.heard.rotates(chosen.address) {
            let text = if chosen.by_name {
                "its address changes by itself: the Device has its name"
            } else {
                "its address changes by itself, and it has no name of its own: the Device will not be heard for long"
            };
            note(out, text);
        }
        let (name, secret) = (chosen.called(), &self.secret);
        let needs = match way {
            Way::Heard { encrypted: true } => Some("32 hexadecimal digits"),
            Way::Connected { paired: Some(true) } => Some("six digits"),
            _ => None,
        };
        if let Some(digits) = needs {
            note(
                out,
                &format!(
                    "the Device needs the key {name} in the Secret {secret}: kubectl create secret generic {secret} \
                     --from-literal={name}=… ({digits}); kubectl label secret {secret} pollux.rs/for=mappers"
                ),
            );
        }
        note(out, &format!("{name}: {} properties", made.properties.len()));
        print(out, &chosen.documents(way, made))
    }
}
