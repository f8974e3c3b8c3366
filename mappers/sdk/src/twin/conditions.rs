//! Connected, Healthy and InSync, and since when.
use super::{point::bounded, write::Verdict};
use crate::snapshot::timestamp;
use pollux_crds::{CONNECTED, Condition, HEALTHY, IN_SYNC};
use std::{
    borrow::Cow,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Connected goes from True to False or back at most once in this time.
const FLAP: Duration = Duration::from_secs(30);
/// Longest message, in characters.
const MESSAGE: usize = 1000;
/// Longest reason.
const REASON: usize = 64;
/// Lists that were said last, by whatever device.
const RECENT: usize = 16;

static SAID: Mutex<Vec<Arc<[Condition]>>> = Mutex::new(vec![]);

/// What is said now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) status: &'static str,
    pub(super) reason: Cow<'static, str>,
    pub(super) message: Cow<'static, str>,
}

impl Word {
    /// What is said as it stands in the program is kept once.
    pub(super) fn new(
        status: &'static str,
        reason: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { status, reason: short(reason.into(), REASON), message: short(message.into(), MESSAGE) }
    }
}

fn short(text: Cow<'static, str>, characters: usize) -> Cow<'static, str> {
    if text.len() <= characters { text } else { bounded(&text, characters).into() }
}

#[derive(Debug, Clone)]
struct Tracked {
    word: Word,
    since_ms: i64,
}
impl Tracked {
    fn new(now_ms: i64) -> Self {
        Self { word: Word::new("Unknown", "Starting", "nothing was heard of the device yet"), since_ms: now_ms }
    }
    /// Whether it is another word than before.
    fn set(&mut self, word: Word, now_ms: i64) -> bool {
        if self.word.status != word.status {
            self.since_ms = now_ms;
        }
        let changed = self.word != word;
        self.word = word;
        changed
    }
}

#[derive(Debug, Clone)]
pub(super) struct Conditions {
    connected: Tracked,
    healthy: Tracked,
    in_sync: Tracked,
    /// Counts how often a word was changed.
    edition: u32,
    flipped_at: Option<Duration>,
    /// When a word that was held back may be said.
    held_until: Option<Duration>,
}

impl Conditions {
    pub(super) fn new(now_ms: i64) -> Self {
        let new = || Tracked::new(now_ms);
        Self { connected: new(), healthy: new(), in_sync: new(), edition: 0, flipped_at: None, held_until: None }
    }
    /// The same [list](Self::list) as long as it is the same.
    pub(super) fn edition(&self) -> u32 {
        self.edition
    }
    pub(super) fn held_until(&self) -> Option<Duration> {
        self.held_until
    }
    /// `urgent`: only an edit can mend it, so nothing flaps.
    pub(super) fn connected(&mut self, word: Word, urgent: bool, now: super::Now) {
        let old = self.connected.word.status;
        let flips = old != "Unknown" && word.status != "Unknown" && old != word.status;
        let free = self.flipped_at.map_or(Duration::ZERO, |at| at + FLAP);
        if flips && !urgent && now.mono < free {
            self.held_until = Some(free);
            return;
        }
        if flips {
            self.flipped_at = Some(now.mono);
        }
        self.held_until = None;
        self.edition = self.edition.wrapping_add(self.connected.set(word, now.unix_ms).into());
    }
    pub(super) fn healthy(&mut self, word: Word, now_ms: i64) {
        self.edition = self.edition.wrapping_add(self.healthy.set(word, now_ms).into());
    }
    pub(super) fn in_sync(&mut self, word: Word, now_ms: i64) {
        self.edition = self.edition.wrapping_add(self.in_sync.set(word, now_ms).into());
    }
    pub(super) fn list(&self, generation: i64) -> Arc<[Condition]> {
        let all = [(CONNECTED, &self.connected), (HEALTHY, &self.healthy), (IN_SYNC, &self.in_sync)];
        let condition = |(type_, tracked): (&str, &Tracked)| Condition {
            type_: type_.into(),
            status: tracked.word.status.into(),
            reason: tracked.word.reason.to_string(),
            message: tracked.word.message.to_string(),
            observed_generation: generation,
            last_transition_time: seconds(tracked.since_ms),
        };
        shared(all.map(condition))
    }
}

/// Devices of one plant come up in the same second and say the same: one list does for all of them.
fn shared(said: [Condition; 3]) -> Arc<[Condition]> {
    let mut recent = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(at) = recent.iter().position(|list| **list == said) {
        recent[..=at].rotate_right(1);
        return recent[0].clone();
    }
    let list = Arc::<[Condition]>::from(said);
    recent.truncate(RECENT - 1);
    recent.insert(0, list.clone());
    list
}

/// RFC 3339 in whole seconds, as Kubernetes has it.
pub(super) fn seconds(unix_ms: i64) -> String {
    timestamp(unix_ms.div_euclid(1000).saturating_mul(1000))
}
/// Status, reason and words of a verdict. `held`: why nothing is written.
pub(super) fn in_sync(worst: Verdict, held: Option<(&'static str, String)>) -> (&'static str, &'static str, String) {
    match worst {
        Verdict::Confirmed => ("True", "Confirmed", "every desired value is confirmed".into()),
        Verdict::NoReading => ("Unknown", "NoReading", "no fresh reading of".into()),
        Verdict::UnknownWritten => ("Unknown", "UnknownWhetherWritten", format!("{UNKNOWN_WRITTEN}:")),
        Verdict::Writing => ("False", "Writing", "to be written and read back:".into()),
        Verdict::Held => {
            let (reason, why) = held.unwrap_or(("Writing", "not yet".into()));
            ("False", reason, format!("not written, {why}:"))
        }
        Verdict::Drifted => ("False", "Drifted", "the device was changed by others, and enforce is OnChange:".into()),
        Verdict::BindingChanged => ("False", "BindingChanged", format!("{BINDING_CHANGED}:")),
        Verdict::NotSticking => ("False", "NotSticking", "acknowledged, and read back as something else:".into()),
        Verdict::Refused => ("False", "Refused", "refused:".into()),
    }
}

/// The same value once more is no edit: nobody would see it.
pub(super) const UNKNOWN_WRITTEN: &str = "unknown whether written; set another value, or annotate pollux.rs/rewrite";
pub(super) const BINDING_CHANGED: &str = "type, enum, scale, offset or binding changed since it was written; set another value, or annotate pollux.rs/rewrite";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_that_say_the_same_share_what_they_say() {
        let (one, other, later) = (Conditions::new(1_000), Conditions::new(1_999), Conditions::new(2_000));
        let list = one.list(1);
        // Other tests say things meanwhile, and no more than a few are remembered.
        assert!((0..100).any(|_| Arc::ptr_eq(&one.list(1), &other.list(1))), "in the same second");
        assert_ne!(list, later.list(1));
        assert_ne!(list, one.list(2));
        for second in 10..10 + i64::try_from(RECENT).expect("few") {
            Conditions::new(second * 1_000).list(1);
        }
        assert!(!Arc::ptr_eq(&list, &one.list(1)), "what is long ago is forgotten");
        assert_eq!(list, one.list(1));
    }
}
