//! Judges a recorded history by the rules of writing to a plant. Written from those rules alone: it imports nothing of
//! what it judges, knows only what was on the wire, what people set, and when.
use std::{collections::BTreeMap, time::Duration};

/// One property, as its owner described it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) write_only: bool,
    /// Written again whenever the device differs.
    pub(crate) always: bool,
    /// The answer is enough.
    pub(crate) by_answer: bool,
    pub(crate) tolerance: i64,
}

/// What people want, as the mapper was told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Config {
    pub(crate) desired: BTreeMap<usize, i64>,
    pub(crate) may_write: bool,
    /// By property: changes when its binding, scale or format does.
    pub(crate) wiring: Vec<u32>,
    pub(crate) rewrite: u32,
    /// Changes when anything else but `desired` and `rewrite` does.
    pub(crate) conduct: u32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Answer {
    Done,
    Refused,
    Unknown,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    /// A process starts. `kept`: it finds what it saved last; else what the server knows was acknowledged, by which wiring.
    Start {
        config: Config,
        kept: bool,
        applied: BTreeMap<usize, (i64, u32)>,
    },
    Config(Config),
    /// What is asked for from now on is asked after it was away.
    Connected,
    /// None: the device had no value for it.
    Read {
        property: usize,
        value: Option<i64>,
        asked_at: Duration,
    },
    /// The first byte left.
    Sent {
        property: usize,
        value: i64,
    },
    Answer {
        property: usize,
        answer: Answer,
    },
    /// It was tried, and certainly nothing left.
    Stopped {
        property: usize,
    },
    /// The mapper's memory is on the disk.
    Saved,
}

/// Least wait after a failed write.
const BACKOFF: Duration = Duration::from_millis(700);
/// After this long without a reading nobody must wait any more.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the oracle believes of one property.
#[derive(Debug, Clone, Default)]
#[allow(clippy::struct_excessive_bools)] // each is one fact of its own
struct Belief {
    /// Newest reading: value (None: fault), and when it was asked for.
    read: Option<(Option<i64>, Duration)>,
    /// A reading must have been asked for after this.
    read_from: Duration,
    /// Value and wiring of the acknowledgement that is on the disk; one that is not there yet.
    acknowledged: Option<(i64, u32)>,
    unsaved: Option<(i64, u32)>,
    /// Seen right by the present wiring since it changed.
    seen_right: bool,
    /// Seen right at any time since it was set.
    was_right: bool,
    /// It was set (or the annotation came) while somebody remembers; how often it may have been written since.
    set: bool,
    times: u32,
    forced: bool,
    failed_at: Option<Duration>,
    tried: bool,
    verify_from: Option<Duration>,
}

impl Belief {
    /// All is to be written again, and what was under way with it.
    fn rewrite(&mut self, desired: bool) {
        (self.acknowledged, self.unsaved, self.times) = (None, None, 0);
        (self.set, self.forced) = (desired, true);
        (self.failed_at, self.verify_from) = (None, None);
    }
}

struct Judge<'a> {
    kinds: &'a [Kind],
    config: Config,
    beliefs: Vec<Belief>,
    under_way: Option<usize>,
    running: bool,
    /// The annotation was seen, and that is not on the disk yet: seen again after a crash, it is as new.
    rewriting: bool,
}

/// Every violation, in words.
pub(crate) fn judge(kinds: &[Kind], history: &[(Duration, Event)]) -> Vec<String> {
    let config =
        Config { desired: BTreeMap::new(), may_write: false, wiring: vec![0; kinds.len()], rewrite: 0, conduct: 0 };
    let beliefs = vec![Belief::default(); kinds.len()];
    let mut judge = Judge { kinds, config, beliefs, under_way: None, running: false, rewriting: false };
    let mut wrong = vec![];
    for (at, event) in history {
        judge.event(*at, event, &mut |text: String| wrong.push(format!("{at:?}: {text}")));
    }
    wrong
}

