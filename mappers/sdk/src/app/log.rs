//! The log: standard error, so that values on standard output stay clean.
use super::cli::LogFormat;
use std::io::{self, IsTerminal};
use tracing_subscriber::EnvFilter;

/// kube's own line for each request that failed says less than ours, as an error, each time.
const DEFAULT: &str = "info,kube_client::client::builder=off";

pub(super) fn init(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let done = match format {
        LogFormat::Text => builder.with_target(false).with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
    };
    done.ok(); // set before, by a test
}
