//! A bounded queue for many senders and one receiver, in little room: there are two of them for each link, and tokio's takes 830
//! bytes before anything stands in it, this one 150. It is for what comes seldom.
use futures_util::task::AtomicWaker;
use std::{
    collections::VecDeque,
    future::poll_fn,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};
use tokio::sync::Notify;

/// What is not sent comes back.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSent<T> {
    /// As many wait as may.
    #[error("the queue is full")]
    Full(T),
    /// Nobody receives any more.
    #[error("nobody receives any more")]
    Closed(T),
}

#[derive(Debug)]
struct Queue<T> {
    state: Mutex<State<T>>,
    filled: AtomicWaker,
    emptied: Notify,
    room: usize,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    senders: usize,
    closed: bool,
}

impl<T> Queue<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A queue in which at most `room` items wait, at least one.
#[must_use]
pub fn queue<T>(room: usize) -> (QueueSender<T>, QueueReceiver<T>) {
    let state = Mutex::new(State { items: VecDeque::new(), senders: 1, closed: false });
    let queue = Queue { state, filled: AtomicWaker::new(), emptied: Notify::new(), room: room.max(1) };
    let queue = Arc::new(queue);
    (QueueSender(queue.clone()), QueueReceiver(queue))
}

/// A sender's end. The receiver hears that the last one is gone.
#[derive(Debug)]
pub struct QueueSender<T>(Arc<Queue<T>>);

impl<T> QueueSender<T> {
    /// Sends when there is room: what one sender sends one after the other, in that order; of those that wait, in none. Cancel-safe, but
    /// for the item. Err: nobody receives any more; the item.
    pub async fn send(&self, mut item: T) -> Result<(), T> {
        loop {
            let emptied = self.0.emptied.notified(); // made before the look: it hears of all room from here on
            item = match self.try_send(item) {
                Ok(()) => return Ok(()),
                Err(NotSent::Closed(item)) => return Err(item),
                Err(NotSent::Full(item)) => item,
            };
            emptied.await;
        }
    }
    /// Sends if there is room now.
    pub fn try_send(&self, item: T) -> Result<(), NotSent<T>> {
        let mut state = self.0.lock();
        if state.closed {
            return Err(NotSent::Closed(item));
        }
        if state.items.len() >= self.0.room {
            return Err(NotSent::Full(item));
        }
        state.items.push_back(item);
        drop(state);
        self.0.filled.wake();
        Ok(())
    }
    /// A way to send that does not keep the queue open.
    #[must_use]
    pub fn downgrade(&self) -> WeakQueueSender<T> {
        WeakQueueSender(self.0.clone())
    }
}

impl<T> Clone for QueueSender<T> {
    fn clone(&self) -> Self {
        self.0.lock().senders += 1;
        Self(self.0.clone())
    }
}

impl<T> Drop for QueueSender<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.senders -= 1;
        let last = state.senders == 0;
        drop(state);
        if last {
            self.0.filled.wake();
        }
    }
}

/// A way to send, as long as there is a sender.
#[derive(Debug)]
pub struct WeakQueueSender<T>(Arc<Queue<T>>);

impl<T> WeakQueueSender<T> {
    /// None: there is no sender any more.
    #[must_use]
    pub fn upgrade(&self) -> Option<QueueSender<T>> {
        let mut state = self.0.lock();
        if state.senders == 0 {
            return None;
        }
        state.senders += 1;
        drop(state);
        Some(QueueSender(self.0.clone()))
    }
}

/// The receiver's end. With it goes what was not received.
#[derive(Debug)]
pub struct QueueReceiver<T>(Arc<Queue<T>>);

impl<T> QueueReceiver<T> {
    /// The oldest item. None: it was the last, and nobody sends any more. Cancel-safe.
    pub async fn recv(&mut self) -> Option<T> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }
    fn poll_recv(&mut self, cx: &Context<'_>) -> Poll<Option<T>> {
        if let Poll::Ready(item) = self.take() {
            return Poll::Ready(item);
        }
        self.0.filled.register(cx.waker());
        self.take() // it may have come before that
    }
    fn take(&mut self) -> Poll<Option<T>> {
        let mut state = self.0.lock();
        let Some(item) = state.items.pop_front() else {
            return if state.senders == 0 { Poll::Ready(None) } else { Poll::Pending };
        };
        if state.items.is_empty() {
            state.items = VecDeque::new();
        }
        drop(state);
        self.0.emptied.notify_waiters(); // all: the first of them may be one that nobody polls just now
        Poll::Ready(Some(item))
    }
}

