//! When each key is due. Pure: the clock is handed in.
use super::Outcome;
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    hash::Hash,
    time::Duration,
};
use tokio::time::Instant;

const FIRST_RETRY: Duration = Duration::from_millis(250);
const LAST_RETRY: Duration = Duration::from_mins(1);

/// When each key is due. A key waits at most once; while it runs it may wait to run again.
#[derive(Debug)]
pub struct Schedule<K> {
    due: BTreeSet<(Instant, K)>,
    at: HashMap<K, Instant>,
    running: HashSet<K>,
    /// Added while running: due when it ends, or then.
    again: HashMap<K, Instant>,
    failures: HashMap<K, u32>,
}

impl<K> Default for Schedule<K> {
    fn default() -> Self {
        Self {
            due: BTreeSet::new(),
            at: HashMap::new(),
            running: HashSet::new(),
            again: HashMap::new(),
            failures: HashMap::new(),
        }
    }
}

impl<K: Clone + Eq + Ord + Hash> Schedule<K> {
    /// Keys that wait.
    pub fn len(&self) -> usize {
        self.at.len() + self.again.len()
    }
    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The earliest time wins, so that a key that is always added is still run.
    pub fn add(&mut self, key: K, at: Instant) {
        if self.running.contains(&key) {
            let first = self.again.get(&key).is_none_or(|old| at < *old);
            if first {
                self.again.insert(key, at);
            }
            return;
        }
        if let Some(old) = self.at.get(&key).copied() {
            if old <= at {
                return;
            }
            self.due.remove(&(old, key.clone()));
        }
        self.due.insert((at, key.clone()));
        self.at.insert(key, at);
    }
    /// A key that is due, now running; or when the next one is.
    pub fn pop(&mut self, now: Instant) -> Result<K, Option<Instant>> {
        match self.due.first() {
            Some((at, _)) if *at <= now => {}
            other => return Err(other.map(|(at, _)| *at)),
        }
        let (_, key) = self.due.pop_first().ok_or(None)?;
        self.at.remove(&key);
        self.running.insert(key.clone());
        Ok(key)
    }
    /// The run of a key ended. `random` is from 0 to 1.
    pub fn done(&mut self, key: &K, outcome: Outcome, now: Instant, random: f64) {
        if !self.running.remove(key) {
            return; // the schedule was made new while it ran
        }
        let again = self.again.remove(key);
        let wish = match outcome {
            Outcome::Failed => {
                let failures = self.failures.entry(key.clone()).or_insert(0);
                *failures = failures.saturating_add(1);
                // Whatever was added meanwhile waits too: it would most likely fail the same way.
                Some(now + backoff(*failures, random))
            }
            Outcome::Again(after) => {
                self.failures.remove(key);
                let after = now + after;
                Some(again.map_or(after, |at| at.min(after)))
            }
            Outcome::Done => {
                self.failures.remove(key);
                again
            }
        };
        if let Some(at) = wish {
            self.add(key.clone(), at);
        }
    }
}

/// Doubles from 250 ms to a minute, ± 25 %.
fn backoff(failures: u32, random: f64) -> Duration {
    let doubled = FIRST_RETRY.saturating_mul(1 << failures.saturating_sub(1).min(16));
    doubled.min(LAST_RETRY).mul_f64(0.75 + random.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_earliest_wish_counts() {
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        schedule.add("a", now + 3 * SECOND);
        schedule.add("a", now + SECOND);
        schedule.add("a", now + 2 * SECOND);
        assert_eq!((schedule.pop(now), schedule.len()), (Err(Some(now + SECOND)), 1));
        assert_eq!(schedule.pop(now + SECOND), Ok("a"));
        assert_eq!(schedule.pop(now + 9 * SECOND), Err(None));
    }

    #[test]
    fn what_is_added_while_running_runs_after() {
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        schedule.add("a", now);
        assert_eq!(schedule.pop(now), Ok("a"));
        schedule.add("a", now);
        assert_eq!(schedule.pop(now), Err(None), "one run at a time");
        schedule.done(&"a", Outcome::Done, now, 0.5);
        assert_eq!(schedule.pop(now), Ok("a"));
        schedule.done(&"a", Outcome::Done, now, 0.5);
        assert_eq!(schedule.pop(now + 99 * SECOND), Err(None));
    }

    #[test]
    fn failures_back_off_to_a_minute_and_success_forgets_them() {
        let (mut schedule, mut now) = (Schedule::default(), Instant::now());
        schedule.add("a", now);
        let mut waits = vec![];
        for _ in 0..12 {
            assert_eq!(schedule.pop(now), Ok("a"));
            schedule.add("a", now); // must not shorten the back-off
            schedule.done(&"a", Outcome::Failed, now, 0.5);
            let due = schedule.pop(now).unwrap_err().unwrap();
            waits.push(due - now);
            now = due;
        }
        assert_eq!((waits[0], waits[1], waits[11]), (FIRST_RETRY, 2 * FIRST_RETRY, LAST_RETRY));
        assert_eq!(schedule.pop(now), Ok("a"));
        schedule.done(&"a", Outcome::Again(SECOND), now, 0.5);
        assert_eq!(schedule.pop(now), Err(Some(now + SECOND)));
        assert_eq!(schedule.pop(now + SECOND), Ok("a"));
        schedule.done(&"a", Outcome::Failed, now, 0.5);
        assert_eq!(schedule.pop(now), Err(Some(now + FIRST_RETRY)));
    }
}
