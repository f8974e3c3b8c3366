//! One task per endpoint: connects, asks the arbiter what is next, polls exchanges and the link's pump, fills the columns.
mod asks;
mod command;
mod devices;
mod events;
mod finish;
mod held;
mod known;
mod load;
mod orders;
mod plans;
mod pool;
mod session;
mod stats;
mod told;

use crate::{
    Change, Cx, ErrorKind, Instant, PointFault, Protocol, QueueReceiver, Status, TelemetryOut,
    arbiter::Arbiter,
    columns::{Columns, Fresh},
    few::Few,
    outbox::{self, LinkState, StatusOut},
    port::{Inbox, Mail},
};
use asks::Ask;
use command::Order;
pub use command::{CallError, Command, DeviceKey, DeviceSpec, Layout, OFFLINE_AFTER, PointSpec, Write};
pub(crate) use devices::{as_driver_sees, groups, intervals};
use held::Held;
use pool::Pool;
pub(crate) use session::{DRAIN, FAREWELL};
use session::{End, farewell};
pub use stats::{Counter, Counters, Stats};
use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    pin::pin,
    sync::Arc,
    time::Duration,
};
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;
pub(crate) use told::LINGER;

/// Longest dial. A driver's own bound comes first (`connectTimeout` is a minute at most) and says what it waited for.
const CONNECT: Duration = Duration::from_secs(65);
const INBOX: usize = 65_536;
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_mins(1));
/// A link that lived so long was a good one, and a dial that took so long has waited itself: the next one comes within half a second.
pub const LINK_LASTED: Duration = Duration::from_secs(10);

/// One endpoint and its devices.
pub struct Engine<P: Protocol> {
    protocol: Arc<P>,
    endpoint: P::Endpoint,
    devices: Vec<Option<Box<Held<P>>>>,
    by_key: Few<DeviceKey, usize>,
    columns: Columns,
    arbiter: Arbiter<P::Request, Order>,
    asks: Vec<Ask>,
    /// Devices with news of themselves that the reader of status has not seen.
    untold: BTreeSet<usize>,
    /// For units that are yet to be prepared.
    kept: HashMap<DeviceKey, serde_json::Value>,
    link: Option<LinkState>,
    link_untold: bool,
    /// Points were told of a moment ago: until then more of them are waited for.
    told_until: Option<Instant>,
    status: StatusOut,
    telemetry: TelemetryOut,
    inbox: Arc<Inbox>,
    mail: Mail,
    pool: Pool,
    changes: Vec<Change>,
    due: Vec<u32>,
    /// Of attachments: unique in the engine, so that no port of a removed device fits its successor's number.
    epochs: u32,
    /// Of pieces of work: what was begun before is told from what was begun after.
    sequence: u64,
    stats: Arc<Stats>,
    meter: load::Meter,
}

impl<P: Protocol> fmt::Debug for Engine<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Engine({} at {}, {} devices)", P::NAME, self.endpoint, self.by_key.len())
    }
}

/// What reaches an engine while it runs.
struct Io<P: Protocol> {
    commands: QueueReceiver<Box<Command<P>>>,
    cx: Arc<Cx>,
    stop: CancellationToken,
}

/// How a wait between links ended.
enum Met<T> {
    Done(T),
    Stop,
    Rotated,
}

