//! A connection to one device, to see what it has. Nothing is written to it.
use crate::{
    address::Address,
    error::{Error, Result},
    radio::{Characteristic, Consent, Event, Radio, Watched, earlier},
};
use pollux_mapper::{Instant, Out};
use std::{future::Future, pin::pin, time::Duration};

/// For one value.
const ANSWER: Duration = Duration::from_secs(5);
/// For letting go.
const LEAVE: Duration = Duration::from_secs(5);
/// Characteristics that may refuse for want of a pairing before the rest is not asked: a device may lock out who goes on.
const REFUSALS: usize = 3;

/// How it is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct How {
    /// For connecting, until the services are listed.
    pub(super) connect: Duration,
    /// Pair first, so.
    pub(super) pair: Option<Consent>,
}

/// A characteristic, and what it holds.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) what: Characteristic,
    /// None: it was not read.
    pub(super) value: Option<Vec<u8>>,
    /// It wants a pairing.
    pub(super) sealed: bool,
}

/// What it has. None: it was asked to stop. Either way it is let go of.
pub(super) async fn ask<R: Radio>(
    radio: &R,
    whom: Address,
    how: How,
    mut stopped: impl Future<Output = ()> + Unpin,
    out: &mut Out,
) -> Option<Result<Vec<Found>>> {
    radio.watch(Watched { addresses: [whom].into(), ..Watched::default() });
    let silent = |_: Event| {};
    let mut run = pin!(radio.run(&silent));
    let (found, ended) = {
        let mut asking = pin!(visit(radio, whom, how, out));
        tokio::select! {
            error = &mut run => (Some(Err(error)), true),
            found = &mut asking => (Some(found), false),
            () = &mut stopped => (None, false),
        }
    };
    // Also where the stack was given up, for it may only have been slow: what it has connected is nobody's then.
    let mut leaving = pin!(radio.disconnect(whom, Instant::now() + LEAVE));
    if !ended {
        tokio::select! {
            _ = &mut run => {}
            _ = &mut leaving => return found,
        }
    }
    leaving.await;
    found
}

async fn visit<R: Radio>(radio: &R, whom: Address, how: How, out: &mut Out) -> Result<Vec<Found>> {
    out.progress(&format!("{whom}: connecting"));
    let until = Instant::now() + how.connect;
    radio.consent(whom, how.pair.unwrap_or(Consent::No)).await?;
    let mut all = radio.connect(whom, until).await?;
    if how.pair.is_some() {
        out.progress(&format!("{whom}: pairing"));
        radio.pair(whom, earlier(Instant::now() + how.connect)).await?;
    }
    all.sort_by_key(|one| one.handle);
    let mut found: Vec<Found> = all.into_iter().map(|what| Found { what, value: None, sealed: false }).collect();
    let (mut refusals, count) = (0, found.len());
    for (at, one) in found.iter_mut().enumerate().filter(|(_, one)| one.what.can.read) {
        out.progress(&format!("{whom}: reading {} of {count}", at + 1));
        match radio.read(&one.what, Instant::now() + ANSWER).await {
            Ok(value) => one.value = Some(value),
            Err(error) if error.wants_pairing() => {
                one.sealed = true;
                refusals += 1;
            }
            Err(Error::Refused(_)) => {}    // it is there nevertheless
            Err(Error::Silent(_)) => break, // nor would it answer the next: they queue
            Err(other) => return Err(other),
        }
        if refusals == REFUSALS {
            break;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
