//! The one owner of signals: the first asks everything to end, the second ends at once.
use std::{process, time::Duration};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How long everything may take to end.
const DRAIN: Duration = Duration::from_secs(5);
/// As a shell says it: ended by a signal.
const KILLED: i32 = 130;

/// Cancelled at SIGTERM or SIGINT. What has not ended five seconds later is not waited for.
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
                tracing::warn!("not all ended in time");
                process::exit(0);
            }
        }
    });
    Ok(stop)
}
async fn one(term: &mut Signal, int: &mut Signal) {
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}
