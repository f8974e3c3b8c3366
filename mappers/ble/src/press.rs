//! Which value of an event is another one. A device says each several times, so that one of them is heard; what tells them apart is a
//! packet id or the counter of encryption, and where there is neither, the value itself.
use pollux_ble_codec::advert::bthome::Info;
use pollux_mapper::{Instant, Value};
use std::{collections::HashMap, time::Duration};

/// So long a button without packet ids is silent before the same press is another one.
const SILENCE: Duration = Duration::from_secs(5);

/// What an advertisement says of the events in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It is of before somebody listened: nothing in it happens now.
    Before,
    /// It is not heard twice: its packet id or its counter tells.
    Once,
    /// It may be heard again and again, of something that happens now: the first counts, and others where they differ.
    Now,
    /// The same of a device that is silent until something happens: the same after a silence counts too.
    Rarely,
    /// The same of something that is said all the time, such as a counter: the first is of before, others count where they differ.
    Always,
}

impl Heard {
    /// Of BTHome without a packet id, that is not encrypted.
    pub(crate) fn of(info: Info) -> Self {
        if info.trigger_based { Self::Rarely } else { Self::Now }
    }
}

/// The last value of each point.
#[derive(Debug, Default)]
pub(crate) struct Presses(HashMap<usize, (Value, Instant)>);

impl Presses {
    /// Whether it happened now.
    pub(crate) fn is_new(&mut self, at: usize, value: &Value, heard: Heard, now: Instant) -> bool {
        let before = self.0.insert(at, (value.clone(), now));
        match (heard, before) {
            (Heard::Before, _) | (Heard::Always, None) => false,
            (Heard::Once, _) | (Heard::Now | Heard::Rarely, None) => true,
            (Heard::Always | Heard::Now, Some((last, _))) => last != *value,
            (Heard::Rarely, Some((last, when))) => last != *value || now.saturating_duration_since(when) >= SILENCE,
        }
    }
    /// Nothing is pressed: what comes next is another one.
    pub(crate) fn ended(&mut self, at: usize) {
        self.0.remove(&at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_one_until_it_is_told_apart_by_its_id_its_end_or_a_silence() {
        let (mut presses, start) = (Presses::default(), Instant::now());
        let mut heard = |value: u64, heard, seconds| {
            presses.is_new(0, &Value::Uint(value), heard, start + Duration::from_secs(seconds))
        };
        for (value, how, seconds, new) in [
            (1, Heard::Before, 0, false),
            (1, Heard::Now, 1, false), // goes on from before
            (2, Heard::Now, 2, true),
            (2, Heard::Rarely, 3, false),
            (2, Heard::Rarely, 7, false), // it went on
            (2, Heard::Now, 12, false),
            (2, Heard::Rarely, 17, true),
            (2, Heard::Once, 17, true),
            (2, Heard::Always, 100, false),
            (3, Heard::Always, 100, true),
        ] {
            assert_eq!(heard(value, how, seconds), new, "{value} {how:?} at {seconds} s");
        }
        presses.ended(0);
        let at = start + Duration::from_secs(100);
        assert!(!presses.is_new(0, &Value::Uint(3), Heard::Always, at), "what stood there before it was heard");
        presses.ended(0);
        assert!(presses.is_new(0, &Value::Uint(3), Heard::Now, at));
        assert!(presses.is_new(1, &Value::Uint(3), Heard::Now, at), "each point by itself");
    }
}
