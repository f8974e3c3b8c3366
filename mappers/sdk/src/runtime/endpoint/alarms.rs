//! When each device is to be looked at again, the first of them at hand: a thousand that rest cost nothing.
use crate::{DeviceKey, few::Few};
use std::time::Duration;

/// Moments of the runtime's clock.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    of: Few<DeviceKey, Duration>,
    order: Few<(Duration, DeviceKey), ()>,
}

impl Alarms {
    /// None: nothing is waited for.
    pub(super) fn set(&mut self, key: DeviceKey, at: Option<Duration>) {
        if self.of.get(&key).copied() == at {
            return;
        }
        let before = match at {
            Some(at) => self.of.insert(key, at),
            None => self.of.remove(&key),
        };
        if let Some(before) = before {
            self.order.remove(&(before, key));
        }
        if let Some(at) = at {
            self.order.insert((at, key), ());
        }
    }
    pub(super) fn first(&self) -> Option<Duration> {
        self.order.keys().next().map(|(at, _)| *at)
    }
    /// Whose moment has come.
    pub(super) fn due(&self, now: Duration) -> Vec<DeviceKey> {
        self.order.keys().take_while(|(at, _)| *at <= now).map(|(_, key)| *key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_known_whoever_comes_moves_and_goes() {
        let mut alarms = Alarms::default();
        let (a, b, second) = (DeviceKey(1), DeviceKey(2), Duration::from_secs);
        assert_eq!(alarms.first(), None);
        alarms.set(a, Some(second(5)));
        alarms.set(b, Some(second(3)));
        assert_eq!((alarms.first(), alarms.due(second(2))), (Some(second(3)), vec![]));
        assert_eq!(alarms.due(second(5)), [b, a]);
        alarms.set(b, Some(second(9)));
        alarms.set(b, Some(second(9)));
        assert_eq!((alarms.first(), alarms.due(second(9))), (Some(second(5)), vec![a, b]));
        alarms.set(a, None);
        alarms.set(a, None);
        assert_eq!((alarms.first(), alarms.due(second(8))), (Some(second(9)), vec![]));
    }
}