impl Judge<'_> {
    fn event(&mut self, at: Duration, event: &Event, wrong: &mut dyn FnMut(String)) {
        match event {
            Event::Start { config, kept, applied } => self.start(at, config, *kept, applied),
            Event::Config(config) => self.configure(at, config),
            Event::Connected => self.beliefs.iter_mut().for_each(|b| b.read_from = b.read_from.max(at)),
            Event::Read { property, value, asked_at } => {
                let desired = self.config.desired.get(property).copied();
                let tolerance = self.kinds[*property].tolerance;
                let belief = &mut self.beliefs[*property];
                if belief.read.is_some_and(|(_, newest)| newest > *asked_at) {
                    return; // overtaken by one that was asked for later
                }
                belief.read = Some((*value, *asked_at));
                if let (Some(value), Some(desired)) = (value, desired) {
                    belief.seen_right |= *asked_at >= belief.read_from && (value - desired).abs() <= tolerance;
                    belief.was_right |= belief.seen_right;
                }
                if belief.verify_from.is_some_and(|from| *asked_at >= from) {
                    belief.verify_from = None;
                }
            }
            Event::Sent { property, value } => {
                self.sent(at, *property, *value, wrong);
                let belief = &mut self.beliefs[*property];
                (belief.times, belief.tried) = (belief.times + 1, true);
                self.under_way = Some(*property);
            }
            Event::Stopped { property } => {
                let belief = &mut self.beliefs[*property];
                (belief.tried, belief.failed_at) = (true, Some(at));
            }
            Event::Answer { property, answer } => self.answer(at, *property, *answer),
            Event::Saved => {
                self.rewriting = false;
                for (belief, wiring) in self.beliefs.iter_mut().zip(&self.config.wiring) {
                    belief.acknowledged = belief.unsaved.take().or(belief.acknowledged);
                    if let Some((_, known)) = belief.acknowledged.as_mut().filter(|_| belief.seen_right) {
                        *known = *wiring; // found right by the new wiring: that is an acknowledgement by it
                    }
                }
            }
        }
    }
    fn start(&mut self, at: Duration, config: &Config, kept: bool, applied: &BTreeMap<usize, (i64, u32)>) {
        (self.under_way, self.running) = (None, true);
        for (property, belief) in self.beliefs.iter_mut().enumerate() {
            belief.unsaved = None;
            belief.verify_from = None;
            belief.failed_at = None;
            belief.tried = false;
            belief.seen_right = false;
            if !kept {
                belief.acknowledged = applied.get(&property).copied();
                (belief.set, belief.forced) = (false, false);
            }
        }
        if !kept {
            // Nobody knows what was before: what stands there now was not set before anybody's eyes.
            self.config = config.clone();
            for (property, belief) in self.beliefs.iter_mut().enumerate() {
                let desired = config.desired.get(&property);
                belief.acknowledged = belief.acknowledged.filter(|(value, _)| Some(value) == desired);
            }
        }
        self.configure(at, config);
        self.rewriting &= kept;
        for (property, belief) in self.beliefs.iter_mut().enumerate() {
            belief.read_from = at;
            if self.rewriting {
                belief.rewrite(config.desired.contains_key(&property));
            }
        }
    }
    fn configure(&mut self, at: Duration, config: &Config) {
        let old = std::mem::replace(&mut self.config, config.clone());
        self.rewriting |= old.rewrite != config.rewrite;
        let conduct = old.conduct != config.conduct || old.may_write != config.may_write || old.wiring != config.wiring;
        for (property, belief) in self.beliefs.iter_mut().enumerate() {
            let (before, now) = (old.desired.get(&property), config.desired.get(&property));
            if before != now {
                *belief =
                    Belief { read: belief.read, read_from: belief.read_from, set: now.is_some(), ..Belief::default() };
            }
            if old.rewrite != config.rewrite {
                belief.rewrite(now.is_some());
            }
            if old.wiring[property] != config.wiring[property] {
                (belief.read, belief.seen_right, belief.failed_at) = (None, false, None);
            }
            if conduct {
                (belief.read_from, belief.verify_from) = (at, None);
            }
        }
    }
    fn answer(&mut self, at: Duration, property: usize, answer: Answer) {
        self.under_way = None;
        let wiring = self.config.wiring[property];
        let desired = self.config.desired.get(&property).copied();
        let belief = &mut self.beliefs[property];
        if answer != Answer::Done && belief.times > 0 {
            belief.failed_at = Some(at);
        }
        match answer {
            Answer::Refused => belief.times = belief.times.saturating_sub(1),
            Answer::Done | Answer::Unknown => {
                belief.read_from = belief.read_from.max(at);
                if belief.times > 0 {
                    belief.forced = false; // else it was set again while that write was under way
                }
            }
        }
        if answer == Answer::Done && belief.times > 0 {
            belief.unsaved = desired.map(|value| (value, wiring));
            belief.failed_at = None;
            belief.verify_from = (!self.kinds[property].by_answer).then_some(at);
        }
    }

    fn sent(&self, at: Duration, property: usize, value: i64, wrong: &mut dyn FnMut(String)) {
        let (kind, belief) = (self.kinds[property], &self.beliefs[property]);
        let mut say = |rule: &str, text: &str| wrong(format!("rule {rule}: property {property} := {value}: {text}"));
        if !self.running || !self.config.may_write {
            say("4", "nobody may write");
        }
        let Some(desired) = self.config.desired.get(&property) else {
            return say("4", "it is not desired");
        };
        if *desired != value {
            say("1", "something else is desired");
        }
        if self.under_way.is_some() {
            say("6", "another write is under way");
        }
        if belief.failed_at.is_some_and(|failed| at < failed + BACKOFF) {
            say("6", "it failed just now");
        }
        self.order(at, property, &mut say);
        if kind.write_only {
            if !belief.set {
                say("3", "nobody set it since its record was lost");
            }
            if belief.times > 0 {
                say("3", "it may have been written already");
            }
            if belief.acknowledged.or(belief.unsaved).is_some() {
                say("3", "it was acknowledged");
            }
            return;
        }
        let reading = belief.read.filter(|(_, asked)| *asked >= belief.read_from);
        match reading {
            None => say("1", "it was not read before"),
            Some((None, _)) => say("1", "it could not be read"),
            Some((Some(read), _)) if (read - value).abs() <= kind.tolerance && !belief.forced => {
                say("1", "the device has it already");
            }
            Some(_) => {}
        }
        match belief.unsaved.or(belief.acknowledged) {
            Some(_) if belief.forced => {}
            Some((_, wiring)) if wiring != self.config.wiring[property] && !belief.seen_right => {
                say("5", "only its wiring changed");
            }
            Some(_) if !kind.always => say("1", "it was acknowledged, and enforce is OnChange"),
            _ => {}
        }
    }
    fn order(&self, at: Duration, property: usize, say: &mut dyn FnMut(&str, &str)) {
        for (other, belief) in self.beliefs.iter().enumerate().filter(|(other, _)| *other != property) {
            if belief.verify_from.is_some_and(|from| at < from + PATIENCE) && self.config.desired.contains_key(&other) {
                say("6", "the write before it is not verified");
            }
        }
        for other in 0..property {
            let (kind, belief) = (self.kinds[other], &self.beliefs[other]);
            let Some(desired) = self.config.desired.get(&other) else { continue };
            let differs = belief
                .read
                .filter(|(_, asked)| *asked >= belief.read_from)
                .and_then(|(value, _)| value)
                .is_some_and(|value| (value - desired).abs() > kind.tolerance);
            let fresh = !belief.tried && belief.acknowledged.or(belief.unsaved).is_none() && !belief.was_right;
            if !kind.write_only && differs && fresh && belief.set {
                say("6", "one before it in the model is due");
            }
        }
    }
}
