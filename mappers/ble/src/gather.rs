//! Advertisements that came within a short while are told together: each by itself would wake the engine and the twins, which costs
//! more than what it says.
use crate::{address::Address, radio::Advert};
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::Notify;

/// So long the first of them waits for others. A press may be told so much later.
const WHILE: Duration = Duration::from_millis(20);
/// So many do not wait.
const MOST: usize = 256;

/// What was heard and is not told yet.
#[derive(Debug, Default)]
pub(crate) struct Gather {
    heard: Mutex<Vec<(Address, Advert)>>,
    first: Notify,
}

impl Gather {
    fn heard(&self) -> MutexGuard<'_, Vec<(Address, Advert)>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Whether they have become so many that they are to be told at once.
    #[must_use]
    pub(crate) fn add(&self, address: Address, advert: Advert) -> bool {
        let mut heard = self.heard();
        heard.push((address, advert));
        if heard.len() == 1 {
            self.first.notify_one();
        }
        heard.len() >= MOST
    }
    /// All, in the order in which they came.
    pub(crate) fn take(&self) -> Vec<(Address, Advert)> {
        std::mem::take(&mut *self.heard())
    }
    /// Until there are some, and others had time to come.
    pub(crate) async fn some(&self) {
        self.first.notified().await;
        tokio::time::sleep(WHILE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{Instant, timeout};

    fn one(number: u8) -> Address {
        Address([0xC0, 0, 0, 0, 0, number])
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_come_within_a_while_are_told_together_and_in_their_order() {
        let gather = Gather::default();
        assert!(timeout(10 * WHILE, gather.some()).await.is_err(), "nothing was heard");
        let late = async {
            tokio::time::sleep(WHILE / 2).await;
            assert!(!gather.add(one(2), Advert::default()));
        };
        assert!(!gather.add(one(1), Advert::default()));
        let began = Instant::now();
        tokio::join!(gather.some(), late);
        assert!(began.elapsed() >= WHILE);
        let told: Vec<Address> = gather.take().into_iter().map(|(address, _)| address).collect();
        assert_eq!(told, [one(1), one(2)]);
        assert!(timeout(10 * WHILE, gather.some()).await.is_err(), "all is told");
        assert!(!gather.add(one(3), Advert::default()));
        gather.some().await;
        assert_eq!(gather.take().len(), 1);
    }
    #[test]
    fn they_do_not_become_more_than_so_many() {
        let gather = Gather::default();
        let full = (0..MOST).filter(|_| gather.add(one(1), Advert::default())).count();
        assert_eq!((full, gather.take().len()), (1, MOST));
        assert!(!gather.add(one(1), Advert::default()));
    }
}
