//! Which values of an Event happened. A server sends them as it sends those of any node, and first the one that stands there: after each
//! subscription, be it made anew, and when a node was Bad.
use crate::{error::Code, wire::Sample};
use opcua::types::Variant;

/// What was heard of one Event. It outlives subscriptions and connections.
#[derive(Debug, Default)]
pub(crate) struct Past {
    last: Option<Last>,
    /// What comes next came after the last one. Else it may be the last one again.
    listens: bool,
}

/// The last one, and when the source had it; 0: it does not say.
#[derive(Debug, PartialEq)]
struct Last {
    source: i64,
    value: Variant,
}

impl Past {
    /// What comes next is what stands there.
    pub(crate) fn begin(&mut self) {
        self.listens = false;
    }
    /// Whether it is another one than the last. What stands there is one only if it is newer by its source's word, and another value: after
    /// a restart a server may stamp all values anew. Of a status alone, none is.
    pub(crate) fn happens(&mut self, sample: &Sample) -> bool {
        if Code(sample.status).is_bad() {
            self.begin();
            return false;
        }
        let new = Last { source: sample.source, value: sample.value.clone() };
        let listens = std::mem::replace(&mut self.listens, true);
        let happens = match &self.last {
            None => listens,
            Some(last) if listens => new.source == 0 || *last != new,
            Some(last) => last.source != 0 && new.source > last.source && last.value != new.value,
        };
        self.last = Some(new);
        happens
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opcua::types::StatusCode;

    #[test]
    fn what_stands_there_happened_only_if_it_is_newer_and_another() {
        let mut past = Past::default();
        let begin = |past: &mut Past| past.begin();
        let mut hears = |begins: bool, value: i32, source, status: StatusCode| {
            if begins {
                begin(&mut past);
            }
            let (value, status) = (Variant::from(value), status.bits());
            past.happens(&Sample { handle: 1, value, status, source, server: 0 })
        };
        let (good, doubtful, bad) =
            (StatusCode::Good, StatusCode::UncertainLastUsableValue, StatusCode::BadNoCommunication);
        for (begins, value, source, status, happens, why) in [
            (true, 5, 10, good, false, "it stood there"),
            (false, 5, 11, good, true, "the same, later"),
            (false, 6, 11, good, true, "another, by a coarse clock"),
            (false, 6, 11, doubtful, false, "another status alone"),
            (false, 6, 0, good, true, "without time"),
            (false, 6, 0, good, true, "without time, again"),
            (true, 7, 20, good, false, "when the last was is not known"),
            (true, 7, 20, good, false, "the last one again"),
            (true, 8, 20, good, false, "of the time of the last one"),
            (true, 9, 19, good, false, "older"),
            (true, 9, 30, good, false, "stamped anew"),
            (true, 10, 31, good, true, "while nobody listened"),
            (true, 11, 0, good, false, "nobody knows when"),
            (true, 11, 40, good, false, "nor that"),
            (false, 11, 0, bad, false, "none"),
            (false, 11, 40, good, false, "what stood there before it was Bad"),
            (false, 12, 0, bad, false, "none"),
            (false, 12, 41, good, true, "while it was Bad"),
            (false, 12, 42, good, true, "as always"),
        ] {
            assert_eq!(hears(begins, value, source, status), happens, "{value} of {source}: {why}");
        }
    }
}
