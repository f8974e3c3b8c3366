//! Which advertisements are new.

/// A counter below this may be that of a device that began anew. bthome-ble, the reference, takes every counter below 100.
const LOW: u32 = 100;
/// So many low counters in a row, each greater than the one before, before one is believed to be a new beginning.
const IN_A_ROW: u8 = 3;

/// The counter of a device that encrypts: only greater ones are new.
///
/// A device may begin at 0 again, after its battery was changed or the counter ran over, and BTHome gives no means to tell that from old
/// advertisements of its first minutes, sent again by somebody. The reference takes any counter below 100 at any time. Here three low ones
/// in a row must come, each greater than the one before, and no counter beyond the last in between: while the device itself is heard, old
/// advertisements are refused, but for somebody who sends three of them between two of its own. To whom that matters: no counter of BTHome
/// is safe enough to open a door by (bthome.io/encryption says so too).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Replay {
    last: Option<u32>,
    /// Low counters that came in a row: the greatest, and how many.
    anew: Option<(u32, u8)>,
}

/// What is to be done with an advertisement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// To be taken; its counter is to be kept.
    New,
    /// Sent again by the device, or heard twice: nothing new.
    Repeated,
    /// Lower, but it may be a new beginning: not taken, unless it goes on so.
    Waiting,
    /// Lower: an old one sent again.
    Replayed,
}

impl Replay {
    /// After a restart of the mapper, with what was kept. Kept late, it lets through what was sent since.
    pub const fn new(last: Option<u32>) -> Self {
        Self { last, anew: None }
    }
    /// The counter that is to be kept.
    pub const fn last(&self) -> Option<u32> {
        self.last
    }

    /// Judges the counter of an advertisement whose integrity was checked; never ask before that.
    pub fn check(&mut self, counter: u32) -> Verdict {
        match self.last {
            Some(last) if counter == last => return Verdict::Repeated,
            Some(last) if counter < last => return self.check_lower(counter),
            _ => {}
        }
        *self = Self::new(Some(counter));
        Verdict::New
    }

    fn check_lower(&mut self, counter: u32) -> Verdict {
        let times = match self.anew {
            _ if counter >= LOW => return Verdict::Replayed,
            Some((before, _)) if counter == before => return Verdict::Waiting,
            Some((before, times)) if counter > before => times.saturating_add(1),
            _ => 1,
        };
        if times >= IN_A_ROW {
            *self = Self::new(Some(counter));
            return Verdict::New;
        }
        self.anew = Some((counter, times));
        Verdict::Waiting
    }
}

/// The packet ids of a device that does not encrypt: an advertisement is new if its id differs from that of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PacketIds(Option<u8>);

impl PacketIds {
    /// Whether an advertisement with this id is new. Without an id each one is.
    pub fn is_new(&mut self, id: Option<u8>) -> bool {
        let new = id.is_none() || id != self.0;
        self.0 = id.or(self.0);
        new
    }
}
