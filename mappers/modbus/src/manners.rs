//! How patient one device wants us to be.
use crate::{endpoint::Endpoint, wire::Manners};
use pollux_crds::{ModbusDevice, Span};
use std::time::Duration;

/// As the engine has it, where none is given.
const TIMEOUT: Duration = Duration::from_secs(1);
const BUSY: (u32, Duration) = (3, Duration::from_millis(100));
/// Requests that asking a device who it is may take.
const IDENTIFYING: u32 = 4;

/// For the requests of one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    pub manners: Manners,
    /// Asked who it is when it is attached.
    pub identify: bool,
    /// Its connection may have to be opened first, and pauses are kept.
    opening: Duration,
    between: Duration,
    /// What is under way ends before a write begins; a late answer is waited for before another of its form is asked for.
    before: (bool, bool),
}

impl Patience {
    pub fn of(device: &ModbusDevice) -> Self {
        let whole = |n: Option<i32>| n.and_then(|n| u32::try_from(n).ok());
        let given = device.busy_retry.as_ref();
        let times = given.and_then(|busy| whole(busy.times)).unwrap_or(BUSY.0);
        let delay = given.and_then(|busy| busy.delay).map_or(BUSY.1, Span::duration);
        let manners = Manners {
            timeout: device.timeout.map_or(TIMEOUT, Span::duration),
            retries: whole(device.retries).unwrap_or(0).min(10),
            busy: (times.min(10), delay.min(Duration::from_secs(10))),
        };
        let endpoint = Endpoint::new(device).ok(); // what is wrong with it is told elsewhere
        let pacing = endpoint.as_ref().map(|endpoint| endpoint.pacing).unwrap_or_default();
        let dormant = endpoint.as_ref().filter(|endpoint| endpoint.pacing.close_after_idle.is_some());
        Self {
            manners,
            identify: device.identify.unwrap_or(false),
            opening: dormant.map_or(Duration::ZERO, |endpoint| endpoint.connect_timeout) + pacing.after_connect,
            between: pacing.between_requests,
            before: (
                endpoint.as_ref().is_some_and(|endpoint| endpoint.pipeline > 1),
                endpoint.as_ref().is_some_and(|endpoint| endpoint.transport.is_nameless()),
            ),
        }
    }

    /// How long a late answer to what was asked before may keep another request of its form from being sent, in time-outs.
    fn held(&self) -> u32 {
        if self.before.1 { (self.manners.retries + 1).max(2) } else { 0 }
    }

    fn each(&self, timeout: Duration) -> Duration {
        let (times, delay) = self.manners.busy;
        timeout + delay * times + self.between
    }

    pub fn read(&self, timeout: Duration) -> Duration {
        self.opening + self.each(timeout) + timeout * (self.manners.retries + self.held())
    }

    /// Of so many requests.
    pub fn write(&self, timeout: Duration, requests: u32) -> Duration {
        let (several, nameless) = self.before;
        // On a line that is not known yet, a read tells whether it echoes.
        let requests = requests + u32::from(nameless);
        self.opening + self.each(timeout) * requests + timeout * (u32::from(several) + self.held())
    }

    pub fn attach(&self, timeout: Duration) -> Duration {
        if self.identify { self.opening + self.each(timeout) * IDENTIFYING } else { timeout }
    }
}
