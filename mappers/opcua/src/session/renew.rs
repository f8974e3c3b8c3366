//! Subscriptions made anew: those that are gone at the server, or of which something was lost.
use super::Session;
use crate::{error::Result, wire::Wire};
use std::time::Duration;
use tokio::time::Instant;

/// Patience with all that is asked for one of them.
const PATIENCE: Duration = Duration::from_secs(20);
/// Patience with its last words.
const FAREWELL: Duration = Duration::from_secs(5);

impl Session {
    /// Subscriptions that are gone at the server, or of which something was lost. True: there were some. What is not begun by then is left
    /// for later.
    pub(super) async fn renew_broken(&self, wire: &Wire, end: Option<Instant>) -> Result<bool> {
        let broken: Vec<u32> = {
            let book = self.book();
            book.subscriptions.iter().filter(|(_, one)| one.broken).map(|(number, _)| *number).collect()
        };
        for number in broken.iter().take_while(|_| end.is_none_or(|end| Instant::now() < end)) {
            self.renew(wire, *number).await?;
        }
        Ok(!broken.is_empty())
    }
    /// Makes a subscription anew, with all its items: their values of now come first.
    async fn renew(&self, wire: &Wire, number: u32) -> Result<()> {
        let _turn = self.turn.lock().await;
        let until = Instant::now() + PATIENCE;
        let found = self.book().subscriptions.get(&number).map(|one| (one.id, one.wanted, one.handles.clone()));
        let Some((old, wanted, handles)) = found else { return Ok(()) };
        let handles: Vec<u32> = handles.into_iter().collect();
        let mut made = self.open_subscription(wire, wanted, until).await?;
        if made.is_err() {
            let ours = self.book().of(old) == Some(number);
            self.end(wire, if ours { vec![old] } else { vec![] }, until).await; // perhaps there is no room for both
            made = self.open_subscription(wire, wanted, until).await?;
        }
        let made = match made {
            Ok(made) => made,
            Err(code) => {
                self.give_up(wire, &handles, code).await; // they are read from now on
                return Ok(());
            }
        };
        let told = {
            let mut book = self.book();
            book.replace(number, made);
            book.told(&handles)
        };
        for (_, sink, key) in &told {
            sink.anew(*key);
        }
        let refusals = self.make_items(wire, number, &handles, until).await;
        // Unless its number was given to the new one, or to another.
        self.delete(wire, vec![old], Instant::now() + FAREWELL).await;
        let refusals = refusals?;
        self.book().with(number, |one| one.broken = false);
        for (handle, sink, key) in told {
            if let Some(code) = refusals.get(&handle) {
                sink.gone(key, *code);
            }
        }
        Ok(())
    }
}