impl<P: Protocol> Engine<P> {
    /// An engine without devices: they are added by [`add`](Self::add) or [`Command::Apply`].
    pub fn new(protocol: Arc<P>, endpoint: P::Endpoint, telemetry: TelemetryOut) -> (Self, Status) {
        let (status, reader) = outbox::status();
        let now = Instant::now();
        let engine = Self {
            protocol,
            endpoint,
            devices: vec![],
            by_key: Few::default(),
            columns: Columns::new(now, telemetry.is_read()),
            arbiter: Arbiter::new(now),
            asks: vec![],
            untold: BTreeSet::new(),
            kept: HashMap::new(),
            link: None,
            link_untold: false,
            told_until: None,
            status,
            telemetry,
            inbox: Inbox::new(INBOX),
            mail: Mail::default(),
            pool: Pool::default(),
            changes: vec![],
            due: vec![],
            epochs: 0,
            sequence: 0,
            stats: Arc::default(),
            meter: load::Meter::default(),
        };
        (engine, reader)
    }
    /// Cycles of its devices are counted from that moment, as those of all engines of a process.
    pub(crate) fn count_from(mut self, moment: Instant) -> Self {
        self.arbiter.count_from(moment);
        self
    }
    /// What it counts, for metrics.
    pub fn stats(&self) -> Arc<Stats> {
        self.stats.clone()
    }
    /// The newest values.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// Until `stop` is cancelled or the command channel closes. What is under way then ends by its `until`, nothing new
    /// starts, waiting writes are answered `NotSent`; at most five seconds. Commands are boxed, for a queue takes room for many of
    /// the largest one.
    pub fn run(
        self,
        commands: QueueReceiver<Box<Command<P>>>,
        cx: Arc<Cx>,
        stop: CancellationToken,
    ) -> impl Future<Output = Self> + Send {
        // Boxed: an async function holds what is moved into it twice, and so does whoever awaits it.
        let (mut this, mut io) = (Box::new(self), Io { commands, cx, stop });
        async move {
            this.live(&mut io).await;
            *this
        }
    }
    async fn live(&mut self, io: &mut Io<P>) {
        let mut failures = 0u32;
        loop {
            let began = Instant::now();
            let fault = match self.connect(io).await {
                Met::Stop => break,
                Met::Rotated => continue,
                Met::Done(Err(fault)) => {
                    self.stats.connect_failures.add(1);
                    fault
                }
                Met::Done(Ok(link)) => {
                    let end = self.session(&link, io).await;
                    self.tell(); // before the farewell, which takes its time
                    match end {
                        End::Stop => {
                            farewell::<P>(&link).await;
                            break;
                        }
                        End::Rotated => {
                            farewell::<P>(&link).await;
                            continue;
                        }
                        End::Dead(fault) => {
                            self.stats.links_lost.add(1);
                            fault
                        }
                    }
                }
            };
            if began.elapsed() >= LINK_LASTED {
                failures = 0;
            }
            self.unlink(&fault);
            let pause = sleep_until(Instant::now() + backoff(failures, fastrand::f64()));
            failures = failures.saturating_add(1);
            if matches!(self.meanwhile(pause, io, &fault).await, Met::Stop) {
                break;
            }
        }
        self.unlink(&PointFault::new(ErrorKind::Other, "shut down"));
        self.stats.plans.set(self.devices.iter().flatten().map(|d| d.plans.len() as u64).max().unwrap_or(0));
    }
    async fn connect(&mut self, io: &mut Io<P>) -> Met<Result<Box<P::Link>, PointFault>> {
        let (protocol, endpoint, cx) = (self.protocol.clone(), self.endpoint.clone(), io.cx.clone());
        // Boxed: it is large with TLS, and gone when the link is there. The link too, for it is handed on several times.
        let dial = async move { protocol.connect(&endpoint, &cx).await.map(Box::new) };
        let dial = Box::pin(tokio::time::timeout(CONNECT, dial));
        let met = self.meanwhile(dial, io, &PointFault::new(ErrorKind::Unreachable, "link down")).await;
        let link = match met {
            Met::Stop => return Met::Stop,
            Met::Rotated => return Met::Rotated,
            Met::Done(Ok(Ok(link))) => link,
            Met::Done(Ok(Err(error))) => {
                return Met::Done(Err(crate::Fault::Link(error).to_point()));
            }
            Met::Done(Err(_)) => {
                let text = format!("no connection within {} s", CONNECT.as_secs());
                return Met::Done(Err(PointFault::new(ErrorKind::Timeout, text)));
            }
        };
        self.stats.connects.add(1);
        self.linked(LinkState { up: true, identity: self.protocol.identity(&link), kind: None, reason: String::new() });
        Met::Done(Ok(link))
    }
    /// No link: whatever waits is answered, every device is down.
    fn unlink(&mut self, fault: &PointFault) {
        self.drain(); // what came over it by now, came
        self.tell();
        self.arbiter.relink(Instant::now());
        self.meter_stops();
        self.stats.slots_used.set(0);
        let why = PointFault::new(fault.kind, format!("link down: {}", fault.text));
        for order in self.arbiter.withdraw(|_, _| true) {
            order.not_sent(why.clone());
        }
        self.refuse_asks(|_| true, &why);
        let identity = self.protocol.recognize(&self.endpoint);
        self.linked(LinkState { up: false, identity, kind: Some(fault.kind), reason: fault.text.to_string() });
        for device in 0..self.devices.len() {
            self.succeed(device);
            self.health(device, Some(fault));
        }
        self.flush();
    }
    /// Between links: commands are answered while `wait` is waited for.
    async fn meanwhile<T>(&mut self, wait: impl Future<Output = T>, io: &mut Io<P>, why: &PointFault) -> Met<T> {
        let mut wait = pin!(wait);
        loop {
            let room = self.status.emptied();
            self.tell();
            tokio::select! {
                () = io.stop.cancelled() => return Met::Stop,
                done = &mut wait => return Met::Done(done),
                () = room => {}
                command = io.commands.recv() => match command {
                    None => return Met::Stop,
                    Some(command) => if self.command(*command, &mut io.cx, Some(why)) { return Met::Rotated },
                },
            }
        }
    }
}

/// Doubling, capped, and somewhere in its upper half, so that many mappers do not dial at once.
fn backoff(failures: u32, random: f64) -> Duration {
    (BACKOFF.0 * 2u32.pow(failures.min(7))).min(BACKOFF.1).mul_f64(0.5 + random / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backoff_doubles_is_capped_and_spread() {
        for (failures, full) in [(0, 500), (1, 1_000), (6, 32_000), (7, 60_000), (u32::MAX, 60_000)] {
            assert_eq!(backoff(failures, 0.0), Duration::from_millis(full / 2));
            assert_eq!(backoff(failures, 1.0), Duration::from_millis(full));
        }
    }
}
