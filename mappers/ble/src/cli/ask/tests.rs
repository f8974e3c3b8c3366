use super::*;
use crate::radio::Advert;
use std::{
    future::pending,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};
use tokio::time::sleep;

/// Connects for ever, and may be given up meanwhile.
#[derive(Debug, Default)]
struct Slow {
    given_up: Option<Duration>,
    left: AtomicUsize,
}

impl Radio for Slow {
    fn identity(&self) -> String {
        "00:00:00:00:00:01".to_owned()
    }
    fn most(&self) -> Option<usize> {
        None
    }
    fn watch(&self, _: Watched) {}
    fn advertised(&self, _: Address) -> Option<Advert> {
        None
    }
    async fn named(&self, _: &str, _: Instant) -> Result<Address> {
        pending().await
    }
    async fn connect(&self, _: Address, _: Instant) -> Result<Vec<Characteristic>> {
        pending().await
    }
    async fn consent(&self, _: Address, _: Consent) -> Result<()> {
        Ok(())
    }
    async fn pair(&self, _: Address, _: Instant) -> Result<()> {
        Ok(())
    }
    async fn disconnect(&self, _: Address, until: Instant) -> bool {
        self.left.fetch_add(1, Relaxed);
        tokio::time::timeout_at(until, pending::<bool>()).await.is_ok() // it hangs
    }
    async fn read(&self, _: &Characteristic, _: Instant) -> Result<Vec<u8>> {
        Ok(vec![])
    }
    async fn write(&self, _: &Characteristic, _: &[u8], _: bool, _: Instant) -> Result<()> {
        Ok(())
    }
    async fn subscribe(&self, _: &Characteristic, _: Instant) -> Result<()> {
        Ok(())
    }
    async fn run(&self, _: &(dyn Fn(Event) + Sync)) -> Error {
        match self.given_up {
            Some(after) => sleep(after).await,
            None => pending().await,
        }
        Error::Hung("Ping")
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_let_go_of_whatever_ended_the_visit_and_that_has_an_end_too() {
    let (whom, how) = (Address([1; 6]), How { connect: Duration::from_mins(1), pair: None });
    let second = Duration::from_secs(1);
    for (given_up, stopped) in [(Some(second), None), (None, Some(second)), (Some(3 * second), Some(second))] {
        let radio = Slow { given_up, ..Slow::default() };
        let stop = async {
            match stopped {
                Some(after) => sleep(after).await,
                None => pending().await,
            }
        };
        let (began, mut out) = (Instant::now(), Out::new(std::io::sink(), std::io::sink()));
        let found = ask(&radio, whom, how, Box::pin(stop), &mut out).await;
        assert_eq!(found.is_none(), stopped.is_some());
        assert_eq!(radio.left.load(Relaxed), 1, "{given_up:?} {stopped:?}");
        assert_eq!(began.elapsed(), second + LEAVE);
    }
}
