//! The one owner of signals: the first asks everything to end, the second ends at once.
use crate::{engine, report::LAST_WORDS, runtime::LAST_RECORDS};
use std::{process, time::Duration};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How long everything may take to end: what is on the wire, the last words there, then its records, then the last words to the API server; and a
/// little more, so that this is never the end of what ends in time.
const DRAIN: Duration = engine::DRAIN
    .saturating_add(engine::FAREWELL)
    .saturating_add(LAST_RECORDS)
    .saturating_add(LAST_WORDS)
    .saturating_add(Duration::from_secs(2));
/// As [`super::Exit::Fault`]: something may be lost.
const NOT_IN_TIME: i32 = 1;
/// As a shell says it: ended by a signal.
const KILLED: i32 = 130;

/// Cancelled at SIGTERM or SIGINT. What has not ended in its time is not waited for.
pub(super) fn stop() -> std::io::Result<CancellationToken> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let asked = stop.clone();
    tokio::spawn(async move {
        one(&mut term, &mut int).await;
        tracing::info!("asked to stop; nothing is written any more");
        asked.cancel();
        tokio::select! {
            () = one(&mut term, &mut int) => process::exit(KILLED),
            () = tokio::time::sleep(DRAIN) => {
                tracing::error!("not all ended in time: the last records and reports may be lost");
                process::exit(NOT_IN_TIME);
            }
        }
    });
    Ok(stop)
}
/// Resolves at the first SIGTERM or SIGINT; for what may end at once.
pub(super) fn asked() -> std::io::Result<impl Future<Output = ()>> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move { one(&mut term, &mut int).await })
}
/// As [`asked`]; from then on the next one ends the process.
pub(super) fn asked_twice() -> std::io::Result<impl Future<Output = ()>> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        one(&mut term, &mut int).await;
        tokio::spawn(async move {
            one(&mut term, &mut int).await;
            process::exit(KILLED);
        });
    })
}
async fn one(term: &mut Signal, int: &mut Signal) {
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}
