//! Records onto the disk, off the field's thread: a slow disk does not hold up the wire. Of each device only the newest record
//! waits, so an older one never lands on a newer one, and what waits is bounded by the number of devices.
use crate::{Store, twin::Record};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{mpsc, oneshot};

pub(super) type Saved = Result<(), String>;

/// What is to be done for one device, and who waits for it.
struct Job {
    /// None: the device is to be forgotten.
    record: Option<Record>,
    waiting: Vec<oneshot::Sender<Saved>>,
}
#[derive(Default)]
struct Desk {
    order: VecDeque<String>,
    jobs: HashMap<String, Job>,
}

/// The way to the disk.
#[derive(Clone)]
pub(super) struct Saver {
    desk: Arc<Mutex<Desk>>,
    wake: mpsc::Sender<()>,
}

impl Saver {
    /// Ends when the last clone is gone and all is written.
    pub(super) fn start(store: Arc<Store>) -> Self {
        let (wake, mut woken) = mpsc::channel(1);
        let desk = Arc::<Mutex<Desk>>::default();
        let taken = desk.clone();
        tokio::spawn(async move {
            while woken.recv().await.is_some() {
                while let Some((uid, Job { record, waiting })) = take(&taken) {
                    let store = store.clone();
                    let done = tokio::task::spawn_blocking(move || carry_out(&store, &uid, record));
                    let done = done.await.unwrap_or_else(|error| Err(error.to_string()));
                    for waiter in waiting {
                        waiter.send(done.clone()).ok(); // who asked may have ended
                    }
                }
            }
        });
        Self { desk, wake }
    }
    /// Resolves when this record, or a newer one of the device, is on the disk.
    pub(super) fn save(&self, uid: &str, record: Record) -> impl Future<Output = Saved> + Send + use<> {
        self.put(uid, Some(record))
    }
    /// The device is forgotten, after all that was to be saved of it.
    pub(super) fn forget(&self, uid: &str) -> impl Future<Output = Saved> + Send + use<> {
        self.put(uid, None)
    }
    fn put(&self, uid: &str, record: Option<Record>) -> impl Future<Output = Saved> + Send + use<> {
        let (reply, answer) = oneshot::channel();
        let mut desk = lock(&self.desk);
        if let Some(job) = desk.jobs.get_mut(uid) {
            job.record = record;
            job.waiting.push(reply);
        } else {
            desk.order.push_back(uid.to_owned());
            desk.jobs.insert(uid.to_owned(), Job { record, waiting: vec![reply] });
        }
        drop(desk);
        self.wake.try_send(()).ok(); // full: it is about to look anyway
        async move { answer.await.unwrap_or_else(|_| Err("shutting down".to_owned())) }
    }
}

fn carry_out(store: &Store, uid: &str, record: Option<Record>) -> Saved {
    let done = match record {
        Some(record) => store.save_record(uid, &record),
        None => store.remove_record(uid),
    };
    done.map_err(|error| error.to_string())
}
fn take(desk: &Mutex<Desk>) -> Option<(String, Job)> {
    let mut desk = lock(desk);
    let uid = desk.order.pop_front()?;
    let job = desk.jobs.remove(&uid)?;
    Some((uid, job))
}
fn lock(desk: &Mutex<Desk>) -> MutexGuard<'_, Desk> {
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}
