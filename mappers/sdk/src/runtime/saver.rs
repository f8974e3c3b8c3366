//! Records onto the disk, off the field's thread: a slow disk does not hold up the wire. Of each device only the newest record
//! waits, so an older one never lands on a newer one, and what waits is bounded by the number of devices. What the disk did
//! not take is tried again until it does, whoever asked for it and wherever the device is by then.
use super::kept::Kept;
use crate::{Instant, Store, report::backoff, twin::Record};
use std::{
    collections::{BTreeSet, HashMap, VecDeque, hash_map::Entry},
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::sleep_until,
};

/// First and longest wait before a record is tried again.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

pub(super) type Saved = Result<(), String>;
/// What became of each attempt, up to the first that succeeds; it ends without one when a newer record is asked after.
pub(super) type Attempts = mpsc::UnboundedReceiver<Saved>;

/// What is to be done for one device, and who is told.
#[derive(Default)]
struct Job {
    /// What is to become of its record.
    record: Option<What>,
    /// What its driver learned, if that is to be kept otherwise than before.
    learned: Option<Arc<Kept>>,
    /// They wait for one attempt.
    once: Vec<oneshot::Sender<Saved>>,
    /// Told of each.
    each: Option<mpsc::UnboundedSender<Saved>>,
    /// It stands in the queue; else it rests.
    queued: bool,
    failures: u32,
}
#[derive(Clone)]
enum What {
    Save(Arc<Record>),
    /// The device is to be forgotten.
    Forget,
}
#[derive(Default)]
struct Desk {
    queue: VecDeque<String>,
    resting: BTreeSet<(Instant, String)>,
    jobs: HashMap<String, Job>,
}

/// The way to the disk.
#[derive(Clone)]
pub(super) struct Saver {
    desk: Arc<Mutex<Desk>>,
    wake: mpsc::Sender<()>,
}

impl Saver {
    /// Ends when the last clone is gone, and all that was asked was tried.
    pub(super) fn start(store: Arc<Store>) -> Self {
        let (wake, mut woken) = mpsc::channel(1);
        let desk = Arc::<Mutex<Desk>>::default();
        let taken = desk.clone();
        tokio::spawn(async move {
            loop {
                while let Some((uid, job)) = take(&taken) {
                    carry_out(&store, &taken, uid, job).await;
                }
                let due = lock(&taken).resting.first().map(|(at, _)| *at);
                tokio::select! {
                    more = woken.recv() => if more.is_none() { return },
                    () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => lock(&taken).wake(Instant::now()),
                }
            }
        });
        Self { desk, wake }
    }
    /// What became of this record, or of a newer one of the device, at the first attempt.
    pub(super) fn save(&self, uid: &str, record: Record) -> impl Future<Output = Saved> + Send + use<> {
        self.once(uid, What::Save(Arc::new(record)))
    }
    /// As [`Saver::save`], for who wants to know until it is on the disk.
    pub(super) fn keep(&self, uid: &str, record: Record) -> Attempts {
        let (told, attempts) = mpsc::unbounded_channel();
        self.put(uid, |job| (job.record, job.each) = (Some(What::Save(Arc::new(record))), Some(told)));
        attempts
    }
    /// The device is forgotten, after all that was to be saved of it.
    pub(super) fn forget(&self, uid: &str) -> impl Future<Output = Saved> + Send + use<> {
        self.once(uid, What::Forget)
    }
    /// What the driver learned of a device, for its next life: resolves when it was tried. It is learned again where the disk does
    /// not take it.
    pub(super) fn learn(&self, uid: &str, learned: Kept) -> impl Future<Output = ()> + Send + use<> {
        let (reply, tried) = oneshot::channel();
        self.put(uid, |job| {
            job.learned = Some(Arc::new(learned));
            job.once.push(reply);
        });
        async move { drop(tried.await) }
    }
    fn once(&self, uid: &str, what: What) -> impl Future<Output = Saved> + Send + use<> {
        let (reply, answer) = oneshot::channel();
        self.put(uid, |job| {
            job.record = Some(what);
            job.once.push(reply);
        });
        async move { answer.await.unwrap_or_else(|_| Err("shutting down".to_owned())) }
    }
    fn put(&self, uid: &str, change: impl FnOnce(&mut Job)) {
        let mut desk = lock(&self.desk);
        change(desk.jobs.entry(uid.to_owned()).or_default());
        desk.enqueue(uid.to_owned());
        drop(desk);
        self.wake.try_send(()).ok(); // full: it is about to look anyway
    }
}

impl Desk {
    fn enqueue(&mut self, uid: String) {
        if self.jobs.get_mut(&uid).is_some_and(|job| !mem::replace(&mut job.queued, true)) {
            self.queue.push_back(uid);
        }
    }
    /// What has rested is tried again.
    fn wake(&mut self, now: Instant) {
        while let Some((_, uid)) = self.resting.first().filter(|(at, _)| *at <= now).cloned() {
            self.resting.pop_first();
            self.enqueue(uid);
        }
    }
    /// It failed. A newer record that came meanwhile takes over who is to be told.
    fn again(&mut self, uid: String, old: Job) {
        let failures = old.failures + 1;
        match self.jobs.entry(uid.clone()) {
            Entry::Occupied(mut newer) => {
                let newer = newer.get_mut();
                newer.each = newer.each.take().or(old.each);
                newer.record = newer.record.take().or(old.record);
                newer.failures = failures;
            }
            Entry::Vacant(place) => {
                place.insert(Job { failures, queued: false, ..old });
                self.resting.insert((Instant::now() + backoff(failures, AGAIN.0, AGAIN.1, fastrand::f64()), uid));
            }
        }
    }
}

async fn carry_out(store: &Arc<Store>, desk: &Mutex<Desk>, uid: String, mut job: Job) {
    let (store, name, record, learned) = (store.clone(), uid.clone(), job.record.clone(), job.learned.take());
    let done = tokio::task::spawn_blocking(move || {
        let done = match &record {
            Some(What::Save(record)) => store.save_record(&name, &**record),
            Some(What::Forget) => store.remove_record(&name),
            None => Ok(()),
        };
        if let Some(learned) = learned.filter(|_| !matches!(record, Some(What::Forget))) {
            learned.save(&store, &name);
        }
        done
    });
    let done: Saved = match done.await {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    for waiter in job.once.drain(..) {
        waiter.send(done.clone()).ok(); // who asked may have ended
    }
    if let Some(told) = &job.each {
        told.send(done.clone()).ok(); // who asked may have ended
    }
    if done.is_err() {
        lock(desk).again(uid, job);
    }
}
fn take(desk: &Mutex<Desk>) -> Option<(String, Job)> {
    let mut desk = lock(desk);
    let Some(uid) = desk.queue.pop_front() else {
        // At the start there is one for each device, and hardly ever again.
        desk.queue.shrink_to_fit();
        desk.jobs.shrink_to_fit();
        return None;
    };
    let job = desk.jobs.remove(&uid)?;
    Some((uid, job))
}
fn lock(desk: &Mutex<Desk>) -> MutexGuard<'_, Desk> {
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}
