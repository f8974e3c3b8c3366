//! The work queue: which key is due, one run of a key at a time, back-off per key.
mod schedule;

pub use schedule::Schedule;

use futures_util::FutureExt;
use std::{
    fmt::Debug,
    hash::Hash,
    panic::AssertUnwindSafe,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{sync::Notify, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

/// What a reconcile asks for when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing until something changes.
    Done,
    /// Once more after this, unless something changes before.
    Again(Duration),
    /// It failed: once more after a back-off.
    Failed,
}

/// Keys that wait to be reconciled. Keys are taken only while this replica leads.
#[derive(Debug)]
pub struct Queue<K> {
    schedule: Mutex<Schedule<K>>,
    open: AtomicBool,
    changed: Notify,
}

impl<K> Default for Queue<K> {
    fn default() -> Self {
        Self { schedule: Mutex::new(Schedule::default()), open: AtomicBool::new(false), changed: Notify::new() }
    }
}

impl<K: Clone + Eq + Ord + Hash + Debug + Send + Sync + 'static> Queue<K> {
    fn lock(&self) -> MutexGuard<'_, Schedule<K>> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Starts (true) or stops taking keys; what waited is forgotten.
    pub fn open(&self, open: bool) {
        self.open.store(open, Ordering::SeqCst);
        *self.lock() = Schedule::default();
        self.changed.notify_one();
    }
    /// Runs the key after `delay`, or earlier where it is due earlier already.
    pub fn add(&self, key: K, delay: Duration) {
        if self.open.load(Ordering::SeqCst) {
            self.lock().add(key, Instant::now() + delay);
            self.changed.notify_one();
        }
    }
    /// Keys that wait.
    pub fn len(&self) -> usize {
        self.lock().len()
    }
    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Runs keys until `stop`, then waits for those that run. One that panics has failed, as `panicked` is told.
    pub async fn run<F, R>(&self, concurrency: usize, stop: &CancellationToken, reconcile: F, panicked: impl Fn(&K))
    where
        F: Fn(K) -> R,
        R: Future<Output = Outcome> + Send + 'static,
    {
        let ended = |ended: Result<(K, Option<Outcome>), tokio::task::JoinError>| {
            // Never: what panics is caught within the task, and none is aborted but with the whole set.
            let Ok((key, outcome)) = ended else { return };
            if outcome.is_none() {
                panicked(&key);
            }
            self.lock().done(&key, outcome.unwrap_or(Outcome::Failed), Instant::now(), fastrand::f64());
        };
        let mut running = JoinSet::new();
        while !stop.is_cancelled() {
            let mut next = None;
            while running.len() < concurrency {
                match self.lock().pop(Instant::now()) {
                    Ok(key) => {
                        let work = AssertUnwindSafe(reconcile(key.clone())).catch_unwind();
                        running.spawn(async move { (key, work.await.ok()) });
                    }
                    Err(due) => {
                        next = due;
                        break;
                    }
                }
            }
            let sleep = async {
                match next {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.changed.notified() => {}
                () = sleep => {}
                Some(end) = running.join_next() => ended(end),
            }
        }
        while let Some(end) = running.join_next().await {
            ended(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, atomic::AtomicUsize};

    #[tokio::test(start_paused = true)]
    async fn a_key_runs_once_for_many_adds_and_never_twice_at_once() {
        let queue = Arc::new(Queue::default());
        queue.open(true);
        let (running, runs, most) =
            (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        for _ in 0..1_000 {
            queue.add("a", Duration::from_millis(100));
        }
        let stop = CancellationToken::new();
        let reconcile = |_: &str| {
            let (running, runs, most, queue) = (running.clone(), runs.clone(), most.clone(), queue.clone());
            async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                if runs.fetch_add(1, Ordering::SeqCst) == 0 {
                    queue.add("a", Duration::ZERO);
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
                running.fetch_sub(1, Ordering::SeqCst);
                Outcome::Done
            }
        };
        let work = queue.run(4, &stop, reconcile, |_| {});
        let end = async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            stop.cancel();
        };
        tokio::join!(work, end);
        assert_eq!((runs.load(Ordering::SeqCst), most.load(Ordering::SeqCst)), (2, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_whose_run_panics_runs_again_after_a_back_off() {
        let queue = Queue::default();
        queue.open(true);
        queue.add("a", Duration::ZERO);
        let (stop, runs, told) = (CancellationToken::new(), Arc::new(AtomicUsize::new(0)), AtomicUsize::new(0));
        let reconcile = |_: &str| {
            let (runs, stop) = (runs.clone(), stop.clone());
            async move {
                assert!(runs.fetch_add(1, Ordering::SeqCst) > 0, "the first run panics");
                stop.cancel();
                Outcome::Done
            }
        };
        let count = |key: &&str| {
            assert_eq!(*key, "a");
            told.fetch_add(1, Ordering::SeqCst);
        };
        let run = queue.run(4, &stop, reconcile, count);
        tokio::time::timeout(Duration::from_mins(1), run).await.expect("the key was not run again");
        assert_eq!((runs.load(Ordering::SeqCst), told.load(Ordering::SeqCst)), (2, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_queue_takes_nothing() {
        let queue = Queue::default();
        queue.add("a", Duration::ZERO);
        assert!(queue.is_empty());
    }
}