impl<T> Drop for QueueReceiver<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.closed = true;
        let items = mem::take(&mut state.items);
        drop(state);
        drop(items); // not under the lock: whoever is told by that may send
        self.0.emptied.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::{thread, time::Duration};
    use tokio::{task::yield_now, time::timeout};

    #[tokio::test]
    async fn no_more_wait_than_may_and_each_comes_in_its_order() {
        let (send, mut receive) = queue(2);
        assert_eq!((send.try_send(1), send.try_send(2), send.try_send(3)), (Ok(()), Ok(()), Err(NotSent::Full(3))));
        let mut third = Box::pin(send.send(3));
        assert!((&mut third).now_or_never().is_none(), "it waits for room");
        assert_eq!(receive.recv().await, Some(1));
        assert_eq!((&mut third).now_or_never(), Some(Ok(())));
        assert_eq!((receive.recv().await, receive.recv().await), (Some(2), Some(3)));
        assert!(receive.recv().now_or_never().is_none());
    }

    #[tokio::test]
    async fn it_is_open_as_long_as_there_is_a_sender_that_counts() {
        let (send, mut receive) = queue(1);
        let (weak, other) = (send.downgrade(), send.clone());
        drop(send);
        weak.upgrade().expect("there is one").try_send(1).expect("room");
        let waits = tokio::spawn(async move { (receive.recv().await, receive.recv().await) });
        yield_now().await;
        drop(other);
        assert_eq!(waits.await.expect("it ends"), (Some(1), None), "what was sent comes first");
        assert!(weak.upgrade().is_none());
    }

    #[tokio::test]
    async fn who_sends_to_nobody_gets_it_back_and_what_was_not_received_is_dropped() {
        let (send, receive) = queue(1);
        let (item, watch) = tokio::sync::oneshot::channel::<()>();
        send.try_send(Some(item)).expect("room");
        let waits = send.clone();
        let waits = tokio::spawn(async move { waits.send(None).await.is_err() });
        yield_now().await;
        drop(receive);
        assert!(watch.await.is_err(), "dropped, not kept");
        assert!(waits.await.expect("it ends"), "it hears of it");
        assert!(matches!(send.try_send(None), Err(NotSent::Closed(None))));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_stops_waiting_holds_up_nobody() {
        let (send, mut receive) = queue(1);
        send.try_send(0).expect("room");
        let (mut gone, mut stays) = (Box::pin(send.send(1)), Box::pin(send.send(2)));
        assert!((&mut gone).now_or_never().is_none() && (&mut stays).now_or_never().is_none());
        assert_eq!(receive.recv().await, Some(0)); // tells the first one
        drop(gone);
        timeout(Duration::from_secs(1), stays).await.expect("told in its place").expect("open");
        assert_eq!(receive.recv().await, Some(2));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_told_of_room_and_not_polled_holds_up_nobody() {
        let (send, mut receive) = queue(1);
        send.try_send(0).expect("room");
        let (mut rests, mut stays) = (Box::pin(send.send(1)), Box::pin(send.send(2)));
        assert!((&mut rests).now_or_never().is_none() && (&mut stays).now_or_never().is_none());
        assert_eq!(receive.recv().await, Some(0));
        timeout(Duration::from_secs(1), stays).await.expect("told too").expect("open");
        assert_eq!(receive.recv().await, Some(2));
        assert_eq!((rests.await, receive.recv().await), (Ok(()), Some(1)));
    }

    #[test]
    fn from_many_threads_each_arrives_once_and_in_its_senders_order() {
        let alone = || tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let (send, mut receive) = queue(3);
        let sender = |sender: usize| {
            let send = send.clone();
            thread::spawn(move || {
                alone().block_on(async {
                    for n in 0..500_usize {
                        send.send((sender, n)).await.expect("open");
                    }
                });
            })
        };
        let senders: Vec<_> = (0..8).map(sender).collect();
        drop(send);
        let mut next = [0; 8];
        alone().block_on(async {
            let all = async {
                while let Some((sender, n)) = receive.recv().await {
                    assert_eq!(next[sender], n, "of sender {sender}");
                    next[sender] += 1;
                }
            };
            timeout(Duration::from_mins(1), all).await.expect("none waits for ever");
        });
        assert_eq!(next, [500; 8]);
        for sender in senders {
            sender.join().expect("in order");
        }
    }
}
