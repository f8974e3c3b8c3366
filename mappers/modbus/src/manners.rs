//! How patient one device wants us to be.
use crate::{
    endpoint::Endpoint,
    frame::rtu::MAX_FRAME,
    plan::Range,
    wire::{Framing, Manners},
};
use pollux_crds::{ModbusDevice, Span};
use std::time::Duration;

/// As the engine has it, where none is given.
const TIMEOUT: Duration = Duration::from_secs(1);
const BUSY: (u32, Duration) = (3, Duration::from_millis(100));
/// Characters of a read's request, of its answer without data, and of the silence before each.
const AROUND: u32 = 8 + 5 + 2 * 4;
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
    /// What is under way ends before a write begins; where answers have no names something else may have to be asked first.
    before: (bool, bool),
    /// What a character takes on its way, where that is known.
    character: Duration,
}

/// What a read and its answer are on their way.
pub(crate) fn on_wire(character: Duration, range: Range) -> Duration {
    let data = if range.has_bits() { u32::from(range.count).div_ceil(8) } else { u32::from(range.count) * 2 };
    character * (AROUND + data)
}

/// The same of the longest request or answer, with the other.
pub(crate) fn longest(character: Duration) -> Duration {
    character * (u32::try_from(MAX_FRAME).unwrap_or_default() + AROUND)
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
            character: match endpoint.map(|endpoint| Framing::of(&endpoint.transport)) {
                Some(Framing::Rtu(timing)) => timing.character,
                Some(Framing::Mbap) | None => Duration::ZERO,
            },
        }
    }

    /// Tries of a read, with what is asked before each where a late answer could pass for its own.
    fn tries(&self) -> u32 {
        self.manners.retries + 1 + u32::from(self.before.1)
    }

    fn each(&self, timeout: Duration) -> Duration {
        let (times, delay) = self.manners.busy;
        timeout + delay * times + self.between
    }

    /// `timeout` is for the device alone: what is read has its time on the way.
    pub fn read(&self, timeout: Duration, range: Range) -> Duration {
        let each = timeout + on_wire(self.character, range);
        self.opening + self.each(Duration::ZERO) + each * self.tries()
    }

    /// Of so many requests.
    pub fn write(&self, timeout: Duration, requests: u32) -> Duration {
        let (several, nameless) = self.before;
        let timeout = timeout + self.on_wire();
        // On a line that is not known yet, a read tells whether it echoes; and one more where an answer is late.
        let requests = requests + u32::from(nameless) * 2;
        self.opening + self.each(timeout) * requests + timeout * u32::from(several)
    }

    fn on_wire(&self) -> Duration {
        longest(self.character)
    }

    pub fn attach(&self, timeout: Duration) -> Duration {
        if self.identify { self.opening + self.each(timeout + self.on_wire()) * IDENTIFYING } else { timeout }
    }
}
