//! The log: standard error, so that values on standard output stay clean. Of a Pod both are one stream: beside what a driver's own command
//! prints, which may be YAML to be applied, it is remarks.
use super::cli::LogFormat;
use std::io::{self, IsTerminal};
use tracing::Metadata;
use tracing_subscriber::{
    EnvFilter, filter::filter_fn, fmt::writer::BoxMakeWriter, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

/// kube's own line for each request that failed says less than ours, as an error, each time.
const DEFAULT: &str = "info,kube_client::client::builder=off";

/// The OPC UA library logs keys that it derived, and calls each channel's nonce an error: nothing of it is told, whatever the filter.
fn is_told(metadata: &Metadata<'_>) -> bool {
    !metadata.target().starts_with("opcua")
}

/// Each line a remark of YAML.
struct Remarks<W>(W);
impl<W: io::Write> io::Write for Remarks<W> {
    /// Whole lines: an event is written at once.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let remark = |line: &[u8]| [b"# ", line].concat();
        let remarks: Vec<u8> = lines.split_inclusive(|byte| *byte == b'\n').flat_map(remark).collect();
        self.0.write_all(&remarks).map(|()| lines.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// `own`: of a driver's own command.
pub(super) fn init(format: LogFormat, own: bool) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let writer = if own { BoxMakeWriter::new(|| Remarks(io::stderr())) } else { BoxMakeWriter::new(io::stderr) };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    let done = match format {
        LogFormat::Text => {
            let text = builder.with_target(false).with_ansi(io::stderr().is_terminal());
            text.finish().with(filter_fn(is_told)).try_init()
        }
        LogFormat::Json => {
            let json = builder.json().flatten_event(true).with_current_span(false);
            json.finish().with(filter_fn(is_told)).try_init()
        }
    };
    done.ok(); // set before, by a test
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex, PoisonError};

    #[derive(Clone, Default)]
    struct Told(Arc<Mutex<Vec<u8>>>);
    impl io::Write for Told {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn each_line_beside_what_a_driver_prints_is_a_remark() {
        let told = Told::default();
        let writer = told.clone();
        let log = tracing_subscriber::fmt().with_writer(move || Remarks(writer.clone())).without_time().finish();
        tracing::subscriber::with_default(log, || tracing::warn!("one\ntwo"));
        let told = String::from_utf8(told.0.lock().unwrap().clone()).unwrap();
        assert!(told.lines().count() > 1 && told.lines().all(|line| line.starts_with("# ")), "{told:?}");
    }
    #[test]
    fn what_the_opc_ua_library_says_is_never_told_for_keys_stand_in_it() {
        let told = Told::default();
        let writer = told.clone();
        let builder = tracing_subscriber::fmt().with_env_filter(EnvFilter::new("trace"));
        let log = builder.with_writer(move || writer.clone()).finish().with(filter_fn(is_told));
        tracing::subscriber::with_default(log, || {
            tracing::error!(target: "opcua_core::comms::secure_channel", "key 01 02 03");
            tracing::trace!(target: "pollux_opcua::session", "ours");
        });
        let told = String::from_utf8(told.0.lock().unwrap().clone()).unwrap();
        assert!(told.contains("ours") && !told.contains("key"), "{told}");
    }
}
